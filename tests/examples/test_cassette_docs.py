"""docs/cassettes.md: its examples are a cassette, and its messages are those that come."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from support.runner import PROGRAM, CompletedRun, run

PAGE: Final = (Path(__file__).parents[2] / "docs" / "cassettes.md").read_text("utf-8")


def test_the_lines_of_the_page_are_a_cassette(tmp_path: Path) -> None:
    lines = re.findall(r"^```json\n(.*?)^```", PAGE, re.M | re.S)
    (tmp_path / "tape.jsonl").write_text("".join(lines))
    words = ("ask", "Say yes.", "--handoff", "none", "--replay", str(tmp_path / "tape.jsonl"))
    note = b"replay: these are recorded replies, no model was called\n"
    assert run(*words) == CompletedRun(0, b"Yes.\n", note)
    assert note.strip().decode() in " ".join(PAGE.split())


def test_a_miss_is_worded_as_the_page_has_it(tmp_path: Path) -> None:
    (expected,) = re.findall(r"^```\n(error: .*?)^```", PAGE, re.M | re.S)
    header, line = re.findall(r"^```json\n(.*?)^```", PAGE, re.M | re.S)
    reasoner = (
        line.replace('"answer", "host": "anthropic"', '"reason", "host": "deepseek"')
        .replace(
            '"claude-sonnet-5-5", "handoff": "none"', '"deepseek-flash", "handoff": "reasoning"'
        )
        .replace('"max_tokens": 8192, ', "")
        .replace("Say yes.", "What is 6 times 7?")
    )
    (tmp_path / "tape.jsonl").write_text(header + reasoner)
    there = ("sh", "-c", 'cd "$0" && exec "$@"', str(tmp_path), *PROGRAM)
    done = run("ask", "What is 6 times 8?", "--replay", "tape.jsonl", program=there)
    assert done.code == 4
    assert done.stderr.decode().endswith(expected)
