"""The ids of turns."""

from __future__ import annotations

import secrets
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # no letter that is read as another


def new_id() -> str:
    """A turn's id: sixteen letters that sort by time of birth."""
    number = time.time_ns() // 1_000_000 << 32 | secrets.randbits(32)
    return "".join(ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))
