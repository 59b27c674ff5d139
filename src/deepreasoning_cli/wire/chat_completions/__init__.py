"""The Chat Completions format, from both of its sides."""

from typing import TYPE_CHECKING

from deepreasoning_cli.wire.chat_completions.client import body, read
from deepreasoning_cli.wire.sides import server_side

if TYPE_CHECKING:
    from deepreasoning_cli.wire.chat_completions import asked
    from deepreasoning_cli.wire.chat_completions.server import Writer, envelope, whole, write

__all__ = ["Writer", "asked", "body", "envelope", "read", "whole", "write"]

__getattr__ = server_side(__name__)
