"""How a command waits."""

from __future__ import annotations

import threading
import time

from deepreasoning_cli.waits import BLOCKING


def test_a_command_sleeps_and_does_all_where_it_is() -> None:
    begun = time.monotonic()
    BLOCKING.sleep(0.01)
    assert time.monotonic() - begun >= 0.01
    assert BLOCKING.apart(threading.get_ident) == threading.get_ident()
