"""The list of models: every member that one of the official clients expects."""

from __future__ import annotations

from decimal import Decimal

from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.pipeline.money import Rates
from deepreasoning_cli.wire.server.model_list import (
    ModelListing,
    StageModel,
    model_list,
    model_object,
)
from deepreasoning_cli.wire.server.request import RequestParameters

PAIR = ModelListing(
    id="deepreasoning",
    name="DeepSeek R1 + Claude Sonnet 5.5",
    created=1795392000,
    defaults=RequestParameters(
        "sonnet", 0.7, 0.9, 8192, web_search_linkup=False, disable_formatting=False
    ),
    answerer=StageModel(
        "claude-sonnet-5-5", Rates(Decimal(3), Decimal(15), Decimal("0.30"), Decimal("3.75"))
    ),
    reasoner=StageModel("deepseek-v4-pro", None),
    search=Decimal("0.005"),
    claude_models=("claude-sonnet-5-5", "claude-haiku-5-5"),
    context=200_000,
    max_output=64_000,
)
PLAIN = ModelListing(
    id="deepreasoning/haiku",
    name="Haiku",
    created=0,
    defaults=RequestParameters(),
    answerer=StageModel("claude-haiku-5-5", None),
    lifecycle="deprecated",
)


def test_a_model_is_written_word_for_word() -> None:
    assert model_object(PAIR) == {
        "id": "deepreasoning",
        "object": "model",
        "created": 1795392000,
        "owned_by": "deepreasoning",
        "type": "model",
        "display_name": "DeepSeek R1 + Claude Sonnet 5.5",
        "created_at": "2026-11-23T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
        "supported_parameters": [
            {
                "name": "anthropic_model",
                "type": "string",
                "default": "sonnet",
                "enum": ["claude-sonnet-5-5", "claude-haiku-5-5"],
            },
            {"name": "temperature", "type": "number", "minimum": 0, "maximum": 2, "default": 0.7},
            {"name": "top_p", "type": "number", "minimum": 0, "maximum": 1, "default": 0.9},
            {
                "name": "max_tokens",
                "type": "integer",
                "minimum": 1,
                "maximum": 65536,
                "default": 8192,
            },
            {"name": "web_search_linkup", "type": "boolean", "default": False},
            {"name": "disable_formatting", "type": "boolean", "default": False},
        ],
        "pricing": {
            "currency": "USD",
            "unit": "million tokens",
            "reason": {
                "model": "deepseek-v4-pro",
                "input": None,
                "output": None,
                "cache_read": None,
                "cache_write": None,
            },
            "answer": {
                "model": "claude-sonnet-5-5",
                "input": "3",
                "output": "15",
                "cache_read": "0.3",
                "cache_write": "3.75",
            },
            "search": {"per_call": "0.005"},
        },
    }


def test_what_is_unknown_is_null_and_what_is_open_has_no_list() -> None:
    said = model_object(PLAIN)
    assert said["pricing"]["reason"] is None
    assert said["pricing"]["search"] == {"per_call": None}
    assert said["supported_parameters"][0] == {
        "name": "anthropic_model",
        "type": "string",
        "default": None,
    }
    assert (said["created_at"], said["lifecycle"]) == ("1970-01-01T00:00:00Z", "deprecated")


def test_the_list_is_one_page() -> None:
    said: Payload = model_list([PAIR, PLAIN])
    assert said == {
        "object": "list",
        "data": [model_object(PAIR), model_object(PLAIN)],
        "has_more": False,
        "first_id": "deepreasoning",
        "last_id": "deepreasoning/haiku",
    }


def test_a_list_of_nothing_is_a_list() -> None:
    assert model_list([]) == {
        "object": "list",
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }
