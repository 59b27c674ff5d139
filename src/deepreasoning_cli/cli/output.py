"""What the user sees of a turn: output flags and streams → views."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

import typer

from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.cli.options import Globals
from deepreasoning_cli.errors import DeepReasoningError, UsageError, WriteError
from deepreasoning_cli.pipeline.events import Stage, Text, Thought
from deepreasoning_cli.sanitize import Sink, single_line
from deepreasoning_cli.views import terminal

if TYPE_CHECKING:
    from deepreasoning_cli.pipeline.record import TurnRecord
    from deepreasoning_cli.settings.models import Settings
    from deepreasoning_cli.views.base import View
    from deepreasoning_cli.views.plain import TextView
    from deepreasoning_cli.views.status import Progress

PLACES = ("show", "hide", "only", "stderr")
LONGEST_REASON = 500  # characters of why there is no search


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """What the flags say about the output."""

    json: bool = False
    jsonl: bool = False
    plain: bool = False
    raw: bool = False
    extract: bool = False
    extract_all: bool = False
    language: str | None = None
    output: Path | None = None
    no_stream: bool = False
    reasoning: str | None = None
    copy: bool = False

    @property
    def structured(self) -> bool:
        """Whether stdout is for a program: an object, or an object a line."""
        return self.json or self.jsonl

    @property
    def reasoning_only(self) -> bool:
        """Whether the turn ends after the reasoning."""
        return self.reasoning == "only"

    @property
    def reasoning_file(self) -> Path | None:
        """The file the reasoning goes to, if it goes to one."""
        return Path(self.reasoning) if self.reasoning not in (None, *PLACES) else None

    def check(self) -> None:
        """Raise UsageError for flags that contradict, WriteError where stdout is closed."""
        if sys.stdout is None:
            raise WriteError("stdout is closed", hint="nothing was sent; give it a stdout")
        forms = {"--json": self.json, "--jsonl": self.jsonl, "--raw": self.raw}
        forms["--extract"] = self.extract
        given = [name for name, wanted in forms.items() if wanted]
        if len(given) > 1:
            raise UsageError(f"{given[0]} and {given[1]} exclude each other", hint="choose one")
        if self.raw and sys.stdout.isatty() and not self.output:
            raise UsageError(
                "--raw is refused on a terminal: model text could drive it",
                hint="redirect it to a file or a pipe, or use --plain",
            )
        if self.reasoning_only and (self.extract or self.raw or self.output):
            raise UsageError(
                "--reasoning only has no answer to write", hint="leave one of them out"
            )


class CountingView(Protocol):
    """A view that makes control characters visible, and counts them."""

    @property
    def escaped_count(self) -> int:
        """How many there were."""


def build_views(
    options: OutputOptions,
    record: TurnRecord,
    progress: Progress,
    given: Globals,
    settings: Settings,
    *,
    kept: Callable[[], bool],
) -> list[View]:
    """The views of one turn, in the order in which each is shown an event and closed.

    `kept` tells at the end whether what came is on the disk.
    """
    return _ViewBuilder(options, record, progress, given, settings).build(kept)


class _ViewBuilder:
    """Chooses the views of one turn."""

    def __init__(
        self,
        options: OutputOptions,
        record: TurnRecord,
        progress: Progress,
        given: Globals,
        settings: Settings,
    ) -> None:
        self._options = options
        self._record = record
        self._progress = progress
        self._given = given
        self._settings = settings
        self._terminal = terminal.is_terminal(sys.stdout)
        self._counted: list[CountingView] = []

    def build(self, kept: Callable[[], bool]) -> list[View]:
        from deepreasoning_cli.views.files import ClipboardView
        from deepreasoning_cli.views.notes import Notes

        quiet = self._given.quiet
        status = list(self._status(quiet=quiet))
        say = _over_the_status if status else write_stderr
        bill = self._terminal and not self._in_panels and not self._options.structured
        notes = Notes(self._record, say, self._escaped_count, quiet=quiet, bill=bill, is_saved=kept)
        copied = [ClipboardView(self._record, say)] if self._options.copy else []
        return [*status, *self._files(), *self._text(), *copied, notes]

    @property
    def _in_panels(self) -> bool:
        options = self._options
        text = options.plain or options.raw or options.extract or options.output
        other = options.structured or text
        return not (other or self._given.debug) and terminal.supports_cursor(sys.stdout)

    @property
    def _on_a_shared_screen(self) -> bool:
        """Whether stderr's lines and stdout's text appear on the same terminal."""
        options = self._options
        return self._terminal and not (options.structured or options.output or options.extract)

    def _escaped_count(self) -> int:
        return sum(view.escaped_count for view in self._counted)

    def _status(self, *, quiet: bool) -> Iterator[View]:
        busy = self._on_a_shared_screen or self._reasoning_to_stderr
        if quiet or busy or not terminal.supports_cursor(sys.stderr):
            return
        from deepreasoning_cli.views.plain import stream_writer
        from deepreasoning_cli.views.status import ASCII_SPINNER, SPINNER, StatusLine

        spinner = SPINNER if terminal.is_unicode(sys.stderr) else ASCII_SPINNER
        yield StatusLine(
            self._progress, stream_writer(sys.stderr), terminal.terminal_size()[0], spinner
        )

    def _files(self) -> Iterator[View]:
        from deepreasoning_cli.views.files import FileView

        wanted = ((Text, self._options.output), (Thought, self._options.reasoning_file))
        for kind, path in wanted:
            if path is not None:
                view = FileView(kind, path, raw=self._options.raw)
                self._counted.append(view)
                yield view

    def _text(self) -> Iterator[View]:
        if self._reasoning_to_stderr:
            yield self._counting(Thought, sys.stderr)
        if self._in_panels:
            yield self._delayed(self._panels())
            return
        answer = self._answer()
        if answer is not None:
            yield self._delayed(answer)

    @property
    def _reasoning_to_stderr(self) -> bool:
        wish = self._options.reasoning
        if self._options.structured or sys.stderr is None:
            return False
        shown_in_panel = self._in_panels and wish in (None, "show")
        asked = wish in ("stderr", "show") or (wish is None and self._terminal)
        return asked and not shown_in_panel

    def _answer(self) -> View | None:
        from deepreasoning_cli.views.plain import RawView, stream_writer

        options, write = self._options, stream_writer(sys.stdout)
        if options.structured:
            from deepreasoning_cli.views.json import JsonlView, JsonView

            return (JsonView if options.json else JsonlView)(self._record, write)
        if options.output:
            return None
        if options.extract:
            from deepreasoning_cli.views.files import CodeView

            sink = _sink_of(sys.stdout)
            return CodeView(self._record, write, sink, options.language, every=options.extract_all)
        if options.raw:
            return RawView(_bytes_to_stdout)
        return self._counting(Thought if options.reasoning_only else Text, sys.stdout)

    def _counting(self, kind: type[Text] | type[Thought], stream: TextIO) -> TextView:
        from deepreasoning_cli.views.plain import TextView, stream_writer

        view = TextView(kind, stream_writer(stream), _sink_of(stream))
        self._counted.append(view)
        return view

    def _delayed(self, view: View) -> View:
        if not self._options.no_stream:
            return view
        from deepreasoning_cli.views.base import DeferredView

        return DeferredView(view)

    def _panels(self) -> View:
        from deepreasoning_cli.views.panel import PanelRenderer, PanelStyle
        from deepreasoning_cli.views.panels import PanelsView

        wish = self._options.reasoning
        reasoning = frozenset({Stage.REASON})
        style = PanelStyle(
            box=self._settings.panels == "box",
            color=terminal.uses_color(sys.stdout, self._given.color),
            code_theme=self._settings.code_theme,
            demo=self._settings.backend == "demo",
            hidden_stages=reasoning
            if wish == "hide" or self._options.reasoning_file
            else frozenset(),
            omitted_stages=reasoning if wish == "stderr" else frozenset(),
        )
        view = PanelsView(self._record, self._progress, PanelRenderer(sys.stdout, style))
        self._counted.append(view)
        return view


def _sink_of(stream: TextIO) -> Sink:
    return Sink.TERMINAL if terminal.is_terminal(stream) else Sink.PIPE


def _over_the_status(line: str) -> None:
    """A line on stderr in place of the status line, which draws itself anew below."""
    write_stderr(f"\r\x1b[0K{line}")


def _bytes_to_stdout(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def confirm_without_search(
    *, optional: bool, structured: bool
) -> Callable[[DeepReasoningError], bool]:
    """Whether to answer where the search of the web cannot be had: yes where it is `optional`.

    Else a person is asked, but not in a script, nor where the output is `structured` for one.
    """

    def confirm(error: DeepReasoningError) -> bool:
        if optional:
            return True
        if structured or not _is_a_person_there():
            return False
        typer.echo(f"search: {single_line(error.message, LONGEST_REASON)}", err=True)
        return typer.confirm("Answer without the search?", default=False, err=True)

    return confirm


def _is_a_person_there() -> bool:
    return all(map(terminal.is_terminal, (sys.stdin, sys.stdout, sys.stderr)))
