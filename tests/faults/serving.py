"""A case at the door of `serve`: a client's request, what it gets, and what the same one costs."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2

from deepreasoning_cli.history.store import Store
from faults.places import Places
from faults.runs import QUESTION, World, texts_kept
from faults.table import Case
from support.forking import Forker
from support.loopback import Loopback
from support.serve_process import SERVE, SERVING, Server, eventually, started
from support.vendors import Vendors

COUNT: Final = itertools.count()
"""Numbers the questions: what failed for one is not kept for the next."""
HURRIED: Final = (
    sys.executable,
    "-c",
    "from deepreasoning_cli.transport import retry;"
    "retry.backoff = lambda attempt: 0.01 * (attempt + 1);"
    "from deepreasoning_cli.__main__ import main; main()",
)
"""The program with short waits between its retries."""
ASKED_AGAIN: Final = {"thoughts": "RC", "question": "RC", "reasoning": "C", "part": "C"}
"""What the same request asks for after one that failed, by what that has left."""


@dataclass(slots=True)
class Door:
    """Servers of one worker, one for each timeout, with vendors that cases script anew."""

    folder: Path
    _open: dict[float | None, tuple[Server, Any]] = field(default_factory=dict)

    def server(self, timeout: float | None) -> Server:
        """The server that gives up after so many seconds."""
        if timeout not in self._open:
            home = self.folder / str(timeout)
            entered = serving_between(home, timeout)
            self._open[timeout] = entered.__enter__(), entered
        return self._open[timeout][0]

    def close(self) -> None:
        """Stop them all; each has to end well, without a key in what it left."""
        for _, entered in self._open.values():
            entered.__exit__(None, None, None)


@contextmanager
def serving_between(home: Path, timeout: float | None) -> Iterator[Server]:
    """A server between three vendors of its own."""
    home.mkdir(parents=True)
    env = {} if timeout is None else {"DEEPREASONING_TIMEOUT": str(timeout)}
    with Loopback() as reasoner, Loopback() as claude, Loopback() as search:
        vendors = Vendors(reasoner, claude, search, home)
        env["LINKUP_API_KEY"] = vendors.keys["LINKUP_API_KEY"]
        env["LINKUP_BASE_URL"] = f"{search.url}/v1"
        program = (*HURRIED, *SERVE[3:])
        with started(vendors, env=env, program=program) as server:
            (line,) = server.said(f"^{SERVING}$")
            server.url = line[1]
            yield server


def expected(case: Case) -> dict[str, Any]:
    """What has to come of a case at the door of `serve`."""
    outcome = case.outcome
    found = {"http": outcome.http or 200, "asked": outcome.asked, "texts kept": texts_kept(outcome)}
    if found["http"] == 200:
        return found | {"answer": texts_kept(outcome)[1]}
    again = "S" * (case.phase == "search") + ASKED_AGAIN[outcome.kept]
    error = outcome.http_error or outcome.error
    return found | {"kind": outcome.kind, "error": error, "asked again": again}


def served(case: Case, server: Server, places: Places, forker: Forker) -> dict[str, Any]:
    """Ask; what came of it, and what the same request asks for when all is well again."""
    server.forget()
    world = World(case, server.vendors, places, forker)
    world.script()
    before = len(server.response_bytes)
    question = f"{QUESTION} ({next(COUNT)})"
    answer = _ask(server, case, question)
    body = answer.json()
    found: dict[str, Any] = {"http": answer.status_code, "asked": world.asked()}
    if answer.status_code == 200:
        found["answer"] = body["choices"][0]["message"]["content"]
    else:
        found |= {"kind": body["error"]["code"], "error": _message(world, body["error"]["message"])}
    shown = b"".join(server.response_bytes[before:])
    server.vendors.look_for_keys(shown, "a response")
    found["texts kept"] = _kept(server, question)
    world.forget()
    if answer.status_code != 200:
        again = _ask(server, case, question)
        assert again.status_code == 200, again.text
        found["asked again"] = world.asked()
    return found


def _kept(server: Server, question: str) -> tuple[str, str]:
    """The texts that the history has of the question, as soon as it has it."""
    folder = server.vendors.home / ".local/share/deepreasoning"
    found: list[tuple[str, str]] = []

    def look() -> bool:
        with Store.open(folder, lambda _: None) as store:
            turn = store.last()
        if turn is None or question not in turn.start.prompt:
            return False
        found.append((turn.reasoning, turn.answer))
        return True

    eventually(look)
    return found[0]


def _ask(server: Server, case: Case, question: str) -> httpx2.Response:
    asked: dict[str, Any] = {"model": "deepreasoning"}
    asked["messages"] = [{"role": "user", "content": question}]
    if case.phase == "search":
        asked["web_search_linkup"] = True
    return server.client().post("/v1/chat/completions", json=asked)


def _message(world: World, text: str) -> str:
    from deepreasoning_cli.sanitize import single_line

    return single_line(world.plain(text), 2000)
