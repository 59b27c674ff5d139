"""The status that each failure has, and that nothing of the owner's is in its words."""

from __future__ import annotations

import pytest

from deepreasoning_cli.errors import (
    ConfigError,
    DeepReasoningError,
    IncompleteError,
    RefusedError,
    UnavailableError,
    UsageError,
    WriteError,
)
from deepreasoning_cli.keys import validate_and_remember
from deepreasoning_cli.server.asgi import failure_response
from deepreasoning_cli.server.errors import FORWARDED_STATUSES, to_failure
from deepreasoning_cli.wire.server.errors import ApiError
from support.asgi_calls import scope


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("empty"), 400),
        (UsageError("long", kind="too_long"), 400),
        (RefusedError("no"), 400),
        (RefusedError("gone", kind="model_retired", status=410), 404),
        (RefusedError("unknown", kind="model_not_found"), 404),
        (RefusedError("long", kind="context_length_exceeded"), 400),
        (RefusedError("dear", kind="cost_cap"), 402),
        (RefusedError("no credit", status=402), 402),
        (RefusedError("rejected", status=401), 400),
        (ConfigError("no key", kind="key_missing"), 403),
        (ConfigError("rejected", kind="key_rejected", status=401), 403),
        (ConfigError("no more", kind="too_many_files"), 503),
        (IncompleteError("no more", kind="out_of_memory"), 503),
        (UnavailableError("silent", kind="timeout"), 504),
        (UnavailableError("who?", kind="dns"), 502),
        (UnavailableError("refused", kind="connect"), 502),
        (UnavailableError("lost", kind="connection_lost"), 502),
        (UnavailableError("busy", status=529), 529),
        (UnavailableError("slow down", status=429), 429),
        (UnavailableError("broken", status=500), 502),
        (IncompleteError("cut"), 502),
        (WriteError("full"), 500),
        (DeepReasoningError("?"), 500),
    ],
)
def test_each_failure_has_its_status(error: DeepReasoningError, status: int) -> None:
    assert to_failure(error, "turn1").status == status


@pytest.mark.parametrize("status", sorted(FORWARDED_STATUSES))
def test_what_a_vendor_says_to_us_it_says_to_the_caller(status: int) -> None:
    assert to_failure(UnavailableError("no", status=status), "turn1").status == status


def test_the_caller_is_told_the_stage_and_the_turn() -> None:
    error = UnavailableError("api.example.com is busy", kind="overloaded", status=503)
    assert to_failure(error.at("answer"), "turn1") == ApiError(
        503, "overloaded", "answer: api.example.com is busy", None, "turn1"
    )


def test_a_key_that_was_rejected_is_the_owners_matter_unless_the_caller_brought_it() -> None:
    error = ConfigError("key …abcd was rejected", kind="key_rejected", status=401)
    owners, callers = to_failure(error, "1"), to_failure(error, "1", byok=True)
    assert (owners.status, callers.status) == (403, 401)
    assert "abcd" not in owners.message
    assert callers.message == "key …abcd was rejected"


def test_what_the_owners_system_lacks_is_said_as_having_no_room() -> None:
    failure = to_failure(ConfigError("cannot open another file", kind="too_many_files"), "1")
    assert failure.message == "the server has no room for another reply; try again in a moment"


def test_no_key_that_was_loaded_is_in_the_words() -> None:
    key = validate_and_remember("deepseek", "sk-canary-7Fq0pXw2Zr9Kd4LmT8vBn5", "a test")
    failure = to_failure(UnavailableError(f"it said {key.value}"), "1")
    assert failure.message == "it said [key]"


@pytest.mark.parametrize(
    ("error", "stops"),
    [
        (UnavailableError("busy", kind="overloaded", status=529), False),
        (UnavailableError("slow down", kind="rate_limit", status=429), False),
        (UnavailableError("silent", kind="timeout"), False),
        (IncompleteError("cut", kind="cut", stage="answer"), False),
        (IncompleteError("cut", kind="cut", stage="reason"), True),
        (RefusedError("the month is over", kind="no_credit", status=429), True),
        (UnavailableError("no TLS", kind="tls"), True),
        (DeepReasoningError("?"), True),
        (RefusedError("no credit", kind="no_credit", status=402), False),
    ],
)
def test_clients_are_told_where_asking_again_cannot_help(
    error: DeepReasoningError, stops: bool
) -> None:
    failure = to_failure(error, "1")
    assert failure.stops_retries is stops
    headers = failure_response(scope(), failure).headers
    assert headers.get("x-should-retry") == ("false" if stops else None)
