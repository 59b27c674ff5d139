"""prompt_toolkit's output, reduced to text, colours, cursor moves, erasing and two modes.

It requests no reports, sets no keypad, cursor shape, wrapping or title, and rings no bell. What the
library draws does not depend on them: it returns to the first column by itself at a row's end.
"""

from __future__ import annotations

import re
from typing import TextIO

from prompt_toolkit.data_structures import Size
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.utils import get_cwidth

from deepreasoning_cli.sanitize import sanitize
from deepreasoning_cli.views import terminal

ROW_MOVES = re.compile(r"[\r\n]+")


class QuietOutput(Vt100_Output):
    """Sends only what every terminal treats alike."""

    def __init__(self, stream: TextIO, *, color: bool) -> None:
        super().__init__(
            stream,
            _size,
            default_color_depth=None if color else ColorDepth.DEPTH_1_BIT,
            enable_bell=False,
            enable_cpr=False,
        )
        self._column = 0

    def get_rows_below_cursor_position(self) -> int:
        """One is certain; what needs more scrolls, and the toolbar follows the text."""
        return 1

    def write(self, data: str) -> None:
        """Write text, harmless and of the same width, or move to another row."""
        if ROW_MOVES.fullmatch(data):
            self._column = 0
            super().write(data)
            return
        text = data if data.isprintable() else "".join(map(_shape, data))
        self._column += sum(map(get_cwidth, text))
        super().write(text)

    def cursor_forward(self, amount: int) -> None:
        """Move to the right."""
        self._column += amount
        super().cursor_forward(amount)

    def cursor_backward(self, amount: int) -> None:
        """Move to the left, by naming the column."""
        self._column = max(self._column - amount, 0)
        if amount:
            self.write_raw(f"\x1b[{self._column + 1}G")

    def erase_screen(self) -> None:
        """Erase the visible rows, and move to the upper left corner."""
        self.cursor_up(self.get_size().rows)
        self.write("\r")
        self.erase_down()

    def cursor_goto(self, row: int = 0, column: int = 0) -> None:
        """Called only after `erase_screen`, which has moved there."""

    def show_cursor(self) -> None:
        """Show the cursor, and leave its blinking alone."""
        if self._cursor_visible is not True:
            self._cursor_visible = True
            self.write_raw("\x1b[?25h")

    def disable_autowrap(self) -> None:
        """Not needed."""

    def enable_autowrap(self) -> None:
        """Not needed."""

    def reset_cursor_key_mode(self) -> None:
        """Never set."""


def _size() -> Size:
    columns, rows = terminal.terminal_size()
    return Size(rows=rows, columns=columns)


def _shape(character: str) -> str:
    """The character if it is harmless, else U+FFFD in its width."""
    harmless = sanitize(character) == character
    return character if harmless else "�" * get_cwidth(character)
