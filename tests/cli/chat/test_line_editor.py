"""The prompt line, with keys from a pipe and a screen that shows nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from deepreasoning_cli.cli.chat.line_editor import CommandCompleter, LineEditor
from deepreasoning_cli.cli.chat.prompt_history import PromptHistory
from deepreasoning_cli.cli.chat.repl import COMMANDS, run_loop
from deepreasoning_cli.cli.chat.turns import STOPPED
from deepreasoning_cli.errors import ConfigError
from support.scripted_chat import Chat, MemoryArchive, turn

LEFT, HOME = "\x1b[D", "\x1b[H"


@pytest.fixture
def keys() -> Iterator[PipeInput]:
    with create_pipe_input() as keys:
        yield keys


def typed(chat: Chat, keys: PipeInput, *presses: str, history: Path | None = None) -> list[str]:
    """What was asked by these keys and a last Ctrl-D."""
    keys.send_text("".join(presses) + "\x04")
    file = PromptHistory(history) if history else None
    editor = LineEditor(chat.session, file, output=DummyOutput(), source=keys)
    assert run_loop(chat.session, editor) == 0
    return [each[1] for each in chat.turns.asked]


def test_enter_sends_and_escape_enter_begins_a_line(keys: PipeInput) -> None:
    asked = typed(Chat(), keys, "one\x1b\rtwo\nthree\r", "four\r")
    assert asked == ["one\ntwo\nthree", "four"]


def test_a_question_opens_its_connection_once_while_it_is_typed(keys: PipeInput) -> None:
    chat = Chat()
    assert typed(chat, keys, "one", LEFT, "x\r", "\r", "/help\r", "two\r") == ["onxe", "two"]
    assert chat.turns.preconnected == 2


def test_a_paste_keeps_its_lines_and_is_not_sent(keys: PipeInput) -> None:
    paste = "\x1b[200~def f():\r\n    return 1\r\n\x1b[201~"
    assert typed(Chat(), keys, paste, "# ok\r") == ["def f():\n    return 1\n# ok"]


def test_the_line_can_be_edited_in_the_middle(keys: PipeInput) -> None:
    assert typed(Chat(), keys, "word", LEFT, LEFT, "XY", HOME, "\x1b[3~", "\r") == ["oXYrd"]


def test_an_empty_line_is_not_sent(keys: PipeInput) -> None:
    assert typed(Chat(), keys, "\r", "  \r", "\n\n\r", "q\r") == ["q"]


def test_ctrl_c_clears_what_is_typed(keys: PipeInput) -> None:
    assert typed(Chat(), keys, "wrong\x03", "right\r") == ["right"]


def test_without_a_history_nothing_is_written(
    keys: PipeInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert typed(Chat(), keys, "secret\r") == ["secret"]
    assert sorted(tmp_path.rglob("*")) == before


def test_ctrl_c_after_a_stopped_turn_leaves_the_line_alone(keys: PipeInput) -> None:
    now = [0.0]
    chat = Chat(clock=lambda: now[0])
    chat.turns.code = STOPPED
    assert typed(chat, keys, "stop\r", "kept\x03 whole\r") == ["stop", "kept whole"]


def offered(chat: Chat, text: str) -> list[str]:
    completer = CommandCompleter(chat.session)
    found = completer.get_completions(Document(text), CompleteEvent())
    return [text[: len(text) + each.start_position] + each.text for each in found]


def test_what_tab_offers() -> None:
    chat = Chat(MemoryArchive({"work": [turn("q")], "web-shop": [turn("q")]}))
    assert offered(chat, "/") == [f"/{name}" for name in COMMANDS]
    assert offered(chat, "/RE") == ["/reasoner", "/reasoning", "/retry", "/resume"]
    assert offered(chat, "/model ") == ["/model sonnet", "/model opus", "/model haiku"]
    assert offered(chat, "/compare opus ") == ["/compare opus sonnet", "/compare opus haiku"]
    assert offered(chat, "/resume w") == ["/resume web-shop", "/resume work"]
    assert offered(chat, "/help cop") == ["/help copy"]
    assert offered(chat, "/reasoning ") == [
        "/reasoning show",
        "/reasoning tail",
        "/reasoning hide",
        "/reasoning last",
    ]


@pytest.mark.parametrize("text", ["", "mo", "//mo", "/model opus ", "/nothing x", "/mo\ndel"])
def test_tab_offers_nothing_in_a_question(text: str) -> None:
    assert offered(Chat(), text) == []


def test_a_history_that_cannot_be_read_offers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    chat = Chat()

    def broken() -> list[object]:
        raise ConfigError("the history cannot be read")

    monkeypatch.setattr(chat.archive, "sessions", broken)
    assert offered(chat, "/resume ") == []


@pytest.mark.skipif(os.name == "nt", reason="names are quoted otherwise there")
def test_files_are_completed_and_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "here"
    (place / "my dir").mkdir(parents=True)
    (place / "my dir" / "it's.txt").touch()
    (place / ".hidden").touch()
    (place / "b\x1b.txt").touch()
    monkeypatch.chdir(place)
    chat = Chat()
    assert offered(chat, "/file ") == ["/file b\x1b.txt", "/file my\\ dir/"]
    assert offered(chat, "/file x my\\ d") == ["/file x my\\ dir/"]
    assert offered(chat, "/file my\\ dir/i") == ["/file my\\ dir/it\\'s.txt"]
    assert offered(chat, "/export .h") == ["/export .hidden"]
    assert offered(chat, "/file no/where") == []
    monkeypatch.setenv("HOME", str(place))
    assert offered(chat, "/file ~/my\\ dir/") == ["/file ~/my\\ dir/it\\'s.txt"]
    assert offered(chat, "/file ~nobody-here/") == []


def test_two_hundred_turns_are_typed_one_after_the_other(keys: PipeInput) -> None:
    asked = typed(Chat(), keys, *(f"question {n}\r" for n in range(200)))
    assert asked == [f"question {n}" for n in range(200)]
