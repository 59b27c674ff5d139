"""tmux, a terminal that is none of ours: it scrolls back, and it can be resized."""

from __future__ import annotations

import re
import subprocess
import time
import uuid


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
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=20).stdout

    def start(self, command: str, env: dict[str, str]) -> None:
        settings = [word for name, value in env.items() for word in ("-e", f"{name}={value}")]
        self.run("new-session", "-d", "-s", "run", "-x", "80", "-y", "24", *settings, command)

    def lines(self) -> list[str]:
        text = self.run("capture-pane", "-p", "-t", "run", "-S", "-")
        return [line.rstrip() for line in text.split("\n")]

    def wait_for(self, words: str, seconds: float = 30) -> list[str]:
        deadline = time.monotonic() + seconds
        while squeezed(words) not in squeezed("".join(lines := self.lines())):
            assert time.monotonic() < deadline, "\n".join(lines)
            time.sleep(0.05)
        return lines

    def press(self, *keys: str) -> None:
        """Keys by the names that tmux has for them; a text is typed."""
        self.run("send-keys", "-t", "run", *keys)
