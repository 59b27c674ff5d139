"""The Responses format, from both of its sides."""

from typing import TYPE_CHECKING

from deepreasoning_cli.wire.responses.client import body, read
from deepreasoning_cli.wire.sides import server_side

if TYPE_CHECKING:
    from deepreasoning_cli.wire.responses import asked
    from deepreasoning_cli.wire.responses.server import Writer, envelope, whole, write

__all__ = ["Writer", "asked", "body", "envelope", "read", "whole", "write"]

__getattr__ = server_side(__name__)
