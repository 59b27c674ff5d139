"""What callers ask, in three formats: read as one thing, or refused by the field's name."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.pipeline.events import Message, Prompt
from deepreasoning_cli.wire.server.chat_completions import read_request as read_chat_completions
from deepreasoning_cli.wire.server.messages import read_request as read_messages
from deepreasoning_cli.wire.server.request import BadRequest, ChatRequest, RequestParameters
from deepreasoning_cli.wire.server.responses import read_request as read_responses

QUESTION = {"role": "user", "content": "6×7?"}
PROMPT = Prompt((Message("user", "6×7?"),))
BODIES: dict[str, dict[str, Any]] = {
    "chat_completions": {"model": "deepreasoning", "messages": [QUESTION]},
    "responses": {"model": "deepreasoning", "input": [QUESTION]},
    "messages": {"model": "deepreasoning", "max_tokens": 8192, "messages": [QUESTION]},
}
READERS = {
    "chat_completions": read_chat_completions,
    "responses": read_responses,
    "messages": read_messages,
}
WHERE = {"chat_completions": "messages", "responses": "input", "messages": "messages"}
every_format = pytest.mark.parametrize("name", READERS)


def ask(name: str, *turns: object, **fields: object) -> ChatRequest:
    """A request in the format, with other messages or fields."""
    body = BODIES[name] | ({WHERE[name]: list(turns)} if turns else {}) | fields
    return READERS[name](body)


def refused(name: str, *turns: object, **fields: object) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        ask(name, *turns, **fields)
    return caught.value


def said(role: str, content: object, **fields: object) -> dict[str, object]:
    return {"role": role, "content": content, **fields}


def part(text: str, kind: str = "text") -> dict[str, str]:
    return {"type": kind, "text": text}


@every_format
def test_a_question_alone_is_enough(name: str) -> None:
    given_limit = 8192 if name == "messages" else None
    assert ask(name) == ChatRequest(
        "deepreasoning",
        PROMPT,
        RequestParameters(max_tokens=given_limit),
        stream=False,
        include_usage=name != "chat_completions",
    )


@every_format
def test_the_six_parameters_are_read_in_every_format(name: str) -> None:
    parameters: dict[str, object] = {
        "anthropic_model": "claude-haiku-4-5",
        "temperature": 1,
        "top_p": 0.5,
        "max_tokens": 100.0,
        "web_search_linkup": True,
        "disable_formatting": False,
    }
    asked = ask(name, stream=True, **parameters)
    assert asked.stream
    assert asked.parameters.to_dict() == parameters
    assert (type(asked.parameters.temperature), type(asked.parameters.max_tokens)) == (float, int)


@every_format
def test_a_limit_above_ours_counts_as_ours(name: str) -> None:
    assert ask(name, max_tokens=128_000).parameters.max_tokens == 65_536


@every_format
def test_null_is_not_given(name: str) -> None:
    nothing = dict.fromkeys(RequestParameters.__slots__) | {
        "stream": None,
        "tools": None,
        "stop": None,
    }
    assert ask(name, **nothing).parameters.to_dict() == {}


@every_format
def test_fields_that_nobody_knows_or_that_change_nothing_are_ignored(name: str) -> None:
    ignored = {
        "user": "u1",
        "metadata": {"user_id": "u1"},
        "store": True,
        "parallel_tool_calls": False,
        "service_tier": "auto",
        "seed": 7,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "cache_control": {"type": "ephemeral"},
        "include": ["reasoning.encrypted_content"],
        "tools": [],
        "tool_choice": "auto",
        "fields_of_next_year": [{}],
    }
    assert ask(name, **ignored) == ask(name)


@every_format
def test_system_prompts_are_joined_wherever_they_stand(name: str) -> None:
    asked = ask(
        name,
        said("system", "Be brief."),
        QUESTION,
        said("developer", [part("In French."), part("  ")]),
        said("system", " \n"),
    )
    assert asked.prompt == Prompt((Message("user", "6×7?"),), "Be brief.\n\nIn French.")


def test_instructions_come_before_other_system_prompts() -> None:
    asked = ask("responses", said("developer", "In French."), QUESTION, instructions="Be brief.")
    assert asked.prompt.system == "Be brief.\n\nIn French."


@pytest.mark.parametrize(
    "system", ["Be brief.", [part("Be brief.") | {"cache_control": {"type": "ephemeral"}}]]
)
def test_the_system_prompt_of_messages_is_a_string_or_blocks(system: object) -> None:
    assert ask("messages", system=system).prompt.system == "Be brief."


def test_input_may_be_a_string() -> None:
    assert ask("responses", input="6×7?").prompt == PROMPT


def test_input_items_may_say_that_they_are_messages_and_reasoning_is_left_out() -> None:
    asked = ask(
        "responses",
        said("user", [part("6×7?", "input_text")], type="message"),
        {"type": "reasoning", "id": "rs_1", "summary": []},
        said("assistant", [part("4", "output_text"), part("2", "output_text")], type="message"),
        said("user", "7×7?"),
    )
    assert asked.prompt.messages == (
        Message("user", "6×7?"),
        Message("assistant", "42"),
        Message("user", "7×7?"),
    )


@every_format
def test_messages_of_one_side_are_merged(name: str) -> None:
    asked = ask(
        name,
        said("user", "one"),
        said("user", [part("two"), part("three")]),
        said("assistant", "yes"),
        said("assistant", [part("n"), part("o")]),
        said("user", " four\n"),
    )
    assert asked.prompt.messages == (
        Message("user", "one\n\ntwo\n\nthree"),
        Message("assistant", "yes\n\nno"),
        Message("user", " four\n"),
    )


@every_format
def test_what_an_earlier_reply_thought_is_left_out(name: str) -> None:
    thoughts = [
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "redacted_thinking", "data": "x"},
    ]
    asked = ask(
        name,
        QUESTION,
        said("assistant", [*thoughts, part("42")], reasoning_content="hm", tool_calls=[]),
        said("user", "7×7?"),
        said("assistant", thoughts),
        said("assistant", None),
        said("assistant", " \n"),
        said("user", "sure?"),
    )
    assert asked.prompt.messages == (
        Message("user", "6×7?"),
        Message("assistant", "42"),
        Message("user", "7×7?\n\nsure?"),
    )


@every_format
@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("<think>\nhm\n</think>\n\n42", "42"),
        ([part("\n<think>hm</think>"), part("42")], "42"),
        ("<think></think>42 </think>", "42 </think>"),
        ("Write <think>hm</think> so.", "Write <think>hm</think> so."),
        ("<think>42", "<think>42"),
    ],
)
def test_so_is_what_a_client_puts_in_front_of_the_text(name: str, sent: Any, kept: str) -> None:
    asked = ask(name, QUESTION, said("assistant", sent), said("user", "sure?"))
    assert asked.prompt.messages[1] == Message("assistant", kept)
    asked = ask(name, QUESTION, said("assistant", "42"), said("user", "<think>hm</think>?"))
    assert asked.prompt.messages[2] == Message("user", "<think>hm</think>?")


@every_format
@pytest.mark.parametrize(
    "refusal",
    [
        {"content": None, "refusal": "No."},
        {"content": "No.", "refusal": None},
        {"content": [{"type": "refusal", "refusal": "No."}]},
    ],
)
def test_a_refusal_is_what_the_assistant_said(name: str, refusal: dict[str, object]) -> None:
    asked = ask(name, QUESTION, {"role": "assistant"} | refusal, said("user", "why?"))
    assert asked.prompt.messages[1] == Message("assistant", "No.")


@every_format
def test_halves_of_surrogate_pairs_are_replaced(name: str) -> None:
    asked = ask(name, said("system", "a\ud800"), said("user", [part("\udfff")]), model="m\ud800")
    assert asked.prompt == Prompt((Message("user", "\ufffd"),), "a\ufffd")
    assert asked.model == "m\ufffd"


@pytest.mark.parametrize(
    ("options", "wanted"),
    [(None, False), ({}, False), ({"include_usage": True}, True), ({"include_usage": None}, False)],
)
def test_usage_is_streamed_where_chat_asks_for_it(options: object, wanted: bool) -> None:
    assert ask("chat_completions", stream_options=options).include_usage is wanted


@pytest.mark.parametrize(
    ("name", "limit"),
    [("chat_completions", "max_completion_tokens"), ("responses", "max_output_tokens")],
)
def test_the_limit_has_other_names(name: str, limit: str) -> None:
    assert ask(name, **{limit: 100}).parameters.max_tokens == 100
    assert ask(name, **{limit: 100}, max_tokens=100).parameters.max_tokens == 100
    assert str(refused(name, **{limit: 100}, max_tokens=101)) == (
        f"{limit} must not differ from max_tokens"
    )


def test_messages_may_leave_out_their_limit() -> None:
    assert ask("messages", max_tokens=None).parameters.max_tokens is None


class TestRefused:
    @every_format
    @pytest.mark.parametrize(
        ("field", "value", "why"),
        [
            ("model", None, "is required"),
            ("model", " ", "must be a name"),
            ("model", "m\n", "must be a name"),
            ("model", "m" * 257, "must not have more than 256 characters"),
            ("model", 7, "must be a string"),
            ("anthropic_model", "", "must be a name"),
            ("temperature", -0.1, "must be a number from 0 to 2"),
            ("temperature", 2.1, "must be a number from 0 to 2"),
            ("temperature", True, "must be a number from 0 to 2"),
            ("temperature", "1", "must be a number from 0 to 2"),
            ("temperature", math.nan, "must be a number from 0 to 2"),
            ("top_p", math.inf, "must be a number from 0 to 1"),
            pytest.param("top_p", 10**400, "must be a number from 0 to 1", id="no float"),
            ("max_tokens", 0, "must be a whole number from 1 to 10000000"),
            ("max_tokens", 10_000_001, "must be a whole number from 1 to 10000000"),
            ("max_tokens", 1.5, "must be a whole number from 1 to 10000000"),
            ("max_tokens", True, "must be a whole number from 1 to 10000000"),
            ("max_tokens", math.nan, "must be a whole number from 1 to 10000000"),
            ("stream", "yes", "must be true or false"),
            ("stream", 1, "must be true or false"),
            ("web_search_linkup", "false", "must be true or false"),
            (
                "functions",
                [{}],
                "is not supported, except as []: in the client, switch tools and functions off",
            ),
            (
                "function_call",
                {"name": "f"},
                'is not supported, except as "none" or "auto": in the client, leave it out',
            ),
        ],
    )
    def test_a_field_is_named_with_what_it_must_be(
        self, name: str, field: str, value: object, why: str
    ) -> None:
        error = refused(name, **{field: value})
        assert (error.field, error.message) == (field, f"{field} {why}")

    @every_format
    @pytest.mark.parametrize(
        ("choice", "place"),
        [
            ("required", ""),
            ("any", ""),
            ({"type": "tool", "name": "t"}, ".name"),
            ({"type": "function", "function": {"name": "t"}}, ".function.name"),
            ({"type": "web_search"}, ""),
            ("sometimes", ""),
            (True, ""),
        ],
    )
    def test_a_tool_that_is_not_there_cannot_be_chosen(
        self, name: str, choice: object, place: str
    ) -> None:
        assert refused(name, tool_choice=choice).field == f"tool_choice{place}"

    @pytest.mark.parametrize(
        ("name", "field", "value"),
        [
            ("chat_completions", "n", 2),
            ("chat_completions", "modalities", ["text", "audio"]),
            ("chat_completions", "audio", {"voice": "alloy"}),
            ("chat_completions", "web_search_options", {}),
            ("chat_completions", "logprobs", True),
            ("chat_completions", "top_logprobs", 2),
            ("chat_completions", "logit_bias", {"50256": -100}),
            ("chat_completions", "presence_penalty", 0.5),
            ("chat_completions", "frequency_penalty", -0.5),
            ("chat_completions", "repetition_penalty", 1.1),
            ("responses", "presence_penalty", 0.5),
            ("responses", "frequency_penalty", 0.5),
            ("responses", "background", True),
            ("responses", "conversation", "conv_1"),
            ("responses", "prompt", {"id": "pmpt_1"}),
            ("responses", "top_logprobs", 2),
            ("messages", "container", "c_1"),
            ("messages", "mcp_servers", [{}]),
        ],
    )
    def test_what_would_change_the_outcome_is_not_dropped_silently(
        self, name: str, field: str, value: object
    ) -> None:
        error = refused(name, **{field: value})
        assert error.field == field
        assert error.message.startswith(f"{field} is not supported")
        assert ": in the client, " in error.message
        is_refused_whole = "except as" not in error.message
        assert error.kind == f"unsupported_{'parameter' if is_refused_whole else 'value'}"

    def test_messages_that_anthropic_would_hold_are_asked_for_again(self) -> None:
        assert ask("messages", thread={"type": "create"}) == ask("messages")
        error = refused("messages", thread={"type": "continue", "previous_message_id": "msg_1"})
        assert (error.status, error.kind) == (404, "thread_not_found")
        assert error.field == "thread.previous_message_id"
        assert error.message.endswith("send the whole conversation")

    @pytest.mark.parametrize(
        ("name", "field", "value"),
        [
            ("chat_completions", "n", 1),
            ("chat_completions", "response_format", {"type": "text"}),
            ("chat_completions", "modalities", ["text"]),
            ("chat_completions", "stop", []),
            ("chat_completions", "logprobs", False),
            ("chat_completions", "presence_penalty", 0.0),
            ("responses", "text", {"format": {"type": "text"}, "verbosity": "low"}),
            ("responses", "background", False),
            ("messages", "stop_sequences", []),
        ],
    )
    def test_defaults_that_are_spelled_out_are_accepted(
        self, name: str, field: str, value: object
    ) -> None:
        assert ask(name, **{field: value}) == ask(name)

    @every_format
    @pytest.mark.parametrize(
        ("message", "place", "why"),
        [
            (7, "", "must be a JSON object"),
            ({"content": "x"}, ".role", "must be system, developer, user, assistant or tool"),
            (said("tool", "4"), ".tool_call_id", "is required"),
            (said("function", "4"), ".role", "must be system, developer, user, assistant or tool"),
            (said("user", None), ".content", "must be a string or a list of parts"),
            (said("user", {}), ".content", "must be a string or a list of parts"),
            (said("user", ["x"]), ".content[0]", "must be a JSON object"),
            (said("user", [part("x"), {}]), ".content[1].type", "is not supported: a part without"),
            (said("user", [{"type": "text"}]), ".content[0].text", "must be a string"),
            (said("user", [{"type": 7}]), ".content[0].type", "must be a string"),
            (said("assistant", "x", tool_calls=[{}]), ".tool_calls[0].id", "is required"),
            (said("assistant", "x", function_call={}), ".function_call", "is not supported"),
            (said("assistant", "x", audio={"id": "a"}), ".audio", "is not supported"),
            (said("assistant", "x", prefix=True), ".prefix", "is not supported"),
            (said("assistant", None, refusal=7), ".refusal", "must be a string"),
        ],
    )
    def test_a_message_is_named_by_its_place(
        self, name: str, message: object, place: str, why: str
    ) -> None:
        error = refused(name, QUESTION, message)
        where = f"{WHERE[name]}[1]{place}"
        assert error.field == where
        assert error.message.startswith(f"{where} {why}")

    @every_format
    @pytest.mark.parametrize("kind", ["input_audio", "tool_use", "thinking", "server_tool_use"])
    def test_what_no_user_sends_is_refused_by_its_type(self, name: str, kind: str) -> None:
        error = refused(name, said("user", [part("x"), {"type": kind}]))
        assert str(error) == (
            f"{WHERE[name]}[0].content[1].type is not supported: "
            f"a part of the type {kind} in a message of user"
        )

    @pytest.mark.parametrize("kind", ["web_search_call", "custom_tool_call", "item_reference"])
    def test_items_of_other_kinds_are_refused(self, kind: str) -> None:
        error = refused("responses", QUESTION, {"type": kind, "id": "x"})
        assert str(error) == f"input[1].type is not supported: {kind}"

    @every_format
    @pytest.mark.parametrize(
        ("turns", "why"),
        [
            ([said("user", " \n\t")], "has a message of the user's without text"),
            ([said("user", [])], "has a message of the user's without text"),
            (
                [QUESTION, said("assistant", "It is")],
                "must end with a message of the user's: "
                "beginning the answer for the model (prefill) is not supported",
            ),
            (
                [QUESTION, said("assistant", "42"), said("user", "")],
                "has a message of the user's without text",
            ),
        ],
    )
    def test_a_conversation_begins_and_ends_with_the_user(
        self, name: str, turns: list[object], why: str
    ) -> None:
        error = refused(name, *turns)
        assert (error.field, str(error)) == (WHERE[name], f"{WHERE[name]} {why}")

    @every_format
    @pytest.mark.parametrize("value", [None, {}, 7])
    def test_a_conversation_is_a_list(self, name: str, value: object) -> None:
        error = refused(name, **{WHERE[name]: value})
        assert str(error) == f"{WHERE[name]} must be a list of JSON objects"

    @every_format
    def test_an_empty_conversation_is_refused(self, name: str) -> None:
        error = refused(name, **{WHERE[name]: []})
        assert str(error) == f"{WHERE[name]} must have a message of the user's"

    def test_an_empty_input_is_refused(self) -> None:
        assert refused("responses", input=" ").field == "input"

    def test_a_system_prompt_is_text(self) -> None:
        assert refused("messages", system=7).field == "system"
        assert refused("messages", system=[{"type": "image"}]).field == "system[0].type"
        assert refused("responses", instructions=["x"]).field == "instructions"

    def test_stream_options_are_an_object_of_switches(self) -> None:
        wrong = refused("chat_completions", stream_options={"include_usage": 1})
        assert str(wrong) == "stream_options.include_usage must be true or false"
        wrong = refused("chat_completions", stream_options=[])
        assert str(wrong) == "stream_options must be a JSON object"

    @every_format
    @pytest.mark.parametrize("body", [None, [], "x", 7, True])
    def test_a_body_is_an_object(self, name: str, body: object) -> None:
        with pytest.raises(BadRequest) as caught:
            READERS[name](body)
        assert (caught.value.field, str(caught.value)) == (None, "the body must be a JSON object")


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
names = st.sampled_from(
    ["model", "messages", "input", "system", "instructions", "max_tokens", "stream", "text"]
) | st.sampled_from(["temperature", "tools", "role", "content", "type", "stream_options", "audio"])
knowing = st.recursive(
    odd | st.sampled_from(["user", "assistant", "system", "tool", "text", "thinking", "message"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
text_parts = st.lists(
    st.fixed_dictionaries({"type": st.sampled_from(["text", "output_text"]), "text": st.text()}),
    max_size=2,
)
roles = st.sampled_from(["user", "user", "assistant", "system"])
turn_lists = st.lists(
    st.fixed_dictionaries({"role": roles, "content": st.text(max_size=4) | text_parts}),
    max_size=5,
)


def outcome(name: str, body: object) -> ChatRequest | BadRequest:
    try:
        return READERS[name](body)
    except BadRequest as error:
        return error


def check(name: str, body: object) -> None:
    """Whatever was sent: a sound request, or a refusal in words."""
    asked = outcome(name, body)
    if isinstance(asked, BadRequest):
        assert str(asked) == asked.message
        assert asked.message.startswith(asked.field or "the body")
        return
    sides = [message.role for message in asked.prompt.messages]
    assert sides == ["user", "assistant"] * (len(sides) // 2) + ["user"]
    assert all(message.text.strip() or message.parts for message in asked.prompt.messages)
    assert asked.prompt.system is None or asked.prompt.system.strip()
    asked.prompt.text.encode()  # well-formed
    json.dumps(asked.parameters.to_dict(), allow_nan=False)


@every_format
@given(body=odd | knowing)
def test_any_json_is_read_or_refused(name: str, body: object) -> None:
    check(name, body)


@every_format
@given(turns=turn_lists, field=names, value=odd | knowing, place=st.integers(0, 9))
def test_a_sound_request_with_something_odd_in_it_is_read_or_refused(
    name: str, turns: list[dict[str, object]], field: str, value: object, place: int
) -> None:
    body = BODIES[name] | {WHERE[name]: turns}
    check(name, body)
    check(name, body | {field: value})
    if turns:
        turns[place % len(turns)][field] = value
        check(name, body)


@every_format
def test_depth_and_length_are_no_trouble(name: str) -> None:
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    for field in (WHERE[name], "model", "temperature", "tools", "n", "response_format", "text"):
        check(name, BODIES[name] | {field: deep})
    turns = [said("user", "x"), said("assistant", "y")] * 5_000
    assert len(ask(name, *turns, QUESTION).prompt.messages) == 10_001
    while deep:  # freed from within: what holds such depth is freed by recursion
        deep = deep.pop()
