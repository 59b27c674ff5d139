"""How code waits: a command blocks, since it has nothing else to do; a server must not."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def _here(action: Callable[[], Any]) -> Any:
    return action()


@dataclass(frozen=True, slots=True)
class Waits:
    """`sleep` takes seconds; `apart` runs what waits for a disk, and returns what that returns."""

    sleep: Callable[[float], None] = time.sleep
    apart: Callable[[Callable[[], Any]], Any] = _here


BLOCKING = Waits()
