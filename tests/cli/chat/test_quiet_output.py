"""What the chat's terminal borrows of prompt_toolkit's Vt100_Output, and what it makes of it."""

from __future__ import annotations

import inspect
import io
from pathlib import Path

import pytest
from prompt_toolkit.output.vt100 import Vt100_Output

import deepreasoning_cli
from deepreasoning_cli.cli.chat import terminal
from deepreasoning_cli.cli.chat.terminal import QuietOutput

BORROWED = ("write_raw", "cursor_up", "erase_down", "get_size", "hide_cursor")
ARGUMENTS = {"stdout", "get_size", "default_color_depth", "enable_bell", "enable_cpr"}


class Screen(io.StringIO):
    """A stream in UTF-8 that is said to be a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    "name",
    [*(name for name in vars(QuietOutput) if not name.startswith("_")), *BORROWED],
)
def test_what_is_replaced_or_called_is_there(name: str) -> None:
    assert callable(getattr(Vt100_Output, name, None)), (
        f"prompt_toolkit changed Vt100_Output: it has no method {name} that QuietOutput can replace"
        " or call, so the terminal is sent what QuietOutput keeps back"
    )


def test_it_is_made_of_the_same_arguments() -> None:
    missing = ARGUMENTS - set(inspect.signature(Vt100_Output).parameters)
    assert missing == set(), f"prompt_toolkit changed Vt100_Output: it takes no {sorted(missing)}"


def test_whether_the_cursor_is_visible_is_kept_in_an_attribute() -> None:
    screen = Screen()
    output = QuietOutput(screen, color=False)
    output.hide_cursor()
    output.show_cursor()
    output.show_cursor()
    output.flush()
    assert screen.getvalue() == "\x1b[?25l\x1b[?25h", (
        "prompt_toolkit changed Vt100_Output: _cursor_visible no longer tells whether the cursor is"
        " shown, so that QuietOutput shows it too often or never"
    )


def test_only_one_module_borrows_it() -> None:
    root = Path(deepreasoning_cli.__file__).parent
    users = [path for path in root.rglob("*.py") if "Vt100_Output" in path.read_text("utf-8")]
    assert users == [Path(terminal.__file__)]
