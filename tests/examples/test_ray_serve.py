"""examples/serve/ray_serve.py on a Ray of its own: where Ray is installed, else skipped."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import openai
import pytest

from support.runner import PROGRAM, environment

pytest.importorskip("ray")

EXAMPLE: Final = Path(__file__).parents[2] / "examples/serve"
ASKED: Final[Any] = [{"role": "user", "content": "How many r's are in the word strawberry?"}]
TOKEN: Final = "of-the-environment"
PATIENCE: Final = 60.0  # seconds; Ray starts half a dozen processes
PACED: Final = 1.0  # seconds that the demo takes at the least to write one reply after the other


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home and the data of the replica, where one turn was left behind by a dead process."""
    home = tmp_path_factory.mktemp("ray")
    with subprocess.Popen(
        [*PROGRAM, "ask", "left behind"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ours(home),
    ) as process:
        eventually(lambda: journals(home))
        process.kill()
    return home


def ours(home: Path) -> dict[str, str]:
    """The environment of all that runs here."""
    return environment(
        {
            "HOME": str(home),
            "DEEPREASONING_BACKEND": "demo",
            "DEEPREASONING_DATA_DIR": str(home / "data"),
            "DEEPREASONING_KEYS__SERVE": TOKEN,
            "PYTHONPATH": str(EXAMPLE),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
    )


def journals(home: Path) -> list[Path]:
    """What unfinished turns have left."""
    return list((home / "data/journal").glob("*.jsonl"))


def eventually(what: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until it is true; fails if that does not come."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """Where the deployment is served; it has to come to an end by itself."""
    assert len(journals(folder)) == 1
    port = free_port()
    log = folder / "ray.log"
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("on_ray.py")), str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=ours(folder),
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        ready = any(line == b"ready\n" for line in process.stdout)
        try:
            assert ready, log.read_text("utf-8", "replace")
            yield f"http://127.0.0.1:{port}"
            process.stdin.close()
            assert process.wait(PATIENCE) == 0, log.read_text("utf-8", "replace")
        finally:
            process.send_signal(signal.SIGTERM)


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0) as made:
        yield made


def health(url: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx2.get(f"{url}/health", timeout=PATIENCE).json()
    return found


def test_the_app_starts_in_the_replica_and_takes_up_what_was_left(folder: Path, url: str) -> None:
    assert (health(url)["status"], journals(folder)) == ("ok", [])


def test_a_reply_streams_through_ray_piece_by_piece(client: openai.OpenAI) -> None:
    thoughts, texts, times, usage = "", "", [], None
    with client.chat.completions.create(
        model="deepreasoning", messages=ASKED, stream=True, stream_options={"include_usage": True}
    ) as stream:
        for chunk in stream:
            times.append(time.monotonic())
            usage = chunk.usage or usage
            for choice in chunk.choices:
                thoughts += getattr(choice.delta, "reasoning_content", None) or ""
                texts += choice.delta.content or ""

    assert thoughts.startswith('Count the letter r in "strawberry".')
    assert texts.startswith("There are **three**.")
    assert usage is not None
    assert times[-1] - times[0] > PACED


def test_who_hangs_up_ends_the_turn_in_the_replica(client: openai.OpenAI, url: str) -> None:
    stream = client.chat.completions.create(model="deepreasoning", messages=ASKED, stream=True)
    next(iter(stream))
    eventually(lambda: health(url)["streams"] == 1)
    stream.close()

    eventually(lambda: health(url)["streams"] == 0, PACED)


def test_nobody_is_let_in_without_the_token(url: str) -> None:
    assert httpx2.get(f"{url}/v1/models", timeout=PATIENCE).status_code == 401


def test_a_refusal_comes_through_as_it_is(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="deepreasoning", messages=ASKED, n=2)

    assert (refused.value.param, refused.value.code) == ("n", "invalid_request")
