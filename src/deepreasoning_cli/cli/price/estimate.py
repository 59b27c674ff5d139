"""`price "prompt"`: what a question would cost on every Claude model.

Its tokens are Anthropic's count (`--exact`) or an estimate; the length of the output is that of
the user's own turns, else an assumption.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from deepreasoning_cli.catalog.models import ClaudeModel, Effort
from deepreasoning_cli.cli.messages import debug_log, warn
from deepreasoning_cli.cli.models.tables import mark, row_style, wrapped
from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.cli.price.bill import Pair, Tokens
from deepreasoning_cli.cli.price.rate_card import PriceContext
from deepreasoning_cli.errors import ConfigError, DeepReasoningError
from deepreasoning_cli.history.queries import (
    ASSUMED,
    FEWEST,
    NEWEST,
    StageCost,
    output_lengths,
    thinking_lengths,
)
from deepreasoning_cli.pipeline.events import Message, Prompt
from deepreasoning_cli.pipeline.money import decimal_usd, format_tokens, format_usd
from deepreasoning_cli.providers.anthropic import ClaudeThinking, accept_effort
from deepreasoning_cli.views.table import Column, table
from deepreasoning_cli.wiring.resources import open_transport

CASES: Final = ("low", "typical", "high")
TYPICAL: Final = CASES.index("typical")
SHARES: Final = (10, 50, 90)
"""The percentiles of the user's own turns that the three cases stand for."""
COSTS = (
    Column(" "),
    Column("name"),
    Column("model", drop_order=2),
    Column("input", right=True, drop_order=1),
    *(Column(case, right=True) for case in CASES),
)


@dataclass(frozen=True, slots=True)
class UsageForecast:
    """Output tokens of each stage, low, typical and high; `turns` they are taken from, or 0.

    `thinking` has what an answerer thinks by itself, by the model's id, where enough is known.
    """

    reasoning: tuple[int, int, int]
    answer: tuple[int, int, int]
    turns: int = 0
    thinking: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Sequence[StageCost]) -> UsageForecast:
        """By the newest turns in `rows`, which are in the order in which they were stored."""
        newest = set(list(dict.fromkeys(row.turn for row in reversed(rows)))[:NEWEST])
        recent = [row for row in rows if row.turn in newest]
        answers = output_lengths(recent, "answer")
        return cls(
            _percentiles("reason", output_lengths(recent, "reason")),
            _percentiles("answer", answers),
            len(answers) if len(answers) >= FEWEST else 0,
            {
                model: _percentiles("answer", counts)
                for model, counts in thinking_lengths(recent).items()
                if len(counts) >= FEWEST
            },
        )

    def cases(self, read: int, own_thinking: Sequence[int], *, thinks: bool) -> list[Tokens]:
        """The tokens of the three cases for a question of `read` tokens.

        `own_thinking` is what the answerer thinks in each; it is billed as its output.
        """
        cases = zip(self.reasoning, self.answer, own_thinking, strict=True)
        return [
            Tokens(read, thought if thinks else 0, written + own) for thought, written, own in cases
        ]


def _percentiles(stage: str, counts: Sequence[int]) -> tuple[int, int, int]:
    if len(counts) < FEWEST:
        return ASSUMED[stage]
    low, typical, high = (counts[-(-len(counts) * share // 100) - 1] for share in SHARES)
    return low, typical, high


def exact_counts(context: PriceContext, prompt: str, options: GlobalOptions) -> Mapping[str, int]:
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
    counts: dict[str, int] = {}
    with open_transport(loaded, ignore, debug_log(options)) as transport:
        for model in context.models():
            if context.view.is_retired(model):  # Anthropic does not count for it
                continue
            try:
                counts[model.id] = count_tokens(transport, base, key, model.id, question)
            except ConfigError:
                raise
            except DeepReasoningError as error:
                warn(options, f"the input of {model.id} is estimated: {error.message}")
    return counts


@dataclass(frozen=True, slots=True)
class PriceEstimate:
    """A question of about `tokens` tokens; `exact` has what Anthropic counted, by model id."""

    context: PriceContext
    usage: UsageForecast
    tokens: int
    exact: Mapping[str, int]

    def costs(self, model: ClaudeModel) -> tuple[int, list[Decimal | None]]:
        """The tokens that the model reads, and USD of the three cases."""
        read = self.exact.get(model.id, self.tokens)
        pair = Pair(self.context, model)
        own = self.own_thinking(model)
        cases = self.usage.cases(read, own, thinks=self.context.thinks)
        return read, [pair.bill(case).total for case in cases]

    def own_thinking(self, model: ClaudeModel) -> Sequence[int]:
        """What Claude thinks by itself in the three cases: as in turns of one's own, else as much
        as the effort that it would be sent is taken to cost.
        """
        if self.context.on_gateway:
            return (0, 0, 0)
        if own := self.usage.thinking.get(model.id):
            return own
        settings, catalog = self.context.view.loaded.settings, self.context.view.catalog
        wanted = settings.effort if settings.effort in ("auto", "none") else Effort(settings.effort)
        effort = accept_effort(wanted, model, typed=False).value
        thinking = ClaudeThinking(model=model, effort=effort, tokens=catalog.efforts)
        return thinking.expected_tokens(Prompt((), has_reasoning=self.context.thinks))

    def as_text(self, width: int | None, *, color: bool) -> str:
        """The table, and what its figures rest on."""
        models, view = self.context.models(), self.context.view
        styles = [row_style(view, model) for model in models] if color else None
        lines = table(COSTS, list(map(self._cells, models)), width, styles).lines
        notes = [line for note in self._notes() for line in wrapped(note, width)]
        return "\n".join([*lines, "", *notes])

    def _cells(self, model: ClaudeModel) -> list[str]:
        read, costs = self.costs(model)
        return [
            mark(self.context.view, model),
            self.context.view.short_name(model),
            model.id,
            format_tokens(read, estimated=model.id not in self.exact),
            *(format_usd(cost, estimated=True) for cost in costs),
        ]

    def _notes(self) -> Iterator[str]:
        context, usage = self.context, self.usage
        how = "counted by Anthropic unless marked ≈" if self.exact else "≈ at four bytes a token"
        yield f"Input tokens {how}; costs are estimates."
        basis = f"as in {usage.turns} of your turns" if usage.turns else "assumed"
        stages = {"Reasoning": usage.reasoning} if self.context.thinks else {}
        for name, figures in (stages | {"Answer": usage.answer}).items():
            counts = " / ".join(f"{figure:,}" for figure in figures)
            yield f"{name} tokens, low/typical/high ({basis}): {counts}."
        if any(any(self.own_thinking(model)) for model in context.models()):
            how = "from your turns, else assumed"
            yield f"Costs include Claude's own thinking, by model and effort ({how})."
        if reasoner := context.reasoner():
            is_peak = reasoner.rates and reasoner.rates.is_peak(context.view.now)
            peak = ", at the current peak rate" if is_peak else ""
            yield f"Reasoner: {reasoner.model}{peak}."
        if context.web:
            price = decimal_usd(context.search())
            yield f"With one search of the web at ${price}; the pages found add input."

    def as_json(self) -> dict[str, object]:
        """One object: the assumptions, and an object for each model."""
        reasoner = self.context.reasoner()
        return {
            "backend": self.context.view.backend,
            "reasoner": reasoner and reasoner.model,
            "history_turns": self.usage.turns,
            "reasoning_tokens": list(self.usage.reasoning) if self.context.thinks else None,
            "answer_tokens": list(self.usage.answer),
            "models": [self._object(model) for model in self.context.models()],
        }

    def _object(self, model: ClaudeModel) -> dict[str, object]:
        read, costs = self.costs(model)
        return {
            "model": model.id,
            "input_tokens": read,
            "thinking_tokens": list(self.own_thinking(model)),
            "estimated": model.id not in self.exact,
            "cost_usd": dict(zip(CASES, map(decimal_usd, costs), strict=True)),
        }
