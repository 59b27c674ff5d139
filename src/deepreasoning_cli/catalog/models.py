"""Models, hosts, limits, lifecycle, rates: what a name means at a host on a given day."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from deepreasoning_cli.catalog.fields import known_names
from deepreasoning_cli.errors import ConfigError, UsageError
from deepreasoning_cli.pipeline.money import RateCard

BaseUrl = str
UrlPath = str
EnvName = str
"""Kinds of text in the file, which `fields.READERS` checks by these names."""

ANTHROPIC = "anthropic"
DIRECT = "direct"


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


class AnswererFormat(StrEnum):
    """The wire format that an answerer speaks."""

    MESSAGES = "messages"
    CHAT_COMPLETIONS = "chat_completions"


class Auth(StrEnum):
    """How an answerer's key is sent: in a header of its own, as a bearer token, not at all."""

    X_API_KEY = "x-api-key"
    BEARER = "bearer"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudeModel:
    """A model that writes answers.

    `context` and `max_output` are tokens, None where unknown. `rates` has a key for each place
    that offers the model, `direct` (Anthropic), `gateway` or the name of another answerer; its
    value is None where that place publishes no rates. `ids` has the place's own id where that is
    another. `status` is what Anthropic called the model when the catalog was made; ask `lifecycle`
    for a given day. `cache_minimum` is the shortest beginning of a prompt that its cache keeps, in
    tokens, None where unknown. `efforts` are those that it takes, in rising order; `thinking_off`
    is None for a model that thinks `unasked` and cannot be kept from it.
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
    ids: Mapping[str, str] = field(default_factory=dict)
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
    takes `efforts` in the request's `effort_field`, whose dots lead into objects, and `images`, if
    true, in messages. `doubt` says why the model may not be served there, None where it is.
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
    images: bool = False
    builtin: bool = False
    rates: RateCard | None = None
    aliases: tuple[str, ...] = ()
    efforts: tuple[Effort, ...] = ()
    effort_field: str = "reasoning_effort"
    doubt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerer:
    """A host that writes answers, Claude's or those of a `model` of its own.

    `key` names the key it needs, None for none, and `auth` says how that is sent. `path` is where
    requests go, below the address; by default where the `format` has it. Only a `builtin` one is
    ever chosen by default. `context`, `max_output`, `samplers`,
    `rates` and `efforts` are those of `model`.
    """

    name: str
    label: str
    base_url: BaseUrl
    model: str | None = None
    format: AnswererFormat = AnswererFormat.MESSAGES
    auth: Auth = Auth.X_API_KEY
    key: str | None = None
    path: UrlPath | None = None
    context: int | None = None
    max_output: int | None = None
    samplers: Samplers = Samplers.BOTH
    builtin: bool = False
    rates: RateCard | None = None
    efforts: tuple[Effort, ...] = ()

    @property
    def place(self) -> str:
        """Its name in `ClaudeModel.rates`."""
        return DIRECT if self.name == ANTHROPIC else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """Who is paid: where its API lives, which variables of the environment hold key and address.

    `token_env` holds a key that is only ever sent as a bearer token, unless `key_env` is set.
    `page` is where an account is topped up, `key_page` where a key is made or the vendor says how,
    `key_start` how each of its keys begins; None where that is not known for sure.
    `key_check` is a path below the address that answers only to a valid key. `lists_models` tells
    whether `/models` says which models of ours it has.
    """

    name: str
    label: str
    base_url: BaseUrl
    key_env: EnvName | None = None
    token_env: EnvName | None = None
    base_url_env: EnvName | None = None
    page: BaseUrl | None = None
    key_page: BaseUrl | None = None
    key_start: str | None = None
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


Host = TypeVar("Host", Reasoner, Answerer)
Row = TypeVar("Row", Reasoner, Answerer, Vendor)
WORST_FIRST = ("retired", "deprecated", "unknown", "legacy", "active")


class Choice(NamedTuple):
    """The model that a name stands for, and what the user should know about it."""

    model: ClaudeModel
    warning: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What the program knows about models, hosts and prices, as of an ISO date."""

    claude_models: tuple[ClaudeModel, ...]
    reasoners: tuple[Reasoner, ...]
    answerers: tuple[Answerer, ...]
    vendors: tuple[Vendor, ...]
    search: SearchPrices
    as_of: str
    gateway_default: str
    efforts: Mapping[Effort, ThinkingTokens]

    def claude(self, name: str, place: str, today: date) -> Choice:
        """The model that `name` means at `place`: an id, an alias, or the newest of a family.

        A place is `direct`, `gateway`, or what `Answerer.place` says. The name may be written as
        other hosts and tools write it. An id that the catalog lacks passes, with a warning, if it
        could be Anthropic's. Raises RefusedError for any other unknown name, for a retired model
        and for one that the place does not offer, UsageError for no name.
        """
        name = name.strip()
        if not name:
            raise UsageError("the name of the model is empty", hint="try sonnet")
        family = normal_name(name).removeprefix("claude-")
        if model := self.named(name) or self.newest(family, place, today):
            return self._choice(model, place, today)
        from deepreasoning_cli.catalog import advice

        if family in self.families:
            raise advice.not_offered(self, family, family, place, today)
        from deepreasoning_cli.catalog.names import find_model  # few names need it

        found = find_model(self, name, place, today)
        if isinstance(found, ClaudeModel):
            return self._choice(found, place, today)
        model = ClaudeModel(id=found, name=found, status=Lifecycle.UNKNOWN, rates={place: None})
        return Choice(model, f"unknown model {found!r}")

    def named(self, name: str) -> ClaudeModel | None:
        """The model whose id or alias that is, with or without `claude-`."""
        normal = normal_name(name)
        for model in self.claude_models:
            names = map(normal_name, (model.id, *model.aliases))
            if not {normal, f"claude-{normal}"}.isdisjoint(names):
                return model
        return None

    @property
    def families(self) -> set[str]:
        """The names of the families, in lower case."""
        return {model.family.lower() for model in self.claude_models if model.family}

    def offered(self, place: str) -> tuple[ClaudeModel, ...]:
        """The Claude models that `place` offers, retired ones included."""
        return tuple(model for model in self.claude_models if place in model.rates)

    def reasoner(self, name: str) -> Reasoner:
        """The reasoner of that name or alias; raises ConfigError that names the nearest."""
        rows = {alias: row for row in self.reasoners for alias in row.aliases}
        rows |= {row.name.lower(): row for row in self.reasoners}
        return _by_name(rows, name, "reasoner")

    def default_reasoner(self, has_key: Callable[[str], bool]) -> Reasoner | None:
        """The first built-in reasoner whose key is there; never one that needs no key."""
        return _first_with_key(self.reasoners, has_key)

    def answerer(self, name: str) -> Answerer:
        """The answerer of that name; raises ConfigError that names the nearest."""
        return _by_name({row.name.lower(): row for row in self.answerers}, name, "answerer")

    def default_answerer(self, has_key: Callable[[str], bool]) -> Answerer | None:
        """The first built-in answerer whose key is there; never one that needs no key."""
        return _first_with_key(self.answerers, has_key)

    def vendor(self, name: str) -> Vendor:
        """The vendor of that name; raises ConfigError that names the nearest."""
        return _by_name({row.name.lower(): row for row in self.vendors}, name, "vendor")

    def with_hosts(self, reasoners: Iterable[Reasoner], answerers: Iterable[Answerer]) -> Catalog:
        """The catalog with the user's own; one of a known name takes that one's place."""
        thinking = {row.name: row for row in (*self.reasoners, *reasoners)}
        answering = {row.name: row for row in (*self.answerers, *answerers)}
        return replace(
            self, reasoners=tuple(thinking.values()), answerers=tuple(answering.values())
        )

    def newest(self, family: str, place: str, today: date) -> ClaudeModel | None:
        """The best of a family: active before legacy before the rest, then the newest."""
        return max(
            (
                model
                for model in self.offered(place)
                if model.family and model.family.lower() == family.lower()
            ),
            key=lambda model: (
                WORST_FIRST.index(model.lifecycle(today)),
                model.released or date.min,
            ),
            default=None,
        )

    def alive(self, place: str, today: date) -> tuple[ClaudeModel, ...]:
        """The models that `place` offers and that are not retired."""
        return tuple(
            model
            for model in self.offered(place)
            if model.lifecycle(today) is not Lifecycle.RETIRED
        )

    def _choice(self, model: ClaudeModel, place: str, today: date) -> Choice:
        lifecycle, offered = model.lifecycle(today), place in model.rates
        if offered and lifecycle not in (Lifecycle.DEPRECATED, Lifecycle.RETIRED):
            return Choice(model)
        from deepreasoning_cli.catalog import advice

        if not offered:
            raise advice.not_offered(self, model.id, model.family, place, today)
        if lifecycle is Lifecycle.DEPRECATED:
            return Choice(model, advice.deprecation(self, model, place))
        if place == "gateway":
            return Choice(model, advice.outlived(model))
        raise advice.retired(model)


def _first_with_key(rows: Sequence[Host], has_key: Callable[[str], bool]) -> Host | None:
    return next((row for row in rows if row.builtin and row.key and has_key(row.key)), None)


def _by_name(rows: Mapping[str, Row], name: str, kind: str) -> Row:
    if row := rows.get(name.strip().lower()):
        return row
    raise ConfigError(
        f"there is no {kind} {name!r}",
        hint=known_names(name, dict.fromkeys(row.name for row in rows.values())),
        kind=f"{kind}_unknown",
    )


def normal_name(name: str) -> str:
    """The name as ids are written: `Claude Sonnet 4.5` is `claude-sonnet-4-5`, and so is
    `anthropic/claude-sonnet-4.5`, as other hosts have it.
    """
    return re.sub(r"[\s._]+", "-", name.strip().lower().removeprefix(f"{ANTHROPIC}/"))
