"""Chat pages in front of `serve`: a chat with tools, its title and the like, one chain of thought.

They are installed with the agents: `DEEPREASONING_AGENTS=FOLDER pytest tests/agents`.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from support.installed import node_path, npm_install, pip_install
from support.replies import reasoner_stream
from support.serve_process import MODEL, PATIENCE, Server, eventually, serving_at
from support.tool_loops import ENDING, ToolLoop
from support.vendors import REASONING, THOUGHTS

FOLDER: Final = os.environ.get("DEEPREASONING_AGENTS")
PROGRAMS: Final = Path(__file__).parent / "programs"
LETTERS: Final = "abcde"
TASK: Final = f"Write {LETTERS}, one letter after the other."
TITLE: Final = "Five letters"
HELP: Final = {"title": TITLE, "tags": ["letters"], "follow_ups": ["And f?"]}
"""What Claude says to a request for a title, for tags or for follow-ups."""
UP: Final = 240.0  # seconds in which a chat page has to start
HEAVY: Final = frozenset(
    {
        "accelerate",
        "einops",
        "faster-whisper",
        "opencv-python-headless",
        "rapidocr",
        "sentence-transformers",
        "sentencepiece",
        "transformers",
    }
)
"""What Open WebUI needs for speech, pictures and embeddings of its own alone."""

pytestmark = [
    pytest.mark.skipif(FOLDER is None, reason="DEEPREASONING_AGENTS names no folder for them"),
    pytest.mark.timeout(1200),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving_at(tmp_path / "server") as server:
        server.vendors.reasoner.reply(reasoner_stream(THOUGHTS))
        yield server


def check_loop(server: Server, loop: ToolLoop, *, helpers: int) -> None:
    """All that came: the loop with one chain of thought, and helpers that Claude wrote alone."""
    assert (len(server.vendors.reasoner.requests), len(loop.asked)) == (1, len(LETTERS) + 1)
    assert all(REASONING in str(request.body["messages"]) for request in loop.asked)
    assert len(loop.asides) == helpers
    assert not any(REASONING in str(request.body) for request in loop.asides)


def test_the_engine_of_librechat(server: Server, tmp_path: Path) -> None:
    folder = Path(str(FOLDER))
    place = npm_install(folder / "librechat", "@librechat/agents@latest", path=node_path(folder))
    program = place / "librechat.cjs"  # packages are looked for beside a program
    shutil.copy(PROGRAMS / program.name, program)
    loop = ToolLoop("append", [{"letter": letter} for letter in LETTERS], aside=json.dumps(HELP))
    server.vendors.claude.reply(loop)
    ran = subprocess.run(
        ["node", program, server.url, TASK],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": node_path(folder)},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    came = json.loads(ran.stdout)
    thought, *_, last = came["parts"]
    assert thought == {"type": "think", "think": REASONING}
    assert last == {"type": "text", "text": ENDING}
    assert (tmp_path / "out.txt").read_text() == LETTERS
    assert came["titles"][1] == TITLE
    check_loop(server, loop, helpers=2)


@contextmanager
def open_webui(server: Server, home: Path) -> Iterator[httpx2.Client]:
    """Its backend, with the connection to `serve` and nothing else set; someone has signed up."""
    place = Path(str(FOLDER)) / "open-webui"
    python = pip_install(place, "--no-deps", "open-webui")
    say = "import importlib.metadata as m; print(*m.requires('open-webui'), sep='\\n')"
    said = subprocess.run([python, "-c", say], capture_output=True, text=True, check=True).stdout
    needs = [line for line in said.splitlines() if "extra ==" not in line]
    light = [line for line in needs if line.partition("==")[0] not in HEAVY]
    subprocess.run([python, "-m", "pip", "install", "-q", *light], check=True, capture_output=True)
    log = home / "open-webui.log"
    with socket.create_server(("127.0.0.1", 0)) as free:  # it does not say which port it took
        port = free.getsockname()[1]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [python.parent / "open-webui", "serve", "--host", "127.0.0.1", "--port", str(port)],
            cwd=home,
            env={
                "HOME": str(home),
                "PATH": os.environ["PATH"],
                "DATA_DIR": str(home / "data"),
                "WEBUI_SECRET_KEY": uuid.uuid4().hex,
                "OPENAI_API_BASE_URL": f"{server.url}/v1",
                "OPENAI_API_KEY": "unused",
                "ENABLE_OLLAMA_API": "false",
                "OFFLINE_MODE": "true",
                "RAG_EMBEDDING_ENGINE": "openai",
            },
            stdout=output,
            stderr=output,
        )
    with process, httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
        try:
            _sign_up(client, process, log)
            yield client
        finally:
            process.kill()


def _sign_up(client: httpx2.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    """Become its first user, as soon as it answers."""

    def is_up() -> bool:
        assert process.poll() is None, log.read_text()[-4000:]
        try:
            return client.get("/health").status_code == 200
        except httpx2.TransportError:
            return False

    eventually(is_up, UP)
    someone = {"name": "Ann", "email": "ann@example.com", "password": "Secret-12345"}
    token = client.post("/api/v1/auths/signup", json=someone).json()["token"]
    client.headers["authorization"] = f"Bearer {token}"


def begin_chat(client: httpx2.Client) -> tuple[str, str]:
    """Ask as its page does; the ids of the chat and of the reply in it."""
    asked, reply = str(uuid.uuid4()), str(uuid.uuid4())
    question = {
        "id": asked,
        "parentId": None,
        "childrenIds": [reply],
        "role": "user",
        "content": TASK,
        "timestamp": 1,
        "models": [MODEL],
    }
    empty = {
        "id": reply,
        "parentId": asked,
        "childrenIds": [],
        "role": "assistant",
        "content": "",
        "model": MODEL,
        "timestamp": 2,
    }
    chat = {
        "title": "New Chat",
        "models": [MODEL],
        "history": {"messages": {asked: question, reply: empty}, "currentId": reply},
        "messages": [question, empty],
    }
    new = client.post("/api/v1/chats/new", json={"chat": chat})
    name = new.json()["id"]
    began = client.post(
        "/api/chat/completions",
        json={
            "model": MODEL,
            "messages": [{"role": "user", "content": TASK}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "chat_id": name,
            "id": reply,
            "parent_id": asked,
            "user_message": question,
            "session_id": "page",
            "background_tasks": {
                "title_generation": True,
                "tags_generation": True,
                "follow_up_generation": True,
            },
        },
    )
    assert began.status_code == 200, began.text
    return name, reply


def test_open_webui(server: Server, tmp_path: Path) -> None:
    notes = [{"title": letter, "content": f"The letter {letter}."} for letter in LETTERS]
    loop = ToolLoop("write_note", notes, aside=json.dumps(HELP))
    server.vendors.claude.reply(loop)
    with open_webui(server, tmp_path) as client:
        listed = [model["id"] for model in client.get("/api/models").json()["data"]]
        assert {MODEL, "claude-haiku-5-5"} <= set(listed)
        name, reply = begin_chat(client)

        def chat() -> dict[str, Any]:
            found: dict[str, Any] = client.get(f"/api/v1/chats/{name}").json()
            return found

        def is_done() -> bool:
            whole = chat()
            message = whole["chat"]["history"]["messages"][reply]
            return bool(whole["meta"].get("tags") and message.get("followUps"))

        eventually(is_done)
        kept = chat()
        message = kept["chat"]["history"]["messages"][reply]
        assert (kept["title"], kept["meta"]["tags"]) == (TITLE, ["letters"])
        assert message["followUps"] == HELP["follow_ups"]
        assert ENDING in message["content"]
        assert message["output"][0]["content"] == [{"type": "output_text", "text": REASONING}]
        written = {note["title"] for note in client.get("/api/v1/notes/").json()}
        assert written == set(LETTERS)
    check_loop(server, loop, helpers=3)
