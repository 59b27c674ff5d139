"""How often a costly property is tried: a person's run searches, the gate repeats."""

from __future__ import annotations

import os


def often(times: int) -> int:
    """`times`; where the examples are the same each time anyway, half of them."""
    return times // 2 if os.environ.get("CI") else times
