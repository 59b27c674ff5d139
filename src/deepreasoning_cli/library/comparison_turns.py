"""The turns of a comparison while they run: each step is kept before anybody sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from pathlib import Path

from deepreasoning_cli.errors import DeepReasoningError, IncompleteError
from deepreasoning_cli.history.journal import Journal
from deepreasoning_cli.pipeline.comparison import ArmStep, Comparison, ComparisonRun
from deepreasoning_cli.pipeline.events import Stage, TurnStarted
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.stage import UNPAID
from deepreasoning_cli.views.base import ViewGroup
from deepreasoning_cli.views.comparison import ComparedAnswer, ComparedAnswers
from deepreasoning_cli.views.notes import RESUME_COMMAND


class ComparisonTurns:
    """The turns, each with its record and, where there is a data `folder`, its journal.

    `labels` name the answers by the ids of their arms, `warn` hears of a journal's fault.
    `compared` is all that the comparison has come to.
    """

    def __init__(
        self,
        comparison: Comparison,
        labels: Mapping[str, str],
        folder: Path | None,
        warn: Callable[[str], None],
    ) -> None:
        self._comparison = comparison
        self.answers = [
            ComparedAnswer(arm=arm, record=TurnRecord(), label=labels[arm.id])
            for arm in comparison.arms
        ]
        self.compared = ComparedAnswers(
            id=comparison.id,
            answers=self.answers,
            first=self.answers[comparison.reasons or 0].record,
        )
        self._journals = [
            Journal(folder, answer.record, warn) if folder else None for answer in self.answers
        ]
        self._groups = [
            ViewGroup(answer.record, (), journal)
            for answer, journal in zip(self.answers, self._journals, strict=True)
        ]
        self._open: set[int] = set()

    def steps(self) -> Generator[ArmStep | None, None, None]:
        """Each step once it is kept; None where nothing came for a tenth of a second.

        Closing it, or an exception in it, ends all turns; what came is kept.
        """
        run = ComparisonRun(self._comparison, [answer.record for answer in self.answers])
        began = time.monotonic()
        try:
            for step in run:
                if step:
                    self._keep(step)
                yield step
        except BaseException as stop:
            for step in run.stop():
                with suppress(OSError):
                    self._keep(step)
            for place in sorted(self._open):
                self._end(place, stop)
            raise
        finally:
            self.compared.seconds = time.monotonic() - began
            for plan in self._comparison.plans:  # those that never began
                plan.caps.release(None)

    @property
    def resume_command(self) -> str | None:
        """What asks for the missing answers; None where not all that came is on the disk."""
        begun = [
            journal
            for journal, answer in zip(self._journals, self.answers, strict=True)
            if answer.record.start.id
        ]
        is_saved = begun and all(journal and journal.is_complete for journal in begun)
        return RESUME_COMMAND.format(id=self._comparison.id) if is_saved else None

    @property
    def failure(self) -> BaseException | None:
        """What to raise once the steps have ended; None where every answer is whole.

        It is the failure of the first turn where nothing was paid for, a bug or what a cassette
        lacks as it is; else an IncompleteError that says which answers are missing.
        """
        failed = [answer for answer in self.answers if not answer.is_complete]
        failures = [answer.failure for answer in failed if answer.failure]
        bugs = [each for each in failures if not isinstance(each, DeepReasoningError)]
        if bugs or not failures:
            return next(iter(bugs), None)
        misses = [each for each in failures if getattr(each, "kind", None) in UNPAID]
        first = (misses or failures)[0]
        if not isinstance(first, DeepReasoningError) or misses or not self._is_paid:
            return first
        message = f"there is no answer: {first.message}"
        if any(each.record.reasoning.strip() for each in self.compared.answers):
            words = [f"{each.label}: {_reason(each)}" for each in failed]
            count = f"{len(failed)} of {len(self.compared.answers)} answers are missing"
            message = f"{count}: {'; '.join(words)}"
        error = IncompleteError(
            message,
            kind=first.kind,
            stage=first.stage or Stage.ANSWER,
            hint=first.hints,
            status=first.status,
            request_id=first.request_id,
        )
        if command := self.resume_command:
            error.resume = command
            error.advise(f"`{error.resume}` continues from what is kept", first=True)
        return error

    @property
    def _is_paid(self) -> bool:
        return any(
            stage.usage or stage.complete
            for answer in self.compared.answers
            for stage in answer.record.stages.values()
        )

    def _keep(self, step: ArmStep) -> None:
        if step.event is None:
            self._end(step.place, step.failure)
            return
        if isinstance(step.event, TurnStarted):
            self._open.add(step.place)
        self._groups[step.place](step.event)

    def _end(self, place: int, failure: BaseException | None) -> None:
        """Close the turn's journal: it is in the history from then on."""
        self.answers[place].failure = failure
        if place not in self._open:
            return
        self._open.discard(place)
        self._groups[place].__exit__(type(failure) if failure else None, failure, None)
        self._comparison.plans[place].caps.release(self.answers[place].record.cost)


def _reason(answer: ComparedAnswer) -> str:
    return getattr(answer.failure, "message", "it was not asked for")
