from __future__ import annotations

import pytest

from deepreasoning_cli.pipeline.events import Event, Handoff, Text, TurnStarted
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.views.base import DeferredView, View, ViewGroup

OPENED = TurnStarted("id1", "direct", "6 × 7?", Handoff.REASONING)


class Noted:
    """Writes down what it is handed; fails where it is told to."""

    def __init__(self, name: str, log: list[object], *, fails_at: object = None) -> None:
        self.name, self.log, self.fails_at = name, log, fails_at

    def __call__(self, event: Event) -> None:
        self.log.append((self.name, event))
        if event == self.fails_at:
            raise BrokenPipeError

    def close(self, failure: BaseException | None) -> None:
        self.log.append((self.name, type(failure)))
        if self.fails_at == "close":
            raise OSError(28, "No space left on device")


def test_views_see_events_and_are_closed_in_their_order() -> None:
    log: list[object] = []
    record = TurnRecord()
    with ViewGroup(record, [Noted("a", log), Noted("b", log)]) as show:
        show(OPENED)
    none = type(None)
    assert log == [("a", OPENED), ("b", OPENED), ("a", none), ("b", none)]
    assert (record.start, record.complete) == (OPENED, True)


def test_a_failure_reaches_every_view_and_goes_on() -> None:
    log: list[object] = []
    record = TurnRecord()
    with pytest.raises(KeyboardInterrupt), ViewGroup(record, [Noted("a", log), Noted("b", log)]):
        raise KeyboardInterrupt
    assert (log, record.complete) == (
        [("a", KeyboardInterrupt), ("b", KeyboardInterrupt)],
        False,
    )


def test_a_view_that_cannot_be_closed_does_not_keep_the_others_open() -> None:
    log: list[object] = []
    views = [Noted("a", log, fails_at="close"), Noted("b", log)]
    with pytest.raises(OSError, match="No space"), ViewGroup(TurnRecord(), views):
        pass
    assert [entry[0] for entry in log if isinstance(entry, tuple)] == ["a", "b"]


def test_a_delayed_view_sees_everything_at_the_end() -> None:
    log: list[object] = []
    delayed = DeferredView(Noted("a", log))
    delayed(OPENED)
    delayed(Text("42"))
    assert log == []
    delayed.close(None)
    assert log == [("a", OPENED), ("a", Text("42")), ("a", type(None))]


def test_a_delayed_view_shows_what_came_before_a_failure() -> None:
    log: list[object] = []
    delayed = DeferredView(Noted("a", log))
    delayed(Text("4"))
    delayed.close(KeyboardInterrupt())
    assert log == [("a", Text("4")), ("a", KeyboardInterrupt)]


def test_a_delayed_view_that_fails_is_closed_all_the_same() -> None:
    log: list[object] = []
    delayed = DeferredView(Noted("a", log, fails_at=Text("4")))
    delayed(Text("4"))
    delayed(Text("2"))
    with pytest.raises(BrokenPipeError):
        delayed.close(None)
    assert log == [("a", Text("4")), ("a", BrokenPipeError)]


def showing(*events: Event, views: list[View], keeper: View | None = None) -> None:
    with ViewGroup(TurnRecord(), views, keeper) as show:
        for event in events:
            show(event)


class Buggy(Noted):
    def __call__(self, event: Event) -> None:
        super().__call__(event)
        raise TypeError("a bug")


def test_a_view_with_a_bug_is_shown_no_more_and_the_turn_goes_on() -> None:
    log: list[object] = []
    views: list[View] = [Buggy("a", log), Noted("b", log)]
    with pytest.raises(TypeError, match="a bug"):
        showing(OPENED, Text("42"), views=views, keeper=Noted("k", log))
    assert log == [
        ("k", OPENED),
        ("a", OPENED),
        ("b", OPENED),
        ("k", Text("42")),
        ("b", Text("42")),
        ("a", TypeError),
        ("b", type(None)),
        ("k", type(None)),
    ]


def test_a_bug_in_the_last_view_ends_the_turn() -> None:
    log: list[object] = []
    with pytest.raises(TypeError, match="a bug"):
        showing(OPENED, Text("never"), views=[Buggy("a", log)])
    assert log == [("a", OPENED), ("a", TypeError)]
