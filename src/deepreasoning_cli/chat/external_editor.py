"""A text changed in the user's own editor."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.prompt import LARGEST_INPUT

FALLBACK = "notepad" if os.name == "nt" else "vi"
HINT = "export EDITOR=… names the editor to use"


def edit(text: str) -> str:
    """`text` as the user leaves it in $VISUAL or $EDITOR, without the line ends at its end.

    It lies in a file of mode 0600 meanwhile, in a folder of its own that is removed with all the
    editor left there. Raises UsageError where the editor fails.
    """
    with tempfile.TemporaryDirectory(prefix="deepreasoning-") as folder:
        path = Path(folder, "question.md")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(f"{text}\n")
        _run([*_editor(), str(path)])
        return _read(path)


def _editor() -> list[str]:
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or FALLBACK
    try:
        return shlex.split(command, posix=os.name == "posix")
    except ValueError as exc:  # an open quotation mark
        raise UsageError(f"cannot run the editor: {exc}", kind="editor", hint=HINT) from exc


def _run(words: list[str]) -> None:
    try:
        with _deaf_to_ctrl_c():
            code = subprocess.run(words, check=False).returncode
    except OSError as exc:
        reason = exc.strerror or "it does not start"
        raise UsageError(f"cannot run {words[0]}: {reason}", kind="editor", hint=HINT) from exc
    if code:
        raise UsageError(f"{words[0]} ended with {code}", kind="editor", hint="nothing was sent")


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_INPUT + 1)
    except OSError as exc:
        raise UsageError("the editor left no text", kind="editor", hint="save, then leave") from exc
    if len(data) > LARGEST_INPUT:
        raise UsageError("the text is too long to be sent", kind="too_long")
    return data.decode("utf-8-sig", "replace").replace("\r\n", "\n").rstrip("\n")


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Ctrl-C is the editor's while it runs; a handler of our own is not inherited by it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
