"""Run the user's editor on a file, or on a text."""

from __future__ import annotations

import os
import shlex
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepreasoning_cli.errors import ConfigError, UsageError
from deepreasoning_cli.files import write_atomically

FALLBACK = "notepad" if os.name == "nt" else "vi"
HINT = "export EDITOR=… names the editor to use"


def edit_text(text: str) -> str:
    """`text` as the user leaves it in the editor, without the line ends at its end.

    The text is in a file of mode 0600, in a temporary folder that is removed with everything the
    editor left there. Raises ConfigError where the editor fails, UsageError where it leaves no
    text or more than can be sent.
    """
    with tempfile.TemporaryDirectory(prefix="deepreasoning-") as folder:
        path = Path(folder, "question.md")
        write_atomically(path, f"{text}\n")
        run_editor(path, hint_on_status="nothing was sent")
        return _read(path)


def run_editor(path: Path, *, hint_on_status: str = HINT) -> None:
    """Open the file in $VISUAL or $EDITOR and wait for its end; Ctrl-C goes to the editor alone.

    Raises ConfigError of kind `editor` where it does not start or ends with a status but 0.
    """
    from subprocess import run

    words = _editor()
    try:
        with sigint_blocked():
            status = run([*words, str(path)], check=False).returncode
    except OSError as exc:
        message = f"cannot start the editor {words[0]}: {exc.strerror or 'it does not run'}"
        raise ConfigError(message, hint=HINT, kind="editor") from exc
    if status:
        message = f"the editor {words[0]} ended with status {status}"
        raise ConfigError(message, hint=hint_on_status, kind="editor")


@contextmanager
def sigint_blocked() -> Iterator[None]:
    """Ignore Ctrl-C in this process while a child has the terminal; the child gets it.

    SIG_IGN would be inherited by the child, so a handler that does nothing is set. Only the main
    thread gets signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _editor() -> list[str]:
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or FALLBACK
    try:
        return shlex.split(command, posix=os.name != "nt")
    except ValueError:
        message = f"the editor {command} has an open quote"
        raise ConfigError(message, hint=HINT, kind="editor") from None


def _read(path: Path) -> str:
    from deepreasoning_cli.prompt import LARGEST_INPUT

    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_INPUT + 1)
    except OSError as exc:
        raise UsageError("the editor left no text", kind="editor", hint="save, then leave") from exc
    if len(data) > LARGEST_INPUT:
        hint = "shorten it, or send a part of it as a file"
        raise UsageError("the text is too long to be sent", kind="too_long", hint=hint)
    return data.decode("utf-8-sig", "replace").replace("\r\n", "\n").rstrip("\n")
