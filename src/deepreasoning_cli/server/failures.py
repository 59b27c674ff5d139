"""Failures of a turn as HTTP knows them: the status, and for how long to wait."""

from __future__ import annotations

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
from deepreasoning_cli.wire.refusal import ApiError

PASSED_ON: Final = frozenset({400, 402, 403, 404, 408, 409, 413, 422, 429, 503, 504, 529})
"""Statuses of a vendor that say to our caller what they say to us.

401 is not among them: the owner's key was rejected, not the caller's.
"""
KEY_REJECTED: Final = "key_rejected"
BY_KIND: Final = {
    KEY_REJECTED: 503,
    "model_retired": 404,
    "model_not_found": 404,
    "cost_cap": 402,
    "timeout": 504,
}
"""Kinds whose status is not that of their class or of the vendor."""
REJECTED: Final = "the key of the server's owner was rejected"
MISSING: Final = "the server is not set up for this; its log says what is missing"
"""All that a caller is told of the owner's settings."""
BUSY: Final = ApiError(503, "overloaded", "too many replies at once; try again in a moment")
STOPPING: Final = ApiError(503, "shutting_down", "the server is shutting down; ask again")
BROKEN: Final = ApiError(502, "internal", "the reply could not be made; the server's log says why")


def failure_of(error: DeepReasoningError, turn: str, *, byok: bool = False) -> ApiError:
    """What the caller is told; no key is in it. A caller's own key that was rejected is a 401."""
    status = _status(error)
    if byok and error.status == 401:
        status = 401
    said = error.message
    if not byok:
        if error.kind == KEY_REJECTED:  # after the reasoning it is an IncompleteError
            said = REJECTED
        elif isinstance(error, ConfigError):
            said = MISSING
    stage = f"{error.stage}: " if error.stage else ""
    return ApiError(status, error.kind, redact_known(stage + said), None, turn)


def _status(error: DeepReasoningError) -> int:
    if error.kind in BY_KIND:
        return BY_KIND[error.kind]
    if error.status in PASSED_ON:
        return error.status
    match error:
        case UsageError() | RefusedError():
            return 400
        case ConfigError():
            return 503  # the caller can do nothing about it, and later it may be mended
        case UnavailableError() | IncompleteError():
            return 502
        case _:
            return 500
