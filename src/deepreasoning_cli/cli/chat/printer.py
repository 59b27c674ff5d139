"""The one way from the REPL to the screen: harmless lines, in characters the stream can take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.sanitize import Sink, sanitize, single_line
from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.plain import stream_writer
from deepreasoning_cli.views.table import GAP, NARROWEST, Column, table

DIM, PLAIN = "\x1b[2m", "\x1b[0m"
LONGEST_NOTE = 1000  # characters


class Printer:
    """What was asked for goes to stdout, remarks and failures go to stderr.

    `color` is auto, always or never. All text may come from outside.
    """

    def __init__(self, stdout: TextIO, stderr: TextIO, color: str = "auto") -> None:
        self.stdout = stdout
        self._stderr = stderr
        self._color = color

    def show(self, text: str, *, dim: bool = False) -> None:
        """Print a text of any length on stdout, line for line."""
        self._print(self.stdout, text.removesuffix("\n"), dim=dim)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        """Print rows of cells on stdout, fitted to a terminal."""
        width = terminal.terminal_size()[0] if terminal.is_terminal(self.stdout) else None
        self.show("\n".join(table(columns, rows, width).lines))

    def facts(self, rows: Sequence[tuple[str, str]]) -> None:
        """Print names and what is to be said of each on stdout; nothing of it is cut."""
        from deepreasoning_cli.views.markdown.wrap import wrap_text

        names = max(terminal.cell_width(name) for name, _ in rows)
        room = LONGEST_NOTE
        if terminal.is_terminal(self.stdout):
            room = max(terminal.terminal_size()[0] - names - len(GAP), NARROWEST)
        for name, text in rows:
            lines = wrap_text(single_line(text, LONGEST_NOTE), room) or [""]
            heads = [name, *[""] * (len(lines) - 1)]
            for head, line in zip(heads, lines, strict=True):
                self.show(f"{head}{' ' * (names - terminal.cell_width(head))}{GAP}{line}".rstrip())

    def note(self, text: str) -> None:
        """Remark something in one line."""
        self._print(self._stderr, single_line(text, LONGEST_NOTE), dim=True)

    def complain(self, message: str, label: str, advice: str | None) -> None:
        """Say what is wrong in one line, and what to do in another."""
        self._print(self._stderr, f"error: {single_line(message, LONGEST_NOTE)}")
        if advice:
            self._print(self._stderr, f"{label}: {single_line(advice, LONGEST_NOTE)}")

    def failure(self, error: DeepReasoningError) -> None:
        """Report a failure as the command line does."""
        stage = f"{error.stage}: " if error.stage else ""
        self.complain(stage + error.message, "hint", error.hint)

    def spelled(self, text: str) -> str:
        """`text` in the characters of stdout."""
        return text if terminal.is_unicode(self.stdout) else terminal.to_charset(text, self.stdout)

    def _print(self, stream: TextIO, text: str, *, dim: bool = False) -> None:
        unicode = terminal.is_unicode(stream)
        sink = Sink.TERMINAL if terminal.is_terminal(stream) else Sink.PIPE
        shown = sanitize(text, sink, ascii_only=not unicode)
        if not unicode:
            shown = terminal.to_charset(shown, stream)
        if dim and terminal.uses_color(stream, self._color):
            lines = shown.split("\n")
            shown = "\n".join(f"{DIM}{line}{PLAIN}" if line else "" for line in lines)
        stream_writer(stream)(f"{shown}\n")


def counted(count: int, thing: str) -> str:
    """`1 turn`, `2 turns`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
