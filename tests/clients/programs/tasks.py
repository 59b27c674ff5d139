"""Does what a test asks: a line in names a task and its question, a line out says what came."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

URL = sys.argv[1]
MODEL = "deepreasoning"
SECOND = "And times 2?"


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def perform(*tasks: Callable[[str], dict[str, Any]]) -> None:
    """Perform tasks, each called by its name, until there are no more."""
    by_name = {task.__name__: task for task in tasks}
    replies, sys.stdout = sys.stdout, sys.stderr  # libraries print, too
    print(json.dumps(sorted(by_name)), file=replies, flush=True)
    for line in sys.stdin:
        name, question = json.loads(line)
        try:
            came = by_name[name](question)
        except Exception as error:  # noqa: BLE001 (told to the test)
            came = {"error": type(error).__name__, "message": str(error)}
        print(json.dumps(came), file=replies, flush=True)
