"""The Anthropic Messages format, from both of its sides."""

from deepreasoning_cli.wire.messages.client import body, read
from deepreasoning_cli.wire.messages.server import whole, write

__all__ = ["body", "read", "whole", "write"]
