"""What the user should know besides the answer: lines on stderr."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from deepreasoning_cli.errors import IncompleteError, Interrupted, WriteError, out_of_resources
from deepreasoning_cli.pipeline import events
from deepreasoning_cli.pipeline.events import (
    Event,
    Fallback,
    Stage,
    StageFinished,
    Text,
    Thought,
    TurnStarted,
    TurnWarning,
)
from deepreasoning_cli.pipeline.money import SMALLEST_SHOWN, format_tokens, format_usd
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.sanitize import single_line
from deepreasoning_cli.views.base import RecordView, model_label

MODEL_SUFFIX = re.compile(r"([-@:](\d{4}-\d{2}-\d{2}|\d{4,8}|latest|free))*")
"""What hosts add to a model's id without meaning another model: a date, a tag."""
UNCALLED: Final = {
    "demo": "demo: these are scripted replies, no model was called",
    events.REPLAY: "replay: these are recorded replies, no model was called",
}
"""What is told, with --quiet too, by the backends that call nobody: it is no answer."""
RESUME_COMMAND = "deepreasoning resume {id}"
CHAT_COMMAND = "/resume"
"""What finishes a turn, from the shell and in a chat."""


class Notes(RecordView):
    """Warnings as they come; at the end what was escaped, and the bill, written with `bill`.

    What comes while a text is being shown waits for its end: it stands on a line of its own.
    `escaped_count` and `is_saved` are asked at the end: how many control characters were made
    visible, and whether what came is on the disk.
    """

    def __init__(
        self,
        record: TurnRecord,
        write: Callable[[str], None],
        escaped_count: Callable[[], int],
        *,
        quiet: bool,
        bill: Callable[[str], None] | None,
        is_saved: Callable[[], bool] = lambda: False,
        resume_command: str = RESUME_COMMAND,
    ) -> None:
        super().__init__(record, write)
        self._escaped_count = escaped_count
        self._quiet = quiet
        self._bill = bill
        self._is_saved = is_saved
        self._resume_command = resume_command
        self._in_text = False
        self._waiting: list[str] = []

    def __call__(self, event: Event) -> None:
        """Say it, if it is worth a line."""
        match event:
            case TurnStarted(backend=backend) if backend in UNCALLED:
                self._write(UNCALLED[backend])
            case Fallback(_, failed, used, reason) if not self._quiet:
                self._line("note", f"using {used} instead of {failed}: {reason}")
            case TurnWarning(message) if not self._quiet:
                self._line("warning", message)
            case StageFinished(_, model, str(served)) if served and not self._quiet:
                if not _is_same(model, served):
                    self._line("note", f"{served} answered instead of {model}")
        match event:
            case Thought() | Text():
                self._in_text = True
            case StageFinished(Stage.REASON):
                self._end_text()

    def close(self, failure: BaseException | None) -> None:
        """The last notes."""
        self._end_text()
        if self._quiet or isinstance(failure, BrokenPipeError):
            return
        if count := self._escaped_count():
            characters = "character was" if count == 1 else "characters were"
            self._write(f"note: {count} control {characters} made visible")
        if self._bill and has_bill(self._record):
            self._bill(single_line(turn_summary(self._record), 200))
        if isinstance(failure, Interrupted):  # a chat ends with its process
            self._resume_command = RESUME_COMMAND
        stopped = isinstance(failure, KeyboardInterrupt | Interrupted)
        if stopped and is_resumable(self._record) and self._can_go_on:
            self._write(f"hint: {self._how_to_go_on}")

    @property
    def _can_go_on(self) -> bool:
        """A chat has in memory what is not on the disk."""
        return self._resume_command == CHAT_COMMAND or self._is_saved()

    @property
    def _how_to_go_on(self) -> str:
        if self._resume_command != CHAT_COMMAND:
            return f"`{self._resume_command.format(id=self._record.start.id)}` continues from here"
        if self._record.answer:
            return f"`{CHAT_COMMAND}` continues from here, `/retry` answers anew"
        return "`/retry` answers from this reasoning"

    def _line(self, kind: str, message: str) -> None:
        line = f"{kind}: {single_line(message, 500)}"
        if self._in_text:
            self._waiting.append(line)
        else:
            self._write(line)

    def _end_text(self) -> None:
        self._in_text = False
        for line in self._waiting:
            self._write(line)
        self._waiting.clear()


def is_resumable(record: TurnRecord) -> bool:
    """Whether anything came, or was taken from another turn, that one can go on from."""
    text = record.reasoning or record.draft or record.answer or record.own_thinking
    return bool(text or any(source.text for source in record.sources))


def advise_to_resume(error: IncompleteError, turn: str, command: str) -> None:
    """Say in the error how the turn, which is kept, goes on: by `command`, of a shell or chat."""
    error.resume = command.format(id=turn)
    if (error.kind, error.stage) == ("not_found", "answer") and command == RESUME_COMMAND:
        error.resume += " -m sonnet"  # the same name would be refused again
    error.advise(f"`{error.resume}` continues from what is kept", first=True)


def as_incomplete(failure: Exception, record: TurnRecord, command: str | None) -> Exception:
    """The failure, as IncompleteError where it ends a turn in which something was paid for.

    `command` goes on with the turn, None where it is not kept.
    """
    scarce = out_of_resources(failure) if is_resumable(record) else None
    error = scarce.as_incomplete(scarce.message) if scarce else failure
    if isinstance(error, IncompleteError) and command:
        advise_to_resume(error, record.start.id, command)
    return error


def as_write_error(failure: WriteError | OSError, record: TurnRecord) -> WriteError:
    """The failure as a WriteError that says where the turn is, which is kept."""
    if not isinstance(failure, WriteError):
        failure = WriteError(f"cannot write: {failure.strerror}", hint="make room")
    turn = record.start.id
    if record.complete:
        failure.advise(f"`deepreasoning history show {turn}` has the text")
    elif is_resumable(record):
        failure.resume = RESUME_COMMAND.format(id=turn)
        failure.advise(f"`{failure.resume}` continues from what is kept")
    return failure


def _is_same(model: str, served: str) -> bool:
    """Hosts add or leave out a vendor's prefix and a date; that is no other model."""
    names = (name.lower().rpartition("/")[2] for name in (model, served))
    short, long = sorted(names, key=len)
    return long.startswith(short) and MODEL_SUFFIX.fullmatch(long[len(short) :]) is not None


def has_bill(record: TurnRecord) -> bool:
    """Whether anything was used that may have to be paid for, as far as is known."""
    return any(stage.usage or stage.cost for stage in record.stages.values())


def format_duration(seconds: float) -> str:
    """`8.2 s`, `41 s`, `3 min 5 s`."""
    if round(seconds, 1) < 10:
        return f"{seconds:.1f} s"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def format_age(seconds: float) -> str:
    """`just now`, `3 min ago`, `5 hours ago`, `2 days ago`."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    hours = minutes // 60
    count, unit = (hours, "hour") if hours < 24 else (hours // 24, "day")
    return f"{count} {unit}{'' if count == 1 else 's'} ago"


def stage_summary(stage: StageFinished) -> str:
    """`41 s · 3,120 tokens, 812 of them thinking · $0.0070`: time, tokens written, cost of a stage.

    A reasoner's tokens are all thinking, which is not said.
    """
    parts = [format_duration(stage.seconds)]
    if usage := stage.usage:
        tokens = f"{format_tokens(usage.output_tokens, estimated=usage.estimated)} tokens"
        parts.append(tokens + _own_thinking(stage, "thinking"))
        parts.append(format_usd(stage.cost, estimated=usage.estimated))
    elif stage.cost is not None:
        parts.append(format_usd(stage.cost))
    return " · ".join(parts)


def _own_thinking(stage: StageFinished, name: str) -> str:
    """`, 812 of them thinking`, where an answerer has thought by itself."""
    usage = stage.usage
    if stage.stage is not Stage.ANSWER or usage is None or not usage.reasoning_tokens:
        return ""
    tokens = format_tokens(usage.reasoning_tokens, estimated=usage.estimated)
    return f", {tokens} of them {name}"


def _answerer(stage: StageFinished) -> str:
    return "Claude's" if "claude" in stage.model else "the answerer's"


def _probes(record: TurnRecord) -> list[str]:
    """`settled after 2,100 of about 5,000 tokens; probes $0.0011`, where probes were sent."""
    stage = record.stages.get(Stage.PROBE)
    estimated = bool(stage and stage.usage and stage.usage.estimated)
    words = [f"probes {format_usd(stage.cost, estimated=estimated)}"] if stage else []
    if after := record.settled_after:
        expected = record.expected_reasoning
        of = f" of about {round(expected, -2):,}" if expected and expected > after else ""
        words.insert(0, f"settled after {format_tokens(after)}{of} tokens")
    return ["; ".join(words)] if words else []


def turn_summary(record: TurnRecord) -> str:
    """`deepseek-flash → claude-sonnet-5-5 · 3,412 tokens · $0.0123 · 52 s`.

    How much of it the answerer's own thinking took stands behind the tokens, and behind the cost
    what caches have spared, where there is such a thing; where the turn continues a cut answer,
    what both have cost stands at the end.
    """
    stages = record.stages.values()
    named = [stage for stage in stages if stage.stage not in (Stage.SEARCH, Stage.PROBE)]
    models = " → ".join(
        model_label(stage.served_model or stage.model, stage.host) for stage in named or stages
    )
    thinking = "".join(_own_thinking(stage, f"{_answerer(stage)} thinking") for stage in stages)
    used = sum(s.usage.input_tokens + s.usage.output_tokens for s in stages if s.usage)
    parts = [
        models,
        f"{format_tokens(used, estimated=record.estimated)} tokens{thinking}",
        format_usd(record.cost, estimated=record.estimated),
    ]
    if record.saved >= SMALLEST_SHOWN:
        cached = sum(stage.usage.cached_tokens for stage in stages if stage.usage)
        parts.append(f"{cached:,} cached, {format_usd(record.saved)} saved")
    parts += _probes(record)
    parts += ["replayed"] if record.start.backend == events.REPLAY else []
    parts += [f"{each.used} instead of {each.failed}" for each in record.fallbacks]
    parts.append(format_duration(record.total))
    if record.cost_in_all is not None:
        parts.append(f"{format_usd(record.cost_in_all, estimated=True)} in all")
    return " · ".join(parts)
