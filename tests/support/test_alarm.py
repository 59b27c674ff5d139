"""A test that hangs, and hangs again while it cleans up, ends all the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from support import alarm


@pytest.fixture
def restored(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    alarm.set_for(request.node.nodeid, 60)  # what the tests here have cancelled


@pytest.mark.usefixtures("restored")
def test_each_wait_on_the_way_out_is_ended() -> None:
    never, ended = threading.Event(), list[str]()

    def hang() -> None:
        try:
            never.wait()
        finally:
            try:
                ended.append("body")
                never.wait()
            finally:
                ended.append("clean-up")
                never.wait()

    alarm.set_for("it", 0.05, again=0.05)
    with pytest.raises(pytest.fail.Exception, match=r"^it took more than 0\.05 seconds$"):
        hang()
    alarm.cancel()
    assert ended == ["body", "clean-up"]


@pytest.mark.usefixtures("restored")
def test_who_swallows_the_first_alarm_gets_another() -> None:
    rung = 0
    alarm.set_for("it", 0.05, again=0.05)
    while rung < 3:
        try:
            threading.Event().wait()
        except BaseException:  # noqa: BLE001 - as a program does that reports whatever happens
            rung += 1
    alarm.cancel()


def test_another_thread_has_no_alarm() -> None:
    said: list[object] = []
    thread = threading.Thread(target=lambda: said.append(alarm.set_for("it", 60)), daemon=True)
    thread.start()
    thread.join(60)
    assert said == [None]
