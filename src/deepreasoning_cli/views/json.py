"""Events → JSON: one object for a turn, or one line for each event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from deepreasoning_cli.errors import DeepReasoningError, Interrupted
from deepreasoning_cli.pipeline import events
from deepreasoning_cli.pipeline.events import Stage
from deepreasoning_cli.pipeline.money import decimal_usd
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.sanitize import dump_json
from deepreasoning_cli.views.base import RecordView


def turn_object(record: TurnRecord, *, reasoning: str | None = None) -> dict[str, Any]:
    """The object of `--json`: the whole turn, money as decimal strings, seconds as numbers.

    `reasoning` stands in it in place of the record's, where there is one.
    """
    stages = record.stages
    last = stages.get(Stage.ANSWER) or stages.get(Stage.REASON)
    return {
        "id": record.start.id,
        "session": record.start.session,
        "backend": record.start.backend,
        "prompt": record.start.prompt,
        "reasoning": record.reasoning if reasoning is None else reasoning,
        "answer": record.answer,
        "sources": list(map(_source_object, record.sources)),
        "reasoner": stage_object(stages.get(Stage.REASON)),
        "answerer": stage_object(stages.get(Stage.ANSWER), record.own_thinking),
        "search": stage_object(stages.get(Stage.SEARCH)),
        **({"probes": stage_object(stages[Stage.PROBE])} if Stage.PROBE in stages else {}),
        "fallbacks": list(map(_fallback_object, record.fallbacks)),
        "cost_usd": decimal_usd(record.cost),
        "stop_reason": last.stop_reason if last else None,
        "status": "complete" if record.complete else "incomplete",
        "handoff": str(record.start.handoff),
        "seconds": {
            "first_reasoning": _rounded(record.first_reasoning),
            "first_answer": _rounded(record.first_answer),
            "total": _rounded(record.total),
        },
    }


def _source_object(source: events.Source) -> dict[str, str]:
    return {"title": source.title, "url": source.url}


def _fallback_object(fallback: events.Fallback) -> dict[str, str]:
    return {
        "stage": str(fallback.stage),
        "from": fallback.failed,
        "to": fallback.used,
        "reason": fallback.reason,
    }


def stage_object(stage: events.StageFinished | None, thinking: str = "") -> dict[str, Any] | None:
    """The object of a stage; `thinking`, where there is any, is what the model let see of its own.

    How many tokens of it were billed is in the usage.
    """
    if stage is None:
        return None
    return {
        "model": stage.model,
        "served_model": stage.served_model,
        "host": stage.host,
        "usage": stage.usage.as_json() if stage.usage else None,
        "cost_usd": decimal_usd(stage.cost),
        "seconds": _rounded(stage.seconds),
        "stop_reason": stage.stop_reason,
        **({"thinking": thinking} if thinking else {}),
    }


def as_error(failure: BaseException) -> DeepReasoningError:
    """What the JSON of a failure is made of, a bug's and a signal's too."""
    if isinstance(failure, DeepReasoningError):
        return failure
    if isinstance(failure, KeyboardInterrupt | Interrupted):
        return DeepReasoningError("interrupted", kind="interrupted")
    return DeepReasoningError(f"unexpected {type(failure).__name__}")


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


NO_REASONING: Final = '"reasoning": "'
"""Where the reasoning belongs in the line of an object without it: in no JSON string stands such a
quote, since one has a backslash before it."""
LONGEST_WRITE: Final = 100_000  # characters


def write_object(write: Callable[[str], None], record: TurnRecord, **first: str) -> None:
    """Write the line of a turn's object, with `first` before its fields.

    A long chain of thought is written piece by piece, so that it is in memory once.
    """
    line = dump_json({**first, **turn_object(record, reasoning="")}) + "\n"
    before, place, after = line.partition(NO_REASONING)
    pieces, size = [before, place], 0
    for part in record.thoughts:
        pieces.append(dump_json(part)[1:-1])
        size += len(part)
        if size >= LONGEST_WRITE:
            write("".join(pieces))
            pieces, size = [], 0
    write("".join([*pieces, after]))


class JsonView(RecordView):
    """The turn's object, when the turn is over; nothing where nothing was received."""

    def close(self, failure: BaseException | None) -> None:
        """Print the object, also of a turn that was broken off with something in hand."""
        record = self._record
        has_pages = any(source.text for source in record.sources)
        if failure is None or record.thoughts or record.texts or has_pages:
            write_object(self._write, record)


class JsonlView(RecordView):
    """One line for each event, at once; the last is `finished` or `error`.

    `resume` is asked at the end: the command that goes on from a turn that was stopped, if any.
    """

    def __init__(
        self,
        record: TurnRecord,
        write: Callable[[str], None],
        resume: Callable[[], str | None] = lambda: None,
        **common: str,
    ) -> None:
        """`common` are fields that stand in each line."""
        super().__init__(record, write)
        self._resume = resume
        self._common = common

    def __call__(self, event: events.Event) -> None:
        """Print the event's line."""
        match event:
            case events.StageStarted(stage, model, host=host):
                turn = self._record.start.id
                self._line("started", id=turn, stage=str(stage), model=model, host=host)
            case events.Fallback():
                self._line("fallback", **_fallback_object(event))
            case events.Sources(sources):
                self._line("sources", sources=list(map(_source_object, sources)))
            case events.Thought(text) | events.Reused(text):
                self._line("reasoning", text=text)
            case events.Text(text):
                self._line("answer", text=text)

    def close(self, failure: BaseException | None) -> None:
        """Print the last line."""
        if failure is None:
            write_object(self._write, self._record, type="finished")
        elif not isinstance(failure, BrokenPipeError):
            error = as_error(failure).as_json()["error"]
            error["resume"] = error["resume"] or self._resume()
            self._line("error", error=error)

    def _line(self, kind: str, **fields: Any) -> None:
        self._write(dump_json({"type": kind, **self._common, **fields}) + "\n")
