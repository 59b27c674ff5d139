"""Completions, the oldest of OpenAI's formats: a text in, a text out."""

from __future__ import annotations

from typing import Any

import pytest

from deepreasoning_cli.pipeline.events import DONE, End, Message, Payload, Text, Thought
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.tools import AnswerOptions
from deepreasoning_cli.wire.server.completions import CompletionsWriter, read_request
from deepreasoning_cli.wire.server.errors import ApiError
from deepreasoning_cli.wire.server.request import BadRequest, RequestParameters
from deepreasoning_cli.wire.server.writer import Head, Part
from support.written import written

HEAD = Head("abc", "m", 7)
CHUNKS: list[Part] = [
    *(Thought("six "), Thought("sevens"), Text("4"), Text("2")),
    *(Usage(3, 4), End("end_turn")),
]


def ask(**fields: object) -> Any:
    return read_request({"model": "deepreasoning", "prompt": "6x7?"} | fields)


def refused(**fields: object) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        ask(**fields)
    return caught.value


@pytest.mark.parametrize("prompt", ["6x7?", ["6x7?"]])
def test_the_prompt_is_a_text_or_a_list_of_one(prompt: object) -> None:
    asked = ask(prompt=prompt)
    assert asked.prompt.messages == (Message("user", "6x7?"),)
    assert asked.prompt.options is None


@pytest.mark.parametrize(
    ("prompt", "kind"),
    [
        (["a", "b"], "unsupported_value"),
        ([1, 2], "unsupported_value"),
        ([[1, 2]], "unsupported_value"),
        ([], "unsupported_value"),
        ("", "invalid_request"),
        (" ", "invalid_request"),
        (7, "invalid_request"),
        (None, "invalid_request"),
    ],
)
def test_another_prompt_is_refused(prompt: object, kind: str) -> None:
    error = refused(prompt=prompt)
    assert (error.field, error.kind) == ("prompt", kind)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 2),
        ("best_of", 3),
        ("echo", True),
        ("suffix", "after"),
        ("logprobs", 0),
        ("logit_bias", {"5": 1}),
        ("presence_penalty", 1),
        ("frequency_penalty", 1),
        ("tools", [{"type": "function", "function": {"name": "a"}}]),
    ],
)
def test_what_would_change_the_outcome_is_refused(name: str, value: object) -> None:
    error = refused(**{name: value})
    assert error.field == name
    assert error.message.startswith(f"{name} is not supported")


def test_parameters_are_those_of_the_other_formats() -> None:
    asked = ask(max_tokens=16, temperature=0, stop=["\n\n", "END"][1:], top_k=5, reason="never")
    assert asked.parameters == RequestParameters(temperature=0, max_tokens=16)
    assert asked.prompt.options == AnswerOptions(stop_sequences=("END",), top_k=5)
    assert (asked.stream, asked.reason) == (False, "never")


def test_a_stream_has_the_text_alone() -> None:
    events = list(written(CompletionsWriter(HEAD), CHUNKS))
    *pieces, usage, done = events
    assert done == DONE
    assert [piece["choices"][0]["text"] for piece in pieces] == ["4", "2", ""]
    assert [piece["choices"][0]["finish_reason"] for piece in pieces] == [None, None, "stop"]
    assert {piece["object"] for piece in pieces} == {"text_completion"}
    assert (usage["choices"], usage["usage"]["total_tokens"]) == ([], 7)
    silent = list(written(CompletionsWriter(HEAD, include_usage=False), CHUNKS))
    assert silent == [*pieces, DONE]


def test_feeding_and_writing_are_the_same() -> None:
    writer = CompletionsWriter(HEAD)
    fed: list[Payload] = [event for part in CHUNKS for event in writer.feed(part)]
    assert fed == list(written(CompletionsWriter(HEAD), CHUNKS))


def test_a_whole_reply_has_the_text_alone() -> None:
    writer = CompletionsWriter(HEAD)
    for part in CHUNKS:
        assert not isinstance(part, ApiError)
        writer.reply.add(part)
    (choice,) = writer.whole()["choices"]
    assert choice == {"index": 0, "text": "42", "finish_reason": "stop", "logprobs": None}


def test_a_failure_ends_the_stream() -> None:
    *_, last = written(CompletionsWriter(HEAD), [*CHUNKS[:3], ApiError(529, "overloaded", "no")])
    assert last["error"]["code"] == "overloaded"
