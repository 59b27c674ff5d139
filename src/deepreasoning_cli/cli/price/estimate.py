"""`price "prompt"`: what a question would cost on every Claude model that can be asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deepreasoning_cli.catalog import ClaudeModel
from deepreasoning_cli.cli.models.tables import MARK
from deepreasoning_cli.cli.price.bill import Tokens
from deepreasoning_cli.cli.price.outlook import CASES, UsageForecast
from deepreasoning_cli.cli.price.scope import PriceContext
from deepreasoning_cli.money import shown, tokens, usd
from deepreasoning_cli.views.table import Column, table

COSTS = (
    Column(""),
    Column("model"),
    Column("input", right=True, leaves=1),
    *(Column(case, right=True) for case in CASES),
)


@dataclass(frozen=True, slots=True)
class Forecast:
    """A question of about `estimate` tokens; `exact` has what Anthropic counted, by model id."""

    scope: PriceContext
    outlook: UsageForecast
    estimate: int
    exact: Mapping[str, int]

    @property
    def thinks(self) -> bool:
        """Whether anything reasons before Claude."""
        return self.scope.on_gateway or self.scope.reasoner() is not None

    def cases(self, model: ClaudeModel) -> list[Tokens]:
        """The three cases for that model."""
        read = self.exact.get(model.id, self.estimate)
        return self.outlook.cases(read, thinks=self.thinks)


def text(forecast: Forecast, width: int | None) -> str:
    """The table, and what its figures rest on."""
    rows = [_row(forecast, model) for model in forecast.scope.models()]
    return "\n".join([*table(COSTS, rows, width).lines, "", *_notes(forecast)])


def _row(forecast: Forecast, model: ClaudeModel) -> list[str]:
    pair, cases = forecast.scope.pair(model), forecast.cases(model)
    return [
        MARK if model == forecast.scope.known.default else "",
        model.id,
        tokens(cases[0].input, estimated=model.id not in forecast.exact),
        *(shown(pair.cost(case), estimated=True) for case in cases),
    ]


def _notes(forecast: Forecast) -> Iterator[str]:
    scope, outlook = forecast.scope, forecast.outlook
    how = "by Anthropic's count where no ≈ stands" if forecast.exact else "≈ at four bytes a token"
    yield f"Input tokens {how}; costs are estimates."
    whence = f"as in {outlook.turns} turns of yours" if outlook.turns else "assumed"
    if forecast.thinks:
        yield f"Reasoning tokens, low/typical/high ({whence}): {_three(outlook.reasoning)}."
    yield f"Answer tokens, low/typical/high ({whence}): {_three(outlook.answer)}."
    if reasoner := scope.reasoner():
        card = reasoner.rates
        peak = card is not None and card.peak_hours is not None and card.peak_hours.hold(scope.now)
        yield f"Reasoner: {reasoner.model}{', at the peak rate that holds now' if peak else ''}."
    if scope.web:
        yield f"With one search of the web at ${usd(scope.search())}; the pages found add input."


def _three(figures: tuple[int, int, int]) -> str:
    return " / ".join(f"{figure:,}" for figure in figures)


def as_json(forecast: Forecast) -> dict[str, object]:
    """One object: the assumptions, and an object for each model."""
    reasoner = forecast.scope.reasoner()
    return {
        "backend": forecast.scope.known.backend,
        "reasoner": reasoner.model if reasoner else None,
        "history_turns": forecast.outlook.turns,
        "reasoning_tokens": list(forecast.outlook.reasoning) if forecast.thinks else None,
        "answer_tokens": list(forecast.outlook.answer),
        "models": [_object(forecast, model) for model in forecast.scope.models()],
    }


def _object(forecast: Forecast, model: ClaudeModel) -> dict[str, object]:
    pair, cases = forecast.scope.pair(model), forecast.cases(model)
    costs = zip(CASES, (usd(pair.cost(case)) for case in cases), strict=True)
    return {
        "model": model.id,
        "input_tokens": cases[0].input,
        "estimated": model.id not in forecast.exact,
        "cost_usd": dict(costs),
    }
