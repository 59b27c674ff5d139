"""A terminal to look at: what it shows and what has scrolled away, and what may be sent to it."""

from __future__ import annotations

import io
import re

import pyte

SPEAKS = re.compile(
    r"[^\x00-\x1f\x7f-\x9f]|\t|\r|\n"
    r"|\x1b\[[0-9;]*m"
    r"|\x1b\[[0-9]*[ABCGJK]"
    r"|\x1b\[\?(?:25|2026|2004)[hl]"
)
"""The whole grammar: text, colours, cursor moves and erasing, three modes."""


def foreign(output: str) -> str:
    """What in `output` is not of the grammar; "" for a clean one."""
    return SPEAKS.sub("", output)


class Terminal:
    """An emulated terminal with a scrollback; a line feed returns to the first column."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=100_000, ratio=0.001)
        self._stream = pyte.Stream(self.screen)
        self.written: list[str] = []

    def write(self, text: str) -> None:
        """What a program writes; the terminal driver adds the carriage returns."""
        self.written.append(text)
        # pyte 0.8.2 prints "?2026h" for modes it has not heard of only if they are unparsable
        self._stream.feed(text.replace("\r\n", "\n").replace("\n", "\r\n"))

    def lines(self) -> list[str]:
        """Every line from the beginning, the scrolled ones too, without blanks at the ends."""
        columns = self.screen.columns
        scrolled = [
            "".join(line[column].data for column in range(columns)).rstrip()
            for line in self.screen.history.top
        ]
        lines = [*scrolled, *(line.rstrip() for line in self.screen.display)]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def text(self) -> str:
        """All that was written to it."""
        return "".join(self.written)


class Tty(io.StringIO):
    """A stream that is a terminal; what it is sent is emulated."""

    encoding = "utf-8"

    def __init__(self, columns: int, rows: int) -> None:
        super().__init__()
        self.terminal = Terminal(columns, rows)
        self.size = lambda: (columns, rows)

    def write(self, text: str) -> int:
        self.terminal.write(text)
        return len(text)

    def isatty(self) -> bool:
        return True
