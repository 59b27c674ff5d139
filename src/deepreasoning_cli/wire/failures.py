"""A failure that a reply itself reports, whatever its envelope, as an error of ours."""

from __future__ import annotations

from typing import Final

from deepreasoning_cli.errors import (
    ConfigError,
    DeepReasoningError,
    RefusedError,
    UnavailableError,
)
from deepreasoning_cli.wire.shape import mapping, text, words

REJECTED: Final = frozenset({"authentication_error", "invalid_api_key", "missing_api_key"})
"""What Anthropic and the gateway call a key that is wrong or missing."""
REFUSALS: Final = frozenset(
    {
        "billing_error",
        "insufficient_credits",
        "insufficient_quota",
        "invalid_request_error",
        "model_not_found",
        "not_found_error",
        "permission_error",
        "request_too_large",
    }
)
"""Failures that the same request would meet again (api-facts.md, sections 1.7 and 4.2)."""


def failure(error: object, *, kind: str, request_id: str | None = None) -> DeepReasoningError:
    """The error for an `error` object or text; `kind` names it where its own words do not.

    ConfigError for a rejected key, RefusedError for a request that would fail again,
    UnavailableError for everything else.
    """
    said = words(error)
    names = {text(mapping(error).get(name)) for name in ("code", "type")}
    if rejected := names & REJECTED:
        return ConfigError(
            f"the server rejected the key: {said}",
            hint="check the key with: deepreasoning config check",
            kind=min(rejected),
            request_id=request_id,
        )
    if refused := names & REFUSALS:
        return RefusedError(
            f"the server refused the request: {said}",
            hint="change the request; the same one would be refused again",
            kind=min(refused),
            request_id=request_id,
        )
    return UnavailableError(
        f"the server broke off the reply: {said}",
        hint="try again in a minute",
        kind=kind,
        request_id=request_id,
    )
