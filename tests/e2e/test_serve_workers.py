"""Several processes that serve: one that dies takes no text with it that anybody saw."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from support.replies import Gate, Reset, claude_stream, reasoner_stream
from support.serve_process import (
    ASKED,
    MODEL,
    Server,
    answering,
    eventually,
    in_thread,
    is_closed,
    refused,
    serving,
)
from support.vendors import OWN_ANSWER, REASONING, TEXTS, THOUGHTS, Vendors

THOUGHT = reasoner_stream(THOUGHTS, OWN_ANSWER)
SHOWN = REASONING + TEXTS[0]
NEVER = threading.Event()
LOAD = 12  # streams at once
EACH = 2  # of them at least in each worker
MOST = 60  # to begin until that is so: the system deals them out as it likes


def pieces(server: Server) -> Iterator[str]:
    """The texts of a chat, as they come."""
    client = server.openai()
    for chunk in client.chat.completions.create(model=MODEL, messages=ASKED, stream=True):
        delta: Any = chunk.choices[0].delta
        yield getattr(delta, "reasoning_content", None) or delta.content or ""


def begun(server: Server) -> Iterator[str]:
    """A stream of which all is read that its vendors sent until the gate."""
    stream, received = pieces(server), ""
    while received != SHOWN:
        received += next(stream)
    return stream


def rest(stream: Iterator[str]) -> str | None:
    """The rest of a stream; None where it was cut."""
    try:
        return "".join(stream)
    except (openai.APIError, httpx2.TransportError):
        return None


def workers(server: Server, count: int = 2) -> dict[int, int]:
    """How many turns each process runs, as soon as there are so many."""
    found: dict[int, int] = {}

    def ask() -> bool:
        found.clear()
        found.update(server.workers())
        return len(found) == count

    eventually(ask)
    return found


def counted(server: Server, sample: str) -> float:
    """The value of a sample, whichever worker tells it; 0 where there is none."""
    lines = server.client().get("/metrics").text.splitlines()
    found = [line for line in lines if line.startswith(f"deepreasoning_{sample} ")]
    return sum(float(line.rpartition(" ")[2]) for line in found)


def loaded(server: Server) -> list[Iterator[str]]:
    """Streams that have begun, some of them in each worker."""
    streams: list[Iterator[str]] = []
    while len(streams) < MOST:
        streams.append(begun(server))
        if len(streams) >= LOAD and min(workers(server).values()) >= EACH:
            return streams
    raise AssertionError(f"one worker has them all: {workers(server)}")


def test_a_worker_that_is_killed_takes_only_its_own_streams_along(vendors: Vendors) -> None:
    gate = threading.Event()
    vendors.reply(THOUGHT, answering(1, gate))
    with serving(vendors, "--workers", "2", "--metrics") as server:
        streams = loaded(server)
        running = workers(server)
        assert sum(running.values()) == len(streams)
        (dead, lost), (alive, left) = running.items()
        waiting: list[Callable[[], str | None]] = [
            in_thread(partial(rest, stream)) for stream in streams
        ]
        os.kill(dead, signal.SIGKILL)
        recovered = server.said(r"^note: recovered (\d+) unfinished turn")
        gate.set()
        assert Counter(each() for each in waiting) == {TEXTS[1]: left, None: lost}
        assert sum(int(match[1]) for match in recovered) == lost
        eventually(lambda: set(server.workers()) - {dead, alive})
        assert dead not in server.workers()
        assert "".join(pieces(server)) == REASONING + "".join(TEXTS)
        eventually(lambda: counted(server, 'turns_total{ended="complete"}') == left + 1)
        assert server.stop().code == 143
        rows = server.history()
        assert Counter(row["status"] for row in rows) == {"complete": left + 1, "incomplete": lost}
        cut = [server.kept(row["id"]) for row in rows if row["status"] == "incomplete"]
        assert [(turn["reasoning"], turn["answer"]) for turn in cut] == [
            (REASONING, TEXTS[0])
        ] * lost


def test_what_a_killed_server_had_shown_is_there_at_its_next_start(vendors: Vendors) -> None:
    vendors.reply(THOUGHT, answering(1, NEVER))
    with serving(vendors) as server:
        stream = begun(server)
        assert server.stop(signal.SIGKILL).code == -signal.SIGKILL
        assert rest(stream) is None
    vendors.reasoner.forget()
    vendors.claude.forget()
    with serving(vendors) as server:
        server.said("^note: recovered 1 unfinished turn")
        (row,) = server.history()
        kept = server.kept(row["id"])
        assert (kept["reasoning"], kept["answer"]) == (REASONING, TEXTS[0])
        assert kept["status"] == "incomplete"


def test_two_workers_write_one_history(vendors: Vendors) -> None:
    vendors.reply()
    with serving(vendors, "--workers", "2") as server:
        asking = [in_thread(lambda: "".join(pieces(server))) for _ in range(LOAD)]
        assert {each() for each in asking} == {REASONING + "".join(TEXTS)}
        assert server.stop().code == 143
        assert [row["status"] for row in server.history()] == ["complete"] * LOAD


def test_workers_end_with_their_supervisor(vendors: Vendors) -> None:
    with serving(vendors, "--workers", "2", "--metrics") as server:
        workers(server)
        os.kill(server.process.pid, signal.SIGKILL)
        eventually(lambda: is_closed(server))
        assert server.end().code == -signal.SIGKILL


ONCE = """\
if mkdir {0} 2>/dev/null; then echo once-only-token; else echo locked >&2; exit 1; fi
"""


def test_workers_that_cannot_begin_end_the_server_and_say_why(
    vendors: Vendors, tmp_path: Path
) -> None:
    script = tmp_path / "token.sh"
    script.write_text(ONCE.format(tmp_path / "asked"))
    result = refused(vendors, "--workers", "2", "--token-command", f"sh {script}")
    lines = result.stderr.decode().splitlines()
    assert (result.code, result.stdout) == (3, b"")
    assert lines[0].startswith("serving on ")
    assert set(lines[1:]) == {
        "error: the command of keys.serve failed with status 1: locked",
        "hint: run it by hand; `deepreasoning config edit` changes it",
    }


def test_what_a_worker_has_counted_outlives_it(vendors: Vendors) -> None:
    vendors.reply()
    with serving(vendors, "--workers", "2", "--metrics") as server:
        before = workers(server)
        for _ in range(LOAD):
            assert "".join(pieces(server)) == REASONING + "".join(TEXTS)
        complete = partial(counted, server, 'turns_total{ended="complete"}')
        eventually(lambda: complete() == LOAD)
        for worker in before:
            os.kill(worker, signal.SIGKILL)
        eventually(lambda: not set(before) & set(workers(server)))
        assert complete() == LOAD


def test_a_repeat_goes_on_from_the_reasoning_that_another_worker_has_bought(
    vendors: Vendors,
) -> None:
    gate = threading.Event()
    vendors.reply(THOUGHT, claude_stream(TEXTS).failing(4, Gate(gate), Reset()))
    with serving(vendors, "--workers", "2", "--metrics") as server:

        def ask(key: str) -> Any:
            """On a connection of its own, that only a worker which runs can take."""
            client = server.openai(key).chat.completions
            return client.create(model=MODEL, messages=ASKED, stream=True)

        workers(server)
        stream = ask("sk-one")
        next(stream)
        eventually(lambda: 1 in server.workers().values())
        (busy,) = [worker for worker, count in server.workers().items() if count]
        gate.set()
        with pytest.raises((openai.APIError, httpx2.TransportError)):
            list(stream)
        assert server.kept(server.ids[0])["status"] == "incomplete"
        os.kill(busy, signal.SIGSTOP)
        try:
            for key, asked in (("sk-one", (1, 2)), ("sk-two", (2, 3)), ("sk-one", (3, 4))):
                vendors.reply(THOUGHT, claude_stream(TEXTS))
                assert [piece for chunk in ask(key) if (piece := chunk.choices[0].delta.content)]
                assert vendors.counts() == asked  # once more by another caller, or once answered
        finally:
            os.kill(busy, signal.SIGCONT)
