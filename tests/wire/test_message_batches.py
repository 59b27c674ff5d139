"""The states of Anthropic's Message Batches, as far as a reply has one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from deepreasoning_cli.wire.client.message_batches import BatchState, read_state

WHOLE: dict[str, Any] = {
    "id": "msgbatch_1",
    "processing_status": "ended",
    "request_counts": {"processing": 1, "succeeded": 2, "errored": 3, "canceled": 0, "expired": 4},
    "created_at": "2026-11-27T08:00:00Z",
}


@pytest.mark.parametrize("without", ["id", "processing_status"])
def test_a_reply_without_an_id_or_a_status_is_no_batch(without: str) -> None:
    assert read_state({name: value for name, value in WHOLE.items() if name != without}) is None


@pytest.mark.parametrize("text", ["2026-11-27T08:00:00Z", "2026-11-27T08:00:00"])
def test_a_time_without_a_zone_is_in_utc(text: str) -> None:
    created = datetime(2026, 11, 27, 8, tzinfo=UTC)
    assert read_state(WHOLE | {"created_at": text}) == BatchState(
        "msgbatch_1", True, 10, 9, created
    )


@pytest.mark.parametrize("value", ["yesterday", "", None, 5])
def test_a_time_that_is_none_leaves_the_rest(value: object) -> None:
    state = read_state(WHOLE | {"created_at": value})
    assert state is not None
    assert (state.total, state.created) == (10, None)
