"""How one turn is shown: flags and streams → views."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.cli.options import Globals
from deepreasoning_cli.errors import UsageError, WriteError
from deepreasoning_cli.events import Stage, Text, Thought
from deepreasoning_cli.record import Record
from deepreasoning_cli.views import console
from deepreasoning_cli.views.clipboard import Clipboard
from deepreasoning_cli.views.notes import Notes
from deepreasoning_cli.views.plain import RawView, TextView, to
from deepreasoning_cli.views.safe import Sink
from deepreasoning_cli.views.show import View
from deepreasoning_cli.views.status import ASCII_SPINNER, SPINNER, Progress, StatusLine

if TYPE_CHECKING:
    from deepreasoning_cli.settings import Settings

PLACES = ("show", "hide", "only", "stderr")


@dataclass(frozen=True, slots=True)
class Look:
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


class Counting(View, Protocol):
    """A view that makes control characters visible, and counts them."""

    @property
    def neutralised(self) -> int:
        """How many there were."""


class Views:
    """The views of one turn, made from its look."""

    def __init__(self, look: Look, record: Record, progress: Progress, given: Globals) -> None:
        self._look = look
        self._record = record
        self._progress = progress
        self._given = given
        self._terminal = console.is_terminal(sys.stdout)
        self._counted: list[Counting] = []

    def all(self, settings: Settings, *, kept: Callable[[], bool]) -> list[View]:
        """Every view, in the order in which each is shown an event and closed.

        `kept` tells at the end whether what came is on the disk.
        """
        quiet = self._given.quiet
        status = list(self._status(quiet=quiet))
        say = _over_the_status if status else write_stderr
        bill = self._terminal and not self._in_panels and not self._structured
        notes = Notes(self._record, say, self._neutralised, quiet=quiet, bill=bill, kept=kept)
        copied = [Clipboard(self._record, say)] if self._look.copy else []
        return [*status, *self._files(), *self._text(settings), *copied, notes]

    @property
    def _structured(self) -> bool:
        return self._look.json or self._look.jsonl

    @property
    def _in_panels(self) -> bool:
        look = self._look
        other = self._structured or look.plain or look.raw or look.extract or look.output
        return not (other or self._given.debug) and console.can_move(sys.stdout)

    @property
    def _on_a_shared_screen(self) -> bool:
        """Whether stderr's lines and stdout's text appear on the same terminal."""
        look = self._look
        return self._terminal and not (self._structured or look.output or look.extract)

    def _neutralised(self) -> int:
        return sum(view.neutralised for view in self._counted)

    def _status(self, *, quiet: bool) -> Iterator[View]:
        busy = self._on_a_shared_screen or self._reasoning_to_stderr
        if quiet or busy or not console.can_move(sys.stderr):
            return
        spinner = SPINNER if console.is_unicode(sys.stderr) else ASCII_SPINNER
        yield StatusLine(self._progress, to(sys.stderr), console.size()[0], spinner)

    def _files(self) -> Iterator[View]:
        from deepreasoning_cli.views.files import FileView

        wanted = ((Text, self._look.output), (Thought, self._look.reasoning_file))
        for kind, path in wanted:
            if path is not None:
                view = FileView(kind, path, raw=self._look.raw)
                self._counted.append(view)
                yield view

    def _text(self, settings: Settings) -> Iterator[View]:
        if self._reasoning_to_stderr:
            yield self._counting(Thought, sys.stderr)
        if self._in_panels:
            yield self._delayed(self._panels(settings))
            return
        answer = self._answer()
        if answer is not None:
            yield self._delayed(answer)

    @property
    def _reasoning_to_stderr(self) -> bool:
        wish = self._look.reasoning
        if self._structured or sys.stderr is None:
            return False
        shown_in_panel = self._in_panels and wish in (None, "show")
        asked = wish in ("stderr", "show") or (wish is None and self._terminal)
        return asked and not shown_in_panel

    def _answer(self) -> View | None:
        look, write = self._look, to(sys.stdout)
        if look.json or look.jsonl:
            from deepreasoning_cli.views.json import JsonlView, JsonView

            return (JsonView if look.json else JsonlView)(self._record, write)
        if look.output:
            return None
        if look.extract:
            from deepreasoning_cli.views.code import CodeView

            return CodeView(self._record, write, look.language, every=look.extract_all)
        if look.raw:
            return RawView(_bytes_to_stdout)
        return self._counting(Thought if look.reasoning_only else Text, sys.stdout)

    def _counting(self, kind: type[Text] | type[Thought], stream: TextIO) -> TextView:
        sink = Sink.TERMINAL if console.is_terminal(stream) else Sink.PIPE
        view = TextView(kind, to(stream), sink)
        self._counted.append(view)
        return view

    def _delayed(self, view: View) -> View:
        if not self._look.no_stream:
            return view
        from deepreasoning_cli.views.delayed import Delayed

        return Delayed(view)

    def _panels(self, settings: Settings) -> View:
        from deepreasoning_cli.views.panel import Look as PanelLook
        from deepreasoning_cli.views.panels import PanelsView

        wish = self._look.reasoning
        reasoning = frozenset({Stage.REASON})
        look = PanelLook(
            box=settings.panels == "box",
            color=console.uses_color(sys.stdout, self._given.color),
            code_theme=settings.code_theme,
            demo=settings.backend == "demo",
            folded=reasoning if wish == "hide" or self._look.reasoning_file else frozenset(),
            skipped=reasoning if wish == "stderr" else frozenset(),
        )
        view = PanelsView(self._record, self._progress, sys.stdout, look)
        self._counted.append(view)
        return view


def _over_the_status(line: str) -> None:
    """A line on stderr in place of the status line, which draws itself anew below."""
    write_stderr(f"\r\x1b[0K{line}")


def _bytes_to_stdout(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
