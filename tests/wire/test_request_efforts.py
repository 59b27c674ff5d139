"""How much Claude is to think, in the words of each format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deepreasoning_cli.wire.server import chat_completions, messages, responses
from deepreasoning_cli.wire.server.request import BadRequest, ChatRequest

QUESTION = [{"role": "user", "content": "?"}]
Build = Callable[[str], ChatRequest]
FORMATS: dict[str, tuple[Build, str]] = {
    "chat_completions": (
        lambda word: chat_completions.read_request(
            {"model": "m", "messages": QUESTION, "reasoning_effort": word}
        ),
        "reasoning_effort",
    ),
    "messages": (
        lambda word: messages.read_request(
            {"model": "m", "messages": QUESTION, "output_config": {"effort": word}}
        ),
        "output_config.effort",
    ),
    "responses": (
        lambda word: responses.read_request(
            {"model": "m", "input": "?", "reasoning": {"effort": word}}
        ),
        "reasoning.effort",
    ),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("word", "effort"),
    [("minimal", "low"), *((w, w) for w in ("none", "low", "medium", "high", "xhigh", "max"))],
)
def test_each_format_says_the_effort_in_its_own_field(name: str, word: str, effort: str) -> None:
    build, _ = FORMATS[name]
    assert build(word).parameters.to_dict() == {"effort": effort}


@pytest.mark.parametrize("name", FORMATS)
def test_a_word_that_is_no_effort_is_refused_by_its_field(name: str) -> None:
    build, field = FORMATS[name]
    with pytest.raises(BadRequest) as caught:
        build("extreme")
    assert caught.value.field == field
    assert caught.value.message.startswith(f"{field} must be one of minimal, none, low")


def test_without_the_field_the_servers_own_setting_holds() -> None:
    body: dict[str, Any] = {"model": "m", "messages": QUESTION, "reasoning_effort": None}
    assert chat_completions.read_request(body).parameters.effort is None


@pytest.mark.parametrize(
    ("fields", "declines"),
    [
        ({"thinking": {"type": "disabled"}}, True),
        ({"reasoning": {"enabled": False}}, True),
        ({"enable_thinking": False}, True),
        ({"think": False}, True),
        ({"think": True, "enable_thinking": 0, "reasoning": {"enabled": True}}, False),
        ({}, False),
    ],
)
def test_each_vendors_words_against_reasoning_are_understood(
    fields: dict[str, Any], declines: bool
) -> None:
    request = chat_completions.read_request({"model": "m", "messages": QUESTION} | fields)
    assert request.parameters.effort == ("none" if declines else None)
