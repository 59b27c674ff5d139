"""Signals at the worst moment: while Python finalises something, where exceptions go nowhere."""

from __future__ import annotations

import sys

import pytest

from support.runner import Finished, run

PROGRAM = """
import os, signal, sys, time
from deepreasoning_cli.cli.signals import end_on_signals
from deepreasoning_cli.errors import Interrupted

end_on_signals()

class Connection:
    def __del__(self):
        {finaliser}

Connection()
try:
    time.sleep(5)
except (Interrupted, KeyboardInterrupt) as stopped:
    sys.exit(f"stopped by {{type(stopped).__name__}}{{stopped.args}}")
"""


@pytest.mark.parametrize(
    ("name", "stopped"),
    [
        ("SIGINT", b"stopped by KeyboardInterrupt()\n"),
        ("SIGTERM", b"stopped by Interrupted(15,)\n"),
        ("SIGHUP", b"stopped by Interrupted(1,)\n"),
    ],
)
def test_a_signal_that_falls_into_a_finaliser_still_stops_the_program(
    name: str, stopped: bytes
) -> None:
    code = PROGRAM.format(
        finaliser=f"signal.signal(signal.SIGINT, signal.default_int_handler);"
        f" os.kill(os.getpid(), signal.{name})"
    )
    assert run(program=(sys.executable, "-c", code)) == Finished(1, b"", stopped)


def test_a_fault_in_a_finaliser_is_reported_as_ever() -> None:
    code = PROGRAM.format(finaliser="1 / 0").replace("time.sleep(5)", "pass")
    result = run(program=(sys.executable, "-c", code))
    assert result.code == 0
    assert result.stderr.endswith(b"ZeroDivisionError: division by zero\n")
