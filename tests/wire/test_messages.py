from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from deepreasoning_cli.errors import ConfigError, DeepReasoningError, RefusedError, UnavailableError
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
from deepreasoning_cli.wire.client import messages

STOP: Payload = {"type": "message_stop"}


def start(usage: object = None, model: object = "claude-sonnet-5-5") -> Payload:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": model}
    state = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    return {"type": "message_start", "message": message | state}


def block(index: int, **content_block: object) -> Payload:
    return {"type": "content_block_start", "index": index, "content_block": content_block}


def delta(index: int, kind: str, **fields: object) -> Payload:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind} | fields}


def closed(index: int) -> Payload:
    return {"type": "content_block_stop", "index": index}


def stopping(reason: object = "end_turn", usage: object = None, **more: object) -> Payload:
    state = {"stop_reason": reason, "stop_sequence": None} | more
    return {"type": "message_delta", "delta": state, "usage": usage}


def text(piece: object) -> Payload:
    return delta(0, "text_delta", text=piece)


def read(*payloads: Any) -> list[Chunk]:
    return list(messages.read_reply(payloads))


class TestBody:
    def test_a_streamed_request_has_its_system_prompt_on_top(self) -> None:
        prompt = Prompt(
            (Message("user", "6×7?"), Message("assistant", "42"), Message("user", "7×7?")),
            system="Be brief.",
        )
        assert messages.request_body(
            prompt,
            model="claude-sonnet-4-6",
            max_tokens=8192,
            samplers={"temperature": 0.7},
            extra={"thinking": {"type": "disabled"}},
        ) == {
            "model": "claude-sonnet-4-6",
            "max_tokens": 8192,
            "system": "Be brief.",
            "messages": [
                {"role": "user", "content": "6×7?"},
                {"role": "assistant", "content": "42"},
                {"role": "user", "content": "7×7?"},
            ],
            "temperature": 0.7,
            "stream": True,
            "thinking": {"type": "disabled"},
        }

    def test_only_what_is_needed_is_sent(self) -> None:
        prompt = Prompt((Message("user", "6×7?"),))
        body = messages.request_body(prompt, model="m", max_tokens=1, samplers={})
        assert body == {
            "model": "m",
            "max_tokens": 1,
            "messages": [{"role": "user", "content": "6×7?"}],
            "stream": True,
        }


class TestStream:
    def test_thinking_comes_before_the_answer(self) -> None:
        begun = {
            "input_tokens": 20,
            "output_tokens": 1,
            "cache_creation_input_tokens": 5,
            "cache_read_input_tokens": 8,
            "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 0},
            "service_tier": "standard",
        }
        ended = {"output_tokens": 40, "output_tokens_details": {"thinking_tokens": 30}}
        assert read(
            start(begun),
            {"type": "ping"},
            block(0, type="thinking", thinking="", signature=""),
            delta(0, "thinking_delta", thinking="six "),
            delta(0, "thinking_delta", thinking="sevens"),
            delta(0, "signature_delta", signature="c2ln"),
            closed(0),
            block(1, type="redacted_thinking", data="zzz"),
            closed(1),
            block(2, type="text", text=""),
            delta(2, "text_delta", text="4"),
            {"type": "ping"},
            delta(2, "text_delta", text="2"),
            delta(2, "citations_delta", citation={}),
            closed(2),
            stopping("end_turn", ended),
            STOP,
        ) == [
            ModelReported("claude-sonnet-5-5"),
            Thought("six "),
            Thought("sevens"),
            HiddenThought(1),
            Text("4"),
            Text("2"),
            Usage(33, 40, reasoning_tokens=30, cached_tokens=8, cache_write_tokens=5),
            End("end_turn"),
        ]

    def test_counts_are_cumulative_and_absent_ones_keep_their_value(self) -> None:
        assert read(
            start({"input_tokens": 20, "output_tokens": 1, "cache_read_input_tokens": 8}),
            text("42"),
            stopping(None, {"output_tokens": 10, "cache_read_input_tokens": None}),
            stopping("max_tokens", {"output_tokens": 12}),
            stopping(None, None),
            STOP,
        ) == [
            ModelReported("claude-sonnet-5-5"),
            Text("42"),
            Usage(28, 12, cached_tokens=8),
            End("max_tokens"),
        ]

    def test_text_at_the_start_of_a_block_counts(self) -> None:
        assert read(block(0, type="text", text="4"), text("2"), stopping(), STOP) == [
            Text("4"),
            Text("2"),
            End("end_turn"),
        ]

    def test_unknown_events_blocks_and_deltas_are_skipped(self) -> None:
        assert read(
            {"type": "content_block_future"},
            block(0, type="server_tool_use", text="not an answer"),
            delta(0, "input_json_delta", partial_json="{}"),
            delta(0, "future_delta", text="not an answer"),
            text("42"),
            stopping(),
            STOP,
        ) == [Text("42"), End("end_turn")]

    def test_a_call_may_have_its_whole_input_at_its_start_or_none(self) -> None:
        whole = block(0, type="tool_use", id="c1", name="read", input={"a": 1})
        empty = block(1, type="tool_use", id="c2", name="now", input={})
        stop = {"type": "content_block_stop", "index": 0}
        assert read(whole, stop, empty, stop, stopping("tool_use"), STOP) == [
            ToolCallStarted("c1", "read"),
            ToolArguments('{"a": 1}'),
            ToolCallStarted("c2", "now"),
            ToolArguments("{}"),
            End("tool_use"),
        ]

    def test_pieces_of_the_input_count_in_place_of_what_the_start_has(self) -> None:
        assert read(
            block(0, type="tool_use", id="c1", name="read", input={}),
            delta(0, "input_json_delta", partial_json=""),
            delta(0, "input_json_delta", partial_json='{"a"'),
            delta(0, "input_json_delta", partial_json=":1}"),
            {"type": "content_block_stop", "index": 0},
            stopping("tool_use"),
            STOP,
        ) == [
            ToolCallStarted("c1", "read"),
            ToolArguments('{"a"'),
            ToolArguments(":1}"),
            End("tool_use"),
        ]

    @pytest.mark.parametrize(
        "thought",
        [
            block(0, type="reasoning", text="six sevens"),
            block(0, type="thinking", thinking=[{"type": "text", "text": "six sevens"}]),
            delta(0, "reasoning_delta", reasoning="six sevens"),
            delta(0, "reasoning_text_delta", text="six sevens"),
        ],
    )
    def test_other_hosts_have_other_words_for_thinking(self, thought: Payload) -> None:
        assert read(thought, text("42"), stopping(), STOP) == [
            Thought("six sevens"),
            Text("42"),
            End("end_turn"),
        ]

    def test_a_refusal_ends_the_reply_as_such(self) -> None:
        details = {"type": "refusal", "category": "cyber", "explanation": "No."}
        assert read(text("I"), stopping("refusal", stop_details=details), STOP) == [
            Text("I"),
            End("refusal", "cyber: No."),
        ]

    @pytest.mark.parametrize("after", [[], [DONE], [{"type": "ping"}, text("!")]])
    def test_a_stop_reason_is_an_end_where_message_stop_does_not_come(
        self, after: list[Payload]
    ) -> None:
        begun = {"input_tokens": 20, "output_tokens": 1}
        ended = stopping("end_turn", {"output_tokens": 9})
        assert read(start(begun), text("42"), ended, *after) == [
            ModelReported("claude-sonnet-5-5"),
            Text("42"),
            Usage(20, 9),
            End("end_turn"),
        ]

    def test_a_connection_lost_after_the_stop_reason_costs_nothing(self) -> None:
        def payloads() -> Iterator[Payload]:
            yield from (text("42"), stopping("max_tokens"))
            raise UnavailableError("connection lost")

        assert list(messages.read_reply(payloads())) == [Text("42"), End("max_tokens")]

    @pytest.mark.parametrize(
        "ending", [[], [DONE], [stopping(None)], [stopping("null")], [stopping(7)]]
    )
    def test_without_message_stop_and_stop_reason_the_reply_was_cut(
        self, ending: list[Payload]
    ) -> None:
        begun = start({"input_tokens": 20, "output_tokens": 1})
        begun["message"]["stop_reason"] = "end_turn"  # as some hosts have it: nothing has ended
        assert read(begun, {"type": "ping"}, text("4"), *ending) == [
            ModelReported("claude-sonnet-5-5"),
            Text("4"),
        ]

    def test_nothing_after_message_stop_is_read(self) -> None:
        assert read(text("42"), stopping(), STOP, text("!"), STOP, DONE) == [
            Text("42"),
            End("end_turn"),
        ]

    def test_a_changed_model_is_named_again(self) -> None:
        models = ("a", "a", "", None, "b")
        assert read(*(start(model=model) for model in models)) == [
            ModelReported("a"),
            ModelReported("b"),
        ]

    def test_lone_surrogates_pass(self) -> None:
        assert read(text("\ud83d"), text("\ude00")) == [Text("\ud83d"), Text("\ude00")]


class TestWholeMessage:
    def test_blocks_are_taken_by_type(self) -> None:
        assert read(
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "claude-haiku-4-5-20251001",
                "content": [
                    {"type": "thinking", "thinking": "six sevens", "signature": "c2ln"},
                    {"type": "text", "text": "42", "citations": None},
                    None,
                ],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 9, "output_tokens": 12},
            }
        ) == [
            ModelReported("claude-haiku-4-5-20251001"),
            Thought("six sevens"),
            Text("42"),
            Usage(9, 12),
            End("end_turn"),
        ]

    def test_an_empty_one_is_whole_too(self) -> None:
        assert read({"type": "message", "content": [], "stop_reason": "refusal"}) == [
            End("refusal")
        ]


class TestFailures:
    @pytest.mark.parametrize(
        ("name", "error", "kind", "told"),
        [
            ("overloaded_error", UnavailableError, "overloaded", "overloaded (529)"),
            ("rate_limit_error", UnavailableError, "rate_limit", "rate limited (429)"),
            ("api_error", UnavailableError, "server", "server error (500)"),
            ("future_error", UnavailableError, "stream_error", "the reply broke off"),
            ("authentication_error", ConfigError, "key_missing", "a key is needed (401)"),
            ("invalid_request_error", RefusedError, "bad_request", "request refused (400)"),
            ("billing_error", RefusedError, "no_credit", "no credit left (402)"),
            ("permission_error", RefusedError, "forbidden", "access denied (403)"),
            (
                *("not_found_error", RefusedError, "not_found"),
                "unknown model or address (404)",
            ),
            ("request_too_large", RefusedError, "too_long", "the request is too long (413)"),
        ],
    )
    def test_an_error_event_is_classed_by_its_type(
        self, name: str, error: type[DeepReasoningError], kind: str, told: str
    ) -> None:
        payload = {
            "type": "error",
            "error": {"type": name, "message": "Enough"},
            "request_id": "req_1",
        }
        received: list[Chunk] = []
        with pytest.raises(error) as failure:
            received.extend(messages.read_reply([text("4"), payload]))
        assert received == [Text("4")]
        assert (failure.value.kind, failure.value.message, failure.value.request_id) == (
            kind,
            f"the server: {told}: Enough",
            "req_1",
        )
        assert failure.value.hint

    @pytest.mark.parametrize("reason", ["error", "abort", "network_error"])
    @pytest.mark.parametrize("whole", [False, True])
    def test_a_stop_reason_that_is_a_failure_breaks_the_reply_off(
        self, reason: str, whole: bool
    ) -> None:
        message = {"type": "message", "content": [], "stop_reason": reason}
        with pytest.raises(UnavailableError, match=f"the reply broke off: {reason}"):
            read(message if whole else stopping(reason), STOP)

    @pytest.mark.parametrize(
        ("payload", "told"),
        [
            ({"type": "error"}, "no reason given"),
            ({"type": "error", "error": "Enough"}, "Enough"),
            ({"error": {"message": "Enough", "type": None, "code": None}}, "Enough"),
        ],
    )
    def test_an_error_without_a_type_is_one_of_the_stream(
        self, payload: Payload, told: str
    ) -> None:
        with pytest.raises(UnavailableError) as failure:
            read(payload)
        assert (failure.value.kind, failure.value.message, failure.value.request_id) == (
            "stream_error",
            f"the server: the reply broke off: {told}",
            None,
        )


class TestUsage:
    @pytest.mark.parametrize("tokens", [-1, True, "9", None, float("nan"), 1e300, [], {}])
    def test_an_odd_number_is_no_count(self, tokens: object) -> None:
        odd = {"input_tokens": tokens, "output_tokens": 5}
        assert read(stopping(None, odd), STOP) == [End(None)]
        parts = {
            "cache_creation_input_tokens": tokens,
            "cache_read_input_tokens": tokens,
            "output_tokens_details": {"thinking_tokens": tokens},
        }
        usage = {"input_tokens": 9, "output_tokens": 5} | parts
        assert read(stopping(None, usage), STOP) == [Usage(9, 5), End(None)]

    @pytest.mark.parametrize("ended", [None, {}, {"output_tokens": None}, {"input_tokens": 20}])
    def test_the_first_token_is_not_the_count_of_the_end(self, ended: object) -> None:
        begun = {"input_tokens": 20, "output_tokens": 1, "cache_read_input_tokens": 8}
        assert read(start(begun, model=None), text("42"), stopping("end_turn", ended), STOP) == [
            Text("42"),
            Usage(28, 1, cached_tokens=8, estimated=True),
            End("end_turn"),
        ]

    @pytest.mark.parametrize(
        "ending",
        [
            (stopping("end_turn", {"output_tokens": 12, "input_tokens": 0}), STOP),
            (stopping("end_turn", {"output_tokens": 12}), stopping(None, {"output_tokens": 0})),
            (stopping("end_turn", usage={}) | {"usage": {"output_tokens": 12}},),
            ({"type": "message_delta", "delta": {"usage": {"output_tokens": 12}}}, STOP),
            (STOP | {"usage": {"output_tokens": 12}},),
        ],
    )
    def test_a_count_is_read_wherever_it_is_and_no_0_takes_it_back(
        self, ending: tuple[Payload, ...]
    ) -> None:
        begun = start({"input_tokens": 20, "output_tokens": 1}, model=None)
        assert read(begun, text("42"), *ending)[1] == Usage(20, 12)

    def test_thinking_beside_the_output_is_added_and_an_estimate(self) -> None:
        usage = {"output_tokens": 5, "output_tokens_details": {"thinking_tokens": 50}}
        assert read(stopping("end_turn", {"input_tokens": 9} | usage), STOP) == [
            Usage(9, 55, reasoning_tokens=50, estimated=True),
            End("end_turn"),
        ]

    def test_zeros_mean_that_nobody_counted(self) -> None:
        usage = {"input_tokens": 0, "output_tokens": 0}
        assert read(stopping("end_turn", usage), STOP) == [End("end_turn")]

    def test_a_prompt_that_is_all_cached_was_counted(self) -> None:
        usage = {"input_tokens": 0, "output_tokens": 0, "cache_read_input_tokens": 7}
        assert read(stopping("end_turn", usage), STOP) == [
            Usage(7, 0, cached_tokens=7),
            End("end_turn"),
        ]


@pytest.mark.parametrize(
    "garbage",
    [
        None,
        [],
        1,
        "x",
        {},
        {"type": None},
        {"type": ["message_stop"]},
        {"type": "message"},
        {"type": "message_start"},
        {"type": "message_start", "message": None},
        {"type": "message_start", "message": {"content": 1, "usage": [], "model": 1}},
        {"type": "content_block_start", "content_block": None},
        {"type": "content_block_delta"},
        {"type": "content_block_delta", "delta": []},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": None}},
        {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": 1}},
        {"type": "message_delta", "delta": None, "usage": {"output_tokens_details": 1}},
        {"type": "message_delta", "delta": {"stop_reason": 1}, "usage": None},
    ],
)
def test_wrong_shapes_are_skipped(garbage: object) -> None:
    assert read(garbage, text("42"), garbage, stopping(), garbage, STOP) == [
        Text("42"),
        End("end_turn"),
    ]
