"""Rows of `batch` and `eval`, their answers and their state, mutated at random.

Each row is read or named with its line; a file of answers is gone on from, or left as it is.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Final

import pytest

from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.evaluation import question_file
from deepreasoning_cli.library.answers_file import AnswersFile
from deepreasoning_cli.library.question_rows import BadRow, Row, RowFormat, prompt_digest, read_rows
from support.mutations import CanaryKey, mutated
from support.often import RecordProperty, often

pytestmark = pytest.mark.no_cover  # the same lines thousands of times: only slower
TIMES, SHARES = often(1_600, 40_000), 4
JSON_ROWS: Final = (
    b'{"id": "a", "prompt": "one?", "system": "Be brief.", "max_tokens": 100, "web": false}\n'
    b'{"prompt": "two?", "effort": "high", "reasoner": "deepseek", "daily_cost": "1.00"}\n'
    b'{"id": 3, "prompt": "three?", "session": "s"}\n'
)
CSV_ROWS: Final = b'id,prompt,max_tokens\na,"one, ""quoted""?",100\nb,two?,\nc,"three\nlines?",5\n'
QUESTIONS: Final = (
    b'{"id": "a", "prompt": "one?", "number": 42, "tolerance": "0.5"}\n'
    b'{"prompt": "two?", "regex": "^a+$"}\n{"prompt": "three?", "contains": ["x", "y"]}\n'
    b'{"prompt": "four?", "expect": "Paris"}\n{"prompt": "five?", "judge": "polite"}\n'
)
ANSWERS: Final = b"".join(
    json.dumps({"id": id_, "turn": f"t{id_}", "prompt": "p", "error": error}).encode() + b"\n"
    for id_, error in (("a", None), ("b", None), ("c", {"message": "down"}), ("d", None))
)
STATE: Final = (
    b'{"row": "c", "turn": "tc"}\n'
    b'{"submits": {"t5": "e", "t6": "f"}, "at": "2026-11-23T12:00:00+00:00"}\n'
    b'{"batch": "msgbatch_1"}\n{"collected": "msgbatch_0"}\n'
    b'{"submits": {"t7": "g"}, "at": "2026-11-23T13:00:00+00:00"}\n'
)


def batch_rows(data: bytes, _folder: Path) -> list[str]:
    """Rows of `batch` in each format."""
    said = []
    for form in RowFormat:
        try:
            for row in read_rows(BytesIO(data), form):
                assert isinstance(row, Row | BadRow)
                if isinstance(row, BadRow):
                    assert re.match(r"line \d+: .", str(row))
                    said.append(str(row))
                else:
                    prompt_digest(row.prompt)
        except UsageError as error:
            said += [error.message, *error.hints]
    return said


def eval_rows(data: bytes, _folder: Path) -> list[str]:
    """Rows of `eval`: all of them can be asked, or each that cannot is named."""
    try:
        question_file.read_rows(BytesIO(data), "q.jsonl")
    except UsageError as error:
        said = [error.message, *error.hints]
    else:
        return []
    named = all(re.match(r"line \d+: |line \d+ |and \d+ more", each) for each in said[1:])
    assert named or "no rows" in said[0], said
    return said


def answers(data: bytes, folder: Path) -> list[str]:
    """Answers: what is whole is not paid for again; a file with other text is left as it is."""
    path = folder / "out.jsonl"
    path.write_bytes(data)
    whole = [line for line in data.splitlines(keepends=True) if line in PAID]
    try:
        with AnswersFile(path) as file:
            assert set(file.done) >= {PAID[line] for line in whole}
        left = path.read_bytes()
        assert all(line in left for line in whole)
    except UsageError as error:
        assert path.read_bytes() == data
        return [error.message, *error.hints]
    return []


PAID: Final = {
    line: json.loads(line)["id"]
    for line in ANSWERS.splitlines(keepends=True)
    if b'"error": null' in line
}


def state(data: bytes, folder: Path) -> list[str]:
    """What was begun: lines that are whole count, whatever the others are."""
    path = folder / "with-state.jsonl"
    path.write_bytes(b"")
    beside = path.with_name(f"{path.name}.state")
    beside.write_bytes(data)
    with AnswersFile(path, writes=False) as file:
        turns = [turn for ids in file.turns.values() for turn in ids]
        assert all(isinstance(each, str) for each in turns)
        unclear = [file.unclear.rows] if file.unclear else []
        for rows in [*file.batches.values(), *unclear]:
            assert all(isinstance(each, str) for pair in rows.items() for each in pair)
        assert file.unclear is None or file.unclear.at.tzinfo is not None
        first = STATE.splitlines(keepends=True)[0]
        if data.startswith(first):
            assert "tc" in turns
    return []


KINDS: Final[tuple[tuple[bytes, Callable[[bytes, Path], list[str]]], ...]] = (
    (JSON_ROWS, batch_rows),
    (CSV_ROWS, batch_rows),
    (QUESTIONS, eval_rows),
    (ANSWERS, answers),
    (STATE, state),
)


@pytest.mark.parametrize("share", range(SHARES))
def test_any_line_is_read_or_named(
    folder_in_memory: Path,
    share: int,
    monkeypatch: pytest.MonkeyPatch,
    record_property: RecordProperty,
) -> None:
    key = CanaryKey()
    monkeypatch.setenv("ANTHROPIC_API_KEY", key.value)
    dice = random.Random(share)
    for _ in range(TIMES // SHARES):
        data, read = dice.choice(KINDS)
        key.check(*read(mutated(data, dice), folder_in_memory))
    key.check(below=folder_in_memory)
    record_property("rows", TIMES // SHARES)


def test_a_batch_that_was_noted_without_a_time_zone_or_with_numbers_is_gone_on_from(
    tmp_path: Path,
) -> None:
    state(b'{"submits": {"t1": "a"}, "at": "2026-11-23T12:00:00"}\n', tmp_path)
    state(b'{"submits": {"t1": 1}, "at": "2026-11-23T12:00:00+00:00"}\n', tmp_path)
