"""A row → its turn → its line of the answers, going on from what earlier turns have paid for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from deepreasoning_cli.errors import ConfigError, DeepReasoningError, RefusedError, UsageError
from deepreasoning_cli.library.many import NOTHING, EndedTurn, ManyTurns, meets_every_turn
from deepreasoning_cli.library.question_rows import Row, RowError
from deepreasoning_cli.pipeline.events import Handoff
from deepreasoning_cli.pipeline.money import decimal_usd
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.run import Plan, ReasonerOutput
from deepreasoning_cli.pipeline.search import found_pages
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.views.json import turn_object
from deepreasoning_cli.wiring.resources import TurnRequest

LoadSettings = Callable[[Mapping[str, object]], LoadedSettings]
"""The settings of the run with those of a row; raises UsageError and ConfigError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOutcome:
    """A row that is over: its line, what it has cost in this run, what ended it early."""

    row: Row
    answer: dict[str, Any] = field(repr=False)
    record: TurnRecord | None = field(default=None, repr=False)
    cost: Decimal = NOTHING
    error: DeepReasoningError | None = None
    reached_cap: bool = False
    batched: bool = False
    """Whether its answer came in a batch."""
    is_kept: bool = True
    """Whether the history has what came."""

    @property
    def ends_the_run(self) -> bool:
        """Whether the next rows would meet the same: a cap, a key that is wrong, no credit."""
        return self.reached_cap or meets_every_turn(self.error)


class RowTurns:
    """Asks rows, by way of `turns`; any thread may. `load` makes the settings of a row."""

    def __init__(self, turns: ManyTurns, load: LoadSettings, system: str | None = None) -> None:
        self._turns = turns
        self._load = load
        self._system = system
        self._loading = threading.Lock()
        self._settings: dict[str, LoadedSettings | RowError] = {}
        self._checked: set[str] = set()

    def check(self, row: Row) -> Plan | None:
        """Raise RowError where the row cannot be asked: by its settings, or its length.

        Returns the plan of the first row with these settings, and of each that is long.
        """
        key = settings_key(row)
        loaded = self._settings_of(row)
        if key in self._checked and len(row.prompt) <= LONG:
            return None
        try:
            plan = self._turns.plan(TurnRequest(loaded=loaded, question=row.prompt))
        except (UsageError, RefusedError) as error:
            raise RowError(f"cannot be asked: {error.message}") from None
        self._checked.add(key)
        return plan

    def answer(self, row: Row, earlier: Sequence[str], begin: Callable[[str], None]) -> RowOutcome:
        """Ask the row, or finish what the `earlier` turns have begun, by their ids.

        `begin` is told the id of the turn before that runs, if it is kept.
        """
        kept = self._kept_turns(row, earlier)
        if answered := _answered(row, kept):
            return answered
        return self._run(row, kept, begin)

    def reason(
        self, row: Row, earlier: Sequence[str], begin: Callable[[str], None]
    ) -> RowOutcome | None:
        """Have the row thought about; None where nobody is to, or it has been."""
        kept = self._kept_turns(row, earlier)
        alone = Handoff(self._settings_of(row).settings.handoff) is Handoff.NONE
        if alone or (kept and (_is_answered(kept[-1]) or _is_usable(kept[-1]))):
            return None
        return self._run(row, kept, begin, reasoning_only=True)

    def answer_plan(self, row: Row, earlier: Sequence[str]) -> Plan | None:
        """The plan of the answer from the reasoning that there is; None where it is answered.

        Raises what `build_plan` does.
        """
        kept = self._kept_turns(row, earlier)
        if kept and _is_answered(kept[-1]):
            return None
        return self._turns.plan(self._request(row, kept))

    def refuse(self, row: Row, error: DeepReasoningError, earlier: Sequence[str]) -> RowOutcome:
        """The row that cannot be answered, for that reason."""
        return _not_planned(row, error, self._kept_turns(row, earlier))

    def take(
        self, row: Row, earlier: Sequence[str], turn: str, receive: Callable[[Plan], Plan]
    ) -> RowOutcome:
        """The answer that came another way: `receive` puts it into the plan of `turn`.

        It is kept as any other; one that was kept already is not kept twice.
        """
        kept = self._kept_turns(row, [*earlier, turn])
        if answered := _answered(row, kept):
            return answered
        others = [record for record in kept if record.start.id != turn]
        try:
            plan = receive(self._turns.plan(self._request(row, others), turn))
        except DeepReasoningError as error:
            return _not_planned(row, error, others)
        ended = self._turns.run(self._turns.cap.count_only(plan))
        return replace(_outcome(row, ended, others), batched=True)

    def _run(
        self,
        row: Row,
        kept: Sequence[TurnRecord],
        begin: Callable[[str], None],
        *,
        reasoning_only: bool = False,
    ) -> RowOutcome:
        try:
            request = replace(self._request(row, kept), reasoning_only=reasoning_only)
            plan = self._turns.plan(request)
        except DeepReasoningError as error:
            return _not_planned(row, error, kept)
        if self._turns.saves:
            begin(plan.id)
        return _outcome(row, self._turns.run(plan), kept)

    def _settings_of(self, row: Row) -> LoadedSettings:
        """The settings of the row, made once for all rows that set the same."""
        if not row.values:
            return self._turns.loaded
        key = settings_key(row)
        with self._loading:
            found = self._settings.get(key)
            if found is None:
                try:
                    valid = self._load(row.values).settings
                    values = {name: getattr(valid, name) for name in row.values}
                    found = self._turns.loaded.with_values(values, "of the row")
                except (UsageError, ConfigError) as error:
                    found = RowError(f"cannot be asked: {error.message}")
                self._settings[key] = found
        if isinstance(found, RowError):
            raise RowError(str(found))
        return found

    def _kept_turns(self, row: Row, ids: Sequence[str]) -> list[TurnRecord]:
        """The turns of that prompt in the history, the one to go on from last."""
        kept = self._turns.kept_turns(ids, row.prompt)
        return sorted(kept, key=lambda record: (_is_answered(record), _is_usable(record)))

    def _request(self, row: Row, kept: Sequence[TurnRecord] = ()) -> TurnRequest:
        """The row's turn; it goes on from the last of the kept ones, as `resume` does."""
        loaded = self._settings_of(row)
        system = row.system if row.system is not None else self._system
        request = TurnRequest(loaded=loaded, question=row.prompt, system=system)
        last = kept[-1] if kept else None
        if last is None or not (_is_usable(last) or found_pages(last.sources)):
            return request
        request = request.going_on_from(last)
        if not (_is_usable(last) and _has_reasoning(last)):
            return request
        return replace(request, reused=ReasonerOutput.of(last), reasoning_from=last.start.id)


LONG: Final = 100_000  # characters of a prompt that may be longer than a model reads


def settings_key(row: Row) -> str:
    """What rows with the same settings have in common."""
    return repr(sorted(row.values.items()))


def _paid(kept: Sequence[TurnRecord]) -> Decimal:
    return sum((record.cost or NOTHING for record in kept), NOTHING)


def _answered(row: Row, kept: Sequence[TurnRecord]) -> RowOutcome | None:
    """The row, if the last of its turns has the answer; that was paid for before."""
    if not (kept and _is_answered(kept[-1])):
        return None
    last = kept[-1]
    return RowOutcome(row=row, answer=_answer(row, last.start.id, last, _paid(kept)), record=last)


def _outcome(row: Row, ended: EndedTurn, kept: Sequence[TurnRecord]) -> RowOutcome:
    """The row after its turn, which came after those that are kept."""
    cost = ended.record.cost
    total = None if cost is None else cost + _paid(kept)
    return RowOutcome(
        row=row,
        answer=_answer(row, ended.id or None, ended.record, total, ended.error),
        record=ended.record,
        cost=cost or NOTHING,
        error=ended.error,
        reached_cap=ended.reached_cap,
        is_kept=ended.is_kept,
    )


def _not_planned(row: Row, error: DeepReasoningError, kept: Sequence[TurnRecord]) -> RowOutcome:
    return _outcome(row, EndedTurn(id="", record=TurnRecord(), error=error), kept)


def _is_answered(record: TurnRecord) -> bool:
    """Whether nothing is missing: a turn that was only to reason is complete, too."""
    return record.complete and record.answers


def _is_usable(record: TurnRecord) -> bool:
    """Whether the turn has the beginning of an answer, or whole reasoning, to go on from."""
    return bool(record.answer.strip()) or (record.reasoned_to_the_end and _has_reasoning(record))


def _has_reasoning(record: TurnRecord) -> bool:
    return bool((record.reasoning + record.draft).strip()) and not record.lacks_reasoning


def _answer(
    row: Row,
    turn: str | None,
    record: TurnRecord,
    cost: Decimal | None,
    error: DeepReasoningError | None = None,
) -> dict[str, Any]:
    """The line of the row: the object of `--json`, under the row's id, and its error."""
    fields = turn_object(record)
    del fields["id"], fields["session"]
    fields |= {"prompt": row.prompt, "cost_usd": decimal_usd(cost)}
    fields["error"] = error.as_json()["error"] if error else None
    if row.meta is not None:
        fields["meta"] = row.meta
    return {"id": row.id, "turn": turn, **fields}
