"""What README.md and docs/serve.md say of `serve`: run, or compared with what is so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from deepreasoning_cli.cli import serve as command
from deepreasoning_cli.settings.models import ServeSettings
from support.runner import PROGRAM, environment
from support.serve_process import SERVING, serving_at

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text("utf-8")
MANUAL: Final = (ROOT / "docs/serve.md").read_text("utf-8")
PROGRAMS: Final = [
    code
    for page in (README, MANUAL)
    for code in re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
]
QUESTION: Final = [{"role": "user", "content": "Show me binary search in Python"}]
REFUSED: Final = re.search(r"chat/completions --json '(.*)'\n(.*)\n", MANUAL).groups()  # type: ignore[union-attr]
USUAL: Final = "http://127.0.0.1:1337"
THOUGHT: Final = 'Count the letter r in "strawberry".'
ANSWER: Final = "There are **three**."


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that plays the demo."""
    env = environment({"DEEPREASONING_DATA_DIR": str(tmp_path_factory.mktemp("data"))})
    with subprocess.Popen(
        [*PROGRAM, "serve", "--backend", "demo", "--port", "0", "--drain", "0"],
        stderr=subprocess.PIPE,
        env=env,
    ) as process:
        assert process.stderr is not None
        try:
            said = next(line for line in process.stderr if line.startswith(b"serving on"))
            yield said.split()[-1].decode()
        finally:
            process.terminate()


def test_what_it_says_refuses_and_logs_is_as_it_is_printed(tmp_path: Path) -> None:
    with serving_at(tmp_path / "home", "--backend", "demo") as server:
        client = server.client()
        asked = {"model": "deepreasoning", "max_tokens": 99, "messages": QUESTION}
        assert client.post("/v1/messages", json=asked).is_success
        refused = client.post("/v1/chat/completions", json=json.loads(REFUSED[0]))
        (said,) = server.said(SERVING)
        (logged,) = server.said(r"POST /v1/messages")
    assert f"\n{said[0].replace(server.url, USUAL)}\n" in README
    assert refused.json() == json.loads(REFUSED[1])
    (printed,) = re.findall(r"^\S+Z POST .*", MANUAL, re.MULTILINE)
    assert without_figures(logged.string) == without_figures(printed)


def without_figures(line: str) -> str:
    """A line of the log without its times, counts and ids."""
    return re.sub(r"(?<=turn=)\w+|[\d.:TZ-]{4,}|(?<=s=)\d+", "…", line)


@pytest.mark.parametrize("code", PROGRAMS, ids=range(len(PROGRAMS)))
def test_a_program_as_it_is_printed_shows_the_reasoning_and_the_answer(code: str, url: str) -> None:
    assert USUAL in code

    ran = subprocess.run(
        [sys.executable, "-c", code.replace(USUAL, url)],
        capture_output=True,
        env=environment({"PYTHONUTF8": "1"}),
        check=False,
    )

    shown = ran.stdout.decode()
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert 0 <= shown.find(THOUGHT) < shown.find(ANSWER)


def test_a_client_of_each_vendor_is_shown_first() -> None:
    assert [re.findall(r"from (\w+) import", code) for code in PROGRAMS[:2]] == [
        ["openai"],
        ["anthropic"],
    ]


def test_the_table_of_settings_has_all_of_them_with_their_defaults() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (?:`--[\w-]+`)? *\| `([^`]+)` \|", MANUAL, re.MULTILINE)
    values = {
        name: value
        if value in {"text", "127.0.0.1"}
        else tomllib.loads(f"value = {value}")["value"]
        for name, value in rows
    }
    fields = ServeSettings.model_fields

    assert values == {
        name: list(default) if isinstance(default := field.default, tuple) else default
        for name, field in fields.items()
    }


def test_the_installed_extra_is_the_one_that_the_program_asks_for() -> None:
    assert f"$ {command.MISSING}\n" in README
