"""A chat between the vendors: typed on a terminal or piped, and what it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from deepreasoning_cli import paths
from deepreasoning_cli.history.recovery import recover
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.pipeline.record import TurnRecord
from support.loopback import Received
from support.runner import PROGRAM, CompletedRun, PtyRun, run_in_pty
from support.screen import Terminal
from support.vendors import HEEDING_SIGNALS, Vendors

PROMPT: Final = b"\x1b[?2004h"  # a new one: keys are read
CTRL_C: Final = b"\x03"
CTRL_D: Final = b"\x04"
ENTER: Final = b"\r"
Key = tuple[float | bytes, bytes]


def said(*texts: str) -> list[dict[str, str]]:
    """Messages, the user's first."""
    return [
        {"role": "assistant" if place % 2 else "user", "content": text}
        for place, text in enumerate(texts)
    ]


def typed(
    vendors: Vendors,
    *keys: Key | bytes,
    args: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
    leave: bytes = CTRL_D,
) -> PtyRun:
    """A chat on a terminal; a key alone waits for a prompt, and so does leaving."""
    pressed = [key if isinstance(key, tuple) else (PROMPT, key) for key in keys]
    done = run_in_pty(
        "chat",
        *args,
        keys=[*pressed, (PROMPT, leave)],
        env={**vendors.environment, **(env or {})},
        program=(*HEEDING_SIGNALS, *PROGRAM),
    )
    vendors.check_for_keys(CompletedRun(done.code, done.output, b""))
    return done


def piped(
    vendors: Vendors, text: str, *args: str, env: Mapping[str, str] | None = None
) -> CompletedRun:
    return vendors.run("chat", *args, stdin=text.encode(), env=env)


def screen(done: PtyRun) -> list[str]:
    """What the terminal shows in the end, without the welcome and the last prompt."""
    terminal = Terminal()
    terminal.write(done.output.decode())
    lines = terminal.lines()
    return lines[1 : len(lines) - 1 - lines[::-1].index(">")]


def turns(session: str | None = None) -> list[TurnRecord]:
    """What the history keeps, oldest first."""

    def warn(text: str) -> None:
        raise AssertionError(text)

    with Store.open(paths.data_dir(), warn) as store:
        recover(paths.data_dir(), store, warn)
        if session:
            return store.session_turns(session)
        return [store.turn(row.id) for row in store.listing()][::-1]


def asked(request: Received) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = request.body["messages"]
    return messages
