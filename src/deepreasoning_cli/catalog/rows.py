"""What a row of the catalog says: a Claude model, a reasoner, a vendor, the price of a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from deepreasoning_cli.money import RateCard


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


@dataclass(frozen=True, slots=True)
class ClaudeModel:
    """A model that writes answers.

    `context` and `max_output` are tokens, None where unknown. `rates` has a key for each backend
    that offers the model; its value is None where that backend publishes no rates. `status` is
    what Anthropic called the model when the catalog was made; ask `lifecycle` for a given day.
    `cache_minimum` is the shortest beginning of a prompt that its cache keeps, in tokens, None
    where unknown.
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


@dataclass(frozen=True, slots=True)
class Reasoner:
    """A host and model that write the chain of thought, over Chat Completions.

    `key` names the key it needs, None for none. `body` is added to each request. `opens_thinking`
    marks a host whose replies begin inside the thought, without `<think>`. Only a `builtin` one
    is ever chosen by default. `context` and `max_output` are tokens, None where unknown.
    """

    name: str
    label: str
    base_url: str
    model: str
    key: str | None = None
    context: int | None = None
    max_output: int | None = None
    samplers: Samplers = Samplers.BOTH
    body: Mapping[str, Any] = field(default_factory=dict)
    opens_thinking: bool = False
    builtin: bool = False
    rates: RateCard | None = None


@dataclass(frozen=True, slots=True)
class Vendor:
    """Who is paid: where its API lives, which variables of the environment hold key and address.

    `page` is where a key is made or topped up, None where that page is not known for sure.
    `key_check` is a path below the address that answers only to a valid key. `lists_models` tells
    whether `/models` says which models of ours it has.
    """

    name: str
    label: str
    base_url: str
    key_env: str | None = None
    base_url_env: str | None = None
    page: str | None = None
    key_check: str | None = None
    lists_models: bool = False


@dataclass(frozen=True, slots=True)
class SearchPrices:
    """USD for one Linkup search: called directly, by depth, and through the gateway."""

    standard: Decimal
    deep: Decimal
    gateway: Decimal
    as_of: str = ""
    source: str = ""
