"""Two things at once: what SQLite's authors call a multifail."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import pty
import resource
import signal
import struct
import termios
import time
from dataclasses import replace
from pathlib import Path

import pytest

from faults.runs import QUESTION, World
from faults.table import NOTHING, Case
from support.forking import Forked
from support.replies import (
    Call,
    Reset,
    claude_stream,
    error_reply_anthropic,
    reasoner_stream,
)
from support.runner import read_terminal
from support.screen import Terminal, foreign
from support.vendors import ANSWER, OWN_ANSWER, REASONING, TEXTS, THOUGHTS


def with_limit(world: World, size: int) -> World:
    """The same where no file can grow beyond that size."""
    fault = replace(NOTHING, largest_file=size)
    return World(Case(fault, "call", "pipe"), world.vendors, world.places, world.forker)


@pytest.mark.parametrize("size", [0, 512, 4096, 40_000])
def test_a_cut_on_a_full_disk_loses_no_text(world: World, size: int) -> None:
    thoughts = [f"thought {number} " * 20 for number in range(40)]
    world.vendors.reply(reasoner_stream(thoughts, OWN_ANSWER), claude_stream(TEXTS).failing(4))
    result = with_limit(world, size).run("ask", QUESTION)
    assert result.code == 6
    assert result.stdout == b"**42**\n"
    kept = "".join(reasoning for _, reasoning, _ in world.turns())
    assert "".join(thoughts).strip() in (kept.strip() + result.stderr.decode())


def test_ctrl_c_while_it_waits_for_an_overloaded_claude_keeps_the_reasoning(world: World) -> None:
    wait = {"retry-after": "30"}
    busy = error_reply_anthropic(529, "overloaded_error", "Overloaded", headers=wait)
    interrupt = Call(lambda: world.running[0].send_signal(signal.SIGINT))
    world.vendors.reply(texts=replace(busy, body=(*busy.body, interrupt)))
    result = world.run("ask", QUESTION)
    assert (result.code, result.stdout) == (130, b"")
    assert world.turns() == [("incomplete", REASONING, "")]
    world.forget()
    resumed = world.run("resume", "--json")
    assert (resumed.code, json.loads(resumed.stdout)["answer"]) == (0, ANSWER)
    assert world.asked() == "C"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_reset_and_a_signal_at_once_end_as_one_of_them(world: World, name: str) -> None:
    number = signal.Signals[name]

    def kill() -> None:
        world.wait_until_kept("6 times 7")
        world.running[0].send_signal(number)

    world.vendors.reply(reasoner_stream(THOUGHTS).failing(3, Call(kill), Reset()))
    result = world.run("ask", QUESTION)
    assert result.code in (128 + number, 6)
    [(status, reasoning, answer)] = world.turns()
    assert (status, answer) == ("incomplete", "")
    assert reasoning == "".join(THOUGHTS[:2])


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux")
@pytest.mark.parametrize("after", [2, 3])
def test_files_that_run_out_after_paid_thoughts_leave_what_resume_goes_on_from(
    world: World, after: int
) -> None:
    """The connection to Claude may be open by then: that turn comes to its end."""

    def use_up() -> None:
        world.wait_until_kept("Let me think")
        process = world.running[0].pid
        taken = {int(each.name) for each in Path(f"/proc/{process}/fd").iterdir()}
        free = next(number for number in itertools.count() if number not in taken)
        resource.prlimit(process, resource.RLIMIT_NOFILE, (free, free))

    thinking = reasoner_stream(THOUGHTS, OWN_ANSWER)
    world.vendors.reply(thinking.failing(after, Call(use_up), *thinking.body[after:]))
    result = world.run("ask", QUESTION)
    [(status, reasoning, answer)] = world.turns()
    warning, *lines = result.stderr.decode().splitlines()
    assert "this turn is in" in warning
    assert reasoning == REASONING
    if status == "complete":
        assert (result.code, answer, lines) == (0, ANSWER, [])
        return
    error, hint, *_ = lines
    assert (result.code, answer) == (6, "")
    assert error == "error: answer: cannot open another file: Too many open files"
    assert hint.startswith("hint: `deepreasoning resume ")
    world.forget()
    resumed = world.run("resume", "--json")
    assert (resumed.code, world.asked()) == (0, "C")


def test_a_reader_that_leaves_while_two_others_write_loses_no_turn(world: World) -> None:
    for _ in range(3):
        world.vendors.reply()
    leaving = replace(NOTHING, streams={"stdout": "leaves"})
    first = World(Case(leaving, "call", "pipe"), world.vendors, world.places, world.forker)
    null = os.open(os.devnull, os.O_RDWR)
    others = [world.start("ask", f"{QUESTION} {n}", streams=(null,) * 3) for n in range(2)]
    result = first.run("ask", QUESTION)
    codes = [each.wait(60) for each in others]
    os.close(null)
    assert (result.code, codes) == (141, [0, 0])
    assert result.stderr == b""
    kept = world.turns()
    assert sorted(status for status, _, _ in kept) == ["complete", "complete", "incomplete"]
    assert all(reasoning == REASONING for _, reasoning, _ in kept)


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o640])
def test_a_damaged_config_that_others_can_read_is_named_and_closed_but_not_changed(
    world: World, mode: int
) -> None:
    key = world.vendors.keys["DEEPSEEK_API_KEY"]
    text = f'[keys]\ndeepseek = "{key}"\nanthropic = [\n'
    path = world.vendors.config(text, holds_keys=True)
    path.chmod(mode)
    result = world.run("ask", QUESTION)
    assert (result.code, result.stdout, world.asked()) == (3, b"", "")
    *_, error, hint = result.stderr.decode().splitlines()
    assert error.startswith(f"error: {path}:")
    assert hint.startswith("hint: ")
    assert path.read_text() == text
    help_page = world.run("--help")
    assert help_page.code == 0


def test_ctrl_c_while_it_redraws_for_a_new_size_leaves_the_terminal_whole(world: World) -> None:
    """The panel is redrawn at each change of the size; the signal comes in the middle of it."""
    text = "A paragraph that is broken anew at each width of the terminal. " * 6
    thoughts = [f"{text}\n\n" for _ in range(6)]
    master_of: list[tuple[int, Forked]] = []

    def resize_and_interrupt() -> None:
        master, running = master_of[0]
        world.wait_until_kept("A paragraph")
        for columns in (70, 40, 100, 20, 60):
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            running.send_signal(signal.SIGWINCH)
            time.sleep(0.03)
        running.send_signal(signal.SIGINT)

    stream = reasoner_stream(thoughts).failing(4, Call(resize_and_interrupt))
    world.vendors.reply(stream)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    running: Forked = world.start("ask", QUESTION, streams=(slave,) * 3, terminal=True)
    master_of.append((master, running))
    os.close(slave)
    output = read_terminal(master, (), time.monotonic(), 60)
    os.close(master)
    assert running.wait(60) == 130
    shown = output.decode()
    assert foreign(shown) == ""
    assert shown.count("\x1b[?25l") <= shown.count("\x1b[?25h")
    assert shown.count("\x1b[?2026h") == shown.count("\x1b[?2026l")
    [(status, reasoning, _)] = world.turns()
    assert (status, reasoning) == ("incomplete", "".join(thoughts[:3]))
    terminal = Terminal()
    terminal.write(shown)
    assert any("resume" in line for line in terminal.lines())
