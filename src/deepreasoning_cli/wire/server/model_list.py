"""The list of models, as an object that OpenAI's and Anthropic's clients can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.pipeline.money import Rates, decimal_usd
from deepreasoning_cli.wire.server.request import MAX_TOKENS, TEMPERATURE, TOP_P, RequestParameters

OWNER: Final = "deepreasoning"

PARAMETER_TYPES: Final[Mapping[str, Payload]] = {
    "anthropic_model": {"type": "string"},
    "temperature": {"type": "number", "minimum": TEMPERATURE[0], "maximum": TEMPERATURE[1]},
    "top_p": {"type": "number", "minimum": TOP_P[0], "maximum": TOP_P[1]},
    "max_tokens": {"type": "integer", "minimum": MAX_TOKENS[0], "maximum": MAX_TOKENS[1]},
    "web_search_linkup": {"type": "boolean"},
    "disable_formatting": {"type": "boolean"},
}

LIFECYCLES: Final = ("active", "deprecated", "retired")
"""The words of Anthropic's type; what is old but answers, and what nobody knows, is active."""
UNPRICED: Final = dict.fromkeys(("input", "output", "cache_read", "cache_write"))


@dataclass(frozen=True, slots=True)
class StageModel:
    """The model of one stage, and its rates; None if they are unknown."""

    model: str
    rates: Rates | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelListing:
    """A model id that a request may name.

    `created` is in Unix seconds. `defaults` apply to a request without parameters;
    `claude_models` are the values of `anthropic_model`. `reasoner` is None if one rate covers both
    stages. `search` is USD for one web search. `context` and `max_output` are tokens, None if
    unknown.
    """

    id: str
    name: str
    created: int
    defaults: RequestParameters
    answerer: StageModel
    reasoner: StageModel | None = None
    search: Decimal | None = None
    claude_models: tuple[str, ...] = ()
    context: int | None = None
    max_output: int | None = None
    lifecycle: str = "active"


def model_object(model: ModelListing) -> Payload:
    """The object of one model, with what both vendors' clients expect in it."""
    return {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": OWNER,
        "type": "model",
        "display_name": model.name,
        "created_at": f"{datetime.fromtimestamp(model.created, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "lifecycle": model.lifecycle if model.lifecycle in LIFECYCLES else "active",
        "max_input_tokens": model.context,
        "max_tokens": model.max_output,
        "supported_parameters": _parameters(model),
        "pricing": _pricing(model),
    }


def model_list(models: Sequence[ModelListing]) -> Payload:
    """The list of all models, on one page."""
    return {
        "object": "list",
        "data": [model_object(model) for model in models],
        "has_more": False,
        "first_id": models[0].id if models else None,
        "last_id": models[-1].id if models else None,
    }


def _parameters(model: ModelListing) -> list[Payload]:
    """The six parameters with type, default and allowed values."""
    enum = {"anthropic_model": {"enum": list(model.claude_models)}} if model.claude_models else {}
    return [
        {"name": name, **kind, "default": getattr(model.defaults, name), **enum.get(name, {})}
        for name, kind in PARAMETER_TYPES.items()
    ]


def _pricing(model: ModelListing) -> Payload:
    """USD per million tokens for each stage, and per call for the search."""
    return {
        "currency": "USD",
        "unit": "million tokens",
        "reason": _rates(model.reasoner) if model.reasoner else None,
        "answer": _rates(model.answerer),
        "search": {"per_call": decimal_usd(model.search)},
    }


def _rates(priced: StageModel) -> Payload:
    return {"model": priced.model, **(priced.rates.as_json() if priced.rates else UNPRICED)}
