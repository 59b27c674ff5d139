"""What a run has besides its settings: its connections, and the ids of its turns."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from deepreasoning_cli.greenlets import BLOCKING, Runtime
from deepreasoning_cli.settings.loaded import Loaded

if TYPE_CHECKING:
    from deepreasoning_cli.transport import Transport, Waiting
    from deepreasoning_cli.transport.client import WrapBackend

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # no letter that is read as another


def open_transport(
    loaded: Loaded,
    notify: Callable[[Waiting], None],
    log: Callable[[str], None],
    runtime: Runtime = BLOCKING,
    through: WrapBackend | None = None,
) -> Transport:
    """The transport of this run, with the user's patience; `through` as Transport takes it.

    Raises ConfigError.
    """
    from deepreasoning_cli.transport import Clocks, Transport

    patience = loaded.settings.timeout
    clocks = Clocks.all_of(patience) if patience else Clocks()
    return Transport(clocks, notify=notify, log=log, sleep=runtime.sleep, wrap_backend=through)


def new_id() -> str:
    """A turn's id: sixteen letters that sort by time of birth."""
    number = time.time_ns() // 1_000_000 << 32 | int.from_bytes(os.urandom(4))
    return "".join(ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))
