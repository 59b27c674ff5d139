"""What a run has besides its settings: its connections, its turns' requests and their ids."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from deepreasoning_cli import paths
from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.catalog.models import (
    Answerer,
    AnswererFormat,
    Auth,
    Catalog,
    Effort,
    Reasoner,
    Vendor,
)
from deepreasoning_cli.greenlets import BLOCKING, Runtime
from deepreasoning_cli.pipeline.money import RateCard, Rates
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.settings.models import CustomAnswerer, CustomRates, CustomReasoner

if TYPE_CHECKING:
    from deepreasoning_cli.connect import EarlyConnection, LastOrigin
    from deepreasoning_cli.errors import DeepReasoningError
    from deepreasoning_cli.pipeline.events import Continued, Message, Prompt
    from deepreasoning_cli.pipeline.record import TurnRecord
    from deepreasoning_cli.pipeline.run import Plan, ReasonerOutput
    from deepreasoning_cli.pipeline.search import SearchResult
    from deepreasoning_cli.pipeline.tools import AnswerOptions
    from deepreasoning_cli.transport import RetryNotice, Transport
    from deepreasoning_cli.transport.client import WrapBackend

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # no letter that is read as another


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRequest:
    """The input of one turn: the settings in force for it, the question, and its context.

    `reused` is reasoning to use again, `reasoning_from` the id of its turn; `continued` is the
    beginning of the answer, if a cut one is to be continued, and `resumes` the id of the unfinished
    turn, whose search had `found` pages. `earlier` are the messages of the session so far.
    `thinking_room` are tokens that Claude needs to think, known from a turn before. `answer_now` is
    called at each thought and tells whether the user wants the answer at once, `without_search`
    whether to go on where the search fails. `conversation` is all that a client of `serve` sends,
    `question` and `earlier` being the texts in it.
    """

    loaded: LoadedSettings
    question: str
    conversation: Prompt | None = None
    system: str | None = None
    reused: ReasonerOutput | None = None
    reasoning_from: str | None = None
    continued: Continued | None = None
    resumes: str | None = None
    found: tuple[SearchResult, ...] = ()
    session: str | None = None
    earlier: tuple[Message, ...] = ()
    reasoning_only: bool = False
    allow_empty_reasoning: bool = False
    thinking_room: int = 0
    answer_now: Callable[[], bool] = lambda: False
    without_search: Callable[[DeepReasoningError], bool] = lambda _: False

    @property
    def continues(self) -> bool:
        """Whether another turn is likely to begin with what this one does."""
        return self.session is not None or bool(self.earlier)

    def going_on_from(self, turn: TurnRecord) -> TurnRequest:
        """The request, with the answer of `turn` going on from its last word."""
        from deepreasoning_cli.pipeline.continuation import kept_answer
        from deepreasoning_cli.pipeline.search import found_pages

        return replace(
            self,
            continued=kept_answer(turn),
            resumes=turn.start.id,
            found=found_pages(turn.sources),
            thinking_room=2 * turn.thought_in_vain,
        )

    @property
    def options(self) -> AnswerOptions | None:
        """What a client asks of the answer besides its text."""
        return self.conversation.options if self.conversation else None


def open_transport(
    loaded: LoadedSettings,
    notify: Callable[[RetryNotice], None],
    log: Callable[[str], None],
    runtime: Runtime = BLOCKING,
    wrap_backend: WrapBackend | None = None,
    while_waiting: Callable[[], None] = lambda: None,
    early: EarlyConnection | None = None,
    at_once: int = 0,
) -> Transport:
    """The transport of this run, with the user's timeout. Raises ConfigError.

    Where so many turns run `at_once`, the connections of all are kept for the next ones.
    """
    from deepreasoning_cli.transport import Timeouts, Transport, TransportLimits

    seconds = loaded.settings.timeout
    timeouts = Timeouts.all_of(seconds) if seconds else Timeouts()
    usual = TransportLimits()
    limits = TransportLimits(idle_connections=max(2 * at_once, usual.idle_connections))
    return Transport(
        timeouts,
        notify=notify,
        log=log,
        sleep=runtime.sleep,
        while_waiting=while_waiting,
        wrap_backend=wrap_backend,
        limits=limits,
        early=early,
    )


def name_at(vendor: Vendor, base_url: str) -> str | None:
    """What to call who answers at `base_url`; None where that is not the vendor's own host."""
    return vendor.label if base_url.split("/")[2:3] == vendor.base_url.split("/")[2:3] else None


def connect_early(
    loaded: LoadedSettings, plan: Plan, last: LastOrigin | None, *, begin: bool
) -> EarlyConnection | None:
    """A connection for the first request of `plan`, while what sends it is imported.

    That to the `last` origin, if it leads there; else that one is closed, and where it is to
    `begin`, a new one is begun, unless a cap may still refuse the turn.
    """
    from deepreasoning_cli.connect import EarlyConnection, HttpOrigin

    settings = loaded.settings
    first = (plan.search and plan.search.searcher) or plan.reasoner or plan.answerer
    origin = HttpOrigin.of(getattr(first, "base_url", "")) if settings.connect_ahead else None
    if last and last.connection:
        if last.connection.origin == origin:
            return last.connection
        last.connection.close()
    if origin is None or not begin or plan.caps.are_set:
        return None
    return EarlyConnection(origin, settings.timeout)


def new_id() -> str:
    """A turn's id: sixteen letters that sort by time."""
    number = time.time_ns() // 1_000_000 << 32 | int.from_bytes(os.urandom(4))
    return "".join(ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))


def is_id(name: str) -> bool:
    """Whether it is an id as `new_id` makes them, and no name that somebody thought of."""
    return len(name) == 16 and name[0] == "0" and set(name) <= set(ALPHABET)


def began_at(id_: str) -> datetime | None:
    """When the turn of that id began (aware); None for what is no id."""
    if not is_id(id_):
        return None
    number = 0
    for letter in id_:
        number = number << 5 | ALPHABET.index(letter)
    return datetime.fromtimestamp((number >> 32) / 1000, UTC)


def current_catalog(loaded: LoadedSettings) -> Catalog:
    """The written catalog under the vendors' last lists. Raises ConfigError."""
    catalog, cache = written_catalog(loaded), paths.live_models()
    if not os.path.exists(cache):  # noqa: PTH110 - a folder that is closed has no cache for us
        return catalog
    from deepreasoning_cli.catalog.live import apply_cache

    return apply_cache(catalog, cache)


def written_catalog(loaded: LoadedSettings) -> Catalog:
    """The catalog with the user's own rows, reasoners and answerers. Raises ConfigError."""
    reasoners = [_own_reasoner(*item) for item in loaded.settings.reasoners.items()]
    answerers = [_own_answerer(*item) for item in loaded.settings.answerers.items()]
    override = paths.catalog_override()
    catalog = load_catalog(override if os.path.exists(override) else None)  # noqa: PTH110
    return catalog.with_hosts(reasoners, answerers)


def _own_reasoner(name: str, fields: CustomReasoner) -> Reasoner:
    rates = _own_rates(fields.rates)
    return Reasoner(name=name, label=name, rates=rates, **fields.model_dump(exclude={"rates"}))


def _own_answerer(name: str, fields: CustomAnswerer) -> Answerer:
    """The answerer; a key is sent as its format has it, where `auth` does not say how."""
    form = AnswererFormat(fields.format)
    usual = Auth.X_API_KEY if form is AnswererFormat.MESSAGES else Auth.BEARER
    return Answerer(
        name=name,
        label=name,
        base_url=fields.base_url,
        model=fields.model,
        format=form,
        auth=Auth(fields.auth) if fields.auth else usual if fields.key else Auth.NONE,
        key=fields.key,
        context=fields.context,
        max_output=fields.max_output,
        rates=_own_rates(fields.rates),
        efforts=tuple(effort for effort in Effort if effort in fields.efforts),
    )


def _own_rates(rates: CustomRates | None) -> RateCard | None:
    if rates is None:
        return None
    return RateCard(Rates(**rates.model_dump()), source="config.toml")
