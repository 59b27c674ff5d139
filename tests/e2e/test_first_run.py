"""The first minutes without a key: what is offered, asked and shown, and what never is."""

from __future__ import annotations

import os
import sys

from support.tmux import Tmux

KEY = "sk-ant-api03-Zb7_wQ9x-Kd2mR5vT8yN1cF4gH6jL0pS3uX"


def test_on_a_terminal_that_is_none_of_ours_a_long_key_leaves_no_trace(tmux: Tmux) -> None:
    tmux.start(f"{sys.executable} -m deepreasoning_cli config init; sleep 30", dict(os.environ))
    tmux.wait_for("Number [1]:")
    tmux.press("-l", KEY * 4)
    tmux.press("Enter")
    tmux.wait_for("was dropped")
    assert "sk-ant" not in "".join(tmux.lines())
