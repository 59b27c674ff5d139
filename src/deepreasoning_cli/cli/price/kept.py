"""What the history says of what was paid."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from deepreasoning_cli import paths
from deepreasoning_cli.cli.messages import message
from deepreasoning_cli.cli.options import Globals
from deepreasoning_cli.history.archive import Archive
from deepreasoning_cli.history.spending import Spending
from deepreasoning_cli.settings.loaded import Loaded


def read_spending(
    given: Globals, loaded: Loaded, since: datetime | None = None
) -> list[Spending] | None:
    """What was paid for since then (aware; None: ever); None where nothing was ever kept.

    Turns that dead processes left behind count too, where the settings keep a history. Raises
    as the store does.
    """
    archive = Archive(paths.data_dir(), partial(message, given))
    return archive.spending(since, adopts=loaded.settings.history)
