"""The first screen of README.md: it tells a stranger how to begin, and what it shows is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Final

import pytest

from support.runner import run, run_in_pty
from support.screen import Terminal

README: Final = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
SECTIONS: Final = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE))
BEFORE: Final = re.compile(r" -c |--reasoning-from|\bdr (?:chat|resume)")
"""What needs an earlier turn, or a terminal."""
ASKED: Final = [
    line
    for line in re.findall(r"^(?:git diff \| )?dr .*", SECTIONS["Ask"], re.MULTILINE)
    if not BEFORE.search(line)
]


def test_it_goes_from_what_it_is_to_how_to_ask() -> None:
    assert list(SECTIONS)[:4] == [
        "Install",
        "Look around without a key",
        "Set up your keys",
        "Ask",
    ]
    for command in ("pip", "pipx", "uv tool"):
        assert f"\n{command} install deepreasoning-cli\n" in SECTIONS["Install"]
    assert README.index("\n## Ask\n") < 4000


def test_the_demo_runs_as_it_is_printed() -> None:
    [command] = re.findall(r"^dr (.+)$", SECTIONS["Look around without a key"], re.MULTILINE)
    shown = run(*shlex.split(command))
    assert shown.code == 0
    assert b"def insertion_point(" in shown.stdout


def test_what_config_init_asks_first_is_what_is_printed() -> None:
    [printed] = re.findall(
        r"^\$ dr config init\n(.*?)^```", SECTIONS["Set up your keys"], re.DOTALL | re.MULTILINE
    )
    terminal = Terminal(80, 24)
    asked = run_in_pty("config", "init", keys=[(b"Number [1]: ", b"\x03")])
    terminal.write(asked.output.decode())
    lines = terminal.lines()
    at = lines.index("Which keys do you have?")
    assert printed.splitlines() == lines[at : at + 6]


@pytest.mark.parametrize("line", ASKED)
def test_a_question_is_asked_as_it_is_printed(line: str, tmp_path: Path) -> None:
    words = shlex.split(line.partition(" | dr")[2] or line.removeprefix("dr"), comments=True)
    words = words[: next((at for at, word in enumerate(words) if word in (">", "|")), None)]
    for name in ("notes.txt", "plan.txt"):
        (tmp_path / name).write_text("a plan\n")
    named = [str(tmp_path / word) if word.endswith(".txt") else word for word in words]
    keys = {f"{name}_API_KEY": "sk-0123456789" for name in ("DEEPSEEK", "ANTHROPIC", "LINKUP")}
    done = run(*named, *({"--dry-run"} - set(named)), env=keys)
    assert (done.code, done.stderr) == (0, b"")
    assert b"api.anthropic.com" in done.stdout
