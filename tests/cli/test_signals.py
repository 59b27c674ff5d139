"""Signals that fall into a finaliser, where exceptions go nowhere; Ctrl-C while a turn runs."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from deepreasoning_cli.cli.signals import sigint_once
from support.runner import CompletedRun, run

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
    time.sleep(60)
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
    assert run(program=(sys.executable, "-c", code)) == CompletedRun(1, b"", stopped)


def test_a_fault_in_a_finaliser_is_reported_as_ever() -> None:
    code = PROGRAM.format(finaliser="1 / 0").replace("time.sleep(60)", "pass")
    result = run(program=(sys.executable, "-c", code))
    assert result.code == 0
    assert result.stderr.endswith(b"ZeroDivisionError: division by zero\n")


@pytest.fixture
def default_sigint() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def put_away(cleared: list[str]) -> None:
    with sigint_once():
        try:
            press()
        finally:
            press()
            cleared.append("all of it")


@pytest.mark.usefixtures("default_sigint")
def test_the_first_press_is_heard_and_no_other() -> None:
    cleared: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        put_away(cleared)
    assert cleared == ["all of it"]


@pytest.mark.usefixtures("default_sigint")
def test_afterwards_it_is_as_before() -> None:
    hook = sys.unraisablehook
    with sigint_once():
        pass
    assert sys.unraisablehook is hook
    with pytest.raises(KeyboardInterrupt):
        press()


@pytest.mark.usefixtures("default_sigint")
def test_a_press_that_a_finaliser_has_dropped_is_heard_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    dropped = SimpleNamespace(exc_value=KeyboardInterrupt())
    with sigint_once():
        with pytest.raises(KeyboardInterrupt):
            press()
        sys.unraisablehook(dropped)
        with pytest.raises(KeyboardInterrupt):
            press()
    assert told == [dropped]


@pytest.mark.usefixtures("default_sigint")
def test_where_ctrl_c_is_ignored_it_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with sigint_once():
        press()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.usefixtures("default_sigint")
def test_another_thread_leaves_signals_alone() -> None:
    seen: list[object] = []

    def look() -> None:
        with sigint_once():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(60)
    assert seen == [signal.default_int_handler]
