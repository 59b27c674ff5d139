"""A day's cap under turns that run at the same time: processes, requests, workers."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from decimal import Decimal

import httpx2
import pytest

from support.replies import claude_stream, reasoner_stream
from support.serve_process import ASKED, MODEL, Server, eventually, serving, thinking
from support.vendors import Vendors

CAP = Decimal("0.05")  # two turns, at about $0.021 each: 2,000 tokens of each stage
ROOM = {"DEEPREASONING_DAILY_COST": str(CAP)}
RATE = 10  # USD for a million tokens that Claude writes
USUAL = Decimal("0.022")
LONG = ["Think about it. "] * 500
LONG_ANSWER = ["An answer, and one more word. "] * 800
PROCESSES = 10
REQUESTS = 40
WAIT = 30.0


def spent(vendors: Vendors, env: Mapping[str, str] | None = None) -> Decimal:
    told = vendors.run("price", "--spent", "--json", env=env)
    return Decimal(json.loads(told.stdout)["cost_usd"])


def post(server: Server, codes: list[int], answers: list[str]) -> None:
    body = {"model": MODEL, "messages": ASKED, "stream": False}
    reply = httpx2.post(f"{server.url}/v1/chat/completions", json=body, timeout=WAIT)
    codes.append(reply.status_code)
    if reply.status_code == 200:
        answers.append(reply.json()["choices"][0]["message"]["content"])


@contextmanager
def posting(
    server: Server, count: int = REQUESTS, answers: list[str] | None = None
) -> Iterator[list[int]]:
    """So many requests at once; their statuses, all of them at the end."""
    codes: list[int] = []
    given = (server, codes, [] if answers is None else answers)
    threads = [threading.Thread(target=post, args=given, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    yield codes
    for thread in threads:
        thread.join(WAIT)


def test_processes_at_once_keep_to_the_cap_and_those_that_wait_can_ask_later(
    vendors: Vendors,
) -> None:
    gate = threading.Event()
    vendors.reply(thinking(1, gate))
    with ExitStack() as runs:
        asked = [
            runs.enter_context(vendors.started("ask", "6 x 7?", env=ROOM)) for _ in range(PROCESSES)
        ]
        eventually(lambda: sum(run.poll() is not None for run in asked) == PROCESSES - 2, WAIT)
        gate.set()
        ends = [vendors.outcome(run) for run in asked]
    assert Counter(end.code for end in ends) == {0: 2, 4: 8}
    refused = next(end.stderr.decode() for end in ends if end.code == 4)
    assert "daily_cost is $0.05, of which $" in refused
    assert "are set aside for turns that run" in refused
    assert "wait until those turns have ended" in refused
    assert vendors.counts() == (2, 2)
    assert vendors.ask("6 x 7?", env=ROOM).code == 0
    assert not list((vendors.home / ".local/share/deepreasoning/reserved").glob("*.usd"))


def test_processes_that_write_more_than_usual_stop_at_the_cap(vendors: Vendors) -> None:
    vendors.reply(reasoner_stream(LONG * 8, usage=None), claude_stream(LONG_ANSWER))
    with ExitStack() as runs:
        asked = [
            runs.enter_context(vendors.started("ask", "6 x 7?", env=ROOM)) for _ in range(PROCESSES)
        ]
        codes = {vendors.outcome(run).code for run in asked}
    assert codes <= {0, 4, 6}
    assert spent(vendors) <= CAP + USUAL


def test_a_process_that_was_killed_sets_nothing_aside(vendors: Vendors) -> None:
    gate = threading.Event()
    vendors.reply(thinking(1, gate))
    with ExitStack() as runs:
        for _ in range(2):
            run = runs.enter_context(vendors.started("ask", "6 x 7?", env=ROOM))
            vendors.reasoner.wait_for_requests(1)
        vendors.reasoner.wait_for_requests(2, WAIT)
        assert vendors.ask("6 x 7?", env=ROOM).code == 4
        run.kill()
        run.wait()
        gate.set()
        assert vendors.ask("6 x 7?", env=ROOM).code == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_requests_at_once_keep_to_the_cap(vendors: Vendors, workers: str) -> None:
    gate = threading.Event()
    vendors.reply(thinking(1, gate))
    with serving(vendors, "--workers", workers, env=ROOM) as server:
        with posting(server) as codes:
            eventually(lambda: len(codes) == REQUESTS - 2, WAIT)
            gate.set()
        assert Counter(codes) == {200: 2, 402: REQUESTS - 2}
        assert vendors.counts() == (2, 2)
        with posting(server, 1) as later:
            pass
        assert later == [200]


@pytest.mark.parametrize("history", ["true", "false"])
def test_requests_that_write_more_than_usual_stop_at_the_cap(
    vendors: Vendors, history: str
) -> None:
    vendors.reply(reasoner_stream(LONG, usage=None), claude_stream(LONG_ANSWER))
    env = ROOM | {"DEEPREASONING_HISTORY": history}
    answers: list[str] = []
    with serving(vendors, env=env) as server:
        for _ in range(2):  # what the first ones cost counts for the second
            with posting(server, answers=answers) as codes:
                pass
            assert set(codes) <= {200, 402}
        if history == "true":
            assert spent(vendors, server.env) <= CAP + USUAL
        else:
            assert not (vendors.home / ".local/share/deepreasoning").exists()
    tokens = sum(map(len, answers)) / 4
    assert 0 < Decimal(tokens) * RATE / 1_000_000 <= CAP + USUAL
