"""The state of a turn, built from its events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate
from typing import Final

from deepreasoning_cli.pipeline import events
from deepreasoning_cli.pipeline.events import Event, Handoff, Stage
from deepreasoning_cli.pipeline.money import BYTES_PER_TOKEN, estimate_tokens
from deepreasoning_cli.sanitize import repair_surrogates

NOT_STARTED: Final = events.TurnStarted("", "", "", Handoff.REASONING)


PIECES: Final = 256
LONG_PIECE: Final = 1_000  # characters
BLOCK: Final = 100_000  # characters at most of what is encoded at once


class GrowingText:
    """A text that comes in pieces. In memory it is its UTF-8, and little more.

    A token is a string of sixty bytes, and one character beyond Latin-1 doubles the text it is in:
    pieces are joined and encoded a few at a time, and read again the same way.
    """

    __slots__ = ("_blocks", "_pieces", "_size")

    def __init__(self, pieces: Iterable[str] = ()) -> None:
        self._blocks: list[bytes] = []
        self._pieces: list[str] = []
        self._size = 0
        for piece in filter(None, pieces):
            self.append(piece)

    def append(self, piece: str) -> None:
        """Add a piece; this takes the same time however long the text is."""
        self._pieces.append(piece)
        if len(self._pieces) >= PIECES or len(piece) >= LONG_PIECE:
            self._encode()

    def _encode(self) -> None:
        text = repair_surrogates("".join(self._pieces))
        blocks = [text[at : at + BLOCK].encode() for at in range(0, len(text), BLOCK)]
        size, pieces = self._size + sum(map(len, blocks)), list[str]()
        # a signal may raise in any call: there is none between these, and no text is lost or twice
        self._blocks += blocks
        self._pieces, self._size = pieces, size

    @property
    def size(self) -> int:
        """Its length in UTF-8, in bytes."""
        self._encode()
        return self._size

    @property
    def tokens(self) -> int:
        """An estimate of its tokens."""
        return -(-self.size // BYTES_PER_TOKEN)

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing in it but white space."""
        return not any(map(str.strip, self))

    def __iter__(self) -> Iterator[str]:
        """Parts of it, as long as a few pieces."""
        self._encode()
        return (block.decode() for block in self._blocks)

    def __bool__(self) -> bool:
        return bool(self._blocks or self._pieces)

    def __str__(self) -> str:
        return "".join(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GrowingText) and str(self) == str(other)

    __hash__ = None  # type: ignore[assignment]  # it grows

    def copy(self) -> GrowingText:
        """The same text, to which other pieces can be added; what there is, both share."""
        other = GrowingText()
        other._size, other._blocks = self.size, self._blocks.copy()
        return other

    def split(self, size: int) -> tuple[str, Sequence[bytes]]:
        """About the first `size` bytes, and the rest in blocks of UTF-8."""
        self._encode()
        for place, before in enumerate(accumulate(map(len, self._blocks), initial=0)):
            if before >= size:
                return b"".join(self._blocks[:place]).decode(), self._blocks[place:]
        return str(self), ()

    def ends(self, size: int) -> tuple[str, str]:
        """The beginning and the end of it, each of about half of `size` bytes."""
        self._encode()
        return _first(iter(self._blocks), size // 2), _last(reversed(self._blocks), size // 2)


def _first(blocks: Iterator[bytes], size: int) -> str:
    """The first `size` bytes as text; what is left of a character at the cut is left out."""
    taken: list[bytes] = []
    for block in blocks:
        if size <= 0:
            break
        taken.append(block[:size])
        size -= len(block)
    return b"".join(taken).decode("utf-8", "ignore")


def _last(blocks: Iterator[bytes], size: int) -> str:
    """The last `size` bytes; the blocks come in backward order."""
    taken: list[bytes] = []
    for block in blocks:
        if size <= 0:
            break
        taken.append(block[-size:])
        size -= len(block)
    return b"".join(reversed(taken)).decode("utf-8", "ignore")


@dataclass(slots=True)
class ToolCalls:
    """The calls of tools in a reply, put together from the pieces that they come in."""

    _calls: list[tuple[events.ToolCallStarted, list[str]]] = field(default_factory=list)

    def add(self, piece: events.ToolCallStarted | events.ToolArguments) -> None:
        """Take in the beginning of a call, or a piece of the last call's arguments."""
        if isinstance(piece, events.ToolCallStarted):
            self._calls.append((piece, []))
        elif self._calls:
            self._calls[-1][1].append(piece.text)

    def __iter__(self) -> Iterator[events.ToolCall]:
        for call, pieces in self._calls:
            yield events.ToolCall(call.id, call.name, "".join(pieces))

    def __bool__(self) -> bool:
        return bool(self._calls)

    @property
    def text(self) -> str:
        """All of them in one string, for estimates."""
        return "".join(call.name + call.arguments for call in self)


@dataclass(slots=True, kw_only=True)
class TurnRecord:
    """A turn so far; `apply` takes each event, `close` ends it."""

    clock: Callable[[], float] = time.monotonic
    start: events.TurnStarted = NOT_STARTED
    thoughts: GrowingText = field(default_factory=GrowingText)
    own_thoughts: GrowingText = field(default_factory=GrowingText)
    """What the answerer has thought itself, as far as the vendor sums it up."""
    drafts: GrowingText = field(default_factory=GrowingText)
    reused_model: str | None = None
    texts: GrowingText = field(default_factory=GrowingText)
    calls: ToolCalls = field(default_factory=ToolCalls)
    """The client's tools that the answerer calls; `ask` and `chat` have none."""
    kept_answer: str = ""
    """The beginning of the answer, which an earlier turn brought; `texts` are the rest."""
    earlier_cost: Decimal | None = None
    """USD that the earlier turn has cost, if the answer is continued and that is known."""
    sources: tuple[events.Source, ...] = ()
    warnings: list[str] = field(default_factory=list)
    fallbacks: list[events.Fallback] = field(default_factory=list)
    stages: dict[Stage, events.StageFinished] = field(default_factory=dict)
    saved: Decimal = Decimal(0)
    """USD that the vendors' caches spared; below 0 where more was paid for writing to them."""
    running: events.StageStarted | None = None
    probe: events.StageStarted | None = None
    """The probe that runs, while the reasoner does."""
    expected_reasoning: int | None = None
    """Tokens that the chain of thought was likely to have; known where probes were sent."""
    complete: bool = False
    first_reasoning: float | None = None
    first_answer: float | None = None
    total: float = 0.0
    _began: float = 0.0
    _stage_began: float = 0.0

    def apply(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case events.Thought(text):  # first, since most are pieces of text
                if self.first_reasoning is None:
                    self.first_reasoning = self.clock() - self._began
                if self.running is None or self.running.thoughts is not self.thoughts:
                    answers = self.running is not None and self.running.stage is Stage.ANSWER
                    (self.own_thoughts if answers else self.thoughts).append(text)
            case events.Text(text):
                if self.first_answer is None:
                    self.first_answer = self.clock() - self._began
                self.texts.append(text)
            case events.ToolArguments() | events.ToolCallStarted():
                self.calls.add(event)
            case events.Draft(text):
                self.drafts.append(text)
            case events.ProbeStarted(start, expected):
                self.probe, self.expected_reasoning = start, expected
            case events.ProbeFinished(finished):
                self._add_probe(self.probe, finished)
            case _:
                self._apply_other(event)

    def _apply_other(self, event: Event) -> None:
        match event:
            case events.TurnStarted():
                self.start = event
                self._began = self.clock()
            case events.StageStarted():
                self.running = event
                self._stage_began = self.clock()
                if isinstance(event.thoughts, GrowingText):
                    self.thoughts = event.thoughts
            case events.StageFinished():
                self.stages[event.stage] = event
                self.saved += _saved(self.running, event)
                self.running = None
            case events.Sources(sources):
                self.sources = sources
            case events.TurnWarning(message):
                self.warnings.append(message)
            case events.Fallback():
                self.fallbacks.append(event)
            case events.Reused(reasoning, draft, model):
                self.thoughts, self.drafts = GrowingText([reasoning]), GrowingText([draft])
                self.reused_model = model
            case events.Continued(text, cost, sources):
                self.kept_answer, self.earlier_cost, self.sources = text, cost, sources

    def close(self, *, complete: bool) -> None:
        """End the turn; a stage or a probe that is still running gets an estimate."""
        self.complete = complete
        self.total = self.clock() - self._began
        if self.probe:
            self._add_probe(self.probe, self.probe.finish(self.probe.estimate(), 0.0))
        if self.running:
            self.stages[self.running.stage] = self._unfinished(self.running)
            self.running = None

    def _add_probe(
        self, started: events.StageStarted | None, finished: events.StageFinished
    ) -> None:
        """Count a probe among those before it; one without usage was not paid for."""
        self.probe = None
        if finished.usage is None:
            return
        self.saved += _saved(started, finished)
        before = self.stages.get(Stage.PROBE)
        self.stages[Stage.PROBE] = before.with_next(finished) if before else finished

    def _unfinished(self, started: events.StageStarted) -> events.StageFinished:
        reasons = started.stage is Stage.REASON
        thought = (self.thoughts if reasons else self.own_thoughts).tokens
        written = str(self.texts) + self.calls.text
        tokens = thought + (0 if reasons else estimate_tokens(written))
        usage = started.estimate(tokens, thought or None) if tokens else None
        return started.finish(usage, self.clock() - self._stage_began, complete=False)

    @property
    def reasoning(self) -> str:
        """The chain of thought so far."""
        return str(self.thoughts)

    @property
    def reasoned_to_the_end(self) -> bool:
        """Whether the chain of thought is whole; one from elsewhere is taken for it."""
        stage = self.stages.get(Stage.REASON)
        return stage is None or (stage.complete and stage.stop_reason not in events.CUT_SHORT)

    @property
    def lacks_reasoning(self) -> bool:
        """Whether the hand-off needs reasoning, none was written, and Claude was not asked."""
        if Stage.REASON not in self.stages or Stage.ANSWER in self.stages:
            return False
        needed = self.start.handoff in (Handoff.REASONING, Handoff.BOTH)
        return needed and not self.reasoning.strip()

    @property
    def settled_after(self) -> int | None:
        """After how many tokens the reasoner was stopped since it had settled, if it was."""
        stage = self.stages.get(Stage.REASON)
        settled = stage is not None and stage.stop_reason == events.SETTLED
        return stage.usage.output_tokens if settled and stage and stage.usage else None

    @property
    def own_thinking(self) -> str:
        """The summary of the answerer's own thinking so far."""
        return str(self.own_thoughts)

    @property
    def draft(self) -> str:
        """The reasoner's own answer, where the hand-off uses it."""
        return str(self.drafts)

    @property
    def reasoned_by(self) -> str | None:
        """The model that the reasoning is from, of this turn or of the one it was taken from."""
        stage = self.stages.get(Stage.REASON)
        return (stage.served_model or stage.model) if stage else self.reused_model

    @property
    def answer(self) -> str:
        """The answer so far."""
        return self.kept_answer + str(self.texts)

    @property
    def answers(self) -> bool:
        """Whether there is anything of an answer: words, or calls of tools."""
        return bool(self.answer.strip() or self.calls)

    @property
    def thought_in_vain(self) -> int:
        """The tokens that the answerer thought for where its limit came before any text, else 0."""
        stage = self.stages.get(Stage.ANSWER)
        return stage.thought_in_vain(self.answer) if stage else 0

    @property
    def cost(self) -> Decimal | None:
        """USD of all stages; None as soon as one of them is unknown."""
        costs = [stage.cost for stage in self.stages.values() if stage.usage or stage.cost]
        return None if None in costs else sum((cost for cost in costs if cost), Decimal(0))

    @property
    def cost_in_all(self) -> Decimal | None:
        """USD of this turn and of those whose answer it continues; None where unknown."""
        if self.earlier_cost is None or self.cost is None:
            return None
        return self.earlier_cost + self.cost

    @property
    def estimated(self) -> bool:
        """Whether any part of the usage is an estimate."""
        return any(stage.usage and stage.usage.estimated for stage in self.stages.values())


def _saved(started: events.StageStarted | None, finished: events.StageFinished) -> Decimal:
    """USD that caches spared the stage; 0 where nobody knows its rates."""
    usage = finished.usage
    if started and started.stage is finished.stage and started.rates and usage:
        return started.rates.saved(usage, started.at)
    return Decimal(0)
