"""Everything that opens a connection: pool, timeouts, retries, server-sent events.

It imports what is below it (errors, events, keys) and knows no vendor's format. Open `client.py`
first.
"""

from typing import TYPE_CHECKING, Any

from deepreasoning_cli.transport.request import (
    DeferredTransport,
    Request,
    RetryNotice,
    Timeouts,
    TransportLimits,
)

if TYPE_CHECKING:
    from deepreasoning_cli.transport.client import Transport

__all__ = [
    "DeferredTransport",
    "Request",
    "RetryNotice",
    "Timeouts",
    "Transport",
    "TransportLimits",
]


def __getattr__(name: str) -> Any:
    """`Transport`, when it is first asked for: a plan is made before httpx is imported."""
    if name != "Transport":
        raise AttributeError(name)
    from deepreasoning_cli.transport.client import Transport

    return Transport
