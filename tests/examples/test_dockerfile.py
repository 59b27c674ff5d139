"""What examples/serve/Dockerfile says, as far as it can be had without Docker."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import pytest

from support.runner import PROGRAM, environment

ROOT: Final = Path(__file__).parents[2]
TEXT: Final = re.sub(r"\\\n\s*", " ", (ROOT / "examples/serve/Dockerfile").read_text("utf-8"))
PORT: Final = "DEEPREASONING_SERVE__PORT"
TOKEN_FILE: Final = "/run/secrets/serve_token"
TOKEN: Final = "of-the-secret-file"
LAST_WORDS: Final = 5  # seconds beyond --drain, as the file says


def instructions(name: str) -> list[str]:
    """What stands behind the instruction, each time it is there."""
    return re.findall(rf"^{name} +(.+)$", TEXT, re.MULTILINE)


def words(instruction: str) -> list[str]:
    """The command of an instruction in its exec form."""
    found: list[str] = json.loads(instruction[instruction.index("[") :])
    return found


def variables() -> dict[str, str]:
    return dict(pair.split("=", 1) for line in instructions("ENV") for pair in line.split())


@contextmanager
def container(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """What the container runs, with a token file, a data folder and a port of the test's own."""
    secret = tmp_path / "serve_token"
    secret.write_text(f"{TOKEN}\n", "utf-8")
    program, *arguments = words(instructions("ENTRYPOINT")[0]) + words(instructions("CMD")[0])
    assert program == "deepreasoning"
    own = {"DEEPREASONING_DATA_DIR": str(tmp_path), PORT: "0", "DEEPREASONING_BACKEND": "demo"}
    with subprocess.Popen(
        [*PROGRAM, *(each.replace(TOKEN_FILE, str(secret)) for each in arguments)],
        stderr=subprocess.PIPE,
        env=environment(variables() | own | {"PATH": environment({})["PATH"]}),
    ) as process:
        assert process.stderr is not None
        try:
            notes = iter(process.stderr.readline, b"")
            said = next(line for line in notes if line.startswith(b"serving on"))
            yield process, int(said.rsplit(b":", 1)[1])
        finally:
            process.kill()


def status(port: int, **headers: str) -> int:
    """How /v1/models is answered."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", "/v1/models", headers=headers)
        return connection.getresponse().status


def health_check(port: int) -> int:
    """The exit code of the file's command."""
    [instruction] = instructions("HEALTHCHECK")
    program, *arguments = words(instruction)
    assert program == "python"
    # a proxy of the environment must not be asked: nothing answers there
    env = environment({PORT: str(port), "http_proxy": "http://127.0.0.1:9"})
    return subprocess.run(
        [sys.executable, *arguments], env=env, stderr=subprocess.DEVNULL, check=False
    ).returncode


@pytest.mark.skipif(sys.platform == "win32", reason="the image is Linux; its token command is cat")
def test_the_container_is_healthy_wants_the_token_and_has_ended_in_time(tmp_path: Path) -> None:
    with container(tmp_path) as (process, port):
        asked = [status(port), status(port, Authorization=f"Bearer {TOKEN}"), health_check(port)]
        process.send_signal(getattr(signal, instructions("STOPSIGNAL")[0]))
        began = time.monotonic()
        process.wait(30)
        took = time.monotonic() - began

    assert (asked, health_check(port)) == ([401, 200, 0], 1)
    assert took < LAST_WORDS  # nothing was running


def test_replies_get_less_time_than_an_orchestrator_waits() -> None:
    [_, drain] = words(instructions("CMD")[0])

    assert int(drain) + LAST_WORDS < 30  # Kubernetes' terminationGracePeriodSeconds


def test_what_is_installed_is_in_the_build_context() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    copied = {name for line in instructions("COPY") for name in line.split()[:-1]}
    here = {name for name in copied if not name.startswith(("--", "/"))}
    needed = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    [extra] = re.findall(r"pip install .*'\.\[(\w+)\]'", TEXT)

    assert here == needed | {"src"}
    assert [name for name in here if not (ROOT / name).exists()] == []
    assert project["tool"]["hatch"]["version"]["path"].startswith("src/")
    assert extra in project["project"]["optional-dependencies"]


def test_the_container_is_nobody_special_and_keeps_its_data_in_the_volume() -> None:
    [user], [volume] = instructions("USER"), instructions("VOLUME")

    assert int(user) > 0
    assert variables()["DEEPREASONING_DATA_DIR"] == volume
    assert instructions("EXPOSE") == [variables()[PORT]]
