from __future__ import annotations

import os
import signal
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from deepreasoning_cli.cli.editor import edit_text
from deepreasoning_cli.errors import ConfigError, DeepReasoningError

Install = Callable[[str], Path]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the editors here are scripts")


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Makes a Python script the editor; `path` is the file it is given."""
    rooms = tmp_path / "rooms"
    rooms.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(rooms))

    def install(code: str) -> Path:
        script = tmp_path / "my editor.py"
        script.write_text(f"import os, sys\npath = sys.argv[-1]\n{code}\n", encoding="utf-8")
        monkeypatch.setenv("EDITOR", f"{sys.executable} '{script}'")
        return rooms

    return install


def test_the_text_comes_back_changed_and_nothing_stays(editor: Install, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    rooms = editor(
        "text = open(path, encoding='utf-8').read()\n"
        f"open({str(seen)!r}, 'w').write(oct(os.stat(path).st_mode) + text)\n"
        "open(path + '~', 'w').write('backup')\n"
        "open(path, 'wb').write(b'\\xef\\xbb\\xbf' + text.upper().encode() + b'two\\r\\n\\n')"
    )
    assert edit_text("naïve") == "NAÏVE\ntwo"
    assert seen.read_text(encoding="utf-8") == f"{oct(stat.S_IFREG | 0o600)}naïve\n"
    assert list(rooms.iterdir()) == []


def test_visual_comes_before_editor(editor: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    editor("open(path, 'w').write('by editor')")
    monkeypatch.setenv("VISUAL", os.environ["EDITOR"])
    monkeypatch.setenv("EDITOR", "/no/such/editor")
    assert edit_text("x") == "by editor"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("sys.exit(3)", f"the editor {sys.executable} ended with status 3"),
        ("os.unlink(path)", "the editor left no text"),
        ("open(path, 'wb').truncate(8_000_001)", "the text is too long to be sent"),
    ],
)
def test_an_editor_that_fails_sends_nothing(editor: Install, code: str, message: str) -> None:
    rooms = editor(code)
    with pytest.raises(DeepReasoningError) as caught:
        edit_text("x")
    assert (caught.value.message, list(rooms.iterdir())) == (message, [])


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            "/no/such/editor --wait",
            "cannot start the editor /no/such/editor: No such file or directory",
        ),
        ("'open", "the editor 'open has an open quote"),
    ],
)
def test_an_editor_that_does_not_start_is_named(
    monkeypatch: pytest.MonkeyPatch, command: str, message: str
) -> None:
    monkeypatch.setenv("EDITOR", command)
    monkeypatch.delenv("VISUAL", raising=False)
    with pytest.raises(ConfigError) as caught:
        edit_text("x")
    assert caught.value.message == message
    assert caught.value.hint == "export EDITOR=… names the editor to use"


def test_ctrl_c_is_the_editors(editor: Install) -> None:
    editor(
        "import signal\n"
        "os.kill(os.getppid(), signal.SIGINT)\n"
        "signal.signal(signal.SIGINT, lambda *_: open(path, 'w').write('interrupted'))\n"
        "os.kill(os.getpid(), signal.SIGINT)"
    )
    before = signal.getsignal(signal.SIGINT)
    assert edit_text("x") == "interrupted"
    assert signal.getsignal(signal.SIGINT) is before
