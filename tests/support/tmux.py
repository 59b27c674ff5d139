"""tmux, a terminal that is none of ours: it scrolls back, and it can be resized."""

from __future__ import annotations

import os
import re
import subprocess
import time
import uuid


def _environment() -> dict[str, str]:
    """What a terminal's shell has: no CI, and no COLUMNS, which readline sets past os.environ."""
    return {name: value for name, value in os.environ.items() if name != "CI"}


def squeezed(text: str) -> str:
    """`text` without blanks and sides: torn over two lines it is the same."""
    return re.sub(r"[\s│]", "", text)


class Tmux:
    """A real terminal with a scrollback, in a server of its own."""

    def __init__(self) -> None:
        self._socket = f"deepreasoning-{uuid.uuid4().hex}"
        self.run("new-session", "-d", "-s", "idle", "cat")
        self.run("set-option", "-g", "history-limit", "50000")

    def run(self, *words: str) -> str:
        argv = ["tmux", "-L", self._socket, "-f", "/dev/null", *words]
        done = subprocess.run(
            argv,
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
            env=_environment(),
        )
        return done.stdout

    def start(
        self, command: str, env: dict[str, str], *, columns: int = 80, rows: int = 24
    ) -> None:
        settings = [word for name, value in env.items() for word in ("-e", f"{name}={value}")]
        size = ("-x", str(columns), "-y", str(rows))
        self.run("new-session", "-d", "-s", "run", *size, *settings, command)

    def lines(self) -> list[str]:
        text = self.run("capture-pane", "-p", "-t", "run", "-S", "-")
        return [line.rstrip() for line in text.split("\n")]

    def wait_for(self, words: str, seconds: float = 30) -> list[str]:
        deadline = time.monotonic() + seconds
        while squeezed(words) not in squeezed("".join(lines := self.lines())):
            assert time.monotonic() < deadline, "\n".join(lines)
            time.sleep(0.05)
        return lines

    def paste(self, text: str) -> None:
        """Put text in at once, as a terminal does; in brackets where the program wants them."""
        self.run("set-buffer", text)
        self.run("paste-buffer", "-p", "-t", "run")

    def press(self, *keys: str) -> None:
        """Keys by the names that tmux has for them; a text is typed."""
        self.run("send-keys", "-t", "run", *keys)
