"""The state of one chat, which the commands and the prompt line work on."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from deepreasoning_cli.cli import editor
from deepreasoning_cli.cli.chat.printer import Printer, pluralize
from deepreasoning_cli.cli.chat.turns import (
    STOPPED,
    ChatArchive,
    ChatState,
    ChatTurns,
    Outcome,
)
from deepreasoning_cli.errors import DeepReasoningError, UsageError
from deepreasoning_cli.pipeline.attachments import summarize_prompt
from deepreasoning_cli.pipeline.money import format_tokens, format_usd
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.prompt import read_prompt
from deepreasoning_cli.sanitize import single_line
from deepreasoning_cli.views.clipboard import copy_text
from deepreasoning_cli.views.notes import format_age
from deepreasoning_cli.views.terminal import cell_width
from deepreasoning_cli.wiring.resources import began_at, is_id

if TYPE_CHECKING:
    from deepreasoning_cli.cli.chat.commands import SlashCommand
    from deepreasoning_cli.cli.chat.model_names import ChatNames

SETTLING = 1.0  # seconds after a stopped turn in which another Ctrl-C still means that turn
STDIN = "-"
HELP = "/help"
LONGEST_LINE = 300  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTotals:
    """Tokens and USD of the turns of this chat.

    `estimated` and `unknown` say whether a part of them is. `cached` and `written` are the tokens
    read from caches and written to them. `saved` is what that spared; it is below 0 where writing
    has cost more.
    """

    turns: int = 0
    tokens: int = 0
    cost: Decimal = Decimal(0)
    estimated: bool = False
    unknown: bool = False
    cached: int = 0
    written: int = 0
    saved: Decimal = Decimal(0)

    def plus(self, record: TurnRecord, turns: int = 1) -> UsageTotals:
        """The totals with one more turn, complete or not, which counts as so many."""
        stages = record.stages.values()
        usages = [stage.usage for stage in stages if stage.usage]
        used = sum(usage.input_tokens + usage.output_tokens for usage in usages)
        exact = [usage for usage in usages if not usage.estimated]
        cost = sum((s.cost for s in stages if s.cost is not None), Decimal(0))
        return UsageTotals(
            turns=self.turns + turns,
            tokens=self.tokens + used,
            cost=self.cost + cost,
            estimated=self.estimated or record.estimated,
            unknown=self.unknown or record.cost is None,
            cached=self.cached + sum(usage.cached_tokens for usage in exact),
            written=self.written + sum(usage.cache_write_tokens for usage in exact),
            saved=self.saved + record.saved,
        )

    @property
    def words(self) -> str:
        """`3,412 tokens · $0.0123`, with a mark for what is estimated or unknown."""
        return f"{format_tokens(self.tokens, estimated=self.estimated)} tokens · {self.cost_words}"

    @property
    def cost_words(self) -> str:
        """`$0.0123`, `≈$0.0123 + unknown`."""
        cost = format_usd(self.cost, estimated=self.estimated)
        return f"{cost} + unknown" if self.unknown else cost

    @property
    def cache_words(self) -> str:
        """`12,345 tokens read, 4,000 written · $0.0222 saved`; losses are named too."""
        if not (self.cached or self.written):
            return "not used yet"
        verb = "saved" if self.saved >= 0 else "more than without"
        tokens = f"{self.cached:,} tokens read, {self.written:,} written"
        return f"{tokens} · {format_usd(abs(self.saved))} {verb}"


@dataclass(eq=False, kw_only=True)
class ChatSession:
    """One chat: its state, its last turn and what it has used.

    `totals` is what this chat has used, `session_totals` what its session has, earlier turns too.
    `code` is the exit code of the last turn or command that failed; `over` ends the chat.
    `is_interactive` says whether a person types. `copy` puts text on the clipboard, `edit` opens
    a text in the user's editor; both raise DeepReasoningError.
    """

    turns: ChatTurns
    archive: ChatArchive
    names: ChatNames
    commands: Mapping[str, SlashCommand]
    state: ChatState
    printer: Printer
    is_interactive: bool
    copy: Callable[[str], None] = copy_text
    edit: Callable[[str], str] = editor.edit_text
    clock: Callable[[], float] = time.monotonic
    totals: UsageTotals = UsageTotals()
    code: int = 0
    over: bool = False
    session_totals: UsageTotals = field(init=False)
    _settles_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._count_session()

    @cached_property
    def last(self) -> TurnRecord | None:
        """The session's last turn; read from the archive after the session was changed."""
        turns = self.archive.turns(self.state.session)
        return turns[-1] if turns else None

    def require_last(self) -> TurnRecord:
        """The session's last turn. Raises UsageError in a session without turns."""
        if self.last is None:
            raise UsageError("this session has no turn yet", kind="no_turn", hint="ask something")
        return self.last

    def change(self, **changes: Any) -> None:
        """Replace fields of the state."""
        self.state = replace(self.state, **changes)

    def move(self, session: str) -> None:
        """Go on in another session, or in a fork of it where another process is in it."""
        self.change(session=self.archive.enter(session))
        self.forget_last()
        self._count_session()

    def _count_session(self) -> None:
        self.session_totals = UsageTotals()
        for turn in self.archive.turns_in_memory(self.state.session):
            self.session_totals = self.session_totals.plus(turn)

    def forget_last(self) -> None:
        """Have the last turn read again: the archive or the session has changed."""
        self.__dict__.pop("last", None)

    def fail(self, error: DeepReasoningError) -> None:
        """Print a failure and keep its exit code."""
        self.printer.failure(error)
        self.code = error.exit_code

    def compose(self, question: str) -> str:
        """The question with the attached files in front of it. Raises UsageError."""
        words = [f"{question} "] if question == STDIN else [question]
        return read_prompt(words, self.state.files, use_stdin=False, announce=self.printer.note)

    def attach(self, path: str) -> None:
        """Attach a text file to the next question, if it can be sent. Raises UsageError."""
        path = f"./{path}" if path == STDIN else path  # a file of that name, not stdin
        # os.path, because to Path a name that is too long is an error
        if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
            raise UsageError(
                f"{path} is not a file", kind="unreadable_file", hint="name a text file"
            )
        read_prompt(["?"], [path], use_stdin=False)
        if path not in self.state.files:
            self.change(files=(*self.state.files, path))

    def ask(self, question: str) -> None:
        """Ask the question, with the attached files. Raises DeepReasoningError."""
        prompt = self.compose(question)
        self.change(files=())
        self.ask_composed(prompt)

    def ask_composed(self, prompt: str) -> None:
        """Ask a question that holds its files already. Raises DeepReasoningError."""
        self._settle(self.turns.ask(prompt, self.state))

    def ask_instead(self, prompt: str, turn: TurnRecord) -> None:
        """Ask in the place of an earlier turn. Raises DeepReasoningError."""
        self._settle(self.turns.ask(prompt, self.state, instead_of=turn))

    def answer_again(self, turn: TurnRecord) -> None:
        """Have the same reasoning answered again. Raises DeepReasoningError."""
        outcome = self.turns.answer_again(turn, self.state)
        self._settle(outcome, is_last=bool(outcome.record.texts))  # else `turn` still stands

    def finish(self, turn: TurnRecord) -> None:
        """Go on with the answer of a cut turn. Raises DeepReasoningError."""
        outcome = self.turns.finish(turn, self.state)
        self._settle(outcome, is_last=bool(outcome.record.texts) or not outcome.code)

    def compare(self, turn: TurnRecord, models: Sequence[str]) -> None:
        """Have several models answer the question of the last turn anew, and go on with the answer
        that is picked. Raises DeepReasoningError.
        """
        outcome = self.turns.compare(turn, models, self.state)
        for place, record in enumerate(outcome.records):
            asked = 0 if place else 1  # it is one question
            self.session_totals = self.session_totals.plus(record, asked)
            self.totals = self.totals.plus(record, asked)
        self.last = outcome.picked or turn
        self.code = outcome.code or self.code
        if outcome.code == STOPPED:
            self._settles_at = self.clock() + SETTLING

    def _settle(self, outcome: Outcome, *, is_last: bool = True) -> None:
        self.session_totals = self.session_totals.plus(outcome.record)
        if is_last and outcome.record.start.id:  # else it was stopped before there was a turn
            self.last = outcome.record
        self.totals = self.totals.plus(outcome.record)
        self.code = outcome.code or self.code
        if outcome.code == STOPPED:
            self._settles_at = self.clock() + SETTLING

    @property
    def is_settling(self) -> bool:
        """Whether Ctrl-C was pressed so lately that one more belongs to the stopped turn."""
        return self.clock() < self._settles_at

    def introduce(self) -> None:
        """Say which session goes on here, if it has turns."""
        if (last := self.last) is None:
            return
        name = self.state.session
        turns = pluralize(len(self.archive.turns_in_memory(name)), "turn")
        self.printer.note(turns if is_id(name) else f"session {name}, {turns}")
        began = began_at(last.start.id)
        age = f", {format_age((datetime.now(UTC) - began).total_seconds())}" if began else ""
        self.printer.note(f"last question{age}: {summarize_prompt(last.start.prompt)}")

    def take_leave(self) -> None:
        """Say what the chat has cost and how to come back to it, if anything was asked."""
        if not self.totals.turns:
            return
        self.printer.remark(f"{pluralize(self.totals.turns, 'question')} · {self.totals.words}")
        name = self.state.session
        if self.turns.saves and self.last:
            way = "-c" if is_id(name) else f"--session {shlex.quote(name)}"
            self.printer.remark(f"`deepreasoning chat {way}` continues from here")

    def toolbar(self, columns: int) -> str:
        """The line under the prompt; fields that have no room are left out."""
        state = self.state
        models = self.names.in_force(state)
        name = [] if is_id(state.session) else [state.session]
        count = len(state.files)
        rest = [self.session_totals.cost_words]
        rest += [f"{pluralize(count, 'file')} attached"] if count else []
        for fields in (
            [models.words, *name, *rest, HELP],
            [models.words, *rest, HELP],
            [models.words, *rest],
            [models.answerer, *rest, HELP],
            [models.answerer, *rest],
        ):
            line = single_line(" · ".join(fields), LONGEST_LINE)
            if cell_width(line) < columns:
                return self.printer.to_charset(line)
        return self.printer.to_charset(single_line(" · ".join(rest)))
