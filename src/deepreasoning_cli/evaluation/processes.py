"""Programs that check an answer: run for a limited time, ended with all that they started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Final

from deepreasoning_cli.errors import RefusedError
from deepreasoning_cli.keys import redact_known

KEPT: Final = 2_000  # bytes of what a program says on stderr
READ_AT_ONCE: Final = 65_536  # bytes
KEY_ENDINGS: Final = ("_API_KEY", "_AUTH_TOKEN")
KEY_BEGINNING: Final = "DEEPREASONING_KEYS__"


@dataclass(frozen=True, slots=True)
class ProgramEnd:
    """How a program ended: its exit status, None where its time was over; its last words."""

    status: int | None
    words: str


def run_limited(command: str | Sequence[str], data: bytes, seconds: float) -> ProgramEnd:
    """Run a command with `data` on stdin; a text goes to the shell, a list is run as it is.

    It runs in a process group of its own. After `seconds`, and also when it has ended by itself,
    the whole group is killed, so that nothing it started stays. What it prints is not kept, but
    for the beginning of stderr. Keys are not in its environment. Raises RefusedError where it
    cannot be started.
    """
    with tempfile.TemporaryFile() as source:
        source.write(data)
        source.seek(0)
        try:
            process = subprocess.Popen(
                command,
                stdin=source,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                shell=isinstance(command, str),
                start_new_session=True,
                env=environment_without_keys(os.environ),
            )
        except (OSError, ValueError) as exc:
            reason = getattr(exc, "strerror", None) or "the command is not usable"
            hint = "check the command"
            message = f"cannot be started: {reason}"
            raise RefusedError(message, kind="check_failed", hint=hint) from exc
    words = bytearray()
    reader = threading.Thread(target=_keep_beginning, args=(process.stderr, words), daemon=True)
    reader.start()
    try:
        status: int | None = process.wait(seconds)
    except subprocess.TimeoutExpired:
        status = None
    finally:
        _kill_group(process)
        reader.join(1)  # whoever left the group may hold the pipe open; it is not waited for
    return ProgramEnd(status, " ".join(bytes(words).decode("utf-8", "replace").split()))


def environment_without_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables without those that hold a vendor's key, by their name or by their value."""
    return {
        name: value
        for name, value in environment.items()
        if not name.upper().endswith(KEY_ENDINGS)
        and not name.upper().startswith(KEY_BEGINNING)
        and redact_known(value) == value
    }


def _keep_beginning(stream: IO[bytes] | None, kept: bytearray) -> None:
    """Read all, so that the program is not held up, and keep the first bytes of it."""
    if stream is None:
        return
    with contextlib.suppress(OSError, ValueError), stream:
        while data := os.read(stream.fileno(), READ_AT_ONCE):
            kept += data[: KEPT - len(kept)]


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End the program and what it started; the group is the process's own id."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    elif process.poll() is None:
        subprocess.run(
            ["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False
        )
    process.wait()
