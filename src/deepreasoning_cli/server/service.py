"""What all requests of a process share, and how a request becomes a plan."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Final, Self

from deepreasoning_cli import paths
from deepreasoning_cli.catalog.models import Catalog
from deepreasoning_cli.errors import ConfigError, DeepReasoningError, RefusedError, UsageError
from deepreasoning_cli.greenlets import Runtime, sleep
from deepreasoning_cli.history.journal import DISK, Disk, Journal, JournalFile, Syncer
from deepreasoning_cli.history.ledger import Ledger
from deepreasoning_cli.history.recovery import HistoryAccess
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.keys import Key, redact_known
from deepreasoning_cli.pipeline.events import Handoff
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.run import Plan
from deepreasoning_cli.sanitize import sanitize, single_line
from deepreasoning_cli.server.asgi import is_loopback
from deepreasoning_cli.server.helper_requests import is_helper_request
from deepreasoning_cli.server.kept_reasoning import (
    FINGERPRINT,
    KeptReasoning,
    ReasoningMemory,
    fingerprint_of,
)
from deepreasoning_cli.server.repeats import (
    KEPT_SECONDS,
    UnansweredTurn,
    UnansweredTurns,
    request_fingerprint,
)
from deepreasoning_cli.server.threads import DiskThreads
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.transport import Transport
from deepreasoning_cli.transport.nonblocking import NonblockingBackend
from deepreasoning_cli.views.base import error_lines
from deepreasoning_cli.wire.server.request import ChatRequest
from deepreasoning_cli.wiring.backend import BackendNeeds, choose_backend, means_claude
from deepreasoning_cli.wiring.cassette import open_cassette
from deepreasoning_cli.wiring.plan import PlanBuilder, build_plan
from deepreasoning_cli.wiring.resources import TurnRequest, current_catalog, open_transport

LOGGER: Final = logging.getLogger("deepreasoning_cli.server")
MODEL: Final = "deepreasoning"
GREENLETS: Final = Runtime(sleep)
"""A turn waits on the event loop; what waits for a disk has its own threads."""
ANY_PAGE: Final = {
    "*": "every web page",
    "null": "every web page that hides its origin, as one in a frame can",
}
"""Origins that say nothing about whose page it is."""
CLAUDE_ALONE: Final = BackendNeeds(False, True, False, Handoff.NONE)
LOOK_AGAIN: Final = (0.0, 0.1)
"""Seconds to wait before each look into the history: a turn is in it soon after its reply."""
CallerKeys = Mapping[str, Key]
"""The caller's own keys, by vendor."""


def is_pair(model: str) -> bool:
    """Whether the name means a reasoner and Claude: `deepreasoning`, or `deepreasoning/NAME`."""
    return model.partition("/")[0] == MODEL


class Service:
    """Settings, catalog, connections and history of one process that serves.

    Raises ConfigError where the settings are wrong.
    """

    def __init__(self, loaded: LoadedSettings, *, debug: bool = False, disk: Disk = DISK) -> None:
        self.catalog: Catalog = current_catalog(loaded)
        self.token: Key | None = loaded.key("serve")
        self._cassette = open_cassette(loaded.settings, self.warn, paced=False, sleep=sleep)
        self.loaded = self._cassette.with_keys(loaded, self.catalog) if self._cassette else loaded
        self.saves = loaded.settings.history and not loaded.settings.serve.byok
        self._folder = paths.data_dir()
        self._history = HistoryAccess(self._folder, self._log_history)
        read_history = partial(self._history.spending, recover_orphaned=self.saves)
        self._ledger = Ledger(self._folder, read_history, saves=self.saves)
        syncer = Syncer()
        self._threads = DiskThreads(syncer.is_lagging)
        self._runtime = Runtime(sleep, self._threads.run)
        self._open_file = partial(JournalFile, syncer=syncer, disk=disk)
        self._unanswered = UnansweredTurns()
        self._asks_others = self.saves and loaded.settings.serve.workers > 1
        self._reasoning = ReasoningMemory()
        self._debug = debug
        self._transport: Transport = open_transport(
            loaded, lambda _: None, self._log_transport, GREENLETS, NonblockingBackend
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        """Close idle connections."""
        self._transport.__exit__(None, None, None)

    def recover_orphans(self) -> None:
        """Recover the journals of dead processes."""
        if self.saves:
            self._history.recover_orphans()

    def prepare(self) -> None:
        """Do once what every turn needs: import modules, run the commands that print keys.

        Raises ConfigError if no turn can run, as without keys, or if others could run one.
        """
        self._require_token()
        if not self.loaded.settings.serve.byok:
            request = TurnRequest(loaded=self.loaded, question="?")
            PlanBuilder(request, self.catalog, lambda: self._transport, GREENLETS).build()

    def _require_token(self) -> None:
        """Raise ConfigError for what lets in others than this user, unless there is a token."""
        serve = self.loaded.settings.serve
        who = None if is_loopback(serve.host) else f"{serve.host} can be reached by others"
        for origin, pages in ANY_PAGE.items():
            if origin in serve.origins:
                who = who or f"--cors {origin!r} lets in {pages}"
        if self.token is None and who:
            raise ConfigError(
                f"{who}, and there is no token",
                hint="`deepreasoning config set keys.serve`, --token-command,"
                " or DEEPREASONING_KEYS__SERVE in the environment",
                kind="token_missing",
            )

    def plans_at_once(self, request: ChatRequest, caller: str) -> bool:
        """Whether planning does not block: neither a cap nor a question needs the history."""
        settings = self.loaded.settings
        if settings.daily_cost is not None or settings.monthly_cost is not None:
            return False
        if self._asks_others and not self.asks_claude_alone(request):
            return False
        looks_up = self.saves and self.goes_on(request)
        return (
            not looks_up or self._reasoning.find(fingerprint_of(request.prompt, caller)) is not None
        )

    def plan(
        self, request: ChatRequest, keys: CallerKeys | None, turn: str, caller: str = ""
    ) -> Plan:
        """The plan of the turn with the id `turn`; this may wait for a disk or a key's command.

        Raises ConfigError, RefusedError and UsageError.
        """
        *earlier, last = request.prompt.messages
        fingerprint = fingerprint_of(request.prompt, caller)
        unanswered, reasoning, repeat = None, None, ""
        if not self.asks_claude_alone(request):
            repeat = request_fingerprint(request, caller)
            unanswered = self._unanswered.find(repeat)
            if self._asks_others and not unanswered:
                unanswered = self._find_unanswered(f"{fingerprint}{repeat}")
            if self.goes_on(request) and not unanswered:
                reasoning = self._find_reasoning(fingerprint)
        kept = unanswered or reasoning
        loaded = self._settings_for(request, keys, reasons=kept is not None)
        if self.asks_claude_alone(request):
            self._require_claude(loaded)
        turn_request = TurnRequest(
            loaded=loaded,
            reused=kept.work if kept else None,
            reasoning_from=kept.turn if kept else None,
            resumes=unanswered.turn if unanswered else None,
            found=unanswered.found if unanswered else (),
            question=last.text,
            system=request.prompt.system,
            earlier=tuple(earlier),
            conversation=request.prompt,
        )
        plan = build_plan(
            turn_request,
            self.catalog,
            lambda: self._transport,
            lambda: self._ledger,
            saves=self.saves,
            runtime=self._runtime,
            cassette=self._cassette,
        )
        if len(plan.prompt.messages) < len(request.prompt.messages):
            raise RefusedError(
                "the messages are longer than the models read", kind="context_length_exceeded"
            )
        return replace(plan, id=turn, fingerprint=f"{fingerprint}{repeat}")

    def count(self, request: ChatRequest, keys: CallerKeys | None) -> Callable[[], int] | None:
        """What asks Anthropic for the tokens that Claude reads of the request; None where another
        host answers, or nobody in a replay. Raises what `plan` raises.
        """
        if self.loaded.settings.is_replay:
            return None
        from deepreasoning_cli.providers.account import count_tokens
        from deepreasoning_cli.providers.anthropic import ClaudeProvider

        loaded = self._settings_for(request, keys)
        loaded = loaded.with_values({"handoff": Handoff.NONE.value}, "of the request", keys)
        turn_request = TurnRequest(loaded=loaded, question="?", conversation=request.prompt)
        plan = PlanBuilder(turn_request, self.catalog, lambda: self._transport, GREENLETS).build()
        claude = plan.answerer
        if not isinstance(claude, ClaudeProvider) or claude.adapts or claude.key is None:
            return None
        return partial(
            count_tokens, self._transport, claude.base_url, claude.key, claude.model, request.prompt
        )

    def goes_on(self, request: ChatRequest) -> bool:
        """Whether it brings nothing but what tools returned: then the reasoning of its question
        counts, and no other is bought.
        """
        brings_results = request.prompt.question_at >= 0
        return brings_results and self._reason(request) == "question"

    def _reason(self, request: ChatRequest) -> str:
        """When the reasoner thinks: the request's own word wins."""
        return request.reason or self.loaded.settings.serve.reason

    def _find_reasoning(self, fingerprint: str) -> KeptReasoning | None:
        """The reasoning of a question, of this process or of another one's turn."""
        found = self._reasoning.find(fingerprint)
        for seconds in LOOK_AGAIN if self.saves else ():
            if found:
                break
            time.sleep(seconds)
            record = self._in_history(lambda store: store.reasoned(fingerprint))
            found = KeptReasoning.of(record) if record else None
        return found

    def _find_unanswered(self, fingerprint: str) -> UnansweredTurn | None:
        """The turn of the same request whose answer has failed a moment ago in another worker."""
        since = datetime.now(UTC) - timedelta(seconds=KEPT_SECONDS)
        record = self._in_history(lambda store: store.unanswered(fingerprint, since))
        return UnansweredTurn.of(record) if record else None

    def _in_history(self, find: Callable[[Store], TurnRecord | None]) -> TurnRecord | None:
        """What is found in the history; nothing where it cannot be read: it is only a saving."""
        if not self._history.exists:
            return None
        try:
            with self._history.open() as store:
                return find(store)
        except DeepReasoningError as error:
            self.warn(error.message)
            return None

    def kept_turn(self, turn: str) -> TurnRecord | None:
        """The turn with that id in the history; this waits for the disk."""
        for seconds in LOOK_AGAIN if self.saves and self._history.exists else ():
            time.sleep(seconds)
            try:
                with self._history.open() as store:
                    return store.turn(turn)
            except UsageError:  # it may not be there yet
                continue
            except DeepReasoningError as error:
                self.warn(error.message)
                break
        return None

    def keep_reasoning(self, record: TurnRecord) -> None:
        """Keep the reasoning of a turn for what its question's tools return."""
        if record.start.fingerprint and (kept := KeptReasoning.of(record)):
            self._reasoning.keep(record.start.fingerprint[:FINGERPRINT], kept)

    def _require_claude(self, loaded: LoadedSettings) -> None:
        """Raise RefusedError where Claude cannot be asked alone."""
        try:
            choose_backend(loaded, self.catalog, CLAUDE_ALONE)
        except (ConfigError, UsageError):
            raise RefusedError(
                f"Claude cannot be asked without a reasoner here; ask {MODEL},"
                " and do not switch reasoning off",
                kind="claude_alone_unavailable",
            ) from None

    @cached_property
    def _spares_helpers(self) -> bool:
        """Whether Claude can be asked alone; where it cannot, the pair writes titles, too."""
        if self.loaded.settings.serve.byok:
            return True
        try:
            self._require_claude(self.loaded)
        except RefusedError:
            return False
        return True

    def knows(self, model: str) -> bool:
        """Whether a request may name it: the pair, with any Claude model, or a Claude alone."""
        return is_pair(model) or means_claude(self.catalog, model)

    def asks_claude_alone(self, request: ChatRequest) -> bool:
        """Whether the request wants no reasoner: it names a Claude model alone, declines all
        reasoning, or asks for a single token, as clients do to try a key or to count tokens; or it
        is a title or the like.
        """
        wanted, reason = request.parameters, self._reason(request)
        if not is_pair(request.model) or reason == "never":
            return True
        if reason == "question" and self._spares_helpers and is_helper_request(request.prompt):
            return True
        return wanted.effort == "none" or wanted.max_tokens == 1

    def _settings_for(
        self, request: ChatRequest, keys: CallerKeys | None, *, reasons: bool = False
    ) -> LoadedSettings:
        """The settings with the request's own values; `reasons`: there is reasoning to go on
        from. What tools return is not searched for again.
        """
        overrides = request.parameters.to_dict()
        named = request.model.partition("/")[2] if is_pair(request.model) else request.model
        if model := overrides.pop("anthropic_model", None) or named:
            overrides["model"] = model
        if self.asks_claude_alone(request) or (self.goes_on(request) and not reasons):
            overrides["handoff"] = Handoff.NONE.value
        if self.goes_on(request):
            overrides["web_search_linkup"] = False
        if request.parameters.max_tokens == 1:
            overrides["effort"] = "none"
        if keys is None:
            return self.loaded.with_values(overrides, "of the request")
        overrides |= {"backend": "direct", "reasoner": ("deepseek",), "answerer": ("anthropic",)}
        overrides |= {"fallback": None}  # nobody else has the caller's keys
        return self.loaded.with_values(overrides, "of the request", keys)

    def note_outcome(
        self, request: ChatRequest, caller: str, record: TurnRecord, *, answered: bool
    ) -> None:
        """Keep the reasoning of a turn that was not answered for the same request again."""
        if not self.asks_claude_alone(request):
            self._unanswered.note(request_fingerprint(request, caller), record, answered=answered)

    def journal(self, record: TurnRecord) -> Journal | None:
        """The journal of one turn; None if turns are not saved."""
        if not self.saves:
            return None
        return Journal(
            self._folder,
            record,
            self.warn,
            runtime=self._runtime,
            open_file=self._open_file,
            run_append=self._threads.run_write,
        )

    def _log_history(self, kind: str, text: str) -> None:
        level = logging.WARNING if kind == "warning" else logging.INFO
        LOGGER.log(level, single_line(text, 500))

    def log_bug(self, error: Exception) -> None:
        """Log a bug of ours: its type, and with `debug` the traceback; no key is in it."""
        lines = traceback.format_exception(error) if self._debug else [type(error).__name__]
        LOGGER.error(f"unexpected {sanitize(redact_known(''.join(lines)))}")

    def warn(self, text: str) -> None:
        """Log a warning."""
        self._log_history("warning", text)

    def _log_transport(self, line: str) -> None:
        if self._debug:
            LOGGER.debug(single_line(line, 4000))


def log_failure(error: DeepReasoningError) -> None:
    """Log why a process cannot start to serve, and what to do."""
    first, *hints = error_lines(error)
    LOGGER.error(redact_known("\n".join([first.removeprefix("error: "), *hints])))
