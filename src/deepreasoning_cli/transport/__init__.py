"""The only room that opens connections: pool, clocks, retries, SSE."""

from deepreasoning_cli.transport.client import Transport
from deepreasoning_cli.transport.request import Clocks, Request, Waiting

__all__ = ["Clocks", "Request", "Transport", "Waiting"]
