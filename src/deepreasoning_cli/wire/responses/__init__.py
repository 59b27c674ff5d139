"""The Responses format, from both of its sides."""

from deepreasoning_cli.wire.responses.client import body, read
from deepreasoning_cli.wire.responses.server import whole, write

__all__ = ["body", "read", "whole", "write"]
