from __future__ import annotations

from typing import NoReturn

import pyperclip
import pytest

from deepreasoning_cli.chat import clipboard
from deepreasoning_cli.errors import WriteError


def test_text_goes_to_the_platforms_clipboard(monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    monkeypatch.setattr(pyperclip, "copy", copied.append)
    clipboard.copy("naïve\n")
    assert copied == ["naïve\n"]


@pytest.mark.parametrize("failure", [pyperclip.PyperclipException("none"), OSError("gone")])
def test_without_a_clipboard_the_tools_are_named(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def fail(_: str) -> NoReturn:
        raise failure

    monkeypatch.setattr(pyperclip, "copy", fail)
    with pytest.raises(WriteError) as caught:
        clipboard.copy("x")
    assert caught.value.as_json()["error"] == {
        "stage": None,
        "kind": "no_clipboard",
        "message": "there is no clipboard here",
        "status": None,
        "request_id": None,
        "hint": "on Linux install wl-clipboard, xclip or xsel; over SSH use /export FILE",
        "resume": None,
    }
