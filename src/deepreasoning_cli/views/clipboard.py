"""The clipboard: the platform's tool, or the terminal itself, which may be on another machine."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

from deepreasoning_cli.errors import DeepReasoningError, WriteError
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.views.base import RecordView
from deepreasoning_cli.views.plain import Write

ClipboardWay = Literal["tool", "terminal"]
PATIENCE: Final = 3.0  # seconds; a tool that has no display to talk to may wait for ever
LONGEST_REASON: Final = 200  # characters of what a tool says
LONGEST_SEQUENCE: Final = 100_000  # bytes; what xterm and tmux take at most
INSTALL: Final = "install wl-clipboard, xclip or xsel"
OVER_SSH: Final = (
    "`deepreasoning config set clipboard terminal` has the terminal copy (OSC 52), over SSH too"
)


def copy_text(text: str, way: ClipboardWay = "tool") -> None:
    """Put `text` on the clipboard; raises WriteError that says why it is not there.

    `terminal` asks the terminal to do it (OSC 52). Neither way is waited for without end.
    """
    if way == "terminal":
        _copy_by_terminal(text)
    elif sys.platform in ("win32", "darwin"):
        _copy_by_pyperclip(text)
    else:
        _copy_by_tool(text)


def _copy_by_pyperclip(text: str) -> None:
    """Windows has calls for it, macOS a tool that is always there."""
    import pyperclip

    try:
        pyperclip.copy(text)
    except (pyperclip.PyperclipException, OSError) as exc:
        raise _failure("the clipboard cannot be written", "try again") from exc


def _copy_by_tool(text: str) -> None:
    """Let the first tool that can do it have the text."""
    reasons = []
    for command in tools():
        reason = _run(command, text)
        if reason is None:
            return
        reasons.append(f"{command[0]} {reason}")
    if not reasons:
        raise _failure("nothing here can write to the clipboard", INSTALL)
    raise _failure(f"the clipboard was not written: {'; '.join(reasons)}", OVER_SSH)


def tools() -> Iterator[Sequence[str]]:
    """The commands that can copy here, the likeliest first: those of the desktop that runs."""
    wayland = [("wl-copy",)] if os.environ.get("WAYLAND_DISPLAY") else []
    x11 = [("xclip", "-selection", "clipboard"), ("xsel", "-b", "-i")]
    others = [("termux-clipboard-set",), ("clip.exe",)]
    for command in [*wayland, *(x11 if os.environ.get("DISPLAY") else []), *others]:
        if shutil.which(command[0]):
            yield command


def _run(command: Sequence[str], text: str) -> str | None:
    """Why the tool failed; None where it did not.

    xclip and wl-copy stay behind to serve the text: they get none of our streams, or whoever
    reads those would wait for them. Files stand in for pipes, which could fill up.
    """
    encoding = "utf-16-le" if command[0] == "clip.exe" else "utf-8"
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as said:
        source.write(text.encode(encoding, "replace"))
        source.seek(0)
        try:
            process = subprocess.Popen(
                command,
                stdin=source,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,  # it outlives this program, and its Ctrl-C
            )
        except OSError as exc:
            return f"cannot be started: {exc.strerror}"
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return f"did not end within {PATIENCE:g} s"
        if not code:
            return None
        said.seek(0)
        words = " ".join(said.read(LONGEST_REASON).decode("utf-8", "replace").split())
        return f"failed: {words}" if words else f"failed with status {code}"


def _copy_by_terminal(text: str) -> None:
    """Ask the terminal, by the one sequence for it; whether it obeys, nobody is told."""
    sequence = b"\x1b]52;c;" + base64.b64encode(text.encode("utf-8", "replace")) + b"\x07"
    if len(sequence) > LONGEST_SEQUENCE:
        raise _failure("the text is too long for the terminal's clipboard", "copy a part of it")
    try:
        with open("/dev/tty", "wb", buffering=0) as terminal:  # noqa: PTH123 (a device)
            terminal.write(sequence)
    except OSError as exc:
        raise _failure(
            f"there is no terminal that could copy: {exc.strerror}",
            "`deepreasoning config set clipboard tool` has a program copy",
        ) from exc


def _failure(message: str, hint: str) -> WriteError:
    return WriteError(message, kind="clipboard", hint=hint)


class ClipboardView(RecordView):
    """Copies the answer when it is whole; a clipboard that cannot be written costs a warning."""

    def __init__(
        self, record: TurnRecord, write: Write, copy: Callable[[str], None] = copy_text
    ) -> None:
        super().__init__(record, write)
        self._copy = copy

    def close(self, failure: BaseException | None) -> None:
        """Copy."""
        if failure is not None:
            return
        try:
            self._copy(self._record.answer)
        except DeepReasoningError as error:
            self._write(f"warning: {error.message}")
            self._write(f"hint: {error.hint}")
