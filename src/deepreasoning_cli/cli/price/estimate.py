"""`price "prompt"`: what a question would cost on every Claude model that can be asked.

Its tokens are Anthropic's count (`--exact`) or an estimate; what the models will write is taken
from the user's own turns, else assumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from deepreasoning_cli.catalog.models import ClaudeModel
from deepreasoning_cli.cli.messages import debug_log, warn
from deepreasoning_cli.cli.models.tables import MARK
from deepreasoning_cli.cli.options import Globals
from deepreasoning_cli.cli.price.bill import Tokens
from deepreasoning_cli.cli.price.rate_card import PriceContext
from deepreasoning_cli.errors import ConfigError, DeepReasoningError
from deepreasoning_cli.history.queries import StageCost, lengths
from deepreasoning_cli.pipeline.events import Message, Prompt
from deepreasoning_cli.pipeline.money import decimal_usd, format_tokens, format_usd
from deepreasoning_cli.views.table import Column, table
from deepreasoning_cli.wiring.resources import open_transport

CASES: Final = ("low", "typical", "high")
SHARES: Final = (10, 50, 90)
"""The percentiles of the user's own turns that the three cases stand for."""
FEWEST: Final = 5  # turns; from fewer a percentile says nothing
NEWEST: Final = 1_000  # turns that are looked at: what was long ago was asked of other models

ASSUMED: Final[Mapping[str, tuple[int, int, int]]] = {
    "reason": (500, 2_000, 8_000),
    "answer": (150, 600, 2_500),
}
"""Output tokens of a short, a usual and a hard question, for a user without a history."""
COSTS = (
    Column(""),
    Column("model"),
    Column("input", right=True, drop_order=1),
    *(Column(case, right=True) for case in CASES),
)


@dataclass(frozen=True, slots=True)
class UsageForecast:
    """Output tokens of each stage, low, typical and high; `turns` they are taken from, or 0."""

    reasoning: tuple[int, int, int]
    answer: tuple[int, int, int]
    turns: int = 0

    @classmethod
    def of(cls, rows: Sequence[StageCost]) -> UsageForecast:
        """By the newest turns in `rows`, which are in the order in which they were kept."""
        newest = list(dict.fromkeys(row.turn for row in reversed(rows)))[:NEWEST]
        kept = set(newest)
        recent = [row for row in rows if row.turn in kept]
        answers = lengths(recent, "answer")
        return cls(
            _percentiles("reason", lengths(recent, "reason")),
            _percentiles("answer", answers),
            len(answers) if len(answers) >= FEWEST else 0,
        )

    def cases(self, read: int, *, thinks: bool) -> list[Tokens]:
        """The tokens of the three cases for a question of `read` tokens."""
        pairs = zip(self.reasoning, self.answer, strict=True)
        return [Tokens(read, thought if thinks else 0, written) for thought, written in pairs]


def _percentiles(stage: str, found: Sequence[int]) -> tuple[int, int, int]:
    if len(found) < FEWEST:
        return ASSUMED[stage]
    low, typical, high = (found[-(-len(found) * share // 100) - 1] for share in SHARES)
    return low, typical, high


def exact_counts(context: PriceContext, prompt: str, given: Globals) -> Mapping[str, int]:
    """Tokens by model id, one call for each; a model that cannot be counted is a warning.

    Raises ConfigError without a key that works.
    """
    from deepreasoning_cli.providers.account import count_tokens
    from deepreasoning_cli.transport.client import ignore

    loaded, catalog = context.view.loaded, context.view.catalog
    key = loaded.key("anthropic")
    if key is None:
        hint = "export ANTHROPIC_API_KEY=…, or leave --exact out"
        raise ConfigError("--exact needs a key of Anthropic's", kind="key_missing", hint=hint)
    base = loaded.settings.base_urls.get("anthropic", catalog.vendor("anthropic").base_url)
    question = Prompt((Message("user", prompt),))
    found: dict[str, int] = {}
    with open_transport(loaded, ignore, debug_log(given)) as transport:
        for model in context.models():
            if context.view.is_retired(model):
                continue  # Anthropic knows it no more
            try:
                found[model.id] = count_tokens(transport, base, key, model.id, question)
            except ConfigError:
                raise
            except DeepReasoningError as error:
                warn(given, f"the input of {model.id} is estimated: {error.message}")
    return found


@dataclass(frozen=True, slots=True)
class PriceEstimate:
    """A question of about `tokens` tokens; `exact` has what Anthropic counted, by model id."""

    context: PriceContext
    usage: UsageForecast
    tokens: int
    exact: Mapping[str, int]

    @property
    def thinks(self) -> bool:
        """Whether anything reasons before Claude."""
        return self.context.on_gateway or self.context.reasoner() is not None

    def cases(self, model: ClaudeModel) -> list[Tokens]:
        """The three cases for that model."""
        read = self.exact.get(model.id, self.tokens)
        return self.usage.cases(read, thinks=self.thinks)


def text(estimate: PriceEstimate, width: int | None) -> str:
    """The table, and what its figures rest on."""
    rows = [_row(estimate, model) for model in estimate.context.models()]
    return "\n".join([*table(COSTS, rows, width).lines, "", *_notes(estimate)])


def _row(estimate: PriceEstimate, model: ClaudeModel) -> list[str]:
    pair, cases = estimate.context.pair(model), estimate.cases(model)
    return [
        MARK if model == estimate.context.view.default else "",
        model.id,
        format_tokens(cases[0].input, estimated=model.id not in estimate.exact),
        *(format_usd(pair.cost(case), estimated=True) for case in cases),
    ]


def _notes(estimate: PriceEstimate) -> Iterator[str]:
    context, usage = estimate.context, estimate.usage
    how = "by Anthropic's count where no ≈ stands" if estimate.exact else "≈ at four bytes a token"
    yield f"Input tokens {how}; costs are estimates."
    whence = f"as in {usage.turns} turns of yours" if usage.turns else "assumed"
    if estimate.thinks:
        yield f"Reasoning tokens, low/typical/high ({whence}): {_figures(usage.reasoning)}."
    yield f"Answer tokens, low/typical/high ({whence}): {_figures(usage.answer)}."
    if reasoner := context.reasoner():
        peak = reasoner.rates and reasoner.rates.is_peak(context.now)
        yield f"Reasoner: {reasoner.model}{', at the peak rate that holds now' if peak else ''}."
    if context.web:
        price = decimal_usd(context.search())
        yield f"With one search of the web at ${price}; the pages found add input."


def _figures(figures: tuple[int, int, int]) -> str:
    return " / ".join(f"{figure:,}" for figure in figures)


def as_json(estimate: PriceEstimate) -> dict[str, object]:
    """One object: the assumptions, and an object for each model."""
    reasoner = estimate.context.reasoner()
    return {
        "backend": estimate.context.view.backend,
        "reasoner": reasoner.model if reasoner else None,
        "history_turns": estimate.usage.turns,
        "reasoning_tokens": list(estimate.usage.reasoning) if estimate.thinks else None,
        "answer_tokens": list(estimate.usage.answer),
        "models": [_object(estimate, model) for model in estimate.context.models()],
    }


def _object(estimate: PriceEstimate, model: ClaudeModel) -> dict[str, object]:
    pair, cases = estimate.context.pair(model), estimate.cases(model)
    costs = zip(CASES, (decimal_usd(pair.cost(case)) for case in cases), strict=True)
    return {
        "model": model.id,
        "input_tokens": cases[0].input,
        "estimated": model.id not in estimate.exact,
        "cost_usd": dict(costs),
    }
