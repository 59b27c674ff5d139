"""What the wire modules do at their edges: marks that go, errors in errors, empty thoughts."""

from __future__ import annotations

import json

import pytest

from deepreasoning_cli.pipeline.events import End, HiddenThought, Text, Thought
from deepreasoning_cli.pipeline.record import GrowingText
from deepreasoning_cli.wire.client.error_bodies import DEEPEST, ErrorWords, read_words
from deepreasoning_cli.wire.client.messages import is_marked, unmarked
from deepreasoning_cli.wire.server.chat_completions import ChatCompletionsWriter
from deepreasoning_cli.wire.server.messages import MessagesWriter
from deepreasoning_cli.wire.server.responses import ResponsesWriter
from deepreasoning_cli.wire.server.writer import (
    Head,
    ReplyAccumulator,
    ReplyWriter,
    encode_whole,
)

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


LONG = "so “odd”\n" * 30_000


@pytest.mark.parametrize(
    "make", [ChatCompletionsWriter, MessagesWriter, ResponsesWriter], ids=lambda make: make.__name__
)
def test_a_long_text_is_written_in_pieces_that_are_the_whole(make: type[ReplyWriter]) -> None:
    writer = make(Head("id", "m", 0))
    thoughts = GrowingText()
    writer.reply.follow(thoughts)
    for text in (LONG, "more"):
        thoughts.append(text)
        writer.reply.add(Thought(text))
    writer.reply.follow(None)
    for part in (Thought("own"), Text("4"), Text("2"), End("stop")):
        writer.reply.add(part)
    pieces = list(encode_whole(writer.whole()))
    reply = b"".join(pieces)
    (is_whole,) = {piece.endswith(b"}") for piece in pieces[:1]}
    assert is_whole == (len(pieces) == 1)
    payload = json.loads(reply)
    assert f"{LONG}moreown" in texts_in(payload)
    assert "42" in texts_in(payload)
    assert str(thoughts) == f"{LONG}more"


def texts_in(value: object) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [text for each in value.values() for text in texts_in(each)]
        case list():
            return [text for each in value for text in texts_in(each)]
    return []
