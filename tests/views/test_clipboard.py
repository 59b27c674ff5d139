"""The clipboard: every tool that may be there, none, one that hangs; and the terminal's own."""

from __future__ import annotations

import base64
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deepreasoning_cli.errors import IncompleteError, WriteError
from deepreasoning_cli.pipeline.events import Text
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.views import clipboard
from deepreasoning_cli.views.clipboard import ClipboardView, copy_text

pytestmark = pytest.mark.skipif(
    sys.platform in ("win32", "darwin"), reason="the clipboard there needs no tool"
)
Install = Callable[[str, str], None]
NOTHING = "nothing here can write to the clipboard"
TOOLS = "install wl-clipboard, xclip or xsel"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a tool of that name on a PATH that has no other; the desktop is X11."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("DISPLAY", ":7")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    def make(name: str, script: str) -> None:
        tool = folder / name
        tool.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
        tool.chmod(0o755)

    return make


@pytest.mark.parametrize(
    ("name", "display"),
    [("xclip", "DISPLAY"), ("xsel", "DISPLAY"), ("wl-copy", "WAYLAND_DISPLAY")],
)
def test_the_tool_of_the_desktop_gets_the_text(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, display: str
) -> None:
    monkeypatch.delenv("DISPLAY")
    monkeypatch.setenv(display, "wayland-0")
    install(name, f"cat > {tmp_path}/copied")
    copy_text("naïve 四\n" * 50_000)
    assert (tmp_path / "copied").read_text("utf-8") == "naïve 四\n" * 50_000


def test_a_tool_of_windows_gets_its_own_encoding(install: Install, tmp_path: Path) -> None:
    install("clip.exe", f"cat > {tmp_path}/copied")
    copy_text("naïve")
    assert (tmp_path / "copied").read_bytes() == "naïve".encode("utf-16-le")


def test_the_next_tool_is_tried_where_one_fails(install: Install, tmp_path: Path) -> None:
    install("xclip", "exit 1")
    install("xsel", f"cat > {tmp_path}/copied")
    copy_text("42")
    assert (tmp_path / "copied").read_text() == "42"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            'echo "Error: Can\'t open display: :7" >&2; exit 1',
            "failed: Error: Can't open display: :7",
        ),
        ("exit 3", "failed with status 3"),
        ("kill -9 $$", "failed with status -9"),
        ("sleep 60", "did not end within 0.2 s"),
        ("sleep 60 < /dev/zero", "did not end within 0.2 s"),
    ],
)
def test_a_tool_that_fails_is_not_waited_for_and_says_why(
    install: Install, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    monkeypatch.setattr(clipboard, "PATIENCE", 0.2)
    install("xclip", script)
    start = time.monotonic()
    with pytest.raises(WriteError) as caught:
        copy_text("x" * 1_000_000)
    assert time.monotonic() - start < 55
    assert caught.value.message == f"the clipboard was not written: xclip {reason}"
    assert "clipboard terminal" in str(caught.value.hint)


@pytest.mark.parametrize("display", [True, False])
def test_without_a_tool_the_tools_are_named(
    install: Install, monkeypatch: pytest.MonkeyPatch, display: bool
) -> None:
    if not display:
        monkeypatch.delenv("DISPLAY")
        install("xclip", "cat")  # there is nothing it could write to
    with pytest.raises(WriteError) as caught:
        copy_text("x")
    error = caught.value
    assert (error.kind, error.message, error.hint) == ("clipboard", NOTHING, TOOLS)


@pytest.mark.parametrize("text", ["naïve", "\x1b]0;title\x07", ""])
def test_the_terminal_is_asked_by_one_sequence(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    ours, theirs = os.openpty()
    opened: list[str] = []

    def open_terminal(name: str, *_: object, **__: object) -> object:
        opened.append(name)
        return os.fdopen(theirs, "wb", buffering=0)

    monkeypatch.setattr(clipboard, "open", open_terminal, raising=False)
    copy_text(text, "terminal")
    encoded = base64.b64encode(text.encode())
    assert opened == ["/dev/tty"]
    assert os.read(ours, 1000) == b"\x1b]52;c;" + encoded + b"\x07"
    os.close(ours)


def test_what_the_terminal_would_not_take_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WriteError, match="too long for the terminal"):
        copy_text("x" * 80_000, "terminal")

    def fail(*_: object, **__: object) -> object:
        raise OSError(6, "No such device or address")

    monkeypatch.setattr(clipboard, "open", fail, raising=False)
    with pytest.raises(WriteError, match="there is no terminal that could copy: No such device"):
        copy_text("x", "terminal")


def answered(*texts: str) -> TurnRecord:
    record = TurnRecord()
    for text in texts:
        record.apply(Text(text))
    return record


def test_the_whole_answer_is_copied_once_and_at_the_end() -> None:
    copied: list[str] = []
    said: list[str] = []
    view = ClipboardView(answered("Forty", "-two."), said.append, copied.append)
    view(Text("-two."))
    assert copied == []
    view.close(None)
    assert (copied, said) == (["Forty-two."], [])


@pytest.mark.parametrize("failure", [IncompleteError("cut"), KeyboardInterrupt()])
def test_half_an_answer_is_not_copied(failure: BaseException) -> None:
    copied: list[str] = []
    said: list[str] = []
    ClipboardView(answered("Forty"), said.append, copied.append).close(failure)
    assert (copied, said) == ([], [])


def test_a_clipboard_that_is_not_there_costs_a_warning(install: Install) -> None:
    said: list[str] = []
    ClipboardView(answered("42"), said.append).close(None)
    assert said == [f"warning: {NOTHING}", f"hint: {TOOLS}"]
