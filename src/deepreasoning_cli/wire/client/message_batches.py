"""Anthropic's Message Batches: many Messages requests sent at once, answered within a day.

They cost half, in and out. A batch takes up to 100,000 requests or 256 MB, and expires after 24
hours (platform.claude.com, build-with-claude/batch-processing).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.wire.client.payload import as_count, as_dict, as_text

PATH: Final = "/v1/messages/batches"
SHARE: Final = Decimal("0.5")
"""What of the price of the Messages API is paid."""
COUNTS: Final = ("processing", "succeeded", "errored", "canceled", "expired")
LEFT_OUT: Final = ("stream",)
"""Fields of a Messages request that one in a batch does not have."""


class BatchState(NamedTuple):
    """How far a batch is; `total` counts its requests, `over` those that are no longer running."""

    id: str
    ended: bool
    total: int
    over: int
    created: datetime | None


def batch_body(requests: Mapping[str, Payload]) -> Payload:
    """The request that sends these bodies of Messages requests, each with an id of ours."""
    return {
        "requests": [
            {
                "custom_id": name,
                "params": {key: body[key] for key in body if key not in LEFT_OUT},
            }
            for name, body in requests.items()
        ]
    }


def read_state(payload: Payload) -> BatchState | None:
    """The state of a batch; None where the payload is none."""
    id_, status = as_text(payload.get("id")), as_text(payload.get("processing_status"))
    if not (id_ and status):
        return None
    counts = [as_count(as_dict(payload.get("request_counts")).get(name)) or 0 for name in COUNTS]
    return BatchState(id_, status == "ended", sum(counts), sum(counts[1:]), _time(payload))


def _time(payload: Payload) -> datetime | None:
    try:
        created = datetime.fromisoformat(as_text(payload.get("created_at")))
    except ValueError:
        return None
    return created if created.tzinfo else created.replace(tzinfo=UTC)


def read_results(payloads: Iterable[Payload]) -> dict[str, Payload]:
    """The results by our ids; the lines come in any order."""
    return {
        name: as_dict(payload.get("result"))
        for payload in payloads
        if (name := as_text(payload.get("custom_id")))
    }
