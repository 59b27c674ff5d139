"""One turn, by its id or the beginning of it."""

from __future__ import annotations

import sqlite3
from typing import Final

from deepreasoning_cli.errors import UsageError, nearest
from deepreasoning_cli.text import well_formed

NEAR: Final = 1000
LAST_CHARACTER: Final = "\U0010ffff"
IDS_SHOWN: Final = 3


def find(connection: sqlite3.Connection, id_or_prefix: str) -> sqlite3.Row:
    """The whole row of the turn. Raises UsageError where there is none, or more than one."""
    wanted = well_formed(id_or_prefix)
    rows = connection.execute(
        "SELECT id FROM turns WHERE id >= ? AND id <= ? ORDER BY id LIMIT ?",
        (wanted, wanted + LAST_CHARACTER, IDS_SHOWN + 1),
    ).fetchall()
    ids = [row["id"] for row in rows]
    if wanted in ids:
        ids = [wanted]
    if not ids or not wanted:
        raise _unknown(connection, wanted)
    if len(ids) > 1:
        raise UsageError(
            f"{wanted} begins the ids of several turns: {', '.join(ids[:IDS_SHOWN])}"
            + (", …" if len(ids) > IDS_SHOWN else ""),
            kind="ambiguous_turn",
            hint="give more of the id",
        )
    row: sqlite3.Row = connection.execute("SELECT * FROM turns WHERE id = ?", ids).fetchone()
    return row


def _unknown(connection: sqlite3.Connection, wanted: str) -> UsageError:
    query = "SELECT id FROM turns ORDER BY seq DESC LIMIT ?"
    ids = [row["id"] for row in connection.execute(query, (NEAR,))]
    near = nearest(wanted, ids, likeness=0.0)
    return UsageError(
        f"no turn {wanted or 'without a name'} in the history",
        kind="unknown_turn",
        hint=f"the nearest is {near[0]}" if near else "the history is empty",
    )
