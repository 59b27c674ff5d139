"""The journal of a running turn."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deepreasoning_cli.errors import (
    IncompleteError,
    Interrupted,
    RefusedError,
    UnavailableError,
)
from deepreasoning_cli.greenlets import Runtime
from deepreasoning_cli.history.journal import SYNC_THREADS, Disk, Journal, JournalFile, Syncer
from deepreasoning_cli.history.journal_format import TurnOutcome
from deepreasoning_cli.history.locks import try_lock
from deepreasoning_cli.history.recovery import recover, replay
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.pipeline.events import (
    Draft,
    Event,
    Reused,
    Stage,
    StageFinished,
    Text,
    Thought,
)
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.views.json import turn_object
from support.sample_turns import (
    THOUGHTS,
    WHEN,
    answer_events,
    journal_turn,
    no_warning,
    open_store,
    reason_events,
    record_of,
    turn_events,
    turn_started,
)

CUT_OFF = IncompleteError("cut", kind="cut", stage="answer")


def eventually(happened: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


class Onlooker:
    """A view behind the journal, that reads the file when an event reaches it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: list[tuple[str, str]] = []
        self.afterwards: bool | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Thought | Text):
            with self.path.open("rb") as file:
                record = replay(file).record
            self.seen.append((record.reasoning, record.answer))

    def close(self, failure: BaseException | None) -> None:
        self.afterwards = self.path.exists()


def test_each_delta_is_in_the_file_before_the_next_view_sees_it(tmp_path: Path) -> None:
    onlooker = Onlooker(tmp_path / "journal/turn1.jsonl")
    record_of(turn_events(), lambda record: Journal(tmp_path, record, no_warning), None, onlooker)
    thought = ["First, ", "First, what is asked? ", "First, what is asked? Six sevens."]
    assert onlooker.seen == [
        *((text, "") for text in thought),
        (thought[-1], "Forty"),
        (thought[-1], "Forty-two."),
    ]
    assert onlooker.afterwards is False


def test_a_turn_that_has_ended_is_in_the_store_and_its_journal_gone(tmp_path: Path) -> None:
    record = journal_turn(tmp_path, turn_events(session="sums"), warn=no_warning)
    with open_store(tmp_path) as store:
        assert turn_object(store.turn("turn1")) == turn_object(record)
        assert [(row.status, row.outcome) for row in store.listing()] == [("complete", "complete")]
    assert list((tmp_path / "journal").iterdir()) == []


def cut_at_the_limit() -> list[Event]:
    limit = StageFinished(
        Stage.ANSWER, "claude", None, None, None, 1.0, "max_tokens", complete=False
    )
    return [*turn_events()[:-1], limit]


def declined() -> list[Event]:
    refusal = StageFinished(
        Stage.ANSWER, "claude", None, None, None, 1.0, "refusal", complete=False
    )
    return [*turn_events()[:-1], refusal]


@pytest.mark.parametrize(
    ("events", "failure", "outcome"),
    [
        (turn_events(), None, TurnOutcome.COMPLETE),
        (turn_events()[:-1], CUT_OFF, TurnOutcome.CUT_SHORT),
        (turn_events()[:4], CUT_OFF, TurnOutcome.CUT_SHORT),
        (turn_events()[:4], KeyboardInterrupt(), TurnOutcome.STOPPED),
        (turn_events()[:4], Interrupted(15), TurnOutcome.STOPPED),
        (turn_events()[:-1], BrokenPipeError(), TurnOutcome.STOPPED),
        (cut_at_the_limit(), IncompleteError("limit"), TurnOutcome.LENGTH),
        (declined(), IncompleteError("refused"), TurnOutcome.REFUSED),
        (
            [turn_started(), *reason_events()],
            IncompleteError("529", kind="overloaded"),
            TurnOutcome.ERROR,
        ),
        ([turn_started()], UnavailableError("no network"), TurnOutcome.ERROR),
        ([turn_started(), *reason_events()[:1]], RefusedError("402"), TurnOutcome.ERROR),
        (turn_events()[:4], ValueError("a bug"), TurnOutcome.ERROR),
    ],
)
def test_the_store_knows_how_a_turn_ended(
    tmp_path: Path, events: list[Event], failure: BaseException | None, outcome: TurnOutcome
) -> None:
    record = journal_turn(tmp_path, events, failure, warn=no_warning)
    with open_store(tmp_path) as store:
        assert [row.outcome for row in store.listing()] == [outcome]
        assert turn_object(store.turn("turn1")) == turn_object(record)


def test_a_turn_that_never_began_leaves_nothing(tmp_path: Path) -> None:
    journal_turn(tmp_path / "data", [], RefusedError("capped"))
    assert list(tmp_path.glob("data")) == []


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_files_are_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    modes: dict[str, str] = {}
    folder = tmp_path / "data"

    class FileProbe(Onlooker):
        def __call__(self, event: Event) -> None:
            self.look()

        def close(self, failure: BaseException | None) -> None:
            with open_store(folder) as store, store.claim("s"):
                self.look()

        def look(self) -> None:
            for path in [folder, *folder.rglob("*")]:
                modes[path.name] = f"{stat.S_IMODE(path.stat().st_mode):o}"

    before = os.umask(umask)
    try:
        look = FileProbe(folder)
        record_of(turn_events(), lambda record: Journal(folder, record, no_warning), None, look)
    finally:
        os.umask(before)
    lock = modes.pop("043a718774c572bd8a25adbeb1bfcd5c0256ae11cecf9f9c3f925d0e52beaf89")
    assert (lock, modes) == (
        "600",
        {
            "data": "700",
            "journal": "700",
            "sessions": "700",
            "turn1.jsonl": "600",
            "history.db": "600",
            "history.db-wal": "600",
            "history.db-shm": "600",
            "history.lock": "600",
            "recent": "600",
        },
    )


def test_a_running_turn_holds_its_lock(tmp_path: Path) -> None:
    record = TurnRecord()
    journal = Journal(tmp_path, record, no_warning)
    for event in turn_events()[:4]:
        record.apply(event)
        journal(event)
    descriptor = os.open(tmp_path / "journal/turn1.jsonl", os.O_RDWR)
    assert try_lock(descriptor) is False
    record.close(complete=False)
    journal.close(CUT_OFF)
    assert try_lock(descriptor) is True
    os.close(descriptor)


def test_a_journal_that_cannot_be_written_warns_once_and_the_turn_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    warnings: list[str] = []
    record = journal_turn(tmp_path, turn_events(), warn=warnings.append)
    monkeypatch.undo()
    assert warnings == [
        f"cannot write the journal in {tmp_path}: No space left on device;"
        " until it is in the history this turn is in memory only"
    ]
    with open_store(tmp_path) as store:
        assert turn_object(store.turn("turn1")) == turn_object(record)


def test_a_file_that_cannot_be_made_private_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(descriptor: int, mode: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fchmod", refused)
    warnings: list[str] = []
    journal = Journal(tmp_path, TurnRecord(), warnings.append)
    journal(turn_started())
    journal(Text("a secret"))
    path = tmp_path / "journal/turn1.jsonl"
    assert (path.read_bytes(), len(warnings)) == (b"", 1)


def test_a_disk_that_takes_a_part_gets_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    onlooker = Onlooker(tmp_path / "journal/turn1.jsonl")
    record_of(turn_events(), lambda record: Journal(tmp_path, record, no_warning), None, onlooker)
    assert onlooker.seen[-1] == ("".join(THOUGHTS), "Forty-two.")


def test_a_turn_that_cannot_be_stored_stays_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "history.db").mkdir()
    warnings: list[str] = []
    journal_turn(tmp_path, turn_events(), warn=warnings.append)
    path = tmp_path / "journal/turn1.jsonl"
    assert (len(warnings), warnings[0].endswith(f"; this turn is in {path}")) == (1, True)
    assert path.exists()


def test_where_nothing_can_be_kept_the_turn_is_shown_and_its_fate_said(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.write_text("a file, where the folder should be")
    warnings: list[str] = []
    record = journal_turn(folder, turn_events(), warn=warnings.append)
    assert record.answer == "Forty-two."
    assert warnings == [
        f"cannot write the journal in {folder}: Not a directory; this turn is in memory only"
    ]


def test_a_turn_that_is_kept_in_part_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "history.db").mkdir()
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if b"Six sevens" in data:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    warnings: list[str] = []
    journal_turn(tmp_path, turn_events(), warn=warnings.append)
    path = tmp_path / "journal/turn1.jsonl"
    assert warnings[1].endswith(f"; this turn is in {path}, as far as it could be written")
    with path.open("rb") as file:
        assert replay(file).record.reasoning == "First, what is asked? "


def test_a_turn_that_is_interrupted_while_it_is_saved_is_saved_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    records: list[TurnRecord] = []

    def journal(record: TurnRecord) -> Journal:
        records.append(record)
        return Journal(tmp_path, record, no_warning)

    monkeypatch.setattr(Store, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        record_of(turn_events(), journal)
    monkeypatch.undo()
    with open_store(tmp_path) as store:
        assert len(recover(tmp_path, store, no_warning)) == 1
        assert turn_object(store.turn("turn1")) == turn_object(records[0])


def test_a_turn_is_synced_while_nothing_comes(tmp_path: Path) -> None:
    class Counting(Disk):
        def sync(self, descriptor: int) -> None:
            synced.release()

    synced = threading.Semaphore(0)
    open_file = partial(JournalFile, syncer=Syncer(0.01), disk=Counting())
    journal = Journal(tmp_path, TurnRecord(), no_warning, open_file=open_file)
    journal(turn_started())
    assert synced.acquire(timeout=60)
    journal(Thought("so far"))
    assert synced.acquire(timeout=60)
    assert not synced.acquire(timeout=0.1), "nothing is synced twice"
    journal(Thought(" and no further"))
    assert synced.acquire(timeout=60)
    journal.close(None)


def test_a_sync_that_fails_beside_the_stream_is_told_once(tmp_path: Path) -> None:
    class Broken(Disk):
        def sync(self, descriptor: int) -> None:
            if threading.current_thread() is not threading.main_thread():
                raise OSError(errno.EIO, "Input/output error")

    open_file = partial(JournalFile, syncer=Syncer(0.01), disk=Broken())
    warnings: list[str] = []
    journal = Journal(tmp_path, TurnRecord(), warnings.append, open_file=open_file)
    journal(turn_started())
    until = time.monotonic() + 60
    while not warnings and time.monotonic() < until:
        journal(Thought("more "))
        time.sleep(0.01)
    journal(Text("an answer"))
    assert [warning.count("Input/output error") for warning in warnings] == [1]
    journal.close(CUT_OFF)


def test_without_threads_the_turn_is_synced_at_the_borders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(self: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    record = journal_turn(tmp_path, turn_events(), warn=no_warning)
    with open_store(tmp_path) as store:
        assert turn_object(store.turn("turn1")) == turn_object(record)


def test_the_store_keeps_when_a_turn_began_by_the_wall_clock(tmp_path: Path) -> None:
    record_of(
        [turn_started()], lambda record: Journal(tmp_path, record, no_warning, now=lambda: WHEN)
    )
    with open_store(tmp_path) as store:
        assert [row.started for row in store.listing()] == [WHEN]


def test_a_journal_of_the_same_id_is_never_written_into(tmp_path: Path) -> None:
    path = tmp_path / "journal/turn1.jsonl"
    path.parent.mkdir()
    path.write_text("someone else's")
    warnings: list[str] = []
    journal_turn(tmp_path, turn_events(), warn=warnings.append)
    assert (path.read_text(), len(warnings)) == ("someone else's", 1)


def test_storing_again_changes_nothing(tmp_path: Path) -> None:
    record = journal_turn(tmp_path, turn_events(session="s"), warn=no_warning)
    with Store.open(tmp_path, no_warning) as store:
        first = list(store.listing())
        store.save(record, outcome=TurnOutcome.COMPLETE)
        assert list(store.listing()) == first
        assert [turn_object(each) for each in store.session_turns("s")] == [turn_object(record)]


def test_an_unfinished_stage_is_priced_in_the_store(tmp_path: Path) -> None:
    record = journal_turn(tmp_path, [turn_started(), *answer_events()[:-1]], CUT_OFF, no_warning)
    assert record.cost
    with open_store(tmp_path) as store:
        assert next(store.listing()).cost == record.cost


def test_the_first_event_alone_is_a_turn(tmp_path: Path) -> None:
    journal_turn(tmp_path, [turn_started()], UnavailableError("no network"), no_warning)
    with open_store(tmp_path) as store:
        assert store.turn("turn1").start == turn_started()


DRAFTED: list[Event] = [
    turn_started(),
    *reason_events()[:-1],
    Draft("For"),
    Draft("ty"),
    reason_events()[-1],
]
REUSED: list[Event] = [turn_started(reasoning_from="turn0"), Reused("Six sevens.", "42", "r1")]


@pytest.mark.parametrize("first", [DRAFTED, REUSED], ids=["drafted", "reused"])
def test_all_that_the_reasoner_brought_is_kept(tmp_path: Path, first: list[Event]) -> None:
    record = journal_turn(tmp_path, [*first, *answer_events()], warn=no_warning)
    with open_store(tmp_path) as store:
        kept = store.turn("turn1")
    assert (kept.reasoning, kept.draft) == (record.reasoning, record.draft)
    assert (kept.reasoned_by, kept.reused_model) == (record.reasoned_by, record.reused_model)


@pytest.mark.parametrize("first", [DRAFTED, REUSED], ids=["drafted", "reused"])
def test_what_the_reasoner_brought_is_in_the_file_before_it_is_shown(
    tmp_path: Path, first: list[Event]
) -> None:
    record = TurnRecord()
    journal = Journal(tmp_path, record, no_warning)
    for event in first:
        record.apply(event)
        journal(event)
        with (tmp_path / "journal/turn1.jsonl").open("rb") as file:
            seen = replay(file).record
        assert (seen.thoughts, seen.drafts) == (record.thoughts, record.drafts)
        assert seen.reused_model == record.reused_model
    journal.close(None)


def test_a_journal_knows_whether_it_keeps_the_turn(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder, keeps in ((tmp_path, [True, True]), (tmp_path / "file/data", [False, False])):
        record = TurnRecord()
        journal = Journal(folder, record, lambda _: None)
        assert not journal.is_complete
        seen = []
        for event in turn_events():
            record.apply(event)
            journal(event)
        seen.append(journal.is_complete)
        record.close(complete=True)
        journal.close(None)
        assert [*seen, journal.is_complete] == keeps


def test_the_border_of_a_stage_is_on_the_disk_at_once_and_nobody_waits_for_it(
    tmp_path: Path,
) -> None:
    class Slow(Disk):
        def sync(self, descriptor: int) -> None:
            if threading.current_thread() is not threading.main_thread():
                assert go_on.wait(60)
                synced.set()

    go_on, synced = threading.Event(), threading.Event()
    open_file = partial(JournalFile, syncer=Syncer(3600), disk=Slow())
    journal = Journal(tmp_path, TurnRecord(), no_warning, open_file=open_file)
    journal(turn_started())
    journal(reason_events()[0])
    assert not synced.is_set(), "it was waited for"
    go_on.set()
    assert synced.wait(60), "nobody asked for it"
    journal.close(CUT_OFF)


@pytest.mark.parametrize("is_saved", [True, False])
def test_the_end_waits_for_the_disk_only_where_the_store_does_not_take_the_turn(
    tmp_path: Path, is_saved: bool
) -> None:
    if not is_saved:
        (tmp_path / "history.db").mkdir()
    waited: list[str] = []

    class Noting(Disk):
        def sync(self, descriptor: int) -> None:
            if threading.current_thread() is threading.main_thread():
                with (tmp_path / "journal/turn1.jsonl").open("rb") as file:
                    waited.append(json.loads(file.readlines()[-1])["event"])

    warnings: list[str] = []
    record_of(
        turn_events(),
        lambda record: Journal(
            tmp_path, record, warnings.append, open_file=partial(JournalFile, disk=Noting())
        ),
    )
    assert waited == ["opened"] + ["closed"] * (not is_saved)
    assert len(warnings) == (not is_saved)


def test_what_waits_for_a_disk_may_be_done_elsewhere(tmp_path: Path) -> None:
    apart: list[str] = []

    def elsewhere(action: Any) -> Any:
        apart.append(action.func.__name__)
        return action()

    runtime = Runtime(run_blocking=elsewhere)
    record = record_of(
        turn_events(), lambda record: Journal(tmp_path, record, no_warning, runtime=runtime)
    )
    assert apart == ["_open", "_close"]
    with open_store(tmp_path) as store:
        assert turn_object(store.turn("turn1")) == turn_object(record)


def test_an_end_that_cannot_be_written_is_told_and_the_turn_is_saved_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    record = TurnRecord()
    journal = Journal(tmp_path, record, warnings.append)
    for event in turn_events():
        record.apply(event)
        journal(event)
    record.close(complete=True)
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        if b'"closed"' in data or b"complete" in data:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    journal.close(None)
    monkeypatch.undo()
    assert [warning.count("No space left on device") for warning in warnings] == [1]
    with open_store(tmp_path) as store:
        assert turn_object(store.turn("turn1")) == turn_object(record)


def test_files_share_a_syncer_and_one_that_hangs_holds_up_no_other(tmp_path: Path) -> None:
    class Hanging(Disk):
        def sync(self, descriptor: int) -> None:
            hangs.set()
            assert go_on.wait(60)

    class Noting(Disk):
        def sync(self, descriptor: int) -> None:
            synced.append(descriptor)

    hangs, go_on, synced = threading.Event(), threading.Event(), list[int]()
    syncer = Syncer(0.01)
    assert not syncer.is_lagging(0)
    first = JournalFile(tmp_path / "journal/a.jsonl", syncer, Hanging())
    first.append(b"a\n")
    assert hangs.wait(60)
    others = [JournalFile(tmp_path / f"journal/{n}.jsonl", syncer, Noting()) for n in range(50)]
    for file in (first, *others):  # the first one's turn comes again while it still hangs
        file.append(b"b\n")
    eventually(lambda: len(synced) >= len(others))
    assert syncer.is_lagging(0.001)
    assert 1 < syncer._threads <= SYNC_THREADS
    go_on.set()
    for file in (first, *others):
        file.close(remove=True)
    eventually(lambda: not syncer._threads)


def test_a_file_that_hangs_is_asked_for_again_and_waits_for_no_second_thread(
    tmp_path: Path,
) -> None:
    class Hanging(Disk):
        def sync(self, descriptor: int) -> None:
            synced.append(descriptor)
            hangs.set()
            assert go_on.wait(60)

    hangs, go_on, synced = threading.Event(), threading.Event(), list[int]()
    syncer = Syncer(3600)
    file, other = (JournalFile(tmp_path / f"journal/{n}.jsonl", syncer, Hanging()) for n in "ab")
    assert syncer.request(file)
    assert hangs.wait(60)
    eventually(lambda: syncer._idle)  # a second thread waits for a file
    assert syncer.request(file)
    with syncer._changed:
        assert syncer._next_due() is None
        assert list(syncer._due) == [file]
    go_on.set()
    eventually(lambda: len(synced) == 2)
    for each in (file, other):
        each.close(remove=True)


def test_an_end_that_neither_the_store_nor_the_disk_takes_is_told(tmp_path: Path) -> None:
    class Failing(Disk):
        def sync(self, descriptor: int) -> None:
            if b'"closed"' in path.read_bytes():
                raise OSError(errno.EIO, "Input/output error")

    path = tmp_path / "journal/turn1.jsonl"
    (tmp_path / "history.db").mkdir()
    warnings: list[str] = []
    open_file = partial(JournalFile, disk=Failing())
    record_of(
        turn_events(),
        lambda record: Journal(tmp_path, record, warnings.append, open_file=open_file),
    )
    assert [
        ("Input/output error" in warning, str(path) in warning, "as far as" in warning)
        for warning in warnings
    ] == [(True, False, False), (False, True, True)]
    assert path.exists()
