"""Errors as HTTP failures, and what ends a request or a turn early."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from deepreasoning_cli.errors import (
    ConfigError,
    DeepReasoningError,
    IncompleteError,
    RefusedError,
    UnavailableError,
    UsageError,
)
from deepreasoning_cli.keys import redact_known
from deepreasoning_cli.pipeline.events import Stage
from deepreasoning_cli.wire.server.errors import ApiError

FORWARDED_STATUSES: Final = frozenset({400, 402, 403, 404, 408, 409, 413, 422, 429, 503, 504, 529})
"""Statuses of a vendor that say to our caller what they say to us.

401 is not among them: the owner's key was rejected, not the caller's.
"""
KEY_REJECTED: Final = "key_rejected"
STATUS_BY_KIND: Final = {
    KEY_REJECTED: 403,
    "model_retired": 404,
    "model_unknown": 404,
    "model_not_found": 404,
    "cost_cap": 402,
    "timeout": 504,
    "too_many_files": 503,
    "out_of_memory": 503,
}
"""Kinds whose status is not that of their class or of the vendor."""
FINAL_KINDS: Final = frozenset({"no_credit", "tls", "proxy", "bug"})
"""Kinds that no waiting heals, whatever their status promises."""
OWNER_KEY_REJECTED: Final = "the key of the server's owner was rejected"
NOT_SET_UP: Final = "the server is not set up for this; its log says what is missing"
"""All that a caller learns about the owner's settings."""
NO_ROOM: Final = "the server has no room for another reply; try again in a moment"
"""And about what the owner's system has no more of."""
STOPPING: Final = ApiError(503, "shutting_down", "the server is shutting down; ask again")
INTERNAL: Final = ApiError(
    502, "internal", "the reply could not be made; the server's log says why", is_final=True
)


class ClientDisconnected(Exception):  # noqa: N818 (as Starlette has it)
    """The caller disconnected before the request was complete; no response is sent."""


class Rejected(Exception):  # noqa: N818 (what happened to the request, in a word)
    """A request that is answered with a failure, before a turn starts."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        field: str | None = None,
        *,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.failure = ApiError(status, kind, message, field)
        self.retry_after = retry_after
        self.headers = headers


class CancelReason(StrEnum):
    """Why a turn was cancelled."""

    DISCONNECTED = "caller_gone"
    SHUTDOWN = "shutting_down"


def to_failure(error: DeepReasoningError, turn: str, *, byok: bool = False) -> ApiError:
    """The failure for the caller, without any key. A rejected key of the caller's own is a 401."""
    status = 401 if byok and error.status == 401 else _status_of(error)
    message = error.message
    if not byok:
        if error.kind == KEY_REJECTED:  # after the reasoning it is an IncompleteError
            message = OWNER_KEY_REJECTED
        elif isinstance(error, ConfigError):
            message = NO_ROOM if status == 503 else NOT_SET_UP
    stage = f"{error.stage}: " if error.stage else ""
    text = redact_known(stage + message)
    return ApiError(status, error.kind, text, None, turn, is_final=_is_final(error))


def _is_final(error: DeepReasoningError) -> bool:
    """Whether the same request should not be sent again by itself. Cut reasoning was paid for, and
    would be paid for again; whole reasoning is kept for the next request.
    """
    was_reasoning = isinstance(error, IncompleteError) and error.stage == Stage.REASON
    return was_reasoning or error.kind in FINAL_KINDS


def _status_of(error: DeepReasoningError) -> int:
    if error.kind in STATUS_BY_KIND:
        return STATUS_BY_KIND[error.kind]
    if error.status in FORWARDED_STATUSES:
        return error.status
    match error:
        case UsageError() | RefusedError():
            return 400
        case ConfigError():
            return 403  # nothing that waiting mends, so no status that clients repeat
        case UnavailableError() | IncompleteError():
            return 502
        case _:
            return 500
