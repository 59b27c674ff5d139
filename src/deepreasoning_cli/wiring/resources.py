"""The transport of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from deepreasoning_cli.settings.loaded import Loaded
from deepreasoning_cli.waits import BLOCKING, Waits

if TYPE_CHECKING:
    from deepreasoning_cli.transport import Transport, Waiting
    from deepreasoning_cli.transport.client import Through


def connected(
    loaded: Loaded,
    notify: Callable[[Waiting], None],
    log: Callable[[str], None],
    waits: Waits = BLOCKING,
    through: Through | None = None,
) -> Transport:
    """The transport of this run, with the user's patience; `through` as Transport takes it.

    Raises ConfigError.
    """
    from deepreasoning_cli.transport import Clocks, Transport

    patience = loaded.settings.timeout
    clocks = Clocks.all_of(patience) if patience else Clocks()
    return Transport(clocks, notify=notify, log=log, sleep=waits.sleep, through=through)
