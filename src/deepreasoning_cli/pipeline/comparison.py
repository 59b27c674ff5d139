"""Several answers from one chain of thought: turns that run at the same time.

Each turn runs in a thread of its own, which waits until the event that it has brought is taken: the
one who takes them keeps each event before the turn goes on.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Final, NamedTuple

from deepreasoning_cli.pipeline.budget import Cap, Caps
from deepreasoning_cli.pipeline.events import (
    Event,
    Handoff,
    Source,
    Stage,
    StageStarted,
    TurnStarted,
)
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.run import Plan, ReasonerOutput, check_budget, run_turn

TICK: Final = 0.1  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One answer of a comparison: the id of its turn, and how it is to be written.

    The names are those of the settings; `answerer` is None where nobody chooses the host.
    """

    id: str
    model: str
    answerer: str | None
    effort: str
    handoff: Handoff

    @property
    def choice(self) -> tuple[object, ...]:
        """What makes it another arm than the rest."""
        return (self.model, self.answerer, self.effort, self.handoff)


def arms_to_json(arms: Sequence[Arm], session: str | None = None) -> str:
    """The arms as the first turn of a comparison keeps them, and the session that they answer in.

    None of them is a turn of that session before it is picked.
    """
    return json.dumps({"session": session, "arms": list(map(asdict, arms))})


def arms_from_json(text: str) -> tuple[Arm, ...]:
    """The arms that `arms_to_json` wrote. Raises ValueError where they are damaged."""
    try:
        return tuple(
            Arm(**each | {"handoff": Handoff(each["handoff"])}) for each in json.loads(text)["arms"]
        )
    except (TypeError, KeyError) as exc:
        raise ValueError("not the arms of a comparison") from exc


def session_from_json(text: str) -> str | None:
    """The session beside the arms. Raises ValueError where they are damaged."""
    try:
        session: str | None = json.loads(text)["session"]
    except (TypeError, KeyError) as exc:
        raise ValueError("not the arms of a comparison") from exc
    return session


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The turns of a comparison that are to run, each with its arm; nothing has been sent.

    `id` is that of the turn that the comparison began with. `reasons` is the place of the turn
    whose reasoning the others use; None where none reasons for others.
    """

    id: str
    arms: tuple[Arm, ...]
    plans: tuple[Plan, ...]
    reasons: int | None

    @property
    def opening(self) -> int:
        """The place of the turn that begins alone."""
        return self.reasons or 0

    def with_shared_caps(self) -> Comparison:
        """The comparison under one cap for all of its turns, which set aside what they usually
        cost. Raises RefusedError where the whole does not fit.
        """
        if not any(plan.caps.are_set for plan in self.plans):
            return self
        cap = SharedCap(next((cap for plan in self.plans for cap in plan.caps.caps), None))
        shared = replace(self, plans=tuple(map(cap.apply_to, self.plans)))
        try:
            for plan in shared.plans:
                check_budget(plan)
        except BaseException:
            for plan in shared.plans:
                plan.caps.release(None)
            raise
        return shared


class SharedCap:
    """A cap on what turns of this process cost together; any thread may use it."""

    def __init__(self, cap: Cap | None) -> None:
        self._cap = cap
        self._lock = threading.Lock()
        self._reserved: dict[str, Decimal] = {}
        self._spent = Decimal(0)

    def apply_to(self, plan: Plan) -> Plan:
        """The plan, whose own cap is this one."""
        caps = plan.caps

        def reserve(amount: Decimal) -> tuple[Cap, ...]:
            others = caps.reserve(amount) if caps.reserve else ()
            return (*self._reserve(plan.id, amount), *others)

        def release(cost: Decimal | None) -> None:
            self._release(plan.id, cost)
            caps.release(cost)

        return replace(plan, caps=Caps((), caps.answers, reserve, release))

    def _reserve(self, turn: str, amount: Decimal) -> tuple[Cap, ...]:
        if self._cap is None:
            return ()
        with self._lock:
            others = sum((usd for name, usd in self._reserved.items() if name != turn), Decimal(0))
            cap = self._cap._replace(spent=self._spent, reserved=others)
            self._reserved[turn] = min(amount, cap.left)
            return (cap,)

    def _release(self, turn: str, cost: Decimal | None) -> None:
        with self._lock:
            if self._reserved.pop(turn, None) is not None:
                self._spent += cost or 0


class ArmStep(NamedTuple):
    """An event of the turn at a place of the comparison; without an event, its end.

    `failure` is what ended the turn early.
    """

    place: int
    event: Event | None
    failure: BaseException | None = None


class ComparisonRun:
    """Runs the turns; iterate it for their steps, in the order in which they come.

    A step of None says that nothing came for a tenth of a second. `records` are those of the turns:
    each has taken in an event before the next step is asked for.

    The turn that reasons runs alone until its reasoning is whole; then all others begin, with the
    pages that it has found, too. Where none searches or reasons, they begin with the first, once
    its start is kept, which knows of them all.
    """

    def __init__(self, comparison: Comparison, records: Sequence[TurnRecord]) -> None:
        self._comparison = comparison
        self._records = records
        # a SimpleQueue waits for ever where a signal handler outlasts its timeout, as Ctrl-Z does
        self._steps: queue.Queue[ArmStep] = queue.Queue()
        self._taken = [threading.Semaphore(0) for _ in records]
        self._running: set[int] = set()
        self._is_stopped = False
        self._opening = comparison.opening
        self._began_others = False

    def __iter__(self) -> Iterator[ArmStep | None]:
        self._begin(self._opening, self._comparison.plans[self._opening])
        while self._running:
            try:
                step = self._steps.get(timeout=TICK)
            except queue.Empty:
                yield None
                continue
            yield step
            if step.event is None:
                self._running.discard(step.place)
                continue
            if step.place == self._opening and self._lets_others_begin(step.event):
                self._begin_others()
            self._taken[step.place].release()

    def stop(self) -> Iterator[ArmStep]:
        """Let the turns end; what came of them and was not taken. Their connections are closed by
        whoever has opened them.
        """
        self._is_stopped = True
        for taken in self._taken:
            taken.release()
        with suppress(queue.Empty):
            while True:
                yield self._steps.get_nowait()

    def _lets_others_begin(self, event: Event) -> bool:
        if self._began_others:
            return False
        search = self._comparison.plans[self._opening].search
        searches = search is not None and search.searcher is not None
        if self._comparison.reasons is None and not searches:
            return isinstance(event, TurnStarted)
        return isinstance(event, StageStarted) and event.stage is Stage.ANSWER

    def _begin_others(self) -> None:
        self._began_others = True
        source, plans = self._comparison.reasons, self._comparison.plans
        work = None if source is None else ReasonerOutput.of(self._records[source])
        found = self._records[self._opening].sources
        for place, plan in enumerate(plans):
            if place == self._opening:
                continue
            plan = _with_pages(plan, found)  # noqa: PLW2901
            if work and source is not None and plan.reused is not None:
                plan = replace(plan, reused=work, reasoning_from=plans[source].id)  # noqa: PLW2901
            self._begin(place, plan)

    def _begin(self, place: int, plan: Plan) -> None:
        self._running.add(place)
        name = f"answer-{place}"
        threading.Thread(target=self._run, args=(place, plan), name=name, daemon=True).start()

    def _run(self, place: int, plan: Plan) -> None:
        failure: BaseException | None = None
        try:
            with closing(run_turn(plan)) as events:
                for event in events:
                    self._steps.put(ArmStep(place, event))
                    self._taken[place].acquire()
                    if self._is_stopped:
                        return
        except BaseException as exc:  # noqa: BLE001 - raised where the steps are taken
            failure = exc
        self._steps.put(ArmStep(place, None, failure))


def _with_pages(plan: Plan, found: Sequence[Source]) -> Plan:
    """The plan, whose search was made by another turn and has found these pages."""
    if plan.search is None or plan.search.searcher is None:
        return plan
    from deepreasoning_cli.pipeline.search import found_pages

    pages = found_pages(found)
    return replace(plan, search=replace(plan.search, searcher=None, found=pages) if pages else None)
