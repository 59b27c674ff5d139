"""Many turns at once: in threads, on one pool of connections, under one cap.

`ManyTurns` is what they share; `AtOnce` hands out the work. Each turn goes through journal and
history as any other does:

    with ManyTurns(loaded, at_once=8, max_cost=Decimal(5), report=print) as turns:
        work = AtOnce(lambda row: turns.run(turns.plan(request_of(row))), rows, 8)
        for turn in work:
            ...  # turn.record, turn.error; in the order in which they end

A function that is given to `AtOnce` may run several turns one after the other, such as one whose
reasoning the next ones use.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from queue import Empty, Queue
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

from deepreasoning_cli import paths
from deepreasoning_cli.errors import (
    ConfigError,
    DeepReasoningError,
    IncompleteError,
    UnavailableError,
    UsageError,
)
from deepreasoning_cli.history.journal import Journal, JournalFile, Syncer
from deepreasoning_cli.history.ledger import Ledger
from deepreasoning_cli.history.recovery import HistoryAccess
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.pipeline.budget import Cap, Caps
from deepreasoning_cli.pipeline.events import COST_CAP, REPLAY, Event
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.run import Plan, run_turn
from deepreasoning_cli.pipeline.stage import UNPAID
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.transport import DeferredTransport, RetryNotice
from deepreasoning_cli.views.base import ViewGroup
from deepreasoning_cli.views.notes import RESUME_COMMAND, advise_to_resume
from deepreasoning_cli.wiring.budget import unenforced
from deepreasoning_cli.wiring.cassette import open_cassette
from deepreasoning_cli.wiring.plan import build_plan
from deepreasoning_cli.wiring.resources import TurnRequest, current_catalog, open_transport

if TYPE_CHECKING:
    from deepreasoning_cli.history.queries import StageCost
    from deepreasoning_cli.transport import Transport

Item = TypeVar("Item")
Result = TypeVar("Result")
Reserve = Callable[[Decimal], tuple[Cap, ...]]
NOTHING: Final = Decimal(0)
TICK: Final = 0.2  # seconds between two looks at what else there is to do while results are awaited
RUN_CAP: Final = "max_cost of this run"
STOPPED: Final = "stopped"
"""The kind of the error of a turn that `ManyTurns.stop` has ended."""


class RunCap:
    """A cap in USD that all turns of a run share; None for none. Any thread may use it.

    A turn reserves what it usually costs before it begins, and waits for that while others hold
    it: most cost less than they reserve. With nobody left to wait for it begins with what there is.
    `spent` is what turns have cost that are over.
    """

    def __init__(self, amount: Decimal | None) -> None:
        self._amount = amount
        self._changed = threading.Condition()
        self._held: dict[str, Decimal] = {}
        self._short: set[str] = set()
        self.spent = NOTHING

    def apply_to(self, plan: Plan) -> Plan:
        """The plan under this cap, and under those that it has."""
        caps, warnings = plan.caps, plan.warnings
        if self._amount is not None:
            warnings = (*warnings, *unenforced(plan, RUN_CAP))
        reserve = partial(self._reserve, plan.id, caps.reserve)
        shares = self._amount is not None or caps.reserve is not None
        return replace(
            plan,
            warnings=warnings,
            caps=caps._replace(
                reserve=reserve if shares else None,
                release=partial(self._release, plan.id, caps.release),
            ),
        )

    def count_only(self, plan: Plan) -> Plan:
        """The plan of a turn that is paid for already: what it cost counts, and stops nothing."""
        release = partial(self._release, plan.id, lambda _: None)
        return replace(plan, caps=Caps(release=release))

    def was_short(self, turn: str) -> bool:
        """Whether a shared cap did not leave what the turn has asked for."""
        return turn in self._short

    def _reserve(
        self, turn: str, reserve_elsewhere: Reserve | None, amount: Decimal
    ) -> tuple[Cap, ...]:
        with self._changed:
            while True:
                caps = self._caps(turn) + (reserve_elsewhere(amount) if reserve_elsewhere else ())
                left = min(cap.left for cap in caps)
                if left >= amount or turn in self._held or not self._held:
                    break
                self._changed.wait()
            if left < amount:
                self._short.add(turn)
            self._held[turn] = max(self._held.get(turn, NOTHING), min(amount, left))
            return caps

    def _caps(self, turn: str) -> tuple[Cap, ...]:
        if self._amount is None:
            return ()
        others = sum((usd for name, usd in self._held.items() if name != turn), NOTHING)
        return (Cap(RUN_CAP, self._amount, self.spent, others),)

    def _release(
        self, turn: str, release: Callable[[Decimal | None], None], cost: Decimal | None
    ) -> None:
        release(cost)
        with self._changed:
            self.spent += cost or NOTHING
            self._held.pop(turn, None)
            self._changed.notify_all()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedTurn:
    """A turn that is over: its record as far as it came, and what ended it early.

    `reached_cap` tells that a cap of the run, a day or a month did: the next ones cannot begin.
    `is_kept` tells whether all that came is on the disk.
    """

    id: str
    record: TurnRecord = field(repr=False)
    error: DeepReasoningError | None = None
    reached_cap: bool = False
    is_kept: bool = False


def meets_every_turn(error: DeepReasoningError | None) -> bool:
    """Whether all other turns would meet the same: a key that is wrong, no credit.

    What a cassette lacks ends a replay, too.
    """
    if error is None:
        return False
    return error.is_at_heart(ConfigError) or error.kind in ("no_credit", *UNPAID)


class ManyTurns:
    """What the turns of a run share. Enter it with `with`; any thread may use it.

    `max_cost` is USD for all of them together, beside the caps that the settings set for each
    turn, a day and a month. `report` is told of warnings, each once: its arguments are those of
    `HistoryAccess`. Turns are kept if the settings and `saves` say so.
    """

    def __init__(
        self,
        loaded: LoadedSettings,
        *,
        at_once: int,
        max_cost: Decimal | None = None,
        saves: bool = True,
        report: Callable[[str, str], None] = lambda _kind, _text: None,
        log: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._said: set[str] = set()
        self._report = report
        self.catalog = current_catalog(loaded)
        self._cassette = open_cassette(loaded.settings, self.warn, paced=False)
        if self._cassette:
            loaded = self._cassette.with_keys(loaded, self.catalog)
        self.loaded = loaded
        self.saves = saves and loaded.settings.history
        self.cap = RunCap(max_cost)
        self._folder = paths.data_dir()
        self._history = HistoryAccess(self._folder, self._say_once)
        read = partial(self._history.spending, recover_orphaned=self.saves)
        self._ledger = Ledger(self._folder, read, saves=self.saves)
        self._open_file = partial(JournalFile, syncer=Syncer())
        self._saving = threading.Lock()
        self._calls = ExitStack()
        self._opening = threading.Lock()
        self._transport = DeferredTransport(
            lambda: self._calls.enter_context(
                open_transport(loaded, self._note_retry, log, at_once=at_once)
            )
        )
        self._is_open = False
        self._ending = threading.Event()

    def __enter__(self) -> Self:
        if self.saves:
            self._history.recover_orphans()  # at once: threads will look for what these hold
        return self

    def __exit__(self, *failure: object) -> None:
        self._calls.close()

    def history(self) -> AbstractContextManager[Store]:
        """The history, with the turns that dead processes left behind."""
        return self._history.open(recover_orphaned=self.saves)

    def has_history(self) -> bool:
        """Whether there is one; the check creates no file."""
        return self._history.exists

    def spending(self) -> Sequence[StageCost]:
        """What the user has paid for so far, by stages."""
        return self._history.spending(recover_orphaned=self.saves) or ()

    def kept_turns(self, ids: Iterable[str], question: str) -> list[TurnRecord]:
        """The turns of these ids that the history has, and that asked this question."""
        wanted = dict.fromkeys(ids)
        if not wanted or not self.has_history():
            return []
        found: list[TurnRecord] = []
        with self.history() as store:
            for turn in wanted:
                with suppress(UsageError):  # it was deleted, or had not begun
                    found.append(store.turn(turn))
        return [record for record in found if record.start.prompt == question]

    def plan(self, request: TurnRequest, turn: str | None = None) -> Plan:
        """The plan of a turn under all caps; nothing is sent. Raises what `build_plan` does.

        `turn` is its id, where it has one already.
        """
        plan = build_plan(
            request,
            self.catalog,
            lambda: self._transport,
            lambda: self._ledger,
            saves=self.saves,
            cassette=self._cassette,
        )
        return self.cap.apply_to(replace(plan, id=turn) if turn else plan)

    def run(self, plan: Plan, watch: Callable[[Event], None] | None = None) -> EndedTurn:
        """Run the turn to its end; `watch` is called with each event once that is kept.

        A DeepReasoningError that ends the turn is returned with it.
        """
        record = TurnRecord()
        journal = None
        if self.saves:
            journal = Journal(
                self._folder, record, self.warn, open_file=self._open_file, saving=self._saving
            )
        error: DeepReasoningError | None = None
        try:
            self._open_connections(plan)
            with closing(run_turn(plan)) as events, ViewGroup(record, (), journal) as keep:
                for event in events:
                    keep(event)
                    if watch:
                        watch(event)
                    if self._ending.is_set():
                        raise _stop_error(paid=bool(record.thoughts or record.texts))
        except DeepReasoningError as failure:
            error = failure
            if isinstance(failure, IncompleteError) and journal and journal.is_complete:
                advise_to_resume(failure, plan.id, RESUME_COMMAND)
        finally:
            plan.caps.release(record.cost)
        reached_cap = error is not None and error.kind == COST_CAP and self.cap.was_short(plan.id)
        return EndedTurn(
            id=plan.id,
            record=record,
            error=error,
            reached_cap=reached_cap,
            is_kept=journal is not None and journal.is_complete,
        )

    def connect(self) -> Transport:
        """The connections, for calls that are no turn. Raises ConfigError."""
        with self._opening:
            self._transport.open()
            self._is_open = True
        return self._transport.opened

    def stop(self) -> None:
        """End every running turn at its next event, and each later one at its first."""
        self._ending.set()

    def warn(self, text: str) -> None:
        """Report a warning, once."""
        self._say_once("warning", text)

    def _open_connections(self, plan: Plan) -> None:
        with self._opening:
            if not self._is_open and plan.backend not in ("demo", REPLAY):
                self._transport.open()
                self._is_open = True

    def _say_once(self, kind: str, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._report(kind, text)

    def _note_retry(self, notice: RetryNotice) -> None:
        logging.getLogger("deepreasoning_cli").info(
            "%s: trying again in %.1f s", notice.why, notice.seconds
        )


def _stop_error(*, paid: bool) -> DeepReasoningError:
    error = IncompleteError if paid else UnavailableError
    return error("the run was stopped", kind=STOPPED)


class AtOnce(Generic[Item, Result]):
    """An iterator over what `work` returns for each of the items, in the order in which it ends.

    So many `threads` work; an item is taken from `items` when one of them is free, in whichever
    thread that is, one after the other. What `work` or `items` raise is raised here. `tick` is
    called several times a second while a result is awaited. Behind a result that `is_last` no
    thread takes another item. A signal may interrupt the waiting: it can be gone on with.
    """

    def __init__(
        self,
        work: Callable[[Item], Result],
        items: Iterable[Item],
        threads: int,
        tick: Callable[[], None] = lambda: None,
        is_last: Callable[[Result], bool] = lambda _: False,
    ) -> None:
        self._work = work
        self._items = iter(items)
        self._tick = tick
        self._is_last = is_last
        self._taking = threading.Lock()
        self._ended = False
        self._results: Queue[tuple[Result | None, BaseException | None]] = Queue(threads)
        self._threads = [
            threading.Thread(target=self._run, name=f"turns {number}", daemon=True)
            for number in range(threads)
        ]

    def __iter__(self) -> Iterator[Result]:
        return self

    def __next__(self) -> Result:
        for thread in self._threads:
            if thread.ident is None:
                thread.start()
        while True:
            is_over = not any(thread.is_alive() for thread in self._threads)
            try:
                result, failure = self._results.get(timeout=0 if is_over else TICK)
            except Empty:
                if is_over:
                    raise StopIteration from None
                self._tick()
                continue
            if failure is not None:
                self.end()
                raise failure
            return result  # type: ignore[return-value]  # a result may be None itself

    def end(self) -> None:
        """Take no more items; what is being worked on still comes."""
        self._ended = True

    def _run(self) -> None:
        while True:
            try:
                with self._taking:
                    if self._ended:
                        return
                    item = next(self._items)
            except StopIteration:
                self.end()
                return
            except Exception as failure:  # noqa: BLE001 (raised in the thread that iterates)
                self._results.put((None, failure))
                return
            try:
                result = self._work(item)
                if self._is_last(result):  # what this thread would take next would be paid for
                    self.end()
            except Exception as failure:  # noqa: BLE001 (as above)
                self._results.put((None, failure))
                return
            self._results.put((result, None))
