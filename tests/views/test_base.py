from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from deepreasoning_cli.pipeline.events import (
    Event,
    Handoff,
    Stage,
    StageStarted,
    Text,
    Thought,
    TurnStarted,
)
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.views import base
from deepreasoning_cli.views.base import DeferredView, LazyView, View, ViewGroup

OPENED = TurnStarted("id1", "direct", "6 × 7?", Handoff.REASONING)
STARTED = StageStarted(Stage.REASON, "r", 1, None, datetime(2026, 11, 26, tzinfo=UTC))


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


class Maker:
    """Makes one view, and tells when it was asked to; `fails_at` is the view's."""

    def __init__(self, *, fails_at: object = None) -> None:
        self.log: list[object] = []
        self.asked = threading.Event()
        self._fails_at = fails_at

    def __call__(self) -> View:
        self.log.append("made")
        self.asked.set()
        return Noted("a", self.log, fails_at=self._fails_at)


def test_a_lazy_view_is_made_once_the_request_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "CONNECTING", None)
    sent, maker = threading.Event(), Maker()
    view = LazyView(maker, sent)
    view(OPENED)
    view(STARTED)
    assert maker.log == []
    sent.set()
    assert maker.asked.wait(60)
    view(Thought("6"))
    view.close(None)
    shown = [OPENED, STARTED, Thought("6"), type(None)]
    assert maker.log == ["made", *(("a", each) for each in shown)]


def test_a_lazy_view_is_made_while_a_connection_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "CONNECTING", 0.001)
    maker = Maker()
    view = LazyView(maker, threading.Event())
    view(STARTED)
    assert maker.asked.wait(60)
    view.close(None)
    assert maker.log == ["made", ("a", STARTED), ("a", type(None))]


def test_what_needs_no_connection_finds_its_lazy_view_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(base, "CONNECTING", None)  # it would wait for ever
    maker = Maker()
    view = LazyView(maker, threading.Event())
    view(STARTED)
    view(Thought("6"))
    assert maker.log == ["made", ("a", STARTED), ("a", Thought("6"))]


def test_a_lazy_view_shows_a_turn_that_fails_before_its_request_is_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(base, "CONNECTING", None)
    maker = Maker()
    view = LazyView(maker, threading.Event())
    view(STARTED)
    view.close(KeyboardInterrupt())
    assert maker.log == ["made", ("a", STARTED), ("a", KeyboardInterrupt)]


def test_a_lazy_view_is_not_made_for_a_turn_without_a_stage() -> None:
    maker = Maker()
    view = LazyView(maker, threading.Event())
    view(OPENED)
    view.close(ValueError())
    assert maker.log == []


def test_a_lazy_view_that_cannot_be_made_is_a_bug_like_any_other() -> None:
    def make() -> View:
        raise TypeError("a bug")

    log: list[object] = []
    views: list[View] = [LazyView(make, threading.Event()), Noted("b", log)]
    with pytest.raises(TypeError, match="a bug"):
        showing(STARTED, Text("42"), views=views)
    assert log == [("b", STARTED), ("b", Text("42")), ("b", type(None))]


def test_a_terminal_that_is_gone_ends_the_turn_of_a_lazy_view() -> None:
    maker = Maker(fails_at=STARTED)
    with pytest.raises(BrokenPipeError):
        showing(STARTED, Text("never"), views=[LazyView(maker, threading.Event())])
    assert maker.log == ["made", ("a", STARTED), ("a", BrokenPipeError)]
