"""Put the chat together on the streams that there are, and run its loop."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Protocol

from deepreasoning_cli import paths
from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.cli.chat import commands, question_commands, session_commands
from deepreasoning_cli.cli.chat.commands import SlashCommand, ask_first, run_entry
from deepreasoning_cli.cli.chat.model_names import ChatNames
from deepreasoning_cli.cli.chat.printer import Printer
from deepreasoning_cli.cli.chat.prompt_history import FILE_NAME, PromptHistory
from deepreasoning_cli.cli.chat.session import ChatSession
from deepreasoning_cli.cli.chat.turns import STOPPED, ChatArchive, ChatState, ChatTurns
from deepreasoning_cli.cli.earlier_turns import open_session
from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.cli.runner import AskOptions, TurnRunner
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.pipeline.events import Handoff
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.prompt import LARGEST_INPUT, STDIN, decode, is_piped, read_prompt
from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.clipboard import copy_text
from deepreasoning_cli.views.notes import CHAT_COMMAND
from deepreasoning_cli.views.plain import stream_writer
from deepreasoning_cli.wiring.resources import TurnRequest, current_catalog, new_id

if TYPE_CHECKING:
    from deepreasoning_cli.cli.chat.typed_ahead import TypedAhead

WELCOME = "/help lists the commands, Esc-Enter begins a new line, Ctrl-D leaves"
ANSWERING = ("anthropic", "empiriolabs")  # without one of these keys nothing answers
COMMANDS = {
    command.name: command
    for module in (commands, question_commands, session_commands)
    for command in vars(module).values()
    if isinstance(command, SlashCommand)
}
"""All commands, in the order of `/help`."""


def run(options: GlobalOptions, chat_options: AskOptions) -> int:
    """Chat until the user leaves; return the exit code. Raises DeepReasoningError; at once where
    stdout is closed.

    A prompt of `chat_options`, or a file that is stdin, is the first question; of the output it
    uses whether that is plain.
    """
    chat_options.check()
    chat_options.output.check()
    question = _first_question(chat_options)
    is_interactive = terminal.is_terminal(sys.stdin)
    keys = _typed_ahead() if is_interactive else None
    tip = keys.tip if keys else None
    runner = TurnRunner(
        options, save=chat_options.save, tip=tip, resume_command=CHAT_COMMAND, connects=False
    )
    with runner, ExitStack() as claim:
        loaded = runner.load(chat_options.settings)
        if not any(map(loaded.has_key, ANSWERING)):
            runner.plan(TurnRequest(loaded=loaded, question="?"))  # says which key is missing
        reload = partial(runner.load, chat_options.settings)
        names = ChatNames(current_catalog(loaded), loaded, reload)
        names.check()
        name, earlier = open_session(runner, chat_options, claim)
        state = _initial_state(names, chat_options, name or new_id(), earlier)
        if state.web:
            names.check_search(state)
        archive = ChatArchive(runner, claim, state.session, earlier)
        prompts = PromptHistory(paths.data_dir() / FILE_NAME) if runner.saves else None
        turns = ChatTurns(
            runner=runner,
            archive=archive,
            settings=chat_options.settings,
            plain=chat_options.output.plain or not is_interactive,
            debug=options.debug,
            prompts=prompts,
            keys=keys,
        )
        chat = ChatSession(
            turns=turns,
            archive=archive,
            names=names,
            commands=COMMANDS,
            state=state,
            printer=Printer(sys.stdout, sys.stderr, options.color, options.quiet),
            is_interactive=is_interactive,
            copy=partial(copy_text, way=loaded.settings.clipboard),
        )
        if question is None:
            for path in chat_options.files:
                chat.attach(path)
        elif prompts and is_interactive:
            prompts.add(" ".join(chat_options.prompt))
        return run_on_stdin(chat, prompts, keys, question)


def _first_question(options: AskOptions) -> str | None:
    """The question of the command line, behind its files and what was piped; None for none.

    Afterwards stdin is the terminal, where there is one.
    """
    if not options.prompt and set(options.files).isdisjoint(STDIN):
        return None
    reads = options.use_stdin and is_piped()
    question = read_prompt(options.prompt, options.files, use_stdin=reads, announce=write_stderr)
    if reads and os.name == "posix" and terminal.is_terminal(sys.stdout):
        with suppress(OSError):  # no terminal of one's own: it answers and ends
            own = os.open("/dev/tty", os.O_RDWR)
            os.dup2(own, 0)  # for editors, too
            os.close(own)
            sys.stdin = open(0, closefd=False)  # noqa: SIM115 (until the end)
    return question


def _initial_state(
    names: ChatNames, options: AskOptions, session: str, earlier: Sequence[TurnRecord]
) -> ChatState:
    loaded, host = names.loaded, names.default_answerer
    settings = loaded.settings
    its_own = bool(host and host.model) and not loaded.is_typed("model")

    def level_of(name: str) -> str | None:
        level: str = getattr(settings, name)
        return level if level != "auto" or loaded.is_typed(name) else None

    return ChatState(
        session=session,
        model=None if its_own else settings.model,
        reasoner=", ".join(settings.reasoner or ()) or None,
        answerer=", ".join(settings.answerer or ()) or None,
        system=options.system_after(earlier),
        reasoning=settings.reasoning or "tail",
        handoff=Handoff(settings.handoff),
        effort=level_of("effort"),
        think=level_of("think"),
        web=settings.web_search_linkup,
    )


def run_on_stdin(
    chat: ChatSession,
    history: PromptHistory | None,
    keys: TypedAhead | None = None,
    question: str | None = None,
) -> int:
    """Run the chat on what is typed, of which `history` is the file; return the exit code.

    `keys` has what was typed while a turn ran. `question` is asked first, as it stands.

    The line editor needs stdin and stdout to be terminals.
    """
    if chat.is_interactive:
        chat.printer.remark(WELCOME)
        chat.introduce()
    if question is not None:
        _guarded(chat, lambda: ask_first(chat, question))
    code = run_loop(chat, _reader(chat, history, keys))
    if chat.is_interactive:
        chat.take_leave()
    return code


def _typed_ahead() -> TypedAhead | None:
    """What keeps the keys of a running turn, where the line editor reads them afterwards."""
    if os.name != "posix" or not terminal.supports_cursor(sys.stdout):
        return None
    from deepreasoning_cli.cli.chat.typed_ahead import TypedAhead

    return TypedAhead()


def _reader(chat: ChatSession, history: PromptHistory | None, keys: TypedAhead | None) -> Reader:
    if not (chat.is_interactive and terminal.supports_cursor(sys.stdout)):
        stream = sys.stdin.buffer if sys.stdin else None
        prompt = partial(stream_writer(sys.stderr), "> ") if chat.is_interactive else lambda: None
        return LineReader(stream, prompt)
    from deepreasoning_cli.cli.chat.line_editor import LineEditor

    if os.name == "nt":  # the console there is driven by calls
        return LineEditor(chat, history)
    from deepreasoning_cli.cli.chat.terminal import QuietOutput

    output = QuietOutput(sys.stdout, color=terminal.uses_color(sys.stdout, chat.printer.color))
    return LineEditor(chat, history, output=output, keys=keys)


def run_loop(chat: ChatSession, reader: Reader) -> int:
    """Take entries until the chat is over; return 0 for a person, else the last failure's code.

    Where a person types, Ctrl-C only ever leads back to the prompt. Elsewhere it ends the
    chat, as KeyboardInterrupt or with 130 after a turn that it stopped.
    """
    while not chat.over:
        _guarded(chat, lambda: _run_next(chat, reader))
    return 0 if chat.is_interactive else chat.code


def _guarded(chat: ChatSession, action: Callable[[], None]) -> None:
    try:
        action()
    except KeyboardInterrupt:
        if not chat.is_interactive:
            raise
    chat.over |= chat.code == STOPPED and not chat.is_interactive


def _run_next(chat: ChatSession, reader: Reader) -> None:
    try:
        entry = reader.read()
    except UsageError as error:
        chat.fail(error)
        return
    if entry is None:
        chat.over = True
    elif entry.strip():
        run_entry(chat, entry)


class Reader(Protocol):
    """Gives one entry after the other."""

    def read(self) -> str | None:
        """The next entry, None when there are no more. Raises UsageError for one too long."""


@dataclass(slots=True)
class LineReader:
    """Reads each line as an entry: of a pipe, a file, or a terminal that cannot move its cursor.

    `prompt` is called before each line. A line has at most `longest` bytes; one that is no
    UTF-8 is read as a file would be.
    """

    stream: BinaryIO | None
    prompt: Callable[[], object] = lambda: None
    longest: int = LARGEST_INPUT
    _encoding: str = field(default="utf-8-sig", init=False)  # a byte order mark may begin it

    def read(self) -> str | None:
        """The next line without its end."""
        self.prompt()
        line = self.stream.readline(self.longest + 1) if self.stream else b""
        if not line:
            return None
        if len(line) > self.longest:
            self._skip_rest(line)
            limit = f"{self.longest // 1_000_000} MB"
            raise UsageError(
                f"a line is longer than {limit}", hint="ask about a part of it", kind="too_long"
            )
        encoding, self._encoding = self._encoding, "utf-8"
        line = line.rstrip(b"\r\n")
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            return decode(line, "the line", write_stderr)

    def _skip_rest(self, line: bytes) -> None:
        while self.stream and line and not line.endswith(b"\n"):
            line = self.stream.readline(self.longest)
