"""The chat, put together on the streams that there are, and its loop: read an entry, take it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import BinaryIO, Protocol

from deepreasoning_cli import paths
from deepreasoning_cli.cli.chat.ask_commands import ASK_COMMANDS
from deepreasoning_cli.cli.chat.commands import HELP, take
from deepreasoning_cli.cli.chat.export_commands import EXPORT_COMMANDS
from deepreasoning_cli.cli.chat.option_commands import OPTION_COMMANDS
from deepreasoning_cli.cli.chat.printer import Printer
from deepreasoning_cli.cli.chat.prompt_history import NAME, PromptHistory
from deepreasoning_cli.cli.chat.session import ChatSession
from deepreasoning_cli.cli.chat.session_commands import SESSION_COMMANDS
from deepreasoning_cli.cli.chat.turns import (
    STOPPED,
    ChatArchive,
    ChatNames,
    ChatState,
    ChatTurns,
)
from deepreasoning_cli.cli.options import Globals
from deepreasoning_cli.cli.runner import AskOptions, TurnRunner, open_session
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.pipeline.events import Handoff
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.prompt import LARGEST_INPUT
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.views import terminal
from deepreasoning_cli.wiring.plan import TurnRequest
from deepreasoning_cli.wiring.resources import current_catalog

WELCOME = "/help lists the commands, Esc-Enter begins a new line, Ctrl-D leaves"
TIP = "Enter: answer now"
ANSWERING = ("anthropic", "empiriolabs")  # without one of these keys nothing answers
LINE_END = b"\r\n"
COMMANDS = {
    command.name: command
    for command in (HELP, *OPTION_COMMANDS, *ASK_COMMANDS, *EXPORT_COMMANDS, *SESSION_COMMANDS)
}


def run(given: Globals, options: AskOptions) -> int:
    """Chat until the user leaves; the exit code. Raises DeepReasoningError.

    Of `options` it takes the settings, the session, the system prompt, whether turns are saved,
    and of the output whether it is plain and whether the reasoning is hidden.
    """
    options.check()
    typed = terminal.is_terminal(sys.stdin)
    with ExitStack() as stack:
        tip = TIP if typed else ""
        runner = stack.enter_context(TurnRunner(given, save=options.save, tip=tip))
        loaded = runner.load(options.settings)
        _require_key(runner, loaded)
        archive = stack.enter_context(ChatArchive(runner))
        name, earlier = open_session(runner, options, archive.claim)
        state = _state(options, loaded, name or archive.new_name(), earlier)
        archive.begin(state.session, earlier)
        plain = options.output.plain or not typed
        prompts = _prompts(runner, loaded)
        turns = ChatTurns(runner, archive, options.settings, plain=plain, prompts=prompts)
        names = ChatNames(current_catalog(loaded), loaded.settings.backend)
        return repl(turns, archive, names, state, history=prompts, color=given.color).run()


def _state(
    options: AskOptions, loaded: LoadedSettings, session: str, earlier: Sequence[TurnRecord]
) -> ChatState:
    return ChatState(
        session=session,
        model=loaded.settings.model,
        reasoner=loaded.settings.reasoner,
        system=options.system_after(earlier),
        reasoning="hide" if options.output.reasoning == "hide" else "show",
        handoff=Handoff(loaded.settings.handoff),
        web=loaded.settings.web_search_linkup,
    )


def _require_key(runner: TurnRunner, loaded: LoadedSettings) -> None:
    """Raise ConfigError where no question could be asked, whatever is typed."""
    if not any(map(loaded.has_key, ANSWERING)):
        runner.plan(TurnRequest(loaded=loaded, question="?"))  # knows what is missing


def _prompts(runner: TurnRunner, loaded: LoadedSettings) -> PromptHistory | None:
    """Where the line editor keeps what was typed; None where nothing is to be kept."""
    keeps = runner.saves and loaded.settings.history
    return PromptHistory(paths.data_dir() / NAME) if keeps else None


def repl(
    turns: ChatTurns,
    archive: ChatArchive,
    names: ChatNames,
    state: ChatState,
    *,
    history: PromptHistory | None,
    color: str = "auto",
) -> Repl:
    """The chat on stdin, stdout and stderr.

    `history` is the file that keeps what is typed, None for none; `color` is auto, always or
    never. A person types where stdin is a terminal; the line editor also needs stdout to be one.
    """
    typed = terminal.is_terminal(sys.stdin)
    chat = ChatSession(
        turns,
        archive,
        names,
        commands=COMMANDS,
        state=state,
        printer=Printer(sys.stdout, sys.stderr, color),
        is_interactive=typed,
    )
    if typed:
        chat.printer.note(WELCOME)
    return Repl(chat, _reader(chat, history, color, typed=typed))


def _reader(chat: ChatSession, history: PromptHistory | None, color: str, *, typed: bool) -> Reader:
    if not typed:
        return LineReader(standard_input())
    if not terminal.supports_cursor(sys.stdout):
        return LineReader(standard_input(), _prompt)
    from deepreasoning_cli.cli.chat.line_editor import LineEditor

    if os.name == "nt":  # the console there is spoken to by calls
        return LineEditor(chat, history)
    from deepreasoning_cli.cli.chat.terminal import QuietOutput

    output = QuietOutput(sys.stdout, color=terminal.uses_color(sys.stdout, color))
    return LineEditor(chat, history, output=output)


def _prompt() -> None:
    sys.stderr.write("> ")
    sys.stderr.flush()


class Repl:
    """A chat from its first prompt to its last."""

    def __init__(self, chat: ChatSession, reader: Reader) -> None:
        self._chat = chat
        self._reader = reader

    def run(self) -> int:
        """Chat; return the exit code: 0 after a person left, else that of the last failure.

        Where a person types, Ctrl-C only ever leads back to the prompt. Elsewhere it ends the
        chat, as KeyboardInterrupt or with 130 after a turn that it stopped.
        """
        while not self._chat.over:
            try:
                self._step()
            except KeyboardInterrupt:
                if not self._chat.is_interactive:
                    raise
        return 0 if self._chat.is_interactive else self._chat.code

    def _step(self) -> None:
        chat = self._chat
        try:
            entry = self._reader.read()
        except UsageError as error:
            chat.printer.failure(error)
            chat.code = error.exit_code
            return
        if entry is None:
            chat.over = True
        elif entry.strip():
            take(chat, entry)
            chat.over |= chat.code == STOPPED and not chat.is_interactive


class Reader(Protocol):
    """Gives one entry after the other."""

    def read(self) -> str | None:
        """The next entry, None when there are no more. Raises UsageError for one too long."""


class LineReader:
    """One line, one entry: of a pipe, a file, or a terminal that cannot move its cursor.

    `prompt` is called before each line. A line has at most `longest` bytes; those that are no
    UTF-8 become U+FFFD.
    """

    def __init__(
        self,
        stream: BinaryIO | None,
        prompt: Callable[[], None] = lambda: None,
        *,
        longest: int = LARGEST_INPUT,
    ) -> None:
        self._stream = stream
        self._prompt = prompt
        self._longest = longest
        self._encoding = "utf-8-sig"  # a byte order mark may begin it

    def read(self) -> str | None:
        """The next line without its end."""
        self._prompt()
        line = self._stream.readline(self._longest + 1) if self._stream else b""
        if not line:
            return None
        if len(line) > self._longest:
            self._skip_rest(line)
            limit = f"{self._longest // 1_000_000} MB"
            raise UsageError(f"a line is longer than {limit}", kind="too_long")
        encoding, self._encoding = self._encoding, "utf-8"
        return line.rstrip(LINE_END).decode(encoding, "replace")

    def _skip_rest(self, line: bytes) -> None:
        while self._stream and line and not line.endswith(b"\n"):
            line = self._stream.readline(self._longest)


def standard_input() -> BinaryIO | None:
    """The bytes of stdin; None where it is closed."""
    return sys.stdin.buffer if sys.stdin else None
