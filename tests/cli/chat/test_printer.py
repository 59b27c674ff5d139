from __future__ import annotations

import io

import pytest

from deepreasoning_cli.cli.chat.printer import Printer, pluralize
from deepreasoning_cli.errors import IncompleteError
from deepreasoning_cli.views.table import Column
from support.scripted_chat import Pipe

HOSTILE = "a\x1b]0;x\x07\x9b2J\u202eb"


class Screen(io.StringIO):
    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]  # settable upstream, only read here
        return self._encoding

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_pictures_and_a_pipe_spelled_characters() -> None:
    screen, pipe = Screen(), Pipe()
    Printer(screen, pipe, "never").show(f"{HOSTILE}\nsecond\n")
    Printer(screen, pipe, "never").note(f"{HOSTILE}\nsame line")
    assert screen.getvalue() == "a␛]0;x␇⟨9B⟩2J⟨U+202E⟩b\nsecond\n"
    assert pipe.getvalue() == "a␛]0;x␇⟨9B⟩2J⟨U+202E⟩b same line\n"


def test_text_for_a_pipe_keeps_its_meaning() -> None:
    pipe = Pipe()
    Printer(pipe, pipe).show(HOSTILE)
    assert pipe.getvalue() == "a\\x1b]0;x\\x07\\x9b2J\u202eb\n"


def test_an_ascii_terminal_gets_ascii() -> None:
    screen = Screen("ascii")
    printer = Printer(screen, screen, "never")
    printer.show("≈ 1 · é\x1b")
    assert screen.getvalue() == "~ 1 - \\xe9^[\n"
    assert printer.to_charset("a · b") == "a - b"


def test_dim_lines_are_dimmed_each() -> None:
    screen = Screen()
    Printer(screen, screen, "always").show("a\n\nb", dim=True)
    assert screen.getvalue() == "\x1b[2ma\x1b[0m\n\n\x1b[2mb\x1b[0m\n"


def test_a_failure_names_its_stage_and_advice() -> None:
    pipe = Pipe()
    error = IncompleteError("Claude\nis down", stage="answer", hint="resume it")
    Printer(Pipe(), pipe).failure(error)
    assert pipe.getvalue() == "error: answer: Claude is down\nhint: resume it\n"


def test_a_table_fits_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    screen = Screen()
    Printer(screen, screen).table((Column("a"), Column("b", min_width=8)), [("漢字", "x" * 30)])
    assert screen.getvalue() == f"a     b\n漢字  {'x' * 13}…\n"


def test_facts_are_wrapped_on_a_terminal_and_whole_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    screen, pipe = Screen(), Pipe()
    for stream in (screen, pipe):
        Printer(stream, stream).facts([("漢字", "one two three four"), ("b", "")])
    assert screen.getvalue() == "漢字  one two three\n      four\nb\n"
    assert pipe.getvalue() == "漢字  one two three four\nb\n"


def test_facts_in_wide_characters_are_wrapped_by_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    screen = Screen()
    Printer(screen, screen).facts([("b", "推理" * 6)])
    assert screen.getvalue() == f"b  {'推理' * 4}\n   {'推理' * 2}\n"


def test_things_are_counted() -> None:
    assert [pluralize(n, "turn") for n in (0, 1, 2000)] == ["0 turns", "1 turn", "2,000 turns"]
