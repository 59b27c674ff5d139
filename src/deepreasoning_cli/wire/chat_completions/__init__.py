"""The Chat Completions format, from both of its sides."""

from deepreasoning_cli.wire.chat_completions.client import body, read
from deepreasoning_cli.wire.chat_completions.server import whole, write

__all__ = ["body", "read", "whole", "write"]
