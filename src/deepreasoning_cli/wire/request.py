"""What requests of all formats have in common: the model, the six parameters, no tools."""

from __future__ import annotations

from typing import Final

from deepreasoning_cli.events import Prompt
from deepreasoning_cli.wire.asked import (
    MAX_TOKENS,
    TEMPERATURE,
    TOP_P,
    ChatRequest,
    RequestParameters,
)
from deepreasoning_cli.wire.fields import Fields

NO_TOOLS: Final[dict[str, tuple[object, ...]]] = {
    "tools": ([],),
    "tool_choice": ("none", "auto", {"type": "none"}, {"type": "auto"}),
    "functions": ([],),
    "function_call": ("none", "auto"),
}
"""What may stand in a request of any format only in these values."""


def build_chat_request(
    request: Fields, prompt: Prompt, *, limits: tuple[str, ...], include_usage: bool = True
) -> ChatRequest:
    """The request for `prompt`; `limits` are the format's names for `max_tokens`."""
    return ChatRequest(
        model=request.name("model") or request.refuse("model", "is required"),
        prompt=prompt,
        parameters=RequestParameters(
            anthropic_model=request.name("anthropic_model"),
            temperature=request.number("temperature", *TEMPERATURE),
            top_p=request.number("top_p", *TOP_P),
            max_tokens=_max_tokens(request, limits),
            web_search_linkup=request.boolean("web_search_linkup"),
            disable_formatting=request.boolean("disable_formatting"),
        ),
        stream=request.boolean("stream") or False,
        include_usage=include_usage,
    )


def _max_tokens(request: Fields, names: tuple[str, ...]) -> int | None:
    """The one limit, under whichever of its names it stands."""
    first: int | None = None
    for name in names:
        value = request.integer(name, *MAX_TOKENS)
        if None not in (first, value) and first != value:
            request.refuse(name, f"must not differ from {names[0]}")
        first = first if value is None else value
    return first
