"""The turns of a comparison, and which of their answers were picked."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from deepreasoning_cli.history.queries import FREE, fetch
from deepreasoning_cli.pipeline.comparison import arms_from_json, arms_to_json
from deepreasoning_cli.pipeline.events import TurnStarted

NO_ARMS: Final = arms_to_json(())


def compared_turns(connection: sqlite3.Connection, first: TurnStarted) -> list[sqlite3.Row]:
    """The rows of a comparison, found by the ids that its first turn knows: there is no index."""
    ids = {first.id, *(arm.id for arm in arms_from_json(first.arms or NO_ARMS))}
    found: dict[int, sqlite3.Row] = {}
    while ids:
        marks = ", ".join("?" * len(ids))
        query = f"SELECT * FROM turns WHERE id IN ({marks}) OR resumes IN ({marks})"  # noqa: S608 - marks
        rows = fetch(connection, query, [*ids, *ids])
        new = [row for row in rows if row["seq"] not in found]
        found |= {row["seq"]: row for row in new}
        ids = {row["id"] for row in new} - ids
    return [found[seq] for seq in sorted(found)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPicks:
    """How often a model answered in comparisons of which an answer was picked, how often its own
    was, and what its answers there cost in USD; None where that is unknown.
    """

    model: str
    comparisons: int
    wins: int
    cost: Decimal | None


def pick_answer(connection: sqlite3.Connection, turn: str) -> None:
    """Pick this turn's answer, and no other of its comparison."""
    (comparison,) = connection.execute(
        "SELECT comparison FROM turns WHERE id = ?", (turn,)
    ).fetchone()
    connection.execute("UPDATE turns SET picked = NULL WHERE comparison = ?", (comparison,))
    connection.execute("UPDATE turns SET picked = 1 WHERE id = ?", (turn,))


def picked_turn(connection: sqlite3.Connection, comparison: str) -> str | None:
    """The id of the turn whose answer was picked; None where none was."""
    query = "SELECT id FROM turns WHERE comparison = ? AND picked"
    row = connection.execute(query, (comparison,)).fetchone()
    return row["id"] if row else None


PICKS: Final = (
    "SELECT stages.model, turns.picked, stages.cost FROM turns"
    " JOIN stages ON stages.turn = turns.seq AND stages.stage = 'answer'"
    " WHERE turns.status = 'complete' AND turns.backend NOT IN (?, ?) AND turns.comparison IN"
    " (SELECT comparison FROM turns WHERE picked)"
)


def model_picks(connection: sqlite3.Connection) -> list[ModelPicks]:
    """The picks of each model, the one picked most often first."""
    rows: dict[str, list[sqlite3.Row]] = {}
    for row in connection.execute(PICKS, FREE):
        rows.setdefault(row["model"], []).append(row)
    found = []
    for model, answers in rows.items():
        costs = [answer["cost"] for answer in answers]
        cost = None if None in costs else sum(map(Decimal, costs), Decimal(0))
        wins = sum(1 for answer in answers if answer["picked"])
        found.append(ModelPicks(model=model, comparisons=len(answers), wins=wins, cost=cost))
    return sorted(found, key=lambda each: (-each.wins, each.comparisons, each.model))
