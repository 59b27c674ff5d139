"""Keys pressed while `ask` works: Enter has it answered now, all others are left for the shell."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import pytest

from deepreasoning_cli.cli.enter_key import EnterKey, silent_terminal
from support.replies import (
    Pause,
    Reply,
    claude_stream,
    error_reply_anthropic,
    reasoner_stream,
)
from support.runner import PROGRAM, PtyRun, environment, run_in_pty
from support.screen import Terminal
from support.tmux import Tmux
from support.vendors import HEEDING_SIGNALS, OWN_ANSWER, REASONING, TEXTS, THOUGHTS, Vendors

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no pty")

ENTER, CTRL_C = b"\r", b"\x03"
TIP = b"Enter: answer now"
MODES = "stty -a | tr ' ' '\\n' | grep -x -e '-*echo;*' -e '-*icanon;*'"
Key = tuple[float | bytes, bytes]


def think(vendors: Vendors, count: int = 40, pace: float = 0.05) -> None:
    thoughts = reasoner_stream([f"thought {n:03d}\n" for n in range(count)], ["x"], pace=pace)
    vendors.reply(thoughts, claude_stream(TEXTS))


def in_shell(vendors: Vendors, script: str, *keys: Key) -> PtyRun:
    """What bash shows of a script in which `dr` is the program."""
    program = f"dr() {{ '{sys.executable}' -m deepreasoning_cli \"$@\"; }}\n{script}"
    words = (*HEEDING_SIGNALS, "/bin/bash", "-c", program)
    return run_in_pty(program=words, keys=keys, env=vendors.environment)


def lines_of(done: PtyRun) -> list[str]:
    terminal = Terminal()
    terminal.write(done.output.decode())
    return terminal.lines()


@pytest.mark.parametrize("reasoning", ["show", "tail"])
def test_enter_has_it_answered_from_the_reasoning_so_far(vendors: Vendors, reasoning: str) -> None:
    think(vendors, 500)
    words = ("ask", "--reasoning", reasoning, "q")
    done = run_in_pty(*words, keys=[(TIP, ENTER)], env=vendors.environment)
    assert (done.code, vendors.counts()) == (0, (1, 1))
    assert vendors.reasoner.connections[0].closed_by == "peer"
    assert "thought 000" in vendors.claude.requests[0].body["messages"][0]["content"]
    lines = lines_of(done)
    assert len([line for line in lines if "stopped by you after " in line]) == 1
    assert "42 is the answer." in lines
    assert not [line for line in lines if not line]  # Enter left no mark


def test_enter_before_the_first_thought_means_nothing(vendors: Vendors) -> None:
    reply = reasoner_stream(THOUGHTS, OWN_ANSWER)
    vendors.reply(Reply(before=[Pause(0.6)], body=reply.body))
    done = run_in_pty("ask", "q", keys=[(b"thinking", ENTER)], env=vendors.environment)
    assert (done.code, lines_of(done)[1]) == (0, REASONING)
    assert TIP not in done.output.partition(b"Let me think")[0]


@pytest.mark.parametrize(
    "typed", [[b"some words\r"], [b"some words", ENTER, ENTER], [b"\r\r\rsome words\r"]]
)
def test_what_is_typed_is_left_for_the_shell_and_cuts_nothing(
    vendors: Vendors, typed: Sequence[bytes]
) -> None:
    think(vendors)
    keys: list[Key] = [(b"thought 003", typed[0]), *((0.0, key) for key in typed[1:])]
    script = 'dr ask q; while [ -z "$line" ]; do read line; done; echo "read: $line"'
    done = in_shell(vendors, script, *keys)
    lines = lines_of(done)
    assert lines[-1] == "read: some words"
    assert "thought 039" in lines
    assert not any("stopped by you" in line for line in lines)


GIVES_BACK = Path("/proc/sys/dev/tty/legacy_tiocsti")


@pytest.mark.skipif(
    not GIVES_BACK.exists() or GIVES_BACK.read_text().strip() == "0",
    reason="the system takes no character back",
)
def test_a_character_that_ctrl_d_ends_is_left_for_the_shell(vendors: Vendors) -> None:
    think(vendors)
    keys: list[Key] = [(b"thought 003", b"x\x04"), (b"thought 020", b"y\r")]
    done = in_shell(vendors, 'dr ask q; read line; echo "read: $line"', *keys)
    lines = lines_of(done)
    assert lines[-1] == "read: xy"
    assert not any("stopped by you" in line for line in lines)


@pytest.mark.parametrize("end", ["done", "error", "stopped", "killed"])
def test_the_terminal_is_given_back_as_it_was(vendors: Vendors, end: str) -> None:
    if end == "error":
        down = error_reply_anthropic(400, "invalid_request_error", "no")
        vendors.reply(THOUGHTS, down)
    else:
        think(vendors, 10 if end == "done" else 500)
    keys: dict[str, list[Key]] = {"stopped": [(b"thought 003", CTRL_C)]}
    ask = f"timeout --foreground 2 {shlex.join(PROGRAM)}" if end == "killed" else "dr"
    script = f"trap : INT; {ask} ask q; {MODES}"
    lines = lines_of(in_shell(vendors, script, *keys.get(end, [])))
    assert [line.strip(";") for line in lines[-2:]] == ["icanon", "echo"]


@pytest.mark.parametrize("by_key", [False, True])
def test_a_terminal_that_is_gone_hides_no_failure(by_key: bool) -> None:
    import pty

    master, slave = pty.openpty()

    def hang_up(stdin: TextIO) -> None:
        with silent_terminal(stdin, by_key=by_key):
            os.close(master)
            assert EnterKey(stdin).was_pressed() is False
            raise KeyboardInterrupt

    with os.fdopen(slave) as stdin, pytest.raises(KeyboardInterrupt):
        hang_up(stdin)


def stop_while_it_thinks(vendors: Vendors, tmux: Tmux) -> None:
    """Ask in a shell, and press Ctrl-Z when there are thoughts."""
    tmux.start("bash --norc -i", environment({**vendors.environment, "PS1": "$ "}))
    tmux.press(shlex.join([*PROGRAM, "ask", "q"]), "Enter")
    tmux.wait_for("thought 003")
    tmux.press("C-z")
    tmux.wait_for("Stopped")


def test_after_a_stop_and_fg_enter_still_answers(vendors: Vendors, tmux: Tmux) -> None:
    think(vendors, 400)
    stop_while_it_thinks(vendors, tmux)
    tmux.press("echo aloud", "Enter")
    tmux.wait_for("echo aloud aloud")
    tmux.press("fg", "Enter")
    tmux.wait_for("Enter: answer now")
    tmux.press("Enter")
    tmux.wait_for("stopped by you after")
    lines = tmux.wait_for("claude-sonnet-5-5 ·")
    assert "42 is the answer." in lines


def test_after_bg_it_comes_to_its_end_and_touches_no_key(vendors: Vendors, tmux: Tmux) -> None:
    think(vendors, 60)
    stop_while_it_thinks(vendors, tmux)
    tmux.press("bg", "Enter")
    tmux.press("Enter")
    lines = tmux.wait_for("thought 059")
    tmux.wait_for("42 is the answer.")
    tmux.press("wait; echo o''ver", "Enter")
    lines = tmux.wait_for("over")
    assert len([line for line in lines if "Stopped" in line]) == 1
    assert not any("stopped by you" in line for line in lines)
