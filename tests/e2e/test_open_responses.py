"""The compliance suite of Open Responses against the real server, and what of it is refused.

`DEEPREASONING_SPECIFICATIONS=FOLDER` names a folder with a clone of openresponses/openresponses;
npm and node run it. What it tests of WebSockets and compaction is not there: both are refused.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from support.installed import npm_install
from support.replies import Reply, claude_stream
from support.serve_process import MODEL, PATIENCE, Server, serving_at
from support.vendors import TEXTS, THOUGHTS

FOLDER: Final = os.environ.get("DEEPREASONING_SPECIFICATIONS")
TEXT: Final = (
    "basic-response",
    "streaming-response",
    "system-prompt",
    "assistant-phase",
    "multi-turn",
    "image-input",
)
TOOLS: Final = ("tool-calling",)
CALL: Final = claude_stream(
    (), calls=[("toolu_1", "get_weather", {"location": "Paris"})], stop_reason="tool_use"
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving_at(tmp_path_factory.mktemp("open-responses")) as server:
        yield server


@pytest.fixture
def server(house: Server) -> Server:
    house.forget()
    return house


@pytest.mark.skipif(FOLDER is None, reason="DEEPREASONING_SPECIFICATIONS names no folder")
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("tests", "answer"), [(TEXT, claude_stream(TEXTS)), (TOOLS, CALL)])
def test_the_suite_passes(server: Server, tests: tuple[str, ...], answer: Reply) -> None:
    folder = Path(str(FOLDER))
    npm_install(folder, "tsx", "zod@3")  # beside the clone, which asks for all its web page needs
    server.vendors.reply(THOUGHTS, answer)
    words = ["bin/compliance-test.ts", "--json", "--model", MODEL, "--filter", ",".join(tests)]
    address = ["--base-url", f"{server.url}/v1", "--api-key", "unused"]
    ran = subprocess.run(
        [folder / "node_modules/.bin/tsx", *words, *address],
        cwd=folder / "openresponses",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    report: Any = json.loads(ran.stdout)
    ended = {each["id"]: each.get("errors") for each in report["results"]}
    assert (ended, report["summary"]["passed"]) == ({name: [] for name in tests}, len(tests))


def test_compaction_is_refused_by_name(server: Server) -> None:
    reply = httpx2.post(
        f"{server.url}/v1/responses/compact", json={"model": MODEL}, timeout=PATIENCE
    )
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (404, "unsupported_route")
    assert error["message"].startswith("compaction is not supported: in the client, ")


def test_a_websocket_is_refused_by_name(server: Server) -> None:
    asks = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    reply = httpx2.get(f"{server.url}/v1/responses", headers=asks, timeout=PATIENCE)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (405, "unsupported_transport")
    assert error["message"].startswith("WebSockets are not supported: in the client, ")
