"""Finish a comparison: the answers that failed or never began, from the reasoning that is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.pipeline.comparison import Arm, arms_from_json, session_from_json
from deepreasoning_cli.pipeline.continuation import kept_answer
from deepreasoning_cli.pipeline.conversation import to_messages
from deepreasoning_cli.pipeline.events import REPLAY, Handoff
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.run import ReasonerOutput
from deepreasoning_cli.pipeline.search import found_pages
from deepreasoning_cli.wiring.resources import TurnRequest

if TYPE_CHECKING:
    from deepreasoning_cli.cli.runner import TurnRunner
    from deepreasoning_cli.history.store import Store
    from deepreasoning_cli.pipeline.events import Message

NOT_FOR_ALL: Final = ("model", "answerer", "effort", "fallback", "raw")
"""Options of `resume` that mean one turn."""
ChooseReasoning = Callable[[TurnRecord, TurnRequest], ReasonerOutput | None]
"""What to use of a chain of thought that may be cut; None where the reasoner is asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedComparison:
    """A comparison that is kept: its first turn, its arms, and all turns so far."""

    first: TurnRecord
    arms: tuple[Arm, ...]
    turns: Sequence[TurnRecord]
    earlier: tuple[Message, ...]
    """The conversation that they answer in."""

    @classmethod
    def find(cls, store: Store, name: str | None) -> UnfinishedComparison | None:
        """The one that the turn of that name began, or that the last turn belongs to, unless all of
        its answers are whole.
        """
        turn = store.turn(name) if name is not None else store.last()
        if turn is None or turn.start.comparison is None:
            return None
        if name in (None, "last") and turn.start.arms is None:
            with suppress(UsageError):  # it was deleted
                turn = store.turn(turn.start.comparison)
        if turn.start.arms is None:  # one answer is meant
            return None
        arms = arms_from_json(turn.start.arms)
        earlier = _conversation(store, turn, arms)
        found = cls(first=turn, arms=arms, turns=store.comparison(turn), earlier=earlier)
        return found if found.missing else None

    def newest(self, arm: Arm) -> TurnRecord | None:
        """The last turn for that answer; None where none has begun."""
        newest, ids = None, {arm.id}
        for turn in self.turns:  # in the order in which they were kept
            if turn.start.id in ids or turn.start.resumes in ids:
                newest = turn if newest is None or not newest.complete else newest
                ids.add(turn.start.id)
        return newest

    @property
    def missing(self) -> list[Arm]:
        """The arms without a whole answer."""
        return [arm for arm in self.arms if not self._is_whole(self.newest(arm))]

    @property
    def whole(self) -> list[tuple[Arm, TurnRecord]]:
        """The arms with one."""
        newest = [(arm, self.newest(arm)) for arm in self.arms]
        return [(arm, turn) for arm, turn in newest if turn is not None and turn.complete]

    @staticmethod
    def _is_whole(turn: TurnRecord | None) -> bool:
        return turn is not None and turn.complete

    @property
    def earlier_cost(self) -> Decimal | None:
        """USD of the turns whose answers are not whole; None where a rate is unknown."""
        whole = {turn.start.id for _, turn in self.whole}
        costs = [turn.cost for turn in self.turns if turn.start.id not in whole]
        return None if None in costs else sum((cost for cost in costs if cost), Decimal(0))

    @property
    def reasoned(self) -> TurnRecord:
        """The turn with the chain of thought: a whole one, if there is any."""
        turns = [turn for turn in self.turns if turn.reasoning.strip() or turn.draft.strip()]
        whole = [turn for turn in turns if turn.reasoned_to_the_end]
        return next(iter([*whole, *turns]), self.first)

    def requests(
        self,
        runner: TurnRunner,
        settings: Mapping[str, object],
        choose: ChooseReasoning,
        *,
        again: bool,
    ) -> list[TurnRequest]:
        """One for each answer that is missing; a cut one goes on from its last word."""
        opened = self.first.start
        source, missing = self.reasoned, self.missing
        plain = [self._anew(runner, settings, arm) for arm in missing]
        uses = [request for request in plain if request.loaded.settings.handoff != "none"]
        work = choose(source, uses[0]) if uses else None
        pages = found_pages(next((turn.sources for turn in self.turns if turn.sources), ()))
        requests = []
        for arm, request in zip(missing, plain, strict=True):
            turn = self.newest(arm)
            reused = work if arm.handoff is not Handoff.NONE else None
            origin = opened.reasoning_from if source.reused_model else source.start.id
            requests.append(
                TurnRequest(
                    loaded=request.loaded,
                    question=request.question,
                    system=request.system,
                    resumes=turn.start.id if turn else None,
                    reused=reused,
                    reasoning_from=origin if reused else None,
                    continued=kept_answer(turn) if turn and not again else None,
                    found=pages,
                    earlier=self.earlier,
                    thinking_room=2 * turn.thought_in_vain if turn else 0,
                )
            )
        return requests

    def _anew(self, runner: TurnRunner, settings: Mapping[str, object], arm: Arm) -> TurnRequest:
        opened = self.first.start
        own: dict[str, object] = {"handoff": str(arm.handoff), "effort": arm.effort}
        if opened.backend != REPLAY:
            own["backend"] = opened.backend
        if opened.backend in ("direct", REPLAY):
            own |= {"model": arm.model, "reasoner": opened.reasoner, "answerer": arm.answerer}
        return TurnRequest(
            loaded=runner.load({**own, **settings}), question=opened.prompt, system=opened.system
        )


def _conversation(store: Store, first: TurnRecord, arms: Sequence[Arm]) -> tuple[Message, ...]:
    """The messages before the turn whose question was answered anew; none outside a session."""
    session = session_from_json(first.start.arms or "")
    if session is None:
        return ()
    ids = {first.start.reasoning_from, *(arm.id for arm in arms)}
    turns = store.session_turns(session)
    return to_messages(list(takewhile(lambda turn: turn.start.id not in ids, turns)))


def refuse_single_options(params: Mapping[str, Any]) -> None:
    """Raise UsageError for an option that a comparison cannot have."""
    for name in NOT_FOR_ALL:
        if params.get(name) not in (None, False, (), []):
            raise UsageError(
                f"--{name} cannot be used for a comparison: its answers have their own",
                hint="name one of its turns to finish that alone",
            )
