"""What the wire modules do at their edges: marks that go, errors in errors, empty thoughts."""

from __future__ import annotations

import pytest

from deepreasoning_cli.pipeline.events import HiddenThought, Text
from deepreasoning_cli.wire.client.error_bodies import DEEPEST, ErrorWords, read_words
from deepreasoning_cli.wire.client.messages import is_marked, unmarked
from deepreasoning_cli.wire.server.writer import ReplyAccumulator

MARK = {"cache_control": {"type": "ephemeral"}}


def marked(text: str) -> list[dict[str, object]]:
    return [{"type": "text", "text": text, **MARK}]


@pytest.mark.parametrize("system", [{}, {"system": "Be brief."}])
def test_a_request_without_marks_is_the_same_as_if_it_never_had_any(
    system: dict[str, object],
) -> None:
    plain = {"model": "m", **system, "messages": [{"role": "user", "content": "6 x 7?"}]}
    with_marks = plain | {"messages": [{"role": "user", "content": marked("6 x 7?")}]}
    if system:
        with_marks |= {"system": marked("Be brief.")}
    assert unmarked(with_marks) == unmarked(plain) == plain
    assert (is_marked(with_marks), is_marked(plain)) == (True, False)


@pytest.mark.parametrize("odd", [None, 7, True])
def test_an_error_that_is_neither_object_nor_text_says_nothing(odd: object) -> None:
    assert read_words(odd) == ErrorWords()


def test_errors_within_errors_are_read_to_a_depth() -> None:
    deep: object = "rate limited"
    for _ in range(DEEPEST + 2):
        deep = [deep]
    assert read_words(deep) == ErrorWords()


@pytest.mark.parametrize("text", ['no: {"a": {}}', 'no: {"message": ""}'])
def test_json_that_says_nothing_leaves_the_text_as_it_is(text: str) -> None:
    assert read_words(text).message == text


def test_thought_that_is_encrypted_is_no_text_of_a_reply() -> None:
    reply = ReplyAccumulator("deepreasoning")
    reply.add(HiddenThought(2))
    assert reply.runs == []
    reply.add(Text("42"))
    assert reply.kind is Text
