"""Signals in every state of every command that waits, on a terminal, in a job of a shell.

A row is a state and a signal. No clock is asked: the signal is sent when the state is seen on the
terminal or at a vendor, and the program sleeps.
"""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import socket
import sqlite3
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import pytest

from deepreasoning_cli.history.database import NAME
from deepreasoning_cli.history.store import Store
from faults.runs import PATIENCE, World
from faults.script import TEXT_SEEN, THOUGHTS_SEEN
from support.forking import Forked
from support.replies import (
    Gate,
    Reply,
    claude_stream,
    error_reply_openai,
    json_reply,
    reasoner_stream,
)
from support.runner import CompletedRun
from support.vendors import ANSWER, OWN_ANSWER, REASONING, TEXTS, THOUGHTS

CTRL_D: Final = b"\x04"
PROMPT: Final = b"\x1b[?2004h"
SHOWN: Final = b"is the answer."
WAITING: Final = b"waiting for stdin"
FIRST_TWO: Final = 3
CSI: Final = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]")


@dataclass(slots=True)
class Job:
    """A run on a terminal of its own, from which the test reads as it goes."""

    world: World
    master: int = -1
    pipe: int = -1
    output: bytes = b""
    read_to: int = 0
    go: threading.Event = field(default_factory=threading.Event)
    """Set, all vendors go on."""
    open: ExitStack = field(default_factory=ExitStack)
    forked: Forked = field(init=False)
    group: int = 0
    """The job's processes."""
    sockets: list[socket.socket] = field(default_factory=list)
    locks: list[sqlite3.Connection] = field(default_factory=list)

    def start(self, *args: str, piped: bool = False, **env: str) -> None:
        """Start it; `piped` gives it a silent pipe as stdin."""
        import fcntl

        self.master, slave = pty.openpty()
        self.open.callback(os.close, self.master)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        given = slave
        if piped:
            given, self.pipe = os.pipe()
            self.open.callback(self.close_pipe)
        env = {**self.world.environment, "TERM": "xterm-256color", **env}
        self.forked = self.world.forker.start(
            *args,
            streams=(given, slave, slave),
            env=env,
            terminal=True,
            job=True,
            folder=self.world.vendors.home,
        )
        self.world.running.append(self.forked)
        for fd in {given, slave}:
            os.close(fd)

    def close_pipe(self) -> None:
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1

    def until(self, text: bytes) -> None:
        """Read until the terminal has shown the text, after all that was waited for before."""
        deadline = time.monotonic() + PATIENCE
        while (at := self.output.find(text, self.read_to)) < 0:
            left = deadline - time.monotonic()
            assert left > 0, f"no {text!r} on the terminal: {self.output!r}"
            if select.select([self.master], [], [], left)[0]:
                try:
                    self.output += os.read(self.master, 65_536)
                except OSError:
                    raise AssertionError(f"it ended without {text!r}: {self.output!r}") from None
        self.read_to = at + len(text)

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def send(self, *numbers: signal.Signals) -> None:
        """To the job, as the terminal does."""
        self.group = self.group or os.tcgetpgrp(self.master)
        self.until_asleep()
        with suppress(ProcessLookupError):  # the first of two may have ended it
            for number in numbers:
                os.killpg(self.group, number)

    def until_asleep(self) -> None:
        """Wait until it waits: a signal just before a read is only heard after it."""
        path = Path(f"/proc/{self.group}/stat")
        deadline = time.monotonic() + PATIENCE
        while path.exists() and path.read_text().rpartition(")")[2].split()[0] not in "ST":
            assert time.monotonic() < deadline, "it never sleeps"
            time.sleep(0.005)

    def end(self) -> CompletedRun:
        """What it left."""
        self.until(b"[ended, modes ")
        code = self.forked.wait(PATIENCE)
        try:
            while select.select([self.master], [], [], 0)[0]:
                self.output += os.read(self.master, 65_536)
        except OSError:
            pass
        self.world.vendors.check_for_keys(CompletedRun(code, self.output, b""))
        return CompletedRun(code, self.output, b"")


@pytest.fixture
def job(world: World) -> Iterator[Job]:
    job = Job(world)
    with job.open:
        yield job
        job.go.set()


# -------------------------------------------------------------------------------------- states

Kept = list[tuple[str, str, str]]
BUSY: Final = error_reply_openai(429, "slow down", headers={"retry-after": "3"})


def paused(job: Job, reply: Reply, after: int) -> Reply:
    """The reply, which stops after so many pieces until the vendors go on."""
    return reply.failing(after, Gate(job.go), *reply.body[after:])


def late(job: Job, reply: Reply) -> Reply:
    """The reply, of which nothing comes until the vendors go on."""
    return Reply(before=[Gate(job.go)], body=reply.body)


THINKING: Final = reasoner_stream(THOUGHTS, OWN_ANSWER)
ANSWERING: Final = claude_stream(TEXTS)


def waits_for_stdin(job: Job) -> None:
    job.world.vendors.reply()
    job.start("ask", "multiply", piped=True)
    job.until(WAITING)


def connects(job: Job) -> None:
    job.world.vendors.reply()
    silent = job.open.enter_context(socket.create_server(("127.0.0.1", 0)))
    job.start("ask", "6 x 7?", DEEPSEEK_BASE_URL=f"https://127.0.0.1:{silent.getsockname()[1]}")
    taken, _ = silent.accept()
    job.sockets = [job.open.enter_context(taken), silent]
    assert taken.recv(1)  # the TLS handshake, which nobody answers


def hang_up(job: Job) -> None:
    for each in job.sockets:
        each.close()


def waits_for_headers(job: Job) -> None:
    job.world.vendors.reply(late(job, THINKING), ANSWERING)
    job.start("ask", "6 x 7?")
    job.world.vendors.reasoner.wait_for_requests(1)


def waits_to_ask_again(job: Job) -> None:
    job.world.vendors.reasoner.reply(BUSY)
    job.world.vendors.reply(late(job, THINKING), ANSWERING)
    job.start("ask", "6 x 7?")
    job.until(b"retrying in")


def thinks(job: Job) -> None:
    job.world.vendors.reply(paused(job, THINKING, FIRST_TWO), ANSWERING)
    job.start("ask", "6 x 7?")
    job.until(b"6 times 7")


def hands_over(job: Job) -> None:
    job.world.vendors.reply(THINKING, late(job, ANSWERING))
    job.start("ask", "6 x 7?")
    job.world.vendors.claude.wait_for_requests(1)


def answers(job: Job) -> None:
    job.world.vendors.reply(THINKING, paused(job, ANSWERING, 4))
    job.start("ask", "6 x 7?")
    job.world.wait_until_kept(TEXT_SEEN)


def begins_to_chat(job: Job) -> None:
    job.start("chat")
    job.until(PROMPT)
    job.until(b"/help")


def types_in_chat(job: Job) -> None:
    begins_to_chat(job)
    job.press(b"a draft")
    job.until(b"draft")


def thinks_in_chat(job: Job) -> None:
    begins_to_chat(job)
    job.world.vendors.reply(paused(job, THINKING, FIRST_TWO), ANSWERING)
    job.press(b"6 x 7?\r")
    job.until(b"6 times 7")


def answers_in_chat(job: Job) -> None:
    begins_to_chat(job)
    job.world.vendors.reply(THINKING, paused(job, ANSWERING, 4))
    job.press(b"6 x 7?\r")
    job.world.wait_until_kept(TEXT_SEEN)


def chooses_in_chat(job: Job) -> None:
    """The menu of what could be meant is open."""
    begins_to_chat(job)
    job.press(b"/re\t")
    job.until(b"resume ")


def saves(job: Job) -> None:
    """Another process keeps the history locked."""
    with Store.open(job.world.data, pytest.fail):  # there is one
        pass
    other = job.open.enter_context(
        closing(sqlite3.connect(job.world.data / NAME, isolation_level=None))
    )
    job.open.callback(let_it_save, job)
    hands_over(job)
    other.execute("BEGIN IMMEDIATE")
    job.locks.append(other)
    job.go.set()
    job.until(SHOWN)
    job.world.wait_until_kept('"event": "closed"')


def let_it_save(job: Job) -> None:
    for other in job.locks:
        if other.in_transaction:
            other.rollback()


def asks_how_to_resume(job: Job) -> None:
    job.world.vendors.reply(THINKING.failing(FIRST_TWO))
    assert job.world.run("ask", "6 x 7?").code == 6
    job.start("resume")
    job.until(b"[q]uit: ")


def asks_to_set_up(job: Job) -> None:
    job.start("config", "init")
    job.until(b"Number [1]: ")


def pages(job: Job) -> None:
    job.world.vendors.reply()
    assert job.world.run("ask", "6 x 7?").code == 0
    pager = "sh -c 'trap : INT; cat >/dev/null; echo up; read key </dev/tty; echo read $key'"
    job.start("history", "show", "last", "--reasoning", PAGER=pager, LINES="2")
    job.until(b"up")


def lists_models(job: Job) -> None:
    listed = json_reply(200, {"data": [], "has_more": False})
    job.world.vendors.claude.reply(replace(listed, before=[Gate(job.go)]))
    job.world.vendors.reasoner.reply(json_reply(200, {"object": "list", "data": []}))
    job.start("models", "--live", "--json")
    job.world.vendors.claude.wait_for_requests(1)


def asks_to_delete(job: Job) -> None:
    job.world.vendors.reply()
    assert job.world.run("ask", "6 x 7?").code == 0
    job.start("history", "delete", "last")
    job.until(b"[y/N]: ")


def serves(job: Job) -> None:
    job.start("serve", "--port", "0")
    job.until(b"serving on http://127.0.0.1:")
    job.until(b"\n")


def serves_a_stream(job: Job) -> None:
    job.world.vendors.reply(paused(job, THINKING, FIRST_TWO), ANSWERING)
    serves(job)
    caller = job.open.enter_context(socket.create_connection(address_of(job), PATIENCE))
    caller.sendall(request_head(len(STREAMED)) + STREAMED)
    received = b""
    while b"6 times 7" not in received:
        received += (piece := caller.recv(65_536))
        assert piece, received


def address_of(job: Job) -> tuple[str, int]:
    port = job.output[: job.read_to].rpartition(b":")[2]
    return "127.0.0.1", int(port)


STREAMED: Final = (
    b'{"model": "deepreasoning", "stream": true,'
    b' "messages": [{"role": "user", "content": "6 x 7?"}]}'
)


def request_head(size: int) -> bytes:
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % size
    )


def drains(job: Job) -> None:
    """A Ctrl-C has come, and a stream is not at its end."""
    serves_a_stream(job)
    job.send(signal.SIGINT)
    deadline = time.monotonic() + PATIENCE
    with suppress(ConnectionRefusedError):
        while True:
            socket.create_connection(address_of(job), PATIENCE).close()
            assert time.monotonic() < deadline, "it takes new callers"
            time.sleep(0.01)


SIGNALS: Final = {
    "INT": (signal.SIGINT,),
    "INT twice": (signal.SIGINT, signal.SIGINT),
    "TERM": (signal.SIGTERM,),
    "HUP": (signal.SIGHUP,),
    "TSTP": (signal.SIGTSTP,),
}
NOTHING_KEPT: Final[Kept] = []
QUESTION_KEPT: Final = [("incomplete", "", "")]
THOUGHTS_KEPT: Final = [("incomplete", THOUGHTS_SEEN, "")]
REASONING_KEPT: Final = [("incomplete", REASONING, "")]
PART_KEPT: Final = [("incomplete", REASONING, TEXT_SEEN)]
WHOLE: Final = [("complete", REASONING, ANSWER)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalState:
    """How a state comes about; what is kept when a signal ends it there, and when it goes on."""

    come: Callable[[Job], object]
    kept: Kept
    finished: Kept
    go_on: Callable[[Job], object] = lambda job: job.go.set()
    """What the vendors or the person do after TSTP and CONT."""
    code: int = 0
    """How it ends then."""
    after: Callable[[Job], object] = lambda _: None
    """What has to come before it can hear the signal, or end by it."""
    others: Mapping[str, tuple[int, Kept]] = field(default_factory=dict)
    """How it ends by a signal at once, and what is kept then."""
    untried: str = ""
    """A signal that two signals at once can be taken for."""
    stays: Callable[[Job], object] | None = None
    """What the person does after a Ctrl-C that does not end the program."""
    keeps_modes: bool = True
    """Whether the shell gets its own modes when it stops: line editors leave that to the shell."""


def speak(job: Job) -> None:
    os.write(job.pipe, b"6 and 7")
    job.close_pipe()


def leave_at_prompt(job: Job) -> None:
    job.until(PROMPT)
    job.press(CTRL_D)


def finish_and_leave(job: Job) -> None:
    job.go.set()
    leave_at_prompt(job)


def leave_cleared(job: Job) -> None:
    job.until(b"\x1b[K")
    job.press(CTRL_D)


def clear_and_leave(job: Job) -> None:
    job.press(b"\x03")
    leave_cleared(job)


def serve_to_the_end(job: Job) -> None:
    job.go.set()
    job.send(signal.SIGTERM)


def pressed(keys: bytes) -> Callable[[Job], None]:
    return lambda job: job.press(keys)


STATES: Final = {
    "waits for stdin": SignalState(
        come=waits_for_stdin, kept=NOTHING_KEPT, finished=WHOLE, go_on=speak
    ),
    "connects": SignalState(
        come=connects, kept=QUESTION_KEPT, finished=QUESTION_KEPT, go_on=hang_up, code=5
    ),
    "waits for headers": SignalState(come=waits_for_headers, kept=QUESTION_KEPT, finished=WHOLE),
    "waits to ask again": SignalState(come=waits_to_ask_again, kept=QUESTION_KEPT, finished=WHOLE),
    "thinks": SignalState(come=thinks, kept=THOUGHTS_KEPT, finished=WHOLE),
    "hands over": SignalState(come=hands_over, kept=REASONING_KEPT, finished=WHOLE),
    "answers": SignalState(come=answers, kept=PART_KEPT, finished=WHOLE),
    "types in chat": SignalState(
        come=types_in_chat,
        kept=NOTHING_KEPT,
        finished=NOTHING_KEPT,
        go_on=clear_and_leave,
        stays=leave_cleared,
        keeps_modes=False,
    ),
    "thinks in chat": SignalState(
        come=thinks_in_chat,
        kept=THOUGHTS_KEPT,
        finished=WHOLE,
        go_on=finish_and_leave,
        stays=leave_at_prompt,
    ),
    "answers in chat": SignalState(
        come=answers_in_chat,
        kept=PART_KEPT,
        finished=WHOLE,
        go_on=finish_and_leave,
        stays=leave_at_prompt,
    ),
    "chooses in chat": SignalState(
        come=chooses_in_chat,
        kept=NOTHING_KEPT,
        finished=NOTHING_KEPT,
        go_on=clear_and_leave,
        stays=leave_cleared,
        keeps_modes=False,
    ),
    "saves": SignalState(come=saves, kept=WHOLE, finished=WHOLE, after=let_it_save),
    "asks to delete": SignalState(
        come=asks_to_delete,
        kept=WHOLE,
        finished=WHOLE,
        go_on=pressed(b"n\n"),
    ),
    "asks how to resume": SignalState(
        come=asks_how_to_resume,
        kept=THOUGHTS_KEPT,
        finished=THOUGHTS_KEPT,
        go_on=pressed(b"q\n"),
    ),
    "asks to set up": SignalState(
        come=asks_to_set_up,
        kept=NOTHING_KEPT,
        finished=NOTHING_KEPT,
        go_on=pressed(CTRL_D),
        code=130,
        keeps_modes=False,
    ),
    "pages": SignalState(
        come=pages,
        kept=WHOLE,
        finished=WHOLE,
        go_on=pressed(b"x\n"),
        stays=pressed(b"x\n"),
    ),
    "lists models": SignalState(come=lists_models, kept=NOTHING_KEPT, finished=NOTHING_KEPT),
    "serves": SignalState(
        come=serves,
        kept=NOTHING_KEPT,
        finished=NOTHING_KEPT,
        go_on=lambda job: job.send(signal.SIGTERM),
        code=143,
    ),
    "serves a stream": SignalState(
        come=serves_a_stream,
        kept=WHOLE,
        finished=WHOLE,
        go_on=serve_to_the_end,
        code=143,
        after=lambda job: job.go.set(),
        untried="INT twice",
    ),
    "drains": SignalState(
        come=drains,
        kept=WHOLE,
        finished=WHOLE,
        code=130,
        after=lambda job: job.go.set(),
        others={"INT": (130, THOUGHTS_KEPT), "INT twice": (130, THOUGHTS_KEPT)},
    ),
}


ROWS: Final = [
    (name, sent) for name, state in STATES.items() for sent in SIGNALS if sent != state.untried
]


SHOWING: Final = {name for name, state in STATES.items() if state.finished is WHOLE} - {
    *("pages", "asks to delete", "serves a stream", "drains")
}
"""The states that end with the answer on the terminal."""


@pytest.mark.parametrize(("name", "sent"), ROWS)
def test_a_signal_has_its_outcome_in_every_state(job: Job, name: str, sent: str) -> None:
    state, numbers = STATES[name], SIGNALS[sent]
    state.come(job)
    job.send(*numbers)
    code, kept = state.others.get(sent, (128 + numbers[0], state.kept))
    if sent not in state.others:
        state.after(job)
    if numbers[0] is signal.SIGTSTP:
        job.until(b"[stopped, modes " + (b"kept]" if state.keeps_modes else b""))
        state.go_on(job)
        code, kept = state.code, state.finished
    elif numbers[0] is signal.SIGINT and state.stays:
        state.stays(job)
        code = 0
    done = job.end()
    assert (done.code, job.world.turns()) == (code, kept)
    shown = done.stdout.decode()
    before, ended, _ = shown.partition("[ended, modes kept]")
    assert ended
    text = CSI.sub("", before).replace("[stopped, modes kept]", "")
    assert not text or text.endswith("\n")
    for mode, off in (("?25l", "?25h"), ("?2004h", "?2004l"), ("?2026h", "?2026l")):
        assert shown.rfind(f"\x1b[{mode}") <= shown.rfind(f"\x1b[{off}")
    if kept is WHOLE and name in SHOWING:
        assert SHOWN.decode() in shown
    is_ask = name in ("thinks", "hands over", "answers")
    ends_chat = name in ("thinks in chat", "answers in chat") and sent in ("TERM", "HUP")
    assert ("deepreasoning resume" in shown) == ((is_ask or ends_chat) and kept is not WHOLE)
