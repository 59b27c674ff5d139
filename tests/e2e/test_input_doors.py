"""Naughty strings through every door: arguments, stdin, files, settings, environment, sessions.

They are made by rule: what ends strings, lines, escapes and formats elsewhere, alone and combined.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner, Result

from deepreasoning_cli import keys
from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.cli.app import app
from deepreasoning_cli.providers import demo
from deepreasoning_cli.providers.demo import DemoProvider
from deepreasoning_cli.wiring import resources
from support.often import RecordProperty, often
from support.screen import foreign
from support.vendors import canary, traces

pytestmark = pytest.mark.no_cover  # the same lines hundreds of times: only slower
TIMES: Final = often(24, 500)
KEY: Final = canary("sk-")
TRACES: Final = tuple(traces(KEY, "sk-"))
PARTS: Final = (
    *map(chr, [*range(1, 0x20), 0x7F, *range(0x80, 0xA0), 0xA0, 0xAD, 0x200B, 0x202E, 0x2028]),
    *("\ufeff", "\ufffe", "\ud800", "\udc80", "\U000e0041", "\U0010ffff", "👍🏽", "e\u0301", "ﷺ"),
    *("'", '"', "`", "\\", "$HOME", "$(id)", "%s", "%n", "{0}", "{x.__class__}", "&&", ";", "|"),
    *("<think>", "</think>", "[/]", "[red]", ":smile:", "<script>", "../../x", "~root", "-", "--"),
    *("null", "NaN", "1e999", "-1", "0", "true", "[[", "]]", "= 1", "\n", "\r\n", "\t", " ", "☃"),
    *(
        "x" * 5_000,
        "a.b",
        "@3",
        "last",
        "http://",
        "file:///etc/passwd",
        "\x1b[2J",
        "\x1b]52;c;A\x07",
    ),
)
Door = Callable[[Path, str], Result]
QUESTION: Final = "Why?"


def invoke(
    folder: Path,
    *words: str,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
) -> Result:
    variables = {
        "DEEPREASONING_BACKEND": "demo",
        "DEEPREASONING_DATA_DIR": str(folder / "data"),
        "DEEPREASONING_CONFIG": str(folder / "config.toml"),
        "DEEPREASONING_KEYS__DEEPSEEK": KEY,
        **(env or {}),
    }
    return CliRunner().invoke(app, list(words), input=stdin, env=variables)


def ask_file(folder: Path, text: str) -> Result:
    file = folder / "notes.txt"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    return invoke(folder, "ask", "-f", str(file), QUESTION)


def config(folder: Path, text: str) -> Result:
    (folder / "config.toml").write_bytes(f'system = "{text}"\n'.encode("utf-8", "surrogatepass"))
    try:
        return invoke(folder, "config", "show")
    finally:
        (folder / "config.toml").unlink()


DOORS: Final[Mapping[str, Door]] = {
    "argument": lambda folder, text: invoke(folder, "ask", "--", text),
    "option": lambda folder, text: invoke(folder, "ask", "--model", text, QUESTION),
    "command": lambda folder, text: invoke(folder, text),
    "stdin": lambda folder, text: invoke(
        folder, "ask", stdin=text.encode("utf-8", "surrogatepass") or b"x"
    ),
    "file": ask_file,
    "config": config,
    "setting": lambda folder, text: invoke(folder, "config", "set", "system", "--", text),
    "environment": lambda folder, text: invoke(
        folder, "ask", QUESTION, env={"DEEPREASONING_MODEL": text.replace("\ud800", "")}
    ),
    "session": lambda folder, text: invoke(folder, "ask", f"--session={text}", QUESTION),
    "search": lambda folder, text: invoke(folder, "history", "search", "--", text),
    "turn": lambda folder, text: invoke(folder, "history", "show", "--", text),
}


@pytest.mark.parametrize("door", DOORS)
def test_whatever_comes_in_there_is_an_outcome_or_one_clear_error(
    folder_in_memory: Path,
    monkeypatch: pytest.MonkeyPatch,
    door: str,
    record_property: RecordProperty,
) -> None:
    monkeypatch.setattr(DemoProvider, "_wait", lambda self, seconds: None)
    monkeypatch.setattr(resources, "load_catalog", cache(load_catalog))
    monkeypatch.setattr(demo, "pieces", lambda text: [text])
    dice = random.Random(door)
    for _ in range(TIMES):
        monkeypatch.setattr(keys, "_loaded", set())
        text = "".join(dice.choices(PARTS, k=dice.choice((1, 1, 2, 3, 6))))
        result = DOORS[door](folder_in_memory, text)
        assert result.exception is None or isinstance(result.exception, SystemExit), ascii(text)
        assert result.exit_code in (0, 2, 3, 4), (ascii(text), result.output)
        assert "Traceback" not in result.output
        assert foreign(result.stderr) == "", ascii(text)
        shown = result.output.encode("utf-8", "replace")
        assert not any(trace in shown for trace in TRACES)
        listed = invoke(folder_in_memory, "history", "list")
        assert (listed.exit_code, foreign(listed.output)) == (0, ""), ascii(text)
    record_property("doors", TIMES)
