from __future__ import annotations

from typing import NoReturn

import pyperclip
import pytest

from deepreasoning_cli.errors import IncompleteError, WriteError
from deepreasoning_cli.pipeline.events import Text
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.views.files import ClipboardView, copy_text


def test_text_goes_to_the_platforms_clipboard(monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    monkeypatch.setattr(pyperclip, "copy", copied.append)
    copy_text("naïve\n")
    assert copied == ["naïve\n"]


@pytest.mark.parametrize("failure", [pyperclip.PyperclipException("none"), OSError("gone")])
def test_without_a_clipboard_the_tools_are_named(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def fail(_: str) -> NoReturn:
        raise failure

    monkeypatch.setattr(pyperclip, "copy", fail)
    with pytest.raises(WriteError) as caught:
        copy_text("x")
    assert caught.value.as_json()["error"] == {
        "stage": None,
        "kind": "clipboard",
        "message": "nothing here can write to the clipboard",
        "status": None,
        "request_id": None,
        "hint": "install wl-clipboard, xclip or xsel",
        "resume": None,
    }


def answered(*texts: str) -> TurnRecord:
    record = TurnRecord()
    for text in texts:
        record.apply(Text(text))
    return record


def test_the_whole_answer_is_copied_once_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    monkeypatch.setattr(pyperclip, "copy", copied.append)
    said: list[str] = []
    view = ClipboardView(answered("Forty", "-two."), said.append)
    view(Text("-two."))
    assert copied == []
    view.close(None)
    assert (copied, said) == (["Forty-two."], [])


@pytest.mark.parametrize("failure", [IncompleteError("cut"), KeyboardInterrupt()])
def test_half_an_answer_is_not_copied(
    monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    copied: list[str] = []
    monkeypatch.setattr(pyperclip, "copy", copied.append)
    said: list[str] = []
    ClipboardView(answered("Forty"), said.append).close(failure)
    assert (copied, said) == ([], [])


def test_a_clipboard_that_is_not_there_costs_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> NoReturn:
        raise pyperclip.PyperclipException("none")

    monkeypatch.setattr(pyperclip, "copy", fail)
    said: list[str] = []
    ClipboardView(answered("42"), said.append).close(None)
    tools = "install wl-clipboard, xclip or xsel"
    assert said == [f"warning: nothing here can write to the clipboard: {tools}"]
