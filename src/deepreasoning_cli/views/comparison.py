"""Answers to one question side by side: as JSON, as text, as a table, and what they differ in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.pipeline.comparison import Arm, ArmStep
from deepreasoning_cli.pipeline.events import Stage, StageFinished
from deepreasoning_cli.pipeline.final_answer import folded, last_number
from deepreasoning_cli.pipeline.money import decimal_usd, format_tokens, format_usd
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.sanitize import dump_json
from deepreasoning_cli.views.base import model_label
from deepreasoning_cli.views.json import JsonlView, as_error, stage_object
from deepreasoning_cli.views.notes import format_duration
from deepreasoning_cli.views.table import Column, table

COLUMNS: Final = (
    Column("answer", min_width=12),
    Column("tokens", right=True, drop_order=2),
    Column("cost", right=True),
    Column("time", right=True, drop_order=1),
    Column("status", drop_order=3),
    Column("last line", drop_order=4, min_width=16),
)
MARKS: Final = " \t*_`#>$"
"""What Markdown puts around a line."""


@dataclass(slots=True, kw_only=True)
class ComparedAnswer:
    """One answer: its turn as far as it has come, and what ended that early."""

    arm: Arm
    record: TurnRecord
    label: str
    failure: BaseException | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the answer is whole."""
        return self.record.complete

    @property
    def stage(self) -> StageFinished | None:
        """What writing it took."""
        return self.record.stages.get(Stage.ANSWER)


@dataclass(slots=True, kw_only=True)
class ComparedAnswers:
    """A comparison as far as it has come: `seconds` it took, `earlier_cost` in USD of turns that
    were cut before, None where that is unknown; `picked` is the id of the answer that was picked.
    """

    id: str
    answers: Sequence[ComparedAnswer]
    seconds: float = 0.0
    earlier_cost: Decimal | None = Decimal(0)
    first: TurnRecord
    picked: str | None = None

    @property
    def reasoning(self) -> TurnRecord:
        """The turn that has the chain of thought that the answers rest on."""
        turns = [answer.record for answer in self.answers if answer.record.reasoning]
        reasoned = [turn for turn in turns if Stage.REASON in turn.stages]
        return next(iter([*reasoned, *turns, self.first]))

    @property
    def cost(self) -> Decimal | None:
        """USD of all of it, the reasoning once; None where a rate is unknown."""
        costs = [self.earlier_cost, *(answer.record.cost for answer in self.answers)]
        return None if None in costs else sum((cost for cost in costs if cost), Decimal(0))


def arm_labels(arms: Sequence[Arm]) -> dict[str, str]:
    """A name for each arm, by its id: its model, and what else differs among them."""
    efforts, handoffs = ({getattr(arm, name) for arm in arms} for name in ("effort", "handoff"))
    labels = {}
    for arm in arms:
        words = [model_label(arm.model, arm.answerer)]
        words += [f"effort {arm.effort}"] if len(efforts) > 1 else []
        words += [f"hand-off {arm.handoff}"] if len(handoffs) > 1 else []
        labels[arm.id] = " · ".join(words)
    return labels


def comparison_object(compared: ComparedAnswers) -> dict[str, Any]:
    """The object of `--json`: money as decimal strings, seconds as numbers."""
    reasoning = compared.reasoning
    return {
        "id": compared.id,
        "backend": compared.first.start.backend,
        "prompt": compared.first.start.prompt,
        "reasoning": reasoning.reasoning,
        "reasoner": stage_object(reasoning.stages.get(Stage.REASON)),
        "answers": list(map(_answer_object, compared.answers)),
        "cost_usd": decimal_usd(compared.cost),
        "seconds": round(compared.seconds, 3),
        "picked": compared.picked,
    }


def _answer_object(answer: ComparedAnswer) -> dict[str, Any]:
    arm, record = answer.arm, answer.record
    unasked = {"model": arm.model, "served_model": None, "host": arm.answerer}
    unasked |= dict.fromkeys(("usage", "cost_usd", "seconds", "stop_reason"))
    failure = answer.failure
    error = failure.as_json()["error"] if isinstance(failure, DeepReasoningError) else None
    return {
        "id": record.start.id or arm.id,
        "status": "complete" if record.complete else "incomplete",
        "effort": arm.effort,
        "handoff": str(arm.handoff),
        "answer": record.answer,
        **(stage_object(answer.stage, record.own_thinking) or unasked),
        "error": error,
    }


class ComparisonLines:
    """One JSON line for each event, at once, with the id of its `turn`; an answer that has `ended`
    is a line, too. The last is `finished`, with the object of `--json`, or `error`.

    `resume` is asked at the end: the command that asks for the missing answers, if any.
    """

    def __init__(
        self,
        compared: ComparedAnswers,
        answers: Sequence[ComparedAnswer],
        write: Callable[[str], None],
        resume: Callable[[], str | None],
    ) -> None:
        self._compared = compared
        self._answers = answers
        self._write = write
        self._resume = resume
        self._views: dict[int, JsonlView] = {}

    def take(self, step: ArmStep) -> None:
        """Print what the step tells."""
        answer = self._answers[step.place]
        turn = answer.record.start.id
        if step.event is None:
            self._line("ended", turn=turn, **_answer_object(answer))
            return
        if step.place not in self._views:
            self._views[step.place] = JsonlView(answer.record, self._write, turn=turn)
        self._views[step.place](step.event)

    def tick(self) -> None:
        """Nothing is printed while nothing comes."""

    def print_above(self, write: Callable[[], None]) -> None:
        """Print a note, which stands elsewhere."""
        write()

    def close(self, failure: BaseException | None = None) -> None:
        """Print the last line."""
        if failure is None:
            self._line("finished", **comparison_object(self._compared))
            return
        error = as_error(failure).as_json()["error"]
        error["resume"] = error["resume"] or self._resume()
        self._line("error", error=error)

    def _line(self, kind: str, **fields: Any) -> None:
        self._write(dump_json({"type": kind, **fields}) + "\n")


def comparison_table(compared: ComparedAnswers, width: int | None) -> list[str]:
    """A line for each answer, then what they differ in, and what all of it took."""
    rows = [_cells(answer) for answer in compared.answers]
    return [*table(COLUMNS, rows, width).lines, "", *_summary(compared)]


def _cells(answer: ComparedAnswer) -> list[str]:
    stage = answer.stage
    status = "" if answer.is_complete else "incomplete" if answer.record.answer else "no answer"
    if stage is None or stage.usage is None:
        return [answer.label, "", "", "", status, ""]
    usage = stage.usage
    return [
        answer.label,
        format_tokens(usage.output_tokens, estimated=usage.estimated),
        format_usd(stage.cost, estimated=usage.estimated),
        format_duration(stage.seconds),
        status,
        last_line(answer.record.answer),
    ]


def _summary(compared: ComparedAnswers) -> Iterator[str]:
    answers = [answer for answer in compared.answers if answer.is_complete]
    if len(answers) > 1:
        yield disagreement([(answer.label, answer.record.answer) for answer in answers])
    reasoned = compared.reasoning.stages.get(Stage.REASON)
    if reasoned:
        model = model_label(reasoned.served_model or reasoned.model, reasoned.host)
        usage = reasoned.usage
        cost = format_usd(reasoned.cost, estimated=bool(usage and usage.estimated))
        yield f"reasoning by {model}: {cost}, once; {format_duration(reasoned.seconds)}"
    estimated = any(answer.record.estimated for answer in compared.answers)
    total = format_usd(compared.cost, estimated=estimated)
    yield f"in all: {total}, {format_duration(compared.seconds)}"


def last_line(text: str) -> str:
    """The last line with words, without the marks of Markdown around it, and of code and bold."""
    lines = (
        re.sub(r"`|\*\*", "", line).strip(MARKS)
        for line in reversed(text.splitlines())
        if line.strip("`~ \t")
    )
    return next(filter(None, lines), "")


def disagreement(answers: Sequence[tuple[str, str]]) -> str:
    """What the answers, each behind its label, differ in, as far as their last lines tell.

    No model is asked: equal words in another order are a difference, too.
    """
    lengths = [len(text) for _, text in answers]
    shortest, longest = min(lengths), max(lengths)
    length = f"{shortest:,}{f' to {longest:,}' if longest > shortest else ''} characters"
    ends = [(label, last_line(text)) for label, text in answers]
    if len({folded(line) for _, line in ends}) == 1:
        return f"they end in the same line; {length}"
    numbers = [(label, last_number(line)) for label, line in ends]
    if all(number for _, number in numbers):
        groups = _groups(numbers)
        if len(groups) == 1:
            return f"they end in the same number, {next(iter(groups))}; {length}"
        found = "; ".join(f"{number}: {', '.join(who)}" for number, who in groups.items())
        return f"the last number differs ({found}); {length}"
    return f"the last lines differ; {length}"


def _groups(named: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for label, value in named:
        groups.setdefault(value, []).append(label)
    return groups
