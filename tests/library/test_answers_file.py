"""Which lines a file of answers may have, so that nobody's other text is taken for its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepreasoning_cli.errors import UsageError, WriteError
from deepreasoning_cli.library.answers_file import AnswersFile

FIRST = b'{"id": "a", "turn": "t1", "prompt": "p", "error": null}\n'
LINE = b'{"id": "b, \\"c", "turn": "t2", "prompt": "q", "error": null}\n'


@pytest.mark.parametrize("length", range(len(LINE)))
def test_a_line_that_was_cut_anywhere_is_taken_out(tmp_path: Path, length: int) -> None:
    output = tmp_path / "out.jsonl"
    output.write_bytes(FIRST + LINE[:length])
    with AnswersFile(output) as answers:
        assert list(answers.done) == ["a"]
    assert output.read_bytes() == FIRST


OTHERS = [
    b"x",
    b"notes\n",
    b"\n",
    b'{"a": 1}\n',
    b'{"id": "x"}\n',
    b'{"id": "x", "prompt": "a question"}\n',
    b'{"id": "x", "prompt": "a question"}',
    b'{"id": "x", "prompt": "a quest',
    b'{"id":1,"prompt":"x"}',
]


@pytest.mark.parametrize("text", OTHERS)
def test_other_text_is_left_as_it_is(tmp_path: Path, text: bytes) -> None:
    output = tmp_path / "out.jsonl"
    output.write_bytes(FIRST + text)
    with pytest.raises(UsageError, match="has other text in line 2"), AnswersFile(output):
        pass
    assert output.read_bytes() == FIRST + text
    assert [path.name for path in tmp_path.glob("out*")] == ["out.jsonl"]


def test_a_line_that_another_program_wrote_anew_is_still_an_answer(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    output.write_bytes(b'{"error":null,"prompt":"p","id":"a","turn":"t1","mine":2}\n')
    with AnswersFile(output) as answers:
        assert list(answers.done) == ["a"]


def test_a_place_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="No such file") as told, AnswersFile(tmp_path / "no/out"):
        pass
    assert told.value.hint == "name a file with -o, in a folder that you may write to"
    for folder in (tmp_path, Path("/")):
        with pytest.raises(UsageError, match="is not a file"), AnswersFile(folder):
            pass
