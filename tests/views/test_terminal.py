from __future__ import annotations

import io
import os
import shutil

import pytest
from rich.text import Text

from deepreasoning_cli.views import terminal as consoles
from deepreasoning_cli.views.terminal import (
    WRAPPING_VARIABLES,
    is_terminal,
    is_unicode,
    make_console,
    supports_cursor,
    to_charset,
    uses_color,
    wraps_anew,
)


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


PIPE, SCREEN = io.StringIO(), Screen()


@pytest.mark.parametrize(
    ("stream", "environment", "color", "moves"),
    [
        (SCREEN, {}, True, True),
        (PIPE, {}, False, False),
        (None, {}, False, False),
        (SCREEN, {"NO_COLOR": "1"}, False, True),
        (SCREEN, {"NO_COLOR": ""}, True, True),
        (PIPE, {"FORCE_COLOR": "1"}, True, False),
        (PIPE, {"FORCE_COLOR": ""}, False, False),
        (SCREEN, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, True),
        (SCREEN, {"TERM": "dumb"}, False, False),
        (SCREEN, {"TERM": "dumb", "FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colour_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch,
    stream: io.StringIO | None,
    environment: dict[str, str],
    color: bool,
    moves: bool,
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (uses_color(stream, "auto"), supports_cursor(stream)) == (color, moves)
    assert (uses_color(stream, "always"), uses_color(stream, "never")) == (True, False)


def test_a_pipe_stays_a_pipe_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert [is_terminal(stream) for stream in (PIPE, SCREEN, None)] == [False, True, False]


@pytest.mark.parametrize(
    ("encoding", "unicode"),
    [("utf-8", True), ("UTF8", True), ("utf-16-le", True), ("ascii", False), ("cp1252", False)],
)
def test_box_drawing_needs_an_encoding_of_unicode(encoding: str, unicode: bool) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    assert is_unicode(stream) is unicode


def test_a_stream_of_no_encoding_has_no_box_drawing() -> None:
    assert (is_unicode(None), is_unicode(io.StringIO())) == (False, False)


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("utf-8", "a > b é 中"), ("cp1252", "a > b é \\u4e2d"), ("ascii", "a > b \\xe9 \\u4e2d")],
)
def test_what_a_stream_cannot_take_is_spelled_out(encoding: str, expected: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    assert to_charset("a → b é 中", stream) == expected


@pytest.mark.parametrize(
    ("known", "expected"),
    [((120, 50), (120, 50)), ((0, 50), (80, 50)), ((120, 0), (120, 24)), ((0, 0), (80, 24))],
)
def test_an_unknown_size_is_80_by_24(
    monkeypatch: pytest.MonkeyPatch, known: tuple[int, int], expected: tuple[int, int]
) -> None:
    monkeypatch.setattr(shutil, "get_terminal_size", lambda _: os.terminal_size(known))
    assert consoles.terminal_size() == expected


def rendered(text: Text | str, *, color: bool) -> str:
    out = io.StringIO()
    make_console(out, color=color, columns=40).print(text)
    return out.getvalue()


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}, {"FORCE_COLOR": "1"}])
@pytest.mark.parametrize("term", ["dumb", "xterm-256color", ""])
def test_the_console_colours_if_it_is_told_to_and_not_else(
    monkeypatch: pytest.MonkeyPatch, term: str, environment: dict[str, str]
) -> None:
    monkeypatch.setenv("TERM", term)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    red = Text("red", style="red")
    assert rendered(red, color=True) == "\x1b[31mred\x1b[0m\n"
    assert rendered(red, color=False) == "red\n"


@pytest.mark.parametrize("color", [True, False])
def test_markup_emoji_codes_numbers_and_links_in_text_stay_text(color: bool) -> None:
    text = "[red]x[/] :smile: 42 https://example.org"
    assert rendered(text, color=color) == f"{text}\n"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7402"}, True),
        ({"TERM_PROGRAM": "iTerm.app"}, True),
        ({"TERM_PROGRAM": "mintty"}, False),
        ({"TERM": "screen-256color", "TMUX": "/tmp/tmux-0/default,1,0"}, True),
        ({"TERM": "screen.xterm-256color", "STY": "1.pts", "VTE_VERSION": "7402"}, False),
    ],
)
def test_only_terminals_that_say_so_are_taken_to_wrap_anew(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: bool
) -> None:
    for name in ("TMUX", "STY", "TERM", "TERM_PROGRAM", *WRAPPING_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert wraps_anew() is expected
