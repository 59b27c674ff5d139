"""A question → its turns: the reasoner once, then every arm; each is kept and paid for once.

Each call is a turn in journal and history, and a line of the file of answers. A later run leaves
alone what has a line, and goes on from turns that were begun and not written down.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from deepreasoning_cli.errors import DeepReasoningError, UsageError, WriteError
from deepreasoning_cli.evaluation.arms import ArmKind, EvaluationArm
from deepreasoning_cli.evaluation.checkers import (
    JUDGEMENT,
    CheckResult,
    JudgeCriterion,
    read_judgement,
)
from deepreasoning_cli.evaluation.question_file import EvaluationRow
from deepreasoning_cli.library.answers_file import AnswersFile
from deepreasoning_cli.library.many import (
    NOTHING,
    STOPPED,
    EndedTurn,
    ManyTurns,
    meets_every_turn,
)
from deepreasoning_cli.pipeline.events import COST_CAP, Message, Prompt, Stage
from deepreasoning_cli.pipeline.money import decimal_usd
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.run import Plan, ReasonerOutput
from deepreasoning_cli.pipeline.stop_reasons import Ending, ending_of
from deepreasoning_cli.pipeline.tools import AnswerOptions, OutputFormat
from deepreasoning_cli.sanitize import dump_json
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.wiring.resources import TurnRequest

LoadValues = Callable[[Mapping[str, object]], LoadedSettings]
"""The settings of the run with those of an arm; raises UsageError and ConfigError."""

FINAL_FAILURES: Final = frozenset({"max_tokens", "refusal", "empty_answer", "empty_reasoning"})
"""Kinds of errors that are the model's own: no answer, which is a wrong one, and paid for."""
OWN_FAILURES: Final = {Ending.TRUNCATED: "max_tokens", Ending.REFUSED: "refusal"}
"""Those that are known by the reason for which the model has stopped."""
SAME_FOR_ALL: Final = (
    *("reasoner", "answerer", "backend", "think", "temperature", "top_p"),
    *("max_tokens", "max_reasoning", "stop", "web_search_linkup"),
)
"""Settings that what is answered depends on, beside those in which arms differ."""

LINE_FIELDS: Final = frozenset(
    (
        *("id", "turn", "prompt", "model", "reasoning", "draft", "whole", "answer"),
        *("cost_usd", "seconds", "failed", "error"),
    )
)
"""What each line of the file of answers has."""
REASONER_CALL: Final = "reasoner"
JUDGE_CALL: Final = "judge"
"""The names of calls; those of Claude have the names of their arms."""
JUDGEMENT_ALONE: Final = AnswerOptions(output_format=OutputFormat(JUDGEMENT))


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmOutcome:
    """An arm's answer to one question: whether it is right, and what it cost as if run alone.

    `cost` is None where a rate is not known. `failure` is what kept it from an answer: then it is
    asked again by the next run.
    """

    arm: EvaluationArm
    row: EvaluationRow
    check: CheckResult
    cost: Decimal | None = None
    seconds: float = 0.0
    failure: str | None = None


@dataclass(slots=True, kw_only=True)
class QuestionOutcome:
    """A question that is over: its arms, USD that this run paid, and what ends the run."""

    row: EvaluationRow
    arms: list[ArmOutcome] = field(default_factory=list)
    paid: Decimal = NOTHING
    error: DeepReasoningError | None = None
    ends_the_run: bool = False


class EvaluationTurns:
    """Asks questions by way of `turns`; any thread may call `answer`.

    `lines` are those of the file of answers, by their ids. `judge` has the settings of the judge.
    """

    def __init__(
        self,
        turns: ManyTurns,
        answers: AnswersFile,
        lines: dict[str, dict[str, Any]],
        arms: list[EvaluationArm],
        load: LoadValues,
        judge: Mapping[str, object],
    ) -> None:
        self._turns = turns
        self._answers = answers
        self._lines = lines
        self._arms = arms
        self._drafts = any(arm.needs_draft for arm in arms)
        self._settings = {arm: self._with(load, arm.settings) for arm in arms if arm.model}
        handoff = "both" if self._drafts else "reasoning"
        self._reasoner = self._with(load, {"handoff": handoff})
        self._judge = self._with(load, {**judge, "handoff": "none", "stop": "end"})
        self._same = {name: getattr(turns.loaded.settings, name) for name in SAME_FOR_ALL}

    def _with(self, load: LoadValues, values: Mapping[str, object]) -> LoadedSettings:
        valid = load(values).settings
        checked = {name: getattr(valid, name) for name in values}
        return self._turns.loaded.with_values(checked, "of the arm")

    def plans(self, row: EvaluationRow) -> dict[str, Plan]:
        """What may be asked about the row, by the names of the calls.

        Raises what `build_plan` does.
        """
        plans = {}
        for arm in self._arms:
            if arm.model:
                request = self._request(row, self._settings[arm])
                if arm.needs_reasoner:
                    request = replace(request, reused=ReasonerOutput())
                plans[arm.name] = self._turns.plan(request)
        if any(arm.needs_reasoner for arm in self._arms):
            plan = self._turns.plan(self._reasoner_request(row))
            plans[REASONER_CALL] = replace(plan, drafts=self._drafts)
        if isinstance(row.checker, JudgeCriterion):
            question = row.checker.prompt(row.prompt, "")
            plans[JUDGE_CALL] = self._turns.plan(self._judge_request(question))
        if any(plan.hosted for plan in plans.values()):
            raise UsageError(
                "the gateway reasons and answers in one call: it has no arms",
                hint="--backend direct",
            )
        return plans

    def missing(self, row: EvaluationRow) -> list[str]:
        """The names of the calls that the row still needs, as far as that is known.

        Answers that are not there yet may need no judge: failed ones, and those that are alike.
        """
        calls: list[str] = []
        reasoning = None
        if any(arm.needs_reasoner for arm in self._arms):
            reasoning = self._lines.get(self._reasoner_key(row))
            calls += [REASONER_CALL] if reasoning is None else []
        for arm in self._arms:
            line = reasoning
            if arm.needs_reasoner and reasoning and reasoning["failed"]:
                continue
            if arm.model:
                request = self._request(row, self._settings[arm])
                line = self._lines.get(self._key(row, arm.name, request))
                calls += [arm.name] if line is None else []
            if not self._is_judged(row, arm, line):
                calls.append(JUDGE_CALL)
        return calls

    def _is_judged(
        self, row: EvaluationRow, arm: EvaluationArm, line: dict[str, Any] | None
    ) -> bool:
        if not isinstance(row.checker, JudgeCriterion):
            return True
        if line is None or line["failed"]:
            return line is not None
        question = row.checker.prompt(row.prompt, line["answer"] if arm.model else line["draft"])
        return self._key(row, JUDGE_CALL, self._judge_request(question)) in self._lines

    def answer(self, row: EvaluationRow) -> QuestionOutcome:
        """Ask what has not been asked about the row; check every answer."""
        outcome = QuestionOutcome(row=row)
        reasoning: dict[str, Any] | None = None
        if any(arm.needs_reasoner for arm in self._arms):
            request = self._reasoner_request(row)
            reasoning = self._line(self._reasoner_key(row), request, outcome, reasons=True)
        for arm in self._arms:
            outcome.arms.append(self._answer_arm(row, arm, reasoning, outcome))
        return outcome

    def _answer_arm(
        self,
        row: EvaluationRow,
        arm: EvaluationArm,
        reasoning: dict[str, Any] | None,
        outcome: QuestionOutcome,
    ) -> ArmOutcome:
        used = reasoning if arm.needs_reasoner else None
        if used and used["error"]:
            return _failed(row, arm, used)
        if used and used["failed"]:
            return self._outcome(row, arm, [used], CheckResult(False, used["failed"]))
        if used and arm.kind is ArmKind.REASONER:
            return self._checked(row, arm, [used], used["draft"], outcome)
        request = self._request(row, self._settings[arm])
        if used:
            text, draft, model = (used[name] for name in ("reasoning", "draft", "model"))
            work = ReasonerOutput(text, draft, model, whole=used["whole"])
            request = replace(request, reused=work, reasoning_from=used["turn"])
        line = self._line(self._key(row, arm.name, request), request, outcome)
        if line["error"]:
            return _failed(row, arm, line)
        lines = [line, used] if used else [line]
        if line["failed"]:
            return self._outcome(row, arm, lines, CheckResult(False, line["failed"]))
        return self._checked(row, arm, lines, line["answer"], outcome)

    def _checked(
        self,
        row: EvaluationRow,
        arm: EvaluationArm,
        lines: list[dict[str, Any]],
        answer: str,
        outcome: QuestionOutcome,
    ) -> ArmOutcome:
        if not isinstance(row.checker, JudgeCriterion):
            return self._outcome(row, arm, lines, row.checker.check(answer))
        question = row.checker.prompt(row.prompt, answer)
        request = self._judge_request(question)
        line = self._line(self._key(row, JUDGE_CALL, request), request, outcome)
        if line["error"]:
            return _failed(row, arm, line)
        return self._outcome(row, arm, lines, read_judgement(line["answer"]))

    def _outcome(
        self,
        row: EvaluationRow,
        arm: EvaluationArm,
        lines: list[dict[str, Any]],
        check: CheckResult,
    ) -> ArmOutcome:
        costs = [line["cost_usd"] for line in lines]
        cost = None if None in costs else sum(map(Decimal, costs), NOTHING)
        seconds = sum(float(line["seconds"]) for line in lines)
        return ArmOutcome(arm=arm, row=row, check=check, cost=cost, seconds=seconds)

    def _request(self, row: EvaluationRow, loaded: LoadedSettings) -> TurnRequest:
        return TurnRequest(loaded=loaded, question=row.prompt, system=row.system)

    def _reasoner_request(self, row: EvaluationRow) -> TurnRequest:
        return replace(self._request(row, self._reasoner), reasoning_only=True)

    def _judge_request(self, question: str) -> TurnRequest:
        prompt = Prompt((Message("user", question),), options=JUDGEMENT_ALONE)
        return TurnRequest(loaded=self._judge, question=question, conversation=prompt)

    def _key(self, row: EvaluationRow, name: str, request: TurnRequest) -> str:
        """The id of a call: the same only where all is the same that the answer depends on."""
        settings = request.loaded.settings
        asked = [request.question, request.system, self._same, settings.model, settings.effort]
        digest = hashlib.sha256(dump_json([str(part) for part in asked]).encode()).hexdigest()
        return f"{row.id} · {name} · {digest[:12]}"

    def _reasoner_key(self, row: EvaluationRow) -> str:
        """The id of the reasoner's call; one with an answer of its own serves where none is needed.

        It does not depend on the Claude models.
        """
        plain = self._request(row, self._turns.loaded)
        with_draft = self._key(row, "reasoner with its answer", plain)
        known = with_draft in self._lines or with_draft in self._answers.turns
        return with_draft if self._drafts or known else self._key(row, REASONER_CALL, plain)

    def _line(
        self, key: str, request: TurnRequest, outcome: QuestionOutcome, *, reasons: bool = False
    ) -> dict[str, Any]:
        """The line of a call, asked now unless it is known."""
        if key in self._lines:
            return self._lines[key]
        kept = self._kept_turns(key, request.question)
        paid = sum((record.cost or NOTHING for record in kept), NOTHING)
        last = kept[-1] if kept else None
        if last and (last.complete or _own_failure(last)):
            line = _line(key, last, None if last.cost is None else paid)
            self._keep(key, line, outcome)
            return line
        if outcome.ends_the_run:
            return _unsent(key, outcome)
        try:
            plan = self._turns.plan(request if reasons else _going_on(request, last))
        except DeepReasoningError as error:
            ended = EndedTurn(id="", record=TurnRecord(), error=error)
        else:
            plan = replace(plan, drafts=reasons and self._drafts)
            if self._turns.saves:
                self._answers.begin_turn(key, plan.id)
            ended = self._turns.run(plan)
        cost = ended.record.cost
        outcome.paid += cost or NOTHING
        line = _line(key, ended.record, None if cost is None else cost + paid, ended.error)
        if line["error"]:
            outcome.error = outcome.error or ended.error
            outcome.ends_the_run = _ends_the_run(ended)
        if not (ended.error and _is_for_the_next_run(ended)):
            self._keep(key, line, outcome, is_kept=ended.is_kept)
        return line

    def _keep(
        self, key: str, line: dict[str, Any], outcome: QuestionOutcome, *, is_kept: bool = True
    ) -> None:
        try:
            self._answers.append(line, is_kept=is_kept)
        except WriteError as failure:  # the calls that run are waited for, no other is made
            outcome.error, outcome.ends_the_run = failure, True
        if not line["error"]:
            self._lines[key] = line

    def _kept_turns(self, key: str, question: str) -> list[TurnRecord]:
        """The turns of that call in the history, the one to go on from last."""
        kept = self._turns.kept_turns(self._answers.turns.get(key, ()), question)
        return sorted(kept, key=lambda record: (record.complete, record.answers))


def _going_on(request: TurnRequest, last: TurnRecord | None) -> TurnRequest:
    """The request, going on with an answer that was cut."""
    return request.going_on_from(last) if last and last.answers else request


def _line(
    key: str,
    record: TurnRecord,
    cost: Decimal | None,
    error: DeepReasoningError | None = None,
) -> dict[str, Any]:
    """The line of a call; `failed` has the kind of an error that is the model's own answer."""
    failed = error.kind if error else _own_failure(record)
    is_final = failed in FINAL_FAILURES
    return {
        "id": key,
        "turn": record.start.id or None,
        "prompt": record.start.prompt,
        "model": record.reasoned_by or "",
        "reasoning": "" if record.reused_model else record.reasoning,
        "draft": "" if record.reused_model else record.draft,
        "whole": record.reasoned_to_the_end,
        "answer": record.answer,
        "cost_usd": decimal_usd(cost),
        "seconds": round(record.total, 3),
        "failed": failed if is_final else None,
        "error": error.as_json()["error"] if error and not is_final else None,
    }


def _own_failure(record: TurnRecord) -> str | None:
    """The kind of the error with which the model itself has ended a turn that is kept."""
    last = record.stages.get(Stage.ANSWER) or record.stages.get(Stage.REASON)
    if record.complete or last is None or last.complete:
        return None
    return OWN_FAILURES.get(ending_of(last.stop_reason))


def _unsent(key: str, outcome: QuestionOutcome) -> dict[str, Any]:
    """The line of a call that is not made: the run is at its end."""
    assert outcome.error
    return _line(key, TurnRecord(), NOTHING, outcome.error) | {
        "failed": None,
        "error": outcome.error.as_json()["error"],
    }


def _failed(row: EvaluationRow, arm: EvaluationArm, line: dict[str, Any]) -> ArmOutcome:
    message = str(line["error"]["message"])
    return ArmOutcome(arm=arm, row=row, check=CheckResult(None, message), failure=message)


def _ends_the_run(ended: EndedTurn) -> bool:
    """Whether the next calls would meet the same: a cap, a key that is wrong, no credit."""
    is_stopped = ended.error is not None and ended.error.kind == STOPPED
    return ended.reached_cap or is_stopped or meets_every_turn(ended.error)


def _is_for_the_next_run(ended: EndedTurn) -> bool:
    """Whether it was kept from being asked, or stopped on the way: that is no failure."""
    error = ended.error
    return error is not None and (
        error.kind == STOPPED or (error.kind == COST_CAP and ended.reached_cap)
    )
