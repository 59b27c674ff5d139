"""Text that was paid for and that no file and no history takes: it is printed where it can be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from e2e.test_eval import QuestionVendors, write_questions
from support.replies import Cut, claude_stream
from support.row_vendors import RowVendors, answer_to, write_rows
from support.runner import CompletedRun
from support.vendors import ANSWER, TEXTS, THOUGHTS, Vendors

FULL: Final = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="the system has no full device")

MODELS: Final = ("-m", "sonnet", "-m", "opus")
SMALL: Final = "trap '' XFSZ; ulimit -f {blocks}; deepreasoning \"$@\""
"""No file grows beyond so many kilobytes."""


def in_small_files(vendors: Vendors, blocks: int, *args: str) -> CompletedRun:
    env = {"PYTHONDONTWRITEBYTECODE": "1"}  # CPython keeps a compiled module that was cut short
    return vendors.shell(SMALL.format(blocks=blocks), *args, env=env)


def unwritten_lines(stderr: bytes) -> list[dict[str, str]]:
    return [json.loads(line) for line in stderr.splitlines() if line.startswith(b"{")]


@pytest.mark.parametrize(
    ("at_once", "history"), [("1", "--no-save"), ("4", "kept in a full folder")]
)
def test_rows_that_the_file_does_not_take_are_printed(
    vendors: Vendors, tmp_path: Path, at_once: str, history: str
) -> None:
    world = RowVendors(vendors, thoughts=100)
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    write_rows(source, 20)
    unsaved = [history] if history.startswith("--") else []
    done = in_small_files(
        vendors, 8, "batch", str(source), "-o", str(output), "-j", at_once, *unsaved
    )
    assert done.code == 7
    whole = [line for line in output.read_bytes().splitlines(keepends=True) if line[-1:] == b"\n"]
    found = [*map(json.loads, whole), *unwritten_lines(done.stderr)]
    paid = world.asked("claude")
    assert len(paid) < 20
    assert sorted(each["answer"] for each in found) == sorted(map(answer_to, paid))
    assert b"hint: make room; what the file does not hold is printed here\n" in done.stderr
    again = vendors.run("batch", str(source), "-o", str(output))
    assert again.code == 0
    assert len(output.read_bytes().splitlines()) == 20


def test_answers_of_an_evaluation_that_the_file_does_not_take_are_printed(
    vendors: Vendors, tmp_path: Path
) -> None:
    arms = ("reasoner", "alone", "reasoning")
    QuestionVendors(vendors, dict.fromkeys(arms, lambda _: True))
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    write_questions(source, 20)
    words = ("eval", str(source), "-o", str(output), "--yes", "--arm", "reasoning", "--no-save")
    done = in_small_files(vendors, 8, *words)
    assert done.code == 7
    whole = [line for line in output.read_bytes().splitlines(keepends=True) if line[-1:] == b"\n"]
    lines = [*map(json.loads, whole), *unwritten_lines(done.stderr)]
    reasoned, answered = vendors.counts()
    assert reasoned < 20
    assert len([each for each in lines if each["reasoning"]]) == reasoned
    assert len([each for each in lines if each["answer"]]) == answered
    assert b"nothing is paid for twice" not in done.stderr


@pytest.mark.parametrize("command", ["batch", "eval"])
def test_where_not_a_line_fits_nothing_is_sent(
    vendors: Vendors, tmp_path: Path, command: str
) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"id": "a", "prompt": "6 x 7?"' + ', "number": 42}' * (command == "eval"))
    if command == "batch":
        write_rows(source, 1)
    yes = ["--yes"] if command == "eval" else []
    done = in_small_files(vendors, 1, command, str(source), "-o", str(output), *yes)
    assert (done.code, vendors.sent()) == (7, 0)
    assert b"nothing was sent" in done.stderr
    assert not output.exists()


@pytest.mark.parametrize(
    ("words", "redirect", "stream"),
    [
        (["-o", str(FULL)], "", "stdout"),
        (["--json", "-o", str(FULL)], "", "stderr"),
        ([], f"> {FULL}", "stderr"),
        (["--json"], f"> {FULL}", "stderr"),
    ],
)
def test_a_comparison_that_nothing_takes_is_printed(
    vendors: Vendors, words: list[str], redirect: str, stream: str
) -> None:
    vendors.reply()
    script = f'deepreasoning compare "6 x 7?" --no-save "$@" {redirect}'
    done = vendors.shell(script, *MODELS, *words)
    assert done.code == 7
    least = 1 if redirect and not words else 2  # where the first is not taken, the others end
    assert getattr(done, stream).count(ANSWER.encode()) >= least


@pytest.mark.parametrize(
    ("history", "cut"), [("--no-save", False), ("DEEPREASONING_HISTORY", True)]
)
def test_an_answer_without_the_code_that_was_asked_for_is_printed(
    vendors: Vendors, history: str, cut: bool
) -> None:
    reply = claude_stream(TEXTS)
    vendors.reply(THOUGHTS, reply.failing(4, Cut()) if cut else reply)
    words = [history] if history == "--no-save" else []
    env = {} if words else {history: "false"}
    done = vendors.ask("-x", "6 x 7?", *words, env=env)
    assert done.code == 6
    assert TEXTS[0].encode() in done.stderr
    assert (ANSWER.encode() in done.stderr) is not cut
    kept = vendors.ask("-x", "6 x 7?")
    assert kept.code == 6
    assert TEXTS[0].encode() not in kept.stderr
