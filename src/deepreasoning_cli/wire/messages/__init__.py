"""The Anthropic Messages format, from both of its sides."""

from typing import TYPE_CHECKING

from deepreasoning_cli.wire.messages.caching import breakpoints, tokens_before
from deepreasoning_cli.wire.messages.client import body, read
from deepreasoning_cli.wire.sides import server_side

if TYPE_CHECKING:
    from deepreasoning_cli.wire.messages import asked
    from deepreasoning_cli.wire.messages.server import Writer, envelope, whole, write

__all__ = [
    "Writer",
    "asked",
    "body",
    "breakpoints",
    "envelope",
    "read",
    "tokens_before",
    "whole",
    "write",
]

__getattr__ = server_side(__name__)
