"""How often a costly property is tried: a person's run searches, the gate repeats, a proof counts.

`python -m tools.prove` is what runs tests at length.
"""

from __future__ import annotations

import os
from collections.abc import Callable

RecordProperty = Callable[[str, object], None]
"""The fixture of pytest by which a test says how much it has tried."""
Tried = Callable[[str], None]
"""The fixture `tried`: a test of hypothesis calls it with the promise's name for each example."""
AT_LENGTH = bool(os.environ.get("DEEPREASONING_PROVE"))


def often(times: int, at_length: int | None = None) -> int:
    """`times`; where the examples are the same each time anyway, half of them.

    `at_length` is how often a proof tries it.
    """
    if AT_LENGTH:
        return times if at_length is None else at_length
    return times // 2 if os.environ.get("CI") else times
