"""A failure in the words of each format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.sanitize import single_line

LONGEST: Final = 500
"""Characters of a message that a caller gets."""

OPENAI_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    408: "timeout_error",
    429: "rate_limit_error",
}
"""Statuses that OpenAI does not call a bad request; an unknown model is a bad request."""
ANTHROPIC_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""The words of api-facts.md, section 1.7; others use 503 for Anthropic's own 529."""


@dataclass(frozen=True, slots=True)
class ApiError:
    """A failure for the caller: HTTP `status`, `kind` as a stable word, what happened.

    `field` is the place in the request that is wrong. `is_final` says that the same request would
    fail again, or would pay again for what this one has paid for. As a part of a reply it is the
    last one: it ends the stream with the format's own error event.
    """

    status: int
    kind: str
    message: str
    field: str | None = None
    request_id: str | None = None
    is_final: bool = False

    @property
    def safe_message(self) -> str:
        """The message on one line, safe to show."""
        return single_line(self.message, LONGEST)

    @property
    def openai_type(self) -> str:
        """OpenAI's word for the status."""
        return self._type(OPENAI_TYPES, "server_error")

    @property
    def anthropic_type(self) -> str:
        """Anthropic's word for the status."""
        return self._type(ANTHROPIC_TYPES, "api_error")

    @property
    def stops_retries(self) -> bool:
        """Whether clients would repeat the request by its status, and should not.

        The statuses are those of the official SDKs (api-facts.md, section 6).
        """
        return self.is_final and (self.status in (408, 409, 429) or self.status >= 500)

    def _type(self, types: Mapping[int, str], server_type: str) -> str:
        other = server_type if self.status >= 500 else "invalid_request_error"
        return types.get(self.status, other)


def openai_envelope(failure: ApiError) -> Payload:
    """The object of Chat Completions and Responses (api-facts.md, section 5.1)."""
    return {
        "error": {
            "message": failure.safe_message,
            "type": failure.openai_type,
            "param": failure.field,
            "code": failure.kind,
        }
    }


def anthropic_envelope(failure: ApiError) -> Payload:
    """The object of Messages; its `error_code` is the `kind` (api-facts.md, section 1.7)."""
    error = {
        "type": failure.anthropic_type,
        "message": failure.safe_message,
        "details": {"error_code": failure.kind},
    }
    return {"type": "error", "error": error, "request_id": failure.request_id}
