from __future__ import annotations

from typing import Any

import pytest

from deepreasoning_cli.errors import ConfigError, DeepReasoningError, RefusedError, UnavailableError
from deepreasoning_cli.pipeline.events import (
    Chunk,
    End,
    HiddenThought,
    Message,
    ModelReported,
    Payload,
    Prompt,
    Text,
    Thought,
)
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.wire.client import responses

USAGE = {
    "input_tokens": 20,
    "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 5},
    "output_tokens": 40,
    "output_tokens_details": {"reasoning_tokens": 30},
    "total_tokens": 60,
}


def event(name: str, index: int = 0, **fields: object) -> Payload:
    return {"type": f"response.{name}", "output_index": index, **fields}


def ended(status: str = "completed", **fields: object) -> Payload:
    return event(status, response={"object": "response", "status": status, **fields})


def message(*parts: Payload) -> Payload:
    return {"type": "message", "role": "assistant", "content": list(parts)}


def part(text: object, kind: str = "output_text") -> Payload:
    return {"type": kind, "text": text}


def read(*payloads: Any) -> list[Chunk]:
    return list(responses.read_reply(payloads))


def failure_of(*payloads: Any) -> DeepReasoningError:
    with pytest.raises(DeepReasoningError) as raised:
        read(*payloads)
    return raised.value


class TestBody:
    PROMPT = Prompt((Message("user", "6×7?"), Message("assistant", "42"), Message("user", "7×7?")))

    def test_a_streamed_request_has_its_system_prompt_as_instructions(self) -> None:
        prompt = Prompt(self.PROMPT.messages, system="Be brief.")
        extra = {"max_tokens": 9}
        assert responses.request_body(
            prompt, model="deepreasoning", samplers={"top_p": 0.9}, extra=extra
        ) == {
            "model": "deepreasoning",
            "input": [
                {"role": "user", "content": "6×7?"},
                {"role": "assistant", "content": "42"},
                {"role": "user", "content": "7×7?"},
            ],
            "top_p": 0.9,
            "instructions": "Be brief.",
            "stream": True,
            "max_tokens": 9,
        }

    def test_only_what_is_needed_is_sent(self) -> None:
        prompt = Prompt((Message("user", "6×7?"),))
        assert responses.request_body(prompt, model="m", samplers={}) == {
            "model": "m",
            "input": [{"role": "user", "content": "6×7?"}],
            "stream": True,
        }


class TestStream:
    def test_raw_reasoning_comes_before_the_answer(self) -> None:
        assert read(
            event("created", response={"model": "deepreasoning", "status": "in_progress"}),
            event("in_progress", response={"model": "deepreasoning"}),
            event("output_item.added", item={"type": "reasoning", "summary": []}),
            event("reasoning_text.delta", delta="six "),
            event("reasoning_text.delta", delta=""),
            event("reasoning_text.delta", delta="sevens"),
            event("reasoning_text.done", text="six sevens"),
            event(
                "output_item.done",
                item={"type": "reasoning", "content": [part("six sevens", "reasoning_text")]},
            ),
            event("output_text.delta", 1, delta="4"),
            event("output_text.delta", 1, delta="2", obfuscation="x9"),
            event("output_text.done", 1, text="42"),
            event("output_item.done", 1, item=message(part("42"))),
            ended(model="claude-x", output=[{}, message(part("42"))], usage=USAGE),
            event("output_text.delta", 1, delta="nobody reads this"),
        ) == [
            ModelReported("deepreasoning"),
            Thought("six "),
            Thought("sevens"),
            Text("4"),
            Text("2"),
            ModelReported("claude-x"),
            Usage(20, 40, 30, 8, 5),
            End("completed"),
        ]

    def test_a_summary_is_reasoning_too_but_not_beside_the_raw_text(self) -> None:
        assert read(
            event("reasoning_summary_text.delta", delta="in short"),
            event("reasoning_text.delta", delta="at length"),
            ended(),
        ) == [Thought("in short"), End("completed")]

    def test_what_no_delta_brought_is_taken_from_the_finished_item(self) -> None:
        summary = {"type": "reasoning", "summary": [part("six", "summary_text")], "content": None}
        assert read(
            event("output_item.done", 0, item=summary),
            event("output_item.done", 1, item=message(part("4"), part("2"), part("", "audio"))),
            ended(output=[summary, message(part("42"))]),
        ) == [Thought("six"), Text("4"), Text("2"), End("completed")]

    @pytest.mark.parametrize(
        "thought",
        [
            event("reasoning.delta", delta={"text": "six sevens"}),
            event("reasoning_summary.delta", delta="six sevens"),
            event("output_item.done", item={"type": "reasoning", "content": "six sevens"}),
            event(
                "output_item.done",
                item={"type": "reasoning", "summary": ["six sevens"], "encrypted_content": "zzz"},
            ),
        ],
    )
    def test_other_hosts_have_other_words_for_reasoning(self, thought: Payload) -> None:
        assert read(thought, ended()) == [Thought("six sevens"), End("completed")]

    def test_encrypted_reasoning_is_counted_once(self) -> None:
        item = {"type": "reasoning", "summary": [], "encrypted_content": "zzz"}
        assert read(event("output_item.done", item=item), ended(output=[item])) == [
            HiddenThought(1),
            End("completed"),
        ]

    def test_a_reasoning_item_that_holds_nothing_is_no_thought(self) -> None:
        item = {"type": "reasoning", "summary": [], "content": []}
        assert read(event("output_item.done", item=item), ended()) == [End("completed")]

    def test_what_no_event_brought_is_taken_from_the_last_one(self) -> None:
        assert read(ended(output=[message(part("42"))])) == [Text("42"), End("completed")]

    @pytest.mark.parametrize(
        "payload",
        [
            event("refusal.delta", delta="I will not."),
            event("output_item.done", item=message({"type": "refusal", "refusal": "I will not."})),
        ],
    )
    def test_a_refusal_is_text_and_an_end_of_its_own(self, payload: Payload) -> None:
        assert read(payload, ended()) == [Text("I will not."), End("refusal")]

    @pytest.mark.parametrize(
        ("details", "reason"),
        [
            ({"reason": "max_output_tokens"}, "max_output_tokens"),
            ({"reason": "content_filter"}, "content_filter"),
            ({"reason": "the moon"}, "max_output_tokens"),
            ({"reason": "stop"}, "max_output_tokens"),
            ({"reason": "MAX_TOKENS"}, "MAX_TOKENS"),
            ({"reason": "interrupted"}, "interrupted"),
            (None, "max_output_tokens"),
        ],
    )
    def test_an_incomplete_reply_says_why(self, details: object, reason: str) -> None:
        assert read(ended("incomplete", incomplete_details=details)) == [End(reason)]

    def test_a_stream_without_its_last_event_was_cut(self) -> None:
        assert read(event("output_text.delta", delta="4")) == [Text("4")]


class TestUsage:
    @pytest.mark.parametrize(
        "usage",
        [None, {}, {"input_tokens": 1}, {"output_tokens": 1}, USAGE | {"input_tokens": -1}],
    )
    def test_half_a_count_is_none(self, usage: object) -> None:
        assert read(ended(usage=usage)) == [End("completed")]

    def test_two_zeros_mean_that_nobody_counted(self) -> None:
        assert read(ended(usage={"input_tokens": 0, "output_tokens": 0})) == [End("completed")]

    def test_parts_are_never_more_than_the_whole(self) -> None:
        usage = {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 8},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 9},
        }
        assert read(ended(usage=usage))[0] == Usage(10, 14, 9, 8, 2, estimated=True)

    def test_details_may_be_missing(self) -> None:
        assert read(ended(usage={"input_tokens": 1, "output_tokens": 2}))[0] == Usage(1, 2)


class TestWhole:
    def test_one_object_is_a_reply(self) -> None:
        thought = {"type": "reasoning", "summary": [], "content": [part("six", "reasoning_text")]}
        whole = {"object": "response", "status": "completed", "model": "m", "error": None}
        assert read(whole | {"output": [thought, message(part("42"))], "usage": USAGE}) == [
            ModelReported("m"),
            Thought("six"),
            Text("42"),
            Usage(20, 40, 30, 8, 5),
            End("completed"),
        ]


class TestFailures:
    @pytest.mark.parametrize(
        ("payload", "error", "kind", "words"),
        [
            (
                {"type": "error", "code": "upstream_error", "message": "R1 is down"},
                UnavailableError,
                "server",
                "the server: server error (502): R1 is down",
            ),
            (
                ended("failed", error={"code": "server_error", "message": "oops"}),
                UnavailableError,
                "server",
                "the server: server error (500): oops",
            ),
            (
                ended("failed"),
                UnavailableError,
                "stream_error",
                "the server: the reply broke off: no reason given",
            ),
            (
                {"type": "response.failed"},
                UnavailableError,
                "stream_error",
                "the server: the reply broke off: no reason given",
            ),
            (
                {"error": {"code": "insufficient_credits", "message": "empty"}},
                RefusedError,
                "no_credit",
                "the server: no credit left (402): empty",
            ),
            (
                {"type": "error", "error": {"type": "invalid_api_key", "message": "no"}},
                ConfigError,
                "key_missing",
                "the server: a key is needed (401): no",
            ),
        ],
    )
    def test_a_failure_in_either_envelope_is_worded(
        self, payload: Payload, error: type[DeepReasoningError], kind: str, words: str
    ) -> None:
        failure = failure_of(event("output_text.delta", delta="4"), payload)
        assert (type(failure), failure.kind, failure.message) == (error, kind, words)

    @pytest.mark.parametrize("junk", [None, 7, "text", [], {}, {"type": ["odd"]}, {"type": None}])
    def test_other_payloads_are_passed_over(self, junk: Any) -> None:
        assert read(junk, event("output_text.delta", delta=7), ended()) == [End("completed")]
