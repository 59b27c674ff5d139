from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from deepreasoning_cli.errors import DeepReasoningError, UnavailableError
from deepreasoning_cli.pipeline.events import (
    DONE,
    Chunk,
    End,
    HiddenThought,
    Message,
    ModelReported,
    Payload,
    Prompt,
    Text,
    Thought,
    ToolArguments,
    ToolCallStarted,
)
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.tools import AnswerOptions, Image, Tool
from deepreasoning_cli.wire.client import chat_completions

QUESTION = Prompt((Message("user", "6×7?"),))


def chunk(delta: object = None, finish_reason: object = None, **more: Any) -> Payload:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "choices": [choice]} | more


def content(piece: str) -> Payload:
    return chunk({"content": piece})


def read(*payloads: Any, opens_thinking: bool = False) -> list[Chunk]:
    return list(chat_completions.read_reply(payloads, opens_thinking=opens_thinking))


def read_until_failure(
    payloads: Iterator[Any] | list[Any],
) -> tuple[list[Chunk], DeepReasoningError]:
    received: list[Chunk] = []
    with pytest.raises(DeepReasoningError) as failure:
        received.extend(chat_completions.read_reply(payloads))
    return received, failure.value


class TestBody:
    def test_a_streamed_request_asks_for_usage(self) -> None:
        prompt = Prompt(
            (Message("user", "6×7?"), Message("assistant", "42"), Message("user", "7×7?")),
            system="Be brief.",
        )
        assert chat_completions.request_body(
            prompt,
            model="deepseek-v4-pro",
            samplers={"temperature": 0.7},
            max_tokens=100,
            extra={"thinking": {"type": "enabled"}},
        ) == {
            "model": "deepseek-v4-pro",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "6×7?"},
                {"role": "assistant", "content": "42"},
                {"role": "user", "content": "7×7?"},
            ],
            "temperature": 0.7,
            "max_tokens": 100,
            "stream": True,
            "stream_options": {"include_usage": True},
            "thinking": {"type": "enabled"},
        }

    def test_only_what_is_needed_is_sent(self) -> None:
        assert chat_completions.request_body(QUESTION, model="m", samplers={}) == {
            "model": "m",
            "messages": [{"role": "user", "content": "6×7?"}],
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    def test_an_extra_field_has_the_last_word(self) -> None:
        body = chat_completions.request_body(
            QUESTION, model="m", samplers={"top_p": 1}, extra={"top_p": 0.5}
        )
        assert body["top_p"] == 0.5


class TestHosts:
    def test_deepseek_reasons_in_a_field_and_counts_on_an_extra_chunk(self) -> None:
        served = {"model": "deepseek-v4-pro", "system_fingerprint": "fp_1", "usage": None}
        usage = {
            "prompt_tokens": 20,
            "prompt_cache_hit_tokens": 8,
            "prompt_cache_miss_tokens": 12,
            "completion_tokens": 30,
            "total_tokens": 50,
            "prompt_tokens_details": {"cached_tokens": 8},
            "completion_tokens_details": {"reasoning_tokens": 25},
        }
        assert read(
            chunk({"role": "assistant", "content": None, "reasoning_content": ""}, **served),
            chunk({"content": None, "reasoning_content": "six "}, **served),
            chunk({"content": None, "reasoning_content": "sevens"}, **served),
            chunk({"content": "4", "reasoning_content": None}, **served),
            chunk({"content": "2", "reasoning_content": None}, **served),
            chunk({"content": "", "reasoning_content": None}, "stop", **served),
            {"choices": [], "model": "deepseek-v4-pro", "usage": usage},
            DONE,
        ) == [
            ModelReported("deepseek-v4-pro"),
            Thought("six "),
            Thought("sevens"),
            Text("4"),
            Text("2"),
            Usage(20, 30, reasoning_tokens=25, cached_tokens=8),
            End("stop"),
        ]

    def test_deepseek_may_count_on_the_finish_chunk(self) -> None:
        usage = {"prompt_tokens": 20, "prompt_cache_hit_tokens": 8, "completion_tokens": 30}
        assert read(content("42"), chunk({}, "length", usage=usage), DONE) == [
            Text("42"),
            Usage(20, 30, cached_tokens=8),
            End("length"),
        ]

    def test_openrouter_says_the_same_reasoning_twice_and_it_is_read_once(self) -> None:
        def delta(piece: str) -> Payload:
            details = [{"type": "reasoning.text", "text": piece, "format": None, "index": 0}]
            return {"content": "", "reasoning": piece, "reasoning_details": details}

        usage = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21, "cost": 0.00003}
        assert read(
            chunk(delta("six "), model="deepseek/deepseek-r1-0528", provider="DeepInfra"),
            chunk(delta("sevens"), model="deepseek/deepseek-r1-0528"),
            chunk({"role": "assistant", "content": "42", "reasoning": None}),
            chunk({"content": ""}, "stop", native_finish_reason="stop"),
            chunk({"role": "assistant", "content": ""}, usage=usage),
            DONE,
        ) == [
            ModelReported("deepseek/deepseek-r1-0528"),
            Thought("six "),
            Thought("sevens"),
            Text("42"),
            Usage(9, 12),
            End("stop"),
        ]

    def test_reasoning_details_alone_are_joined(self) -> None:
        details = [
            {"type": "reasoning.text", "text": "six "},
            {"type": "reasoning.encrypted", "data": "zzz"},
            None,
            {"type": "reasoning.text", "text": "sevens", "signature": None},
        ]
        delta = {"reasoning": None, "reasoning_details": details}
        assert read(chunk(delta), chunk({"content": "42"}, "stop")) == [
            Thought("six sevens"),
            HiddenThought(1),
            Text("42"),
            End("stop"),
        ]

    def test_deepinfra_needs_no_done_line(self) -> None:
        usage = {"prompt_tokens": 9, "completion_tokens": 12, "estimated_cost": 0.00003}
        assert read(
            chunk({"role": "assistant", "reasoning_content": "six sevens"}),
            chunk({"content": "42"}),
            chunk({}, "stop"),
            {"choices": [], "usage": usage},
        ) == [Thought("six sevens"), Text("42"), Usage(9, 12), End("stop")]

    @pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking"])
    def test_reasoning_has_several_names(self, name: str) -> None:
        assert read(
            chunk({"role": "assistant", "content": ""}),
            chunk({name: "six sevens"}),
            chunk({"content": "42"}),
            chunk({}, "stop"),
            DONE,
        ) == [Thought("six sevens"), Text("42"), End("stop")]

    def test_vllm_without_a_parser_tags_its_reasoning(self) -> None:
        pieces = ("<th", "ink>\nsix", " sevens\n</thi", "nk>\n\n4", "2")
        assert read(
            chunk({"role": "assistant", "content": "", "reasoning_content": None}),
            *map(content, pieces),
            chunk({"content": ""}, "stop", stop_reason=None),
            DONE,
        ) == [Thought("six"), Thought(" sevens\n"), Text("4"), Text("2"), End("stop")]

    def test_sglang_may_omit_the_opening_tag(self) -> None:
        pieces = ("six sevens", "</think>", "42")
        assert read(*map(content, pieces), chunk({}, "stop"), opens_thinking=True) == [
            Thought("six sevens"),
            Text("42"),
            End("stop"),
        ]

    def test_ollama_counts_no_cache_and_no_reasoning(self) -> None:
        usage = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}
        assert read(
            chunk({"role": "assistant", "content": "", "reasoning": "six sevens"}, model="r1:8b"),
            chunk({"role": "assistant", "content": "42"}, model="r1:8b"),
            chunk({"role": "assistant", "content": ""}, "stop", model="r1:8b"),
            {"object": "chat.completion.chunk", "model": "r1:8b", "choices": [], "usage": usage},
            DONE,
        ) == [ModelReported("r1:8b"), Thought("six sevens"), Text("42"), Usage(9, 12), End("stop")]

    def test_a_whole_reply_is_read_like_a_stream(self) -> None:
        message = {"role": "assistant", "content": "42", "reasoning_content": "six sevens"}
        assert read(
            {
                "object": "chat.completion",
                "model": "r1",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 9, "completion_tokens": 12},
            }
        ) == [ModelReported("r1"), Thought("six sevens"), Text("42"), Usage(9, 12), End("stop")]

    def test_a_whole_reply_may_tag_its_reasoning(self) -> None:
        message = {"role": "assistant", "content": "<think>six sevens</think>\n42"}
        assert read({"choices": [{"message": message, "finish_reason": "stop"}]}) == [
            Thought("six sevens"),
            Text("42"),
            End("stop"),
        ]

    def test_the_message_so_far_next_to_a_delta_is_not_read_again(self) -> None:
        choices = [{"delta": {"content": "2"}, "message": {"content": "42"}}]
        assert read(content("4"), {"choices": choices}) == [Text("4"), Text("2")]

    def test_content_may_be_a_list_of_parts(self) -> None:
        parts = [{"type": "text", "text": "4"}, {"type": "image"}, 1, {"type": "text", "text": "2"}]
        assert read(chunk({"content": parts}, "stop")) == [Text("4"), Text("2"), End("stop")]


PART = {"type": "text", "text": "six sevens"}
IN_FIELDS: list[Payload] = [
    {"reasoning_content": [PART]},
    {"reasoning_content": ["six ", {"text": "sevens"}]},
    {"reasoning": {"text": "six sevens"}},
    {"reasoning": {"summary": [{"type": "summary_text", "text": "six sevens"}], "effort": "low"}},
    {"reasoning": {"content": [{"type": "reasoning_text", "text": "six sevens"}]}},
    {"thinking": {"thinking": "six sevens", "signature": "c2ln"}},
    {"reasoning_details": [{"type": "reasoning.summary", "summary": "six sevens"}]},
    {"reasoning_text": "six sevens"},  # GitHub Copilot
    {"thinking_blocks": [{"type": "thinking", "thinking": "six sevens", "signature": "c2ln"}]},
    {"provider_specific_fields": {"reasoning_content": "six sevens"}},  # LiteLLM
    {"reasoningContent": {"reasoningText": {"text": "six sevens", "signature": "c2ln"}}},  # Bedrock
    {"reasoning_steps": [{"type": "web", "thought": "six "}, {"thought": "sevens"}]},  # Perplexity
    {"content": "six sevens", "extra_content": {"google": {"thought": True}}},
    {"reasoning_id": "rs_1", "reasoning_format": "raw", "thoughts": "six sevens"},
]
IN_PARTS: list[object] = [
    {"type": "thinking", "thinking": [PART], "closed": True},  # Mistral
    {"type": "thinking", "thinking": "six sevens"},
    {"type": "reasoning", "text": "six sevens"},
    {"type": "reasoning", "reasoning": "six sevens"},
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "six sevens"}]},
    {"type": "reasoning_content", "reasoning_content": {"text": "six sevens"}},
    {"reasoningContent": {"reasoningText": {"text": "six sevens"}}},
    {"thought": True, "text": "six sevens"},
]


class TestWhereThoughtIs:
    @pytest.mark.parametrize(
        "delta", [*IN_FIELDS, *({"content": [part]} for part in IN_PARTS), {"content": IN_PARTS[0]}]
    )
    @pytest.mark.parametrize("whole", [False, True])
    def test_it_is_read_wherever_a_host_puts_it(self, delta: Payload, whole: bool) -> None:
        payload = {"choices": [{"message": delta}]} if whole else chunk(delta)
        assert read(payload, chunk({"content": [{"type": "text", "text": "42"}]}, "stop")) == [
            Thought("six sevens"),
            Text("42"),
            End("stop"),
        ]

    def test_thought_and_text_in_one_list_keep_their_order(self) -> None:
        parts = [IN_PARTS[0], {"type": "text", "text": "42"}, "!", None, {"type": "image"}]
        assert read(chunk({"content": parts}, "stop")) == [
            Thought("six sevens"),
            Text("42"),
            Text("!"),
            End("stop"),
        ]

    def test_the_same_thought_in_several_places_counts_once(self) -> None:
        places = {"reasoning": "six sevens", "content": [IN_PARTS[0], IN_PARTS[1]]}
        fields = {name: value for each in IN_FIELDS[5:12] for name, value in each.items()}
        assert read(chunk(fields | places, "stop")) == [Thought("six sevens"), End("stop")]

    @pytest.mark.parametrize(
        "delta",
        [
            {"reasoning_details": [{"type": "reasoning.encrypted", "data": "zzz"}]},
            {"reasoning_opaque": "zzz"},
            {"encrypted_reasoning": "zzz"},
            {"content": [{"type": "redacted_thinking", "data": "zzz"}]},
            {"thinking_blocks": [{"type": "redacted_thinking", "data": "zzz"}]},
        ],
    )
    def test_encrypted_thought_is_counted_and_not_shown(self, delta: Payload) -> None:
        assert read(chunk(delta), content("42"), chunk({}, "stop")) == [
            HiddenThought(1),
            Text("42"),
            End("stop"),
        ]

    @pytest.mark.parametrize(
        "fields",
        [
            {"thought_signature": "c2ln", "reasoning_tokens": 7, "reasoning_effort": "high"},
            {"reasoning": True, "thinking": 7, "reasoning_details": {"type": "reasoning.text"}},
            {"thinking_enabled": "yes", "reasoning_model": "r1", "thinking_time": "2 s"},
            {"reasoning": [[[[[[[["too deep"]]]]]]]]},
        ],
    )
    def test_what_only_speaks_of_thought_is_none(self, fields: Payload) -> None:
        assert read(chunk(fields | {"content": "42"}, "stop")) == [Text("42"), End("stop")]

    def test_a_second_choice_is_another_reply(self) -> None:
        def other(delta: Payload, finish_reason: object = None) -> Payload:
            choice = {"index": 1, "delta": delta, "finish_reason": finish_reason}
            return {"choices": [choice]}

        both = {"choices": [other({"content": "!"})["choices"][0], chunk({"content": "2"})]}
        both["choices"][1] = both["choices"][1]["choices"][0]
        assert read(
            chunk({"reasoning": "six"}),
            other({"reasoning": "seven"}),
            content("4"),
            other({"content": "9"}, "length"),
            both,
            chunk({}, "stop"),
            other({"content": "?"}, "length"),
        ) == [Thought("six"), Text("4"), Text("2"), End("stop")]

    def test_a_refusal_in_a_field_of_its_own_is_shown_and_is_the_end(self) -> None:
        assert read(chunk({"refusal": "I will not."}), chunk({}, "stop")) == [
            Text("I will not."),
            End("refusal"),
        ]


class TestReasoningAndContent:
    def test_a_tag_in_the_answer_is_text_after_separate_reasoning(self) -> None:
        assert read(
            chunk({"content": "\n"}),
            chunk({"reasoning_content": "what opens?"}),
            content("<think>"),
            content(" opens it"),
            chunk({}, "stop"),
        ) == [Thought("what opens?"), Text("<think>"), Text(" opens it"), End("stop")]

    def test_a_host_said_to_omit_the_tag_may_still_reason_in_a_field(self) -> None:
        payloads = (chunk({"reasoning": "six sevens"}), content("42"), chunk({}, "stop"))
        assert read(*payloads, opens_thinking=True) == [
            Thought("six sevens"),
            Text("42"),
            End("stop"),
        ]

    def test_reasoning_without_an_answer_is_whole_with_a_finish_reason(self) -> None:
        assert read(content("<think>six sev"), chunk({}, "length")) == [
            Thought("six sev"),
            End("length"),
        ]

    def test_a_changed_model_is_named_again(self) -> None:
        models = ("a", "a", "", None, 7, "b")
        assert read(*({"model": model} for model in models)) == [
            ModelReported("a"),
            ModelReported("b"),
        ]

    def test_lone_surrogates_pass(self) -> None:
        assert read(content("\ud83d"), content("\ude00")) == [Text("\ud83d"), Text("\ude00")]


class TestEnd:
    def test_a_reply_without_a_sign_of_its_end_was_cut(self) -> None:
        assert read(chunk({"reasoning_content": "six"}), content("4")) == [
            Thought("six"),
            Text("4"),
        ]

    def test_done_after_an_answer_is_an_end_without_a_reason(self) -> None:
        assert read(content("42"), DONE) == [Text("42"), End(None)]

    def test_done_after_half_a_tag_is_an_end_too(self) -> None:
        assert read(content("<th"), DONE) == [Text("<th"), End(None)]

    def test_done_after_nothing_but_reasoning_is_no_end(self) -> None:
        assert read(chunk({"reasoning": "six"}), DONE) == [Thought("six")]

    def test_done_alone_is_no_end(self) -> None:
        assert read(DONE) == []

    def test_no_finish_reason_is_taken_from_an_empty_or_odd_one(self) -> None:
        assert read(content("42"), chunk({}, ""), chunk({}, 1), chunk({}, None)) == [Text("42")]

    @pytest.mark.parametrize("reason", ["null", "None", ""])
    def test_a_reason_that_states_none_in_every_chunk_is_none(self, reason: str) -> None:
        thought = chunk({"reasoning": "six"}, reason)
        assert read(thought) == [Thought("six")]
        assert read(thought, content("42"), chunk({}, "stop")) == [
            Thought("six"),
            Text("42"),
            End("stop"),
        ]

    def test_nothing_after_done_is_read(self) -> None:
        assert read(content("42"), DONE, content("!")) == [Text("42"), End(None)]

    def test_what_was_held_back_comes_before_the_cut(self) -> None:
        assert read(content("<think>a</thi")) == [Thought("a"), Thought("</thi")]


class TestFailures:
    def test_openrouter_reports_a_failure_inside_the_stream(self) -> None:
        error = {"code": 502, "message": "Provider returned error", "metadata": {}}
        failing = chunk({"content": "!"}, "error", error=error)
        received, failure = read_until_failure([content("<th"), content("4"), failing])
        assert received == [Text("<th4"), Text("!")]
        assert (failure.kind, failure.message) == (
            "server",
            "the server: server error (502): Provider returned error",
        )

    def test_deepseek_breaks_off_under_load(self) -> None:
        received, failure = read_until_failure(
            [content("4"), chunk({}, "insufficient_system_resource")]
        )
        assert (received, failure.message) == (
            [Text("4")],
            "the server: unavailable (503): insufficient_system_resource",
        )

    @pytest.mark.parametrize(
        "reason", ["abort", "network_error", "cancelled", "timeout", "ERROR", "server-error"]
    )
    def test_a_finish_reason_that_is_a_failure_breaks_the_reply_off(self, reason: str) -> None:
        received, failure = read_until_failure([content("4"), chunk({"content": "2"}, reason)])
        assert (received, type(failure)) == ([Text("4"), Text("2")], UnavailableError)
        assert reason in failure.message

    @pytest.mark.parametrize(
        ("payload", "what"),
        [
            ({"error": "overloaded"}, "the reply broke off"),
            ({"error": {"message": "overloaded", "type": "server_error"}}, "server error (500)"),
            (
                {"choices": [{"error": {"message": "overloaded"}, "finish_reason": "error"}]},
                "the reply broke off",
            ),
            ({"error": {"message": "overloaded", "code": 600}}, "the reply broke off"),
            ({"error": {"message": "overloaded", "code": True}}, "the reply broke off"),
        ],
    )
    def test_the_servers_words_are_passed_on(self, payload: Payload, what: str) -> None:
        received, failure = read_until_failure([payload])
        assert (received, failure.message) == ([], f"the server: {what}: overloaded")

    @pytest.mark.parametrize(
        ("message", "kind"),
        [
            ("Insufficient Balance", "no_credit"),
            ("The maximum context length is 9 tokens", "too_long"),
            ("upstream took too long", "stream_error"),
        ],
    )
    def test_words_without_a_code_are_read_with_care(self, message: str, kind: str) -> None:
        _, failure = read_until_failure([{"error": message}])
        assert failure.kind == kind

    @pytest.mark.parametrize("error", [None, False, "", {}, []])
    def test_an_empty_error_is_none(self, error: object) -> None:
        assert read(chunk({"content": "42"}, "stop", error=error)) == [Text("42"), End("stop")]

    def test_what_was_held_back_comes_before_a_lost_connection(self) -> None:
        received, failure = read_until_failure(cut_after(content("<think>six</")))
        assert (received, failure.message) == ([Thought("six"), Thought("</")], "connection lost")

    def test_a_connection_lost_after_the_finish_reason_costs_only_the_usage(self) -> None:
        payloads = cut_after(content("42"), chunk({}, "stop"))
        assert list(chat_completions.read_reply(payloads)) == [Text("42"), End("stop")]


def cut_after(*payloads: Payload) -> Iterator[Payload]:
    yield from payloads
    raise UnavailableError("connection lost")


class TestUsage:
    def test_the_last_count_wins_and_nothing_takes_it_back(self) -> None:
        usages = (
            {"prompt_tokens": 9, "completion_tokens": 1},
            {"prompt_tokens": 9, "completion_tokens": 5},
            None,
            {"prompt_tokens": 9},
        )
        assert read(*({"usage": usage} for usage in usages)) == [Usage(9, 5)]

    def test_parts_never_exceed_their_whole(self) -> None:
        usage = {
            "prompt_tokens": 9,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 90},
            "completion_tokens_details": {"reasoning_tokens": 50},
        }
        assert read({"usage": usage}) == [
            Usage(9, 55, reasoning_tokens=50, cached_tokens=9, estimated=True)
        ]

    @pytest.mark.parametrize(
        "last",
        [
            {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5}},
            {"usage": {"input_tokens": 9, "output_tokens": 5}},
            chunk({}, usage={"promptTokens": 9, "completionTokens": 5}),
            {"choices": [{"index": 0, "usage": {"prompt_tokens": 9, "completion_tokens": 5}}]},
            {"choices": [], "prompt_tokens": 9, "completion_tokens": 5},
            {"choices": [], "x_groq": {"usage": {"prompt_tokens": 9, "completion_tokens": 5}}},
            {"choices": [], "prompt_eval_count": 9, "eval_count": 5},
        ],
    )
    @pytest.mark.parametrize("later", [{}, {"usage": {"prompt_tokens": 0, "completion_tokens": 0}}])
    def test_a_count_is_read_wherever_it_is_and_no_0_takes_it_back(
        self, last: Payload, later: Payload
    ) -> None:
        assert read(content("42"), chunk({}, "stop"), last, later, DONE) == [
            Text("42"),
            Usage(9, 5),
            End("stop"),
        ]

    @pytest.mark.parametrize(
        "cached",
        [
            {"prompt_tokens_details": {"cached_tokens": 8}},
            {"input_tokens_details": {"cached_tokens": 8}},
            {"prompt_tokens_details": {"cache_read_tokens": 8}},
            {"prompt_tokens_details": {"cached_tokens": 0}, "prompt_cache_hit_tokens": 8},
            {"cached_tokens": 8},
            {"cache_read_input_tokens": 8},
            {"cached_prompt_tokens": 8, "prompt_tokens_details": None},
        ],
    )
    def test_cached_tokens_have_many_names(self, cached: Payload) -> None:
        usage = {"prompt_tokens": 20, "completion_tokens": 5} | cached
        assert read({"usage": usage}) == [Usage(20, 5, cached_tokens=8)]

    def test_cached_tokens_beside_the_prompt_are_added_where_the_total_says_so(self) -> None:
        usage = {"input_tokens": 4, "output_tokens": 5, "cache_read_input_tokens": 8}
        assert read({"usage": usage | {"total_tokens": 17}}) == [Usage(12, 5, cached_tokens=8)]

    @pytest.mark.parametrize(
        ("total", "expected"),
        [
            (41, Usage(32, 9, reasoning_tokens=7)),
            (48, Usage(32, 16, reasoning_tokens=7)),
            (None, Usage(32, 9, reasoning_tokens=7)),
        ],
    )
    @pytest.mark.parametrize(
        "reasoned",
        [{"completion_tokens_details": {"reasoning_tokens": 7}}, {"reasoning_tokens": 7}],
    )
    def test_reasoning_is_inside_the_output_or_beside_it_as_the_total_says(
        self, total: int | None, expected: Usage, reasoned: Payload
    ) -> None:
        usage = {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": total} | reasoned
        assert read({"usage": usage}) == [expected]

    def test_more_reasoning_than_output_is_beside_it(self) -> None:
        usage = {"prompt_tokens": 32, "completion_tokens": 9, "reasoning_tokens": 994}
        assert read({"usage": usage | {"total_tokens": 1035}}) == [Usage(32, 1003, 994)]

    @pytest.mark.parametrize("tokens", [-1, True, "9", None, float("nan"), 1e300, [], {}])
    def test_an_odd_number_is_no_count(self, tokens: object) -> None:
        odd = {"prompt_tokens": tokens, "completion_tokens": 5}
        assert read({"usage": odd}) == []
        details = {"cached_tokens": tokens, "reasoning_tokens": tokens}
        usage = {
            "prompt_tokens": 9,
            "completion_tokens": 5,
            "prompt_tokens_details": details,
            "prompt_cache_hit_tokens": tokens,
            "completion_tokens_details": details,
        }
        assert read({"usage": usage}) == [Usage(9, 5)]

    def test_two_zeros_mean_that_nobody_counted(self) -> None:
        assert read({"usage": {"prompt_tokens": 0, "completion_tokens": 0}}) == []


@pytest.mark.parametrize(
    "garbage",
    [
        None,
        [],
        1,
        "x",
        {},
        {"choices": None},
        {"choices": []},
        {"choices": [None]},
        {"choices": {"0": {}}},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": [], "finish_reason": []}]},
        {"choices": [{"delta": {"content": 1, "reasoning": {}, "reasoning_details": 7}}]},
        {"choices": [{"delta": {"content": [None], "reasoning_details": [1, {"text": 2}]}}]},
        {"usage": [], "model": {}},
        {"type": "ping"},
    ],
)
def test_wrong_shapes_are_skipped(garbage: object) -> None:
    assert read(garbage, content("42"), garbage, chunk({}, "stop"), garbage) == [
        Text("42"),
        End("stop"),
    ]


def calls(*pieces: Payload) -> Payload:
    return chunk({"tool_calls": list(pieces)})


def function(name: str | None = None, arguments: object = None) -> Payload:
    return {"function": {"name": name, "arguments": arguments}}


class TestCalls:
    def test_calls_come_piece_by_piece(self) -> None:
        assert read(
            content("So."),
            calls({"index": 0, "id": "c1"} | function("read", "")),
            calls({"index": 0} | function(None, '{"a"')),
            calls({"index": 0, "id": "c1"} | function("", ":1}")),
            calls({"index": 1, "id": "c2"} | function("now")),
            chunk({}, "tool_calls"),
        ) == [
            Text("So."),
            ToolCallStarted("c1", "read"),
            ToolArguments('{"a"'),
            ToolArguments(":1}"),
            ToolCallStarted("c2", "now"),
            ToolArguments("{}"),
            End("tool_calls"),
        ]

    def test_hosts_leave_indexes_and_ids_out_and_send_objects(self) -> None:
        both = [{"id": "c1"} | function("read", {"a": 1}), {"id": "c2"} | function("now", "{}")]
        assert read(calls(*both), calls(function("later")), DONE) == [
            ToolCallStarted("c1", "read"),
            ToolArguments('{"a": 1}'),
            ToolCallStarted("c2", "now"),
            ToolArguments("{}"),
            ToolCallStarted("call_0", "later"),
            ToolArguments("{}"),
            End(None),
        ]

    def test_white_space_that_might_begin_a_thought_comes_before_the_call(self) -> None:
        started = calls({"index": 0, "id": "c1"} | function("read", "{}"))
        assert read(content(" <thi"), started, chunk({}, "tool_calls")) == [
            Text(" <thi"),
            ToolCallStarted("c1", "read"),
            ToolArguments("{}"),
            End("tool_calls"),
        ]

    def test_a_choice_of_the_models_own_is_not_sent(self) -> None:
        parts = ("What?", Image("image/png", "aQ=="))
        tools = AnswerOptions(tools=(Tool("read", "", {}),))
        prompt = Prompt((Message("user", "What?", parts),), options=tools)
        body = chat_completions.request_body(prompt, model="m", samplers={})
        assert "tool_choice" not in body
        assert body["messages"][0]["content"][0] == {"type": "text", "text": "What?"}
