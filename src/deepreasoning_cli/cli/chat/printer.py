"""What the REPL prints: harmless lines, in characters that the stream can take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TextIO

from deepreasoning_cli.errors import DeepReasoningError, as_called
from deepreasoning_cli.sanitize import Sink, sanitize, single_line
from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.base import error_lines, wrap_lines
from deepreasoning_cli.views.plain import stream_writer
from deepreasoning_cli.views.table import GAP, NARROWEST, Column, table

DIM, PLAIN = "\x1b[2m", "\x1b[0m"
LONGEST_NOTE = 1000  # characters


@dataclass(frozen=True, slots=True)
class Printer:
    """Prints what a command shows on stdout, notes and failures on stderr.

    `color` is auto, always or never. Where it is `quiet` it makes no remarks. All text may come
    from outside.
    """

    stdout: TextIO
    stderr: TextIO
    color: str = "auto"
    quiet: bool = False

    def show(self, text: str, *, dim: bool = False) -> None:
        """Print a text of any length on stdout, line for line."""
        self._print(self.stdout, text.removesuffix("\n"), dim=dim)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        """Print rows of cells on stdout, fitted to a terminal."""
        width = terminal.terminal_size()[0] if terminal.is_terminal(self.stdout) else None
        self.show("\n".join(table(columns, rows, width).lines))

    def facts(self, rows: Sequence[tuple[str, str]]) -> None:
        """Print names and their descriptions in two columns on stdout; long ones are wrapped."""
        from deepreasoning_cli.views.markdown.wrap import wrap_text

        names = max(terminal.cell_width(name) for name, _ in rows)
        room = LONGEST_NOTE
        if terminal.is_terminal(self.stdout):
            room = max(terminal.terminal_size()[0] - names - len(GAP), NARROWEST)
        for name, text in rows:
            lines = wrap_text(single_line(text, LONGEST_NOTE), room)
            for head, line in zip_longest([name], lines, fillvalue=""):
                self.show(f"{head}{' ' * (names - terminal.cell_width(head))}{GAP}{line}".rstrip())

    def groups(self, groups: Sequence[tuple[str, *tuple[tuple[str, str], ...]]]) -> None:
        """Print groups of names and descriptions: in columns, or one below the other where the
        terminal is narrow.
        """
        heads = max(len(title) for title, *_ in groups) + len(GAP)
        names = max(len(name) for _, *rows in groups for name, _ in rows) + len(GAP)
        texts = max(len(text) for _, *rows in groups for _, text in rows)
        is_terminal = terminal.is_terminal(self.stdout)
        if is_terminal and terminal.terminal_size()[0] < heads + names + texts:
            self._stack(groups)
            return
        for title, *rows in groups:
            for place, (name, text) in enumerate(rows):
                self.show(f"{'' if place else title:<{heads}}{name:<{names}}{text}")

    def _stack(self, groups: Sequence[tuple[str, *tuple[tuple[str, str], ...]]]) -> None:
        from deepreasoning_cli.views.markdown.wrap import wrap_text

        room = max(terminal.terminal_size()[0] - len(GAP), NARROWEST)
        for title, *rows in groups:
            self.show(title)
            for name, text in rows:
                self.show(name)
                for line in wrap_text(text, room):
                    self.show(f"{GAP}{line}")

    def note(self, text: str, *, dim: bool = True) -> None:
        """Print one line on stderr; a terminal has it broken at words."""
        self._print(self.stderr, self._wrapped(single_line(text, LONGEST_NOTE)), dim=dim)

    def remark(self, text: str) -> None:
        """Print a note that nobody has asked for, if notes are wanted."""
        if not self.quiet:
            self.note(text)

    def failure(self, error: DeepReasoningError) -> None:
        """Report a failure as the command line does."""
        for line in error_lines(error):
            self._print(self.stderr, self._wrapped(line))

    def _wrapped(self, text: str) -> str:
        text = as_called(text)
        if not terminal.is_terminal(self.stderr):
            return text
        return wrap_lines(text, terminal.terminal_size()[0])

    def to_charset(self, text: str) -> str:
        """`text` in the characters of stdout."""
        return text if terminal.is_unicode(self.stdout) else terminal.to_charset(text, self.stdout)

    def _print(self, stream: TextIO, text: str, *, dim: bool = False) -> None:
        unicode = terminal.is_unicode(stream)
        text = as_called(text)
        sink = Sink.TERMINAL if terminal.is_terminal(stream) else Sink.PIPE
        output = sanitize(text, sink, ascii_only=not unicode)
        if not unicode:
            output = terminal.to_charset(output, stream)
        if dim and terminal.uses_color(stream, self.color):
            lines = output.split("\n")
            output = "\n".join(f"{DIM}{line}{PLAIN}" if line else "" for line in lines)
        stream_writer(stream)(f"{output}\n")


def pluralize(count: int, thing: str) -> str:
    """`1 turn`, `2 turns`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
