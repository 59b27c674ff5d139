"""Choose the views of a turn: output options and streams → views."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING, TextIO

import typer

from deepreasoning_cli.cli.boundary import require_stdout, write_stderr
from deepreasoning_cli.cli.messages import ask_to_confirm
from deepreasoning_cli.cli.options import GlobalOptions, at_most_one
from deepreasoning_cli.errors import DeepReasoningError, UsageError, WriteError
from deepreasoning_cli.pipeline.events import Stage, Text, Thought
from deepreasoning_cli.sanitize import Sink, single_line
from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.base import DeferredView, LazyView, View, WholeAnswerView
from deepreasoning_cli.views.notes import RESUME_COMMAND, Notes, is_resumable
from deepreasoning_cli.views.plain import RawView, TextView, stream_writer

if TYPE_CHECKING:
    from deepreasoning_cli.pipeline.record import TurnRecord
    from deepreasoning_cli.settings.models import Settings
    from deepreasoning_cli.views.files import FileView
    from deepreasoning_cli.views.panels import PanelsView
    from deepreasoning_cli.views.status import Progress, StatusLine

REASONING_PLACES = ("show", "tail", "hide", "only", "stderr")  # anything else is a file
LONGEST_REASON = 500  # characters of why there is no search


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """The parameters that choose the output."""

    json: bool = False
    jsonl: bool = False
    plain: bool = False
    raw: bool = False
    extract: bool = False
    extract_all: bool = False
    language: str | None = None
    output: Path | None = None
    no_stream: bool = False
    whole: bool = False
    reasoning: str | None = None
    copy: bool = False

    @property
    def structured(self) -> bool:
        """Whether stdout is for a program: an object, or an object a line."""
        return self.json or self.jsonl

    @property
    def code_only(self) -> bool:
        """Whether stdout gets only code blocks of the answer."""
        return self.extract or self.extract_all

    @property
    def draws_panels(self) -> bool:
        """Whether a person is shown panels, if no log of the requests stands between."""
        text = self.plain or self.raw or self.code_only or self.output
        return not (self.structured or text) and terminal.supports_cursor(sys.stdout)

    @property
    def reasoning_only(self) -> bool:
        """Whether the turn ends after the reasoning."""
        return self.reasoning == "only"

    @property
    def reasoning_file(self) -> Path | None:
        """The file that `--reasoning` names, if it names one."""
        return Path(self.reasoning) if self.reasoning not in (None, *REASONING_PLACES) else None

    def check(self) -> None:
        """Raise UsageError for flags that contradict, WriteError where the text has no place to go:
        stdout is closed, or a file cannot be written.
        """
        require_stdout()
        forms = {"--json": self.json, "--jsonl": self.jsonl, "--raw": self.raw}
        at_most_one(forms | {"--extract": self.code_only})
        at_most_one(forms | {"--plain": self.plain})
        if self.raw and sys.stdout.isatty() and not self.output:
            raise UsageError(
                "--raw is refused on a terminal: model text could drive it",
                hint="redirect it to a file or a pipe, or use --plain",
            )
        if self.reasoning_only and (self.code_only or self.raw or self.output):
            raise UsageError("--reasoning only has no answer to write", hint="drop one of them")
        for path in filter(None, (self.output, self.reasoning_file)):
            from deepreasoning_cli.files import check_writable

            check_writable(path)

    def check_handoff(self, handoff: str) -> None:
        """Raise UsageError where only the reasoning is wanted, and nobody would reason."""
        if self.reasoning_only and handoff == "none":
            raise UsageError(
                "--reasoning only has nothing to show: --handoff none calls no reasoner",
                hint="drop one of them",
            )


@dataclass(slots=True)
class ViewBuilder:
    """Chooses the views of one turn; `progress` is called if a view shows it.

    Panels are made when `request_sent` is set: what draws them takes long to import.
    """

    options: OutputOptions
    record: TurnRecord
    progress: Callable[[], Progress]
    global_options: GlobalOptions
    settings: Settings
    request_sent: Flag = field(default_factory=Flag)
    resume_command: str = RESUME_COMMAND
    _sanitising: list[TextView | FileView | PanelsView] = field(default_factory=list)
    _is_saved: Callable[[], bool] = lambda: False

    def build_views(self, is_saved: Callable[[], bool]) -> list[View]:
        """The views in the order in which each is shown an event and closed.

        `is_saved` tells at the end whether all that came is on the disk.
        """
        self._is_saved = is_saved
        status = self._status()
        write = status.print_line if status else write_stderr
        views: list[View] = [status] if status else []
        views += [*self._files(), *self._text()]
        if self.options.copy:
            from deepreasoning_cli.views.clipboard import ClipboardView, copy_text

            copy = partial(copy_text, way=self.settings.clipboard)
            views.append(ClipboardView(self.record, write, copy))
        quiet = self.global_options.quiet
        notes = Notes(
            self.record,
            write,
            self._escaped_count,
            quiet=quiet,
            bill=partial(self._write_bill, write) if self._wants_bill else None,
            is_saved=is_saved,
            resume_command=self.resume_command,
        )
        return [*views, notes]

    @property
    def _wants_bill(self) -> bool:
        """Whether the bill is a line on stderr: panels have it below them, and a pipe may end on
        the same terminal.
        """
        if self.options.structured or self._in_panels:
            return False
        redirected = _is_regular_file(sys.stdout) and terminal.is_terminal(sys.stderr)
        return self._on_terminal or (redirected and terminal.is_foreground(sys.stderr))

    def _write_bill(self, write: Callable[[str], None], words: str) -> None:
        is_dim = terminal.uses_color(sys.stderr, self.global_options.color)
        write(f"\x1b[2m{words}\x1b[0m" if is_dim else words)

    @property
    def _on_terminal(self) -> bool:
        return terminal.is_terminal(sys.stdout)

    @property
    def _in_panels(self) -> bool:
        return self.options.draws_panels and not self.global_options.debug

    @property
    def _place(self) -> str | None:
        """Where the chain of thought goes, by the flag or the setting; None where neither says."""
        setting = self.settings.reasoning
        return self.options.reasoning or (setting if setting != "show" else None)

    @property
    def _reasoning_to_stderr(self) -> bool:
        options, place = self.options, self._place
        if options.structured or sys.stderr is None or place not in (None, "show", "stderr"):
            return False
        if place == "stderr":
            return True
        is_text = self._on_terminal and not (options.output or options.code_only)
        return (place == "show" or is_text) and not self._in_panels

    def print_unkept(self) -> None:
        """Print the reasoning of a turn that broke off, where it is neither kept nor shown."""
        options, is_panel = self.options, self._in_panels and self._place != "hide"
        is_shown = options.structured or options.reasoning_only or options.reasoning_file
        if is_panel or is_shown or self._reasoning_to_stderr or self.record.reused_model:
            return
        if self.record.reasoning.strip() and sys.stderr is not None:
            _print_text(sys.stderr, self.record.reasoning)

    def _escaped_count(self) -> int:
        return sum(view.escaped_count for view in self._sanitising)

    def _status(self) -> StatusLine | None:
        """The status line, where stderr has room for one: nothing of ours is drawn into text."""
        options = self.options
        at_once = options.jsonl and not _is_regular_file(sys.stdout)
        panels = self._in_panels and not options.no_stream
        if self.global_options.quiet or at_once or panels:
            return None
        if not terminal.supports_cursor(sys.stderr):
            return None
        from deepreasoning_cli.views.status import ASCII_SPINNER, SPINNER, StatusLine

        return StatusLine(
            self.progress(),
            stream_writer(sys.stderr),
            terminal.terminal_size(sys.stderr)[0],
            SPINNER if terminal.is_unicode(sys.stderr) else ASCII_SPINNER,
            until=self._first_shown(),
            is_foreground=partial(terminal.is_foreground, sys.stderr),
        )

    def _first_shown(self) -> tuple[type[Text] | type[Thought], ...]:
        """The events that may reach the screen at once; a pipe may end on the same terminal."""
        options = self.options
        if options.no_stream:
            return ()
        if self._reasoning_to_stderr:
            return (Thought, Text)
        if options.structured or options.output or options.code_only:
            return ()
        if _is_regular_file(sys.stdout):
            return ()
        return (Thought,) if options.reasoning_only else (Text,)

    def _files(self) -> Iterator[View]:
        output = None if self.options.code_only else self.options.output
        for kind, path in ((Text, output), (Thought, self.options.reasoning_file)):
            if path is not None:
                from deepreasoning_cli.views.files import FileView

                view = FileView(kind, path, raw=self.options.raw, note=self._say_on_terminal)
                self._sanitising.append(view)
                yield self._sanitising[-1]

    def _say_on_terminal(self, text: str) -> None:
        """Tell a person, not a script's log."""
        if terminal.is_terminal(sys.stderr) and not self.global_options.quiet:
            write_stderr(text)

    def _text(self) -> Iterator[View]:
        if self._reasoning_to_stderr:
            both = self._on_terminal and terminal.is_terminal(sys.stderr)
            yield self._as_it_comes(self._text_view(Thought, sys.stderr, space_below=both))
        if self._in_panels:
            key = terminal.SuspendKey()
            key.watch()
            yield LazyView(partial(self._panels, self.progress(), key), self.request_sent)
        elif answer := self._answer():
            yield self._as_it_comes(answer)

    def _resume(self) -> str | None:
        """The command that goes on from what is kept of a turn that was stopped."""
        if is_resumable(self.record) and self._is_saved():
            return self.resume_command.format(id=self.record.start.id)
        return None

    def _as_it_comes(self, view: View) -> View:
        view = WholeAnswerView(view) if self.options.whole else view
        return DeferredView(view) if self.options.no_stream else view

    def _answer(self) -> View | None:
        options, write = self.options, stream_writer(sys.stdout)
        if options.structured:
            from deepreasoning_cli.views.json import JsonlView, JsonView

            if options.json:
                return JsonView(self.record, write)
            return JsonlView(self.record, write, self._resume)
        if options.code_only:
            from deepreasoning_cli.views.code_blocks import CodeView

            sink = _sink_of(sys.stdout)
            if path := options.output:
                from deepreasoning_cli.files import write_atomically

                write, sink = partial(write_atomically, path, mode=None), Sink.PIPE
            return CodeView(self.record, write, sink, options.language, every=options.extract_all)
        if options.output:
            return None
        if options.raw:
            return RawView(_write_bytes)
        return self._text_view(Thought if options.reasoning_only else Text, sys.stdout)

    def _text_view(
        self, kind: type[Text] | type[Thought], stream: TextIO, *, space_below: bool = False
    ) -> View:
        self._sanitising.append(
            TextView(kind, stream_writer(stream), _sink_of(stream), space_below=space_below)
        )
        return self._sanitising[-1]

    def _panels(self, progress: Progress, suspend_key: terminal.SuspendKey) -> View:
        from deepreasoning_cli.views.panel import PanelRenderer, PanelStyle
        from deepreasoning_cli.views.panels import PanelsView

        place, reasoning, none = self._place, frozenset({Stage.REASON}), frozenset[Stage]()
        hides = place == "hide" or self.options.reasoning_file
        style = PanelStyle(
            box=self.settings.panels == "box",
            color=terminal.uses_color(sys.stdout, self.global_options.color),
            code_theme=self.settings.code_theme,
            demo=self.settings.backend == "demo",
            replayed=self.settings.is_replay,
            hidden_stages=reasoning if hides else none,
            folded_stages=reasoning if place == "tail" else none,
            omitted_stages=reasoning if place == "stderr" else none,
        )
        renderer = PanelRenderer(sys.stdout, style)
        panels = PanelsView(self.record, progress, renderer, suspend_key)
        self._sanitising.append(panels)
        return self._as_it_comes(panels)


def _sink_of(stream: TextIO) -> Sink:
    return Sink.TERMINAL if terminal.is_terminal(stream) else Sink.PIPE


def print_reasoning(text: str) -> None:
    """Print reasoning that is there already, in place of a turn's."""
    view = TextView(Thought, stream_writer(sys.stdout), _sink_of(sys.stdout))
    view(Thought(text))
    view.close(None)


def print_unwritten(options: OutputOptions, record: TurnRecord, failure: BaseException) -> None:
    """Print paid text that no file, no stdout and no history has taken, where it may yet be read.

    The answer of `--output` goes to stdout, which is free for it; all else goes to stderr.
    """
    answer, reasoning = record.answer, record.reasoning
    if isinstance(failure, WriteError) and options.structured:
        return  # stdout has taken all of it
    if isinstance(failure, WriteError) and record.complete and not options.output:
        answer = ""  # stdout has taken it: a file failed that was for the reasoning
    if answer.strip() and options.output and _print_text(sys.stdout, answer):
        answer = ""
    wanted = options.reasoning_file or options.reasoning_only or not record.answer.strip()
    for text in (reasoning if wanted and not record.reused_model else "", answer):
        if text.strip():
            _print_text(sys.stderr, text)


def _print_text(stream: TextIO, text: str) -> bool:
    """Print it, harmless; False where the stream does not take it."""
    view = TextView(Text, stream_writer(stream), _sink_of(stream))
    try:
        view(Text(text))
        view.close(None)
    except OSError:
        return False
    return True


def _is_regular_file(stream: TextIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def _write_bytes(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def confirm_without_search(
    options: OutputOptions, *, optional: bool
) -> Callable[[DeepReasoningError], bool]:
    """Whether to answer when the web search fails: yes if it is `optional`.

    Else a person is asked; in a script, or with structured output, the answer is no.
    """

    def confirm(error: DeepReasoningError) -> bool:
        if optional:
            return True
        streams = (sys.stdin, sys.stdout, sys.stderr)
        if options.structured or not all(map(terminal.is_terminal, streams)):
            return False
        typer.echo(f"search: {single_line(error.message, LONGEST_REASON)}", err=True)
        return ask_to_confirm("Answer without the search?")

    return confirm
