"""Whose prices are meant: backend, models, the moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from deepreasoning_cli.catalog import ClaudeModel, Reasoner
from deepreasoning_cli.cli.models import PricedBackend
from deepreasoning_cli.cli.models.model_view import ModelView
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.money import RateCard
from deepreasoning_cli.settings.loaded import Loaded

if TYPE_CHECKING:
    from deepreasoning_cli.cli.price.bill import Pair

FALLBACK = "deepseek"
"""The reasoner that is priced where no reasoner's key is set."""


@dataclass(frozen=True, slots=True)
class PriceContext:
    """Models and rates as they stand `now` (aware) for one backend."""

    known: ModelView
    now: datetime
    web: bool = False

    @classmethod
    def of(cls, loaded: Loaded, backend: str | None, *, web: bool) -> PriceContext:
        """The scope of these settings; raises ConfigError if the catalog cannot be read."""
        web = web or loaded.settings.web_search_linkup
        return cls(ModelView.of(loaded, backend), datetime.now(UTC), web)

    @property
    def on_gateway(self) -> bool:
        """Whether the hosted model does all stages."""
        return self.known.backend == PricedBackend.GATEWAY

    @property
    def names_a_model(self) -> bool:
        """Whether this call asks for one Claude model."""
        return self.known.loaded.is_typed("model")

    @property
    def names_a_reasoner(self) -> bool:
        """Whether this call asks for one reasoner."""
        return self.known.loaded.is_typed("reasoner")

    def model(self) -> ClaudeModel:
        """The Claude model that would answer.

        Raises UsageError for a name that the catalog lacks, RefusedError for a model that is
        retired or not offered.
        """
        known = self.known
        name = known.loaded.settings.model
        if name is None or not self.names_a_model:
            fallback = known.catalog.gateway_default if self.on_gateway else "sonnet"
            return known.catalog.claude(name or fallback, known.backend, known.today).model
        if isinstance(known.find(name), Reasoner):
            raise UsageError(
                f"{name} is a reasoner", hint=f"--reasoner {name}", kind="model_unknown"
            )
        return known.catalog.claude(name, known.backend, known.today).model

    def models(self) -> list[ClaudeModel]:
        """The one that is asked for, else every one that can be asked; the gateway has them all."""
        if self.names_a_model:
            return [self.model()]
        return self.known.models(retired=self.on_gateway)

    def reasoner(self) -> Reasoner | None:
        """Who would think; None on the gateway and where Claude is asked alone."""
        settings = self.known.loaded.settings
        if self.on_gateway or settings.handoff == "none":
            return None
        if settings.reasoner:
            return self.known.catalog.reasoner(settings.reasoner)
        return self.known.default_reasoner or self.known.catalog.reasoner(FALLBACK)

    def reasoners(self) -> list[Reasoner]:
        """The one that is asked for, else all that can be named."""
        one = self.reasoner() if self.names_a_reasoner else None
        return [one] if one else list(self.known.reasoners())

    def search(self) -> Decimal:
        """USD for one search of the web."""
        prices = self.known.catalog.search
        return prices.gateway if self.on_gateway else prices.standard

    def pair(self, model: ClaudeModel) -> Pair:
        """Who is paid for a question that `model` answers."""
        from deepreasoning_cli.cli.price.bill import Pair

        search = self.search() if self.web else None
        return Pair(self.known.backend, model, self.reasoner(), search, self.now)

    def card(self, model: ClaudeModel) -> RateCard | None:
        """What the model costs here."""
        return model.rates.get(self.known.backend)
