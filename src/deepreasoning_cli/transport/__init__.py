"""Everything that opens a connection: pool, timeouts, retries, server-sent events.

It imports what is below it (errors, events, keys) and knows no vendor's format. Open `client.py`
first.
"""

from deepreasoning_cli.transport.client import Transport
from deepreasoning_cli.transport.request import Request, RetryNotice, Timeouts, TransportLimits

__all__ = ["Request", "RetryNotice", "Timeouts", "Transport", "TransportLimits"]
