"""Ctrl-C while a turn runs: heard once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from deepreasoning_cli.cli.signals import sigint_once


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
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


def test_the_first_press_is_heard_and_no_other() -> None:
    cleared: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        put_away(cleared)
    assert cleared == ["all of it"]


def test_afterwards_it_is_as_before() -> None:
    hook = sys.unraisablehook
    with sigint_once():
        pass
    assert sys.unraisablehook is hook
    with pytest.raises(KeyboardInterrupt):
        press()


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


def test_where_ctrl_c_is_ignored_it_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with sigint_once():
        press()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_another_thread_leaves_signals_alone() -> None:
    seen: list[object] = []

    def look() -> None:
        with sigint_once():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
