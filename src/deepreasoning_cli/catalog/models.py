"""Models, reasoners, limits, lifecycle, rates: what a name means on a backend on a given day."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from deepreasoning_cli.catalog.fields import known_names
from deepreasoning_cli.errors import ConfigError, RefusedError, UsageError, nearest
from deepreasoning_cli.pipeline.money import RateCard

BaseUrl = str
UrlPath = str
EnvName = str
"""Kinds of text in the file, which `fields.READERS` checks by these names."""


class Lifecycle(StrEnum):
    """How long a model will still answer at Anthropic; UNKNOWN for one the catalog lacks."""

    ACTIVE = "active"
    LEGACY = "legacy"
    DEPRECATED = "deprecated"
    RETIRED = "retired"
    UNKNOWN = "unknown"


class Samplers(StrEnum):
    """Which of `temperature` and `top_p` may be sent; IGNORED takes them and does nothing."""

    BOTH = "both"
    ONE = "one"
    NONE = "none"
    IGNORED = "ignored"


class Effort(StrEnum):
    """How much a model thinks, from little to much; the words of Anthropic's `effort`."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


class Thinking(StrEnum):
    """When a Claude model thinks before it answers: by itself, if it is told to, or never."""

    UNASKED = "unasked"
    ASKED = "asked"
    NEVER = "never"


class ThinkingOff(StrEnum):
    """The type of `thinking` in a request that keeps a model from thinking up front."""

    DISABLED = "disabled"
    BETWEEN_TOOLS = "between_tools"


@dataclass(frozen=True, slots=True)
class ThinkingTokens:
    """What thinking takes at one effort, in tokens.

    `headroom` is added to the longest answer in a request; `thinks` are the tokens that a short, a
    usual and a hard question are taken to cost.
    """

    headroom: int
    thinks: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudeModel:
    """A model that writes answers.

    `context` and `max_output` are tokens, None where unknown. `rates` has a key for each backend
    that offers the model; its value is None where that backend publishes no rates. `status` is
    what Anthropic called the model when the catalog was made; ask `lifecycle` for a given day.
    `cache_minimum` is the shortest beginning of a prompt that its cache keeps, in tokens, None
    where unknown. `efforts` are those that it takes, in rising order; `thinking_off` is None for
    a model that thinks `unasked` and cannot be kept from it.
    """

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    family: str = ""
    context: int | None = None
    max_output: int | None = None
    released: date | None = None
    status: Lifecycle = Lifecycle.ACTIVE
    deprecated: date | None = None
    retires: date | None = None
    retired: date | None = None
    successor: str | None = None
    samplers: Samplers = Samplers.NONE
    rates: Mapping[str, RateCard | None] = field(default_factory=dict)
    cache_minimum: int | None = None
    thinking: Thinking = Thinking.NEVER
    thinking_off: ThinkingOff | None = None
    efforts: tuple[Effort, ...] = ()
    default_effort: Effort | None = None

    @property
    def ends(self) -> date | None:
        """The first day on which Anthropic does not serve it, if one was announced."""
        return self.retired or self.retires

    def lifecycle(self, today: date) -> Lifecycle:
        """Where it stands on `today`; the day it retires counts as retired."""
        if self.ends:
            if today >= self.ends:
                return Lifecycle.RETIRED
            if self.status is Lifecycle.RETIRED:
                return Lifecycle.DEPRECATED
        if self.deprecated and today >= self.deprecated:
            return Lifecycle.DEPRECATED
        return self.status


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoner:
    """A host and model that write the chain of thought, over Chat Completions.

    `key` names the key it needs, None for none. `body` is added to each request. `opens_thinking`
    marks a host whose replies begin inside the thought, without `<think>`. Only a `builtin` one
    is ever chosen by default. `context` and `max_output` are tokens, None where unknown. The host
    takes `efforts` in the request's `effort_field`, whose dots lead into objects. `doubt` says why
    the model may not be served there any more, None where it is.
    """

    name: str
    label: str
    base_url: BaseUrl
    model: str
    key: str | None = None
    context: int | None = None
    max_output: int | None = None
    samplers: Samplers = Samplers.BOTH
    body: Mapping[str, Any] = field(default_factory=dict)
    opens_thinking: bool = False
    builtin: bool = False
    rates: RateCard | None = None
    aliases: tuple[str, ...] = ()
    efforts: tuple[Effort, ...] = ()
    effort_field: str = "reasoning_effort"
    doubt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """Who is paid: where its API lives, which variables of the environment hold key and address.

    `page` is where a key is made or topped up, None where that page is not known for sure.
    `key_check` is a path below the address that answers only to a valid key. `lists_models` tells
    whether `/models` says which models of ours it has.
    """

    name: str
    label: str
    base_url: BaseUrl
    key_env: EnvName | None = None
    base_url_env: EnvName | None = None
    page: BaseUrl | None = None
    key_check: UrlPath | None = None
    lists_models: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPrices:
    """USD for one Linkup search: called directly, by depth, and through the gateway."""

    standard: Decimal
    deep: Decimal
    gateway: Decimal
    as_of: str = ""
    source: str = ""


Row = TypeVar("Row", Reasoner, Vendor)
WORST_FIRST = ("retired", "deprecated", "unknown", "legacy", "active")


@dataclass(frozen=True, slots=True)
class Choice:
    """The model that a name stands for, and what the user should know about it."""

    model: ClaudeModel
    warning: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What the program knows about models, hosts and prices, as of an ISO date."""

    claude_models: tuple[ClaudeModel, ...]
    reasoners: tuple[Reasoner, ...]
    vendors: tuple[Vendor, ...]
    search: SearchPrices
    as_of: str
    gateway_default: str
    efforts: Mapping[Effort, ThinkingTokens]

    def claude(self, name: str, backend: str, today: date) -> Choice:
        """The model that `name` means on `backend`: an id, an alias, or the newest of a family.

        It may be written as other hosts and tools write it. An id that the catalog lacks passes,
        with a warning, if it could be Anthropic's. Raises RefusedError for any other unknown name,
        for a retired model and for one that the backend does not offer, UsageError for no name.
        """
        name = name.strip()
        if not name:
            raise UsageError("the name of the model is empty", hint="try sonnet")
        normal = _normal(name)
        for model in self.claude_models:
            names = map(_normal, (model.id, *model.aliases))
            if not {normal, f"claude-{normal}"}.isdisjoint(names):
                return self._choice(model, backend, today)
        family = normal.removeprefix("claude-")
        if family not in self._families:
            return self._other_spelling(name, backend, today)
        return self._newest_choice(family, backend, today)

    def _newest_choice(self, family: str, backend: str, today: date) -> Choice:
        newest = self._newest(family, backend, today)
        if newest is None:
            raise self._not_offered(family, family, backend, today)
        return self._choice(newest, backend, today)

    def offered(self, backend: str) -> tuple[ClaudeModel, ...]:
        """The Claude models that `backend` offers, retired ones included."""
        return tuple(model for model in self.claude_models if backend in model.rates)

    def reasoner(self, name: str) -> Reasoner:
        """The reasoner of that name or alias; raises ConfigError that names the nearest."""
        rows = {alias: row for row in self.reasoners for alias in row.aliases}
        rows |= {row.name.lower(): row for row in self.reasoners}
        return _by_name(rows, name, "reasoner")

    def default_reasoner(self, has_key: Callable[[str], bool]) -> Reasoner | None:
        """The first built-in reasoner whose key is there; never one that needs no key."""
        for reasoner in self.reasoners:
            if reasoner.builtin and reasoner.key and has_key(reasoner.key):
                return reasoner
        return None

    def vendor(self, name: str) -> Vendor:
        """The vendor of that name; raises ConfigError that names the nearest."""
        return _by_name({row.name.lower(): row for row in self.vendors}, name, "vendor")

    def with_reasoners(self, extra: Iterable[Reasoner]) -> Catalog:
        """The catalog with the user's reasoners; one of a known name takes that one's place."""
        named = {reasoner.name: reasoner for reasoner in (*self.reasoners, *extra)}
        return replace(self, reasoners=tuple(named.values()))

    def _newest(self, family: str, backend: str, today: date) -> ClaudeModel | None:
        """The best of a family: active before legacy before the rest, then the newest."""
        return max(
            (model for model in self.offered(backend) if model.family.lower() == family),
            key=lambda model: (
                WORST_FIRST.index(model.lifecycle(today)),
                model.released or date.min,
            ),
            default=None,
        )

    def _choice(self, model: ClaudeModel, backend: str, today: date) -> Choice:
        if backend not in model.rates:
            raise self._not_offered(model.id, model.family, backend, today)
        match model.lifecycle(today):
            case Lifecycle.RETIRED if backend == "gateway":
                since = f" since {model.ends}" if model.ends else ""
                return Choice(
                    model, f"{model.id} is retired at Anthropic{since}; the gateway may refuse it"
                )
            case Lifecycle.RETIRED:
                raise RefusedError(
                    f"{model.id} was retired{f' on {model.ends}' if model.ends else ''}",
                    hint=f"use {model.successor or 'sonnet'} instead",
                    kind="model_retired",
                    stage="answer",
                )
            case Lifecycle.DEPRECATED:
                return Choice(model, self._deprecation(model, backend))
            case _:
                return Choice(model)

    def _deprecation(self, model: ClaudeModel, backend: str) -> str:
        where = " at Anthropic" if backend == "gateway" else ""
        warning = f"{model.id} is deprecated{where}"
        if model.ends:
            warning += f" and retires on {model.ends}"
        if any(model.successor == other.id for other in self.offered(backend)):
            warning += f"; its successor is {model.successor}"
        return warning

    def _not_offered(self, name: str, family: str, backend: str, today: date) -> RefusedError:
        best = self._newest(family.lower(), backend, today)
        offers = [best] if best else self._alive(backend, today)
        return RefusedError(
            f"the {backend} backend does not offer {name}",
            hint=f"it offers {', '.join(model.id for model in offers) or 'no Claude model'}",
            kind="model_not_offered",
            stage="answer",
        )

    @property
    def _families(self) -> set[str]:
        return {model.family.lower() for model in self.claude_models if model.family}

    def _other_spelling(self, name: str, backend: str, today: date) -> Choice:
        """The model of a name that is written as elsewhere; see `claude`."""
        from deepreasoning_cli.catalog.names import bare_name, read_spelling  # few names need it

        bare = bare_name(name)
        said = read_spelling(bare, self._families)
        if said is None:
            return self._unknown(name, bare, backend, today)
        if not said.version and not said.date:
            return self._newest_choice(said.family, backend, today)
        spellings = {
            read_spelling(known, self._families): model
            for model in sorted(self.claude_models, key=lambda model: model.released or date.min)
            for known in (model.id.lower(), *map(str.lower, model.aliases))
        }
        if said in spellings:
            return self._choice(spellings[said], backend, today)
        same = [model for each, model in spellings.items() if each and each[:2] == said[:2]]
        if same and not said.date:
            return self._choice(same[-1], backend, today)
        if same:  # a date that no model has
            raise self._no_such_model(name, list(dict.fromkeys(model.id for model in same)))
        return self._unknown(name, bare, backend, today)

    def _unknown(self, name: str, bare: str, backend: str, today: date) -> Choice:
        """A model that the catalog lacks: nothing is assumed about what it takes or costs."""
        from deepreasoning_cli.catalog.names import is_misspelled, vendors_id

        every = [
            known.lower()
            for model in self.claude_models
            for known in (model.id, *model.aliases, model.family)
            if known
        ]
        id_ = vendors_id(bare)
        if id_ is None or is_misspelled(id_, every, self._families):
            alive = self._alive(backend, today)
            offered = [name for model in alive for name in (model.family, model.id, *model.aliases)]
            offered = list(dict.fromkeys(filter(None, offered)))
            raise self._no_such_model(name, nearest(_normal(bare), offered, most=2))
        return Choice(
            ClaudeModel(id=id_, name=id_, status=Lifecycle.UNKNOWN, rates={backend: None}),
            f"the catalog does not know the model {id_!r}",
        )

    def _no_such_model(self, name: str, close: Sequence[str]) -> RefusedError:
        reasoner = next((row.name for row in self.reasoners if row.name == _normal(name)), None)
        families = dict.fromkeys(model.family for model in self.claude_models if model.family)
        hint = f"did you mean {' or '.join(close)}?" if close else f"try {', '.join(families)}"
        if reasoner:
            hint = f"{reasoner} is a reasoner: -r {reasoner}"
        elif close and name.lower().startswith("claude-"):
            hint += "; `deepreasoning models --live` learns of new ones"
        return RefusedError(
            f"there is no Claude model {name!r}", hint=hint, kind="model_unknown", stage="answer"
        )

    def _alive(self, backend: str, today: date) -> tuple[ClaudeModel, ...]:
        return tuple(
            model
            for model in self.offered(backend)
            if model.lifecycle(today) is not Lifecycle.RETIRED
        )


def _by_name(rows: Mapping[str, Row], name: str, kind: str) -> Row:
    if row := rows.get(name.strip().lower()):
        return row
    raise ConfigError(
        f"there is no {kind} {name!r}",
        hint=known_names(name, dict.fromkeys(row.name for row in rows.values())),
        kind=f"{kind}_unknown",
    )


def _normal(name: str) -> str:
    """The name as ids are written: `Claude Sonnet 4.5` is `claude-sonnet-4-5`."""
    return re.sub(r"[\s._]+", "-", name.strip().lower())
