"""Whatever a server sends: typed chunks or a DeepReasoningError, and counts that can be billed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.pipeline.events import DONE, Chunk, End, Text, Thought
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.wire.client import chat_completions, messages, responses

odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


def spoiled(draw: st.DrawFn, value: Any) -> Any:
    """`value` with something odd in one place of it."""
    if isinstance(value, dict | list) and value and draw(st.booleans()):
        fields = value if isinstance(value, dict) else dict(enumerate(value))
        name = draw(st.sampled_from(list(fields)))
        changed = fields | {name: spoiled(draw, fields[name])}
        return changed if isinstance(value, dict) else list(changed.values())
    return draw(odd)


@st.composite
def streams(draw: st.DrawFn, payload: st.SearchStrategy[Any]) -> list[Any]:
    """Payloads of a sound shape, one in four of them spoiled."""
    sound = draw(st.lists(payload, max_size=6))
    return [spoiled(draw, each) if draw(st.integers(0, 3)) == 3 else each for each in sound]


def thing(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(fields)


counts = st.integers(-5, 50)
texts = st.sampled_from(["a", "<think>", "</think>", "<", " ", ""])
kinds = st.sampled_from(["overloaded_error", "authentication_error", "not_found_error"])
failures = st.sampled_from(range(8)).flatmap(
    lambda draw: thing(type=kinds, message=texts) if draw == 7 else st.none()
)


def chat_payloads() -> st.SearchStrategy[Any]:
    parts = st.lists(thing(type=st.just("text"), text=texts), max_size=2)
    delta = thing(
        content=texts | parts,
        reasoning_content=st.none() | texts,
        reasoning=st.none() | texts,
        reasoning_details=st.lists(thing(text=texts), max_size=2),
    )
    finish_reason = st.sampled_from([None, None, None, "stop", "length", "error"])
    choice = thing(delta=delta, finish_reason=finish_reason)
    message = thing(message=delta, finish_reason=finish_reason, error=failures)
    usage = thing(
        prompt_tokens=counts,
        completion_tokens=counts,
        prompt_cache_hit_tokens=counts,
        prompt_tokens_details=st.none() | thing(cached_tokens=counts),
        completion_tokens_details=st.none() | thing(reasoning_tokens=counts),
    )
    choices = st.lists(choice | message, max_size=2)
    chunk = thing(model=texts, choices=choices, usage=st.none() | usage, error=failures)
    return chunk | st.just(DONE)


def messages_payloads() -> st.SearchStrategy[Any]:
    usage = thing(
        input_tokens=counts,
        output_tokens=counts,
        cache_read_input_tokens=counts,
        cache_creation_input_tokens=counts,
        output_tokens_details=st.none() | thing(thinking_tokens=counts),
    )
    block = thing(type=st.sampled_from(["text", "thinking", "image"]), text=texts, thinking=texts)
    delta = thing(
        type=st.sampled_from(["text_delta", "thinking_delta", "signature_delta"]),
        text=texts,
        thinking=texts,
    )
    whole = {"model": texts, "content": st.lists(block, max_size=2), "usage": usage}
    return st.one_of(
        thing(type=st.just("message_start"), message=thing(**whole)),
        thing(type=st.just("content_block_start"), content_block=block),
        thing(type=st.just("content_block_delta"), delta=delta),
        thing(type=st.just("message_delta"), delta=thing(stop_reason=texts), usage=usage),
        thing(type=st.just("message"), stop_reason=texts, **whole),
        thing(type=st.just("ping"), error=failures),
        st.just({"type": "message_stop"}),
    )


def responses_payloads() -> st.SearchStrategy[Any]:
    usage = thing(
        input_tokens=counts,
        output_tokens=counts,
        input_tokens_details=st.none() | thing(cached_tokens=counts, cache_write_tokens=counts),
        output_tokens_details=st.none() | thing(reasoning_tokens=counts),
    )
    part = thing(
        type=st.sampled_from(["output_text", "reasoning_text", "refusal", "audio"]),
        text=texts,
        refusal=texts,
    )
    item = thing(content=st.lists(part, max_size=2), summary=st.lists(part, max_size=2))
    response = thing(
        model=texts,
        status=st.sampled_from(["completed", "incomplete", "failed"]),
        output=st.lists(item, max_size=2),
        incomplete_details=st.none() | thing(reason=texts),
        usage=st.none() | usage,
        error=failures,
    )
    names = ["output_text.delta", "reasoning_text.delta", "reasoning_summary_text.delta", "new"]
    kinds = st.sampled_from([f"response.{name}" for name in names])
    ends = st.sampled_from(["response.created", "response.completed", "response.incomplete"])
    return st.one_of(
        thing(type=kinds, output_index=st.integers(0, 2), delta=texts),
        thing(type=st.just("response.output_item.done"), output_index=counts, item=item),
        thing(type=ends, response=response),
        thing(object=st.just("response"), output=st.lists(item, max_size=2), error=failures),
    )


def check(chunks: Iterator[Chunk]) -> None:
    received: list[Chunk] = []
    failed = False
    try:
        received.extend(chunks)
    except DeepReasoningError:
        failed = True
    ends = [part for part in received if isinstance(part, End)]
    assert ends in ([], received[-1:])
    assert not (failed and ends)
    assert all(part.text for part in received if isinstance(part, Thought | Text))
    usages = [part for part in received if isinstance(part, Usage)]
    assert len(usages) <= 1
    for usage in usages:
        assert min(usage.cached_tokens, usage.cache_write_tokens) >= 0
        assert usage.cached_tokens + usage.cache_write_tokens <= usage.input_tokens
        assert 0 <= (usage.reasoning_tokens or 0) <= usage.output_tokens


@given(streams(chat_payloads()), st.booleans())
def test_chat_completions_take_any_stream(stream: list[Any], opens_thinking: bool) -> None:
    check(chat_completions.read_reply(stream, opens_thinking=opens_thinking))


@given(streams(messages_payloads()))
def test_messages_take_any_stream(stream: list[Any]) -> None:
    check(messages.read_reply(stream))


@given(streams(responses_payloads()))
def test_responses_take_any_stream(stream: list[Any]) -> None:
    check(responses.read_reply(stream))


@given(st.lists(texts, max_size=10), st.booleans())
def test_content_cut_anywhere_reads_the_same(pieces: list[str], opens_thinking: bool) -> None:
    def joined(*contents: str) -> tuple[str, str]:
        stream = [{"choices": [{"delta": {"content": content}}]} for content in contents]
        parts = list(chat_completions.read_reply(stream, opens_thinking=opens_thinking))
        return (
            "".join(part.text for part in parts if isinstance(part, Thought)),
            "".join(part.text for part in parts if isinstance(part, Text)),
        )

    assert joined(*pieces) == joined("".join(pieces))
