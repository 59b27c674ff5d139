"""`compare`: one chain of thought is paid for once, and several models answer from it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from support.loopback import Received, Reply, claude_stream, error_reply_anthropic, reasoner_stream
from support.runner import CompletedRun
from support.vendors import OWN_ANSWER, REASONING, THOUGHTS, Vendors, error_of

FIVE: Final = (
    "claude-opus-4-8",
    "claude-opus-4-7",
    "claude-sonnet-5",
    "claude-sonnet-4-6",
    "claude-haiku-4-5",
)
MODELS: Final = tuple(word for model in FIVE for word in ("-m", model))


def asked(request: Received) -> str:
    """The model that a request asks."""
    return str(request.body["model"])


def texts_of(model: str) -> tuple[str, str]:
    return f"It is **{len(model)}**", ".\n\nThat is all."


def by_model(request: Received) -> Reply:
    """An answer that only this model gives."""
    model = asked(request)
    return claude_stream(texts_of(model), model=model)


def compared(result: CompletedRun) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def answering(vendors: Vendors) -> Vendors:
    """The reasoner thinks once; Claude answers each model in its own words."""
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, OWN_ANSWER))
    vendors.claude.reply(by_model)
    return vendors


def test_five_models_answer_from_one_chain_of_thought(answering: Vendors) -> None:
    result = answering.run("compare", "6 x 7?", *MODELS, "--json")
    assert (result.code, result.stderr) == (0, b"")
    assert answering.counts() == (1, 5)
    found = compared(result)
    assert found["reasoning"] == REASONING
    assert [each["answer"] for each in found["answers"]] == ["".join(texts_of(m)) for m in FIVE]
    assert [each["model"] for each in found["answers"]] == [*found_models(answering, found)]
    parts = [found["reasoner"], *found["answers"]]
    assert Decimal(found["cost_usd"]) == sum(Decimal(part["cost_usd"]) for part in parts)


def found_models(vendors: Vendors, found: dict[str, Any]) -> list[str]:
    """The models that were asked, in the order of the answers."""
    reached = {asked(request) for request in vendors.claude.requests}
    named = [each["model"] for each in found["answers"]]
    assert reached == set(named)
    return named
