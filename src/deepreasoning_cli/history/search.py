"""The turns that hold some words: by the index, or letter by letter where words have no ends."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.history.listing import Row, as_row
from deepreasoning_cli.text import well_formed

SNIPPET_WORDS: Final = 16
SNIPPET_LETTERS: Final = 40
UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
"""Scripts without spaces between words (Thai, kana, Han …): to the index a sentence is one word."""
BY_INDEX: Final = (
    "SELECT turns.*, snippet(words, -1, '', '', '…', ?) AS snippet"
    " FROM words JOIN turns ON turns.seq = words.rowid WHERE words MATCH ?"
)
BY_LETTERS: Final = "SELECT *, NULL AS snippet FROM turns WHERE TRUE"
HOLDS: Final = (
    " AND (instr(turns.prompt, ?) OR instr(turns.reasoning, ?) OR instr(turns.answer, ?))"
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A turn that holds the words, and the passage around the best of them."""

    row: Row
    snippet: str


def search(connection: sqlite3.Connection, words: Sequence[str], limit: int) -> list[Hit]:
    """The turns that hold all `words` or words that begin with them, the best first.

    Raises UsageError where there is no word among them.
    """
    plain = [well_formed(word).replace("\0", " ") for text in words for word in text.split()]
    plain = [word for word in plain if any(map(str.isalnum, word))]
    if not plain:
        raise UsageError("no word to search for", kind="empty_search")
    unspaced = [word for word in plain if UNSPACED.search(word)]
    spaced = [word for word in plain if not UNSPACED.search(word)]
    query = (BY_INDEX if spaced else BY_LETTERS) + HOLDS * len(unspaced)
    order = (
        " ORDER BY words.rank, turns.seq DESC LIMIT ?" if spaced else " ORDER BY seq DESC LIMIT ?"
    )
    values = [*([SNIPPET_WORDS, _phrases(spaced)] if spaced else []), *_thrice(unspaced), limit]
    rows = connection.execute(query + order, values)
    return [Hit(as_row(row), row["snippet"] or _passage(row, unspaced[0])) for row in rows]


def _phrases(words: Sequence[str]) -> str:
    """The words in quotation marks, within which FTS5 knows no syntax of its own."""
    return " ".join('"' + word.replace('"', '""') + '"*' for word in words)


def _thrice(words: Sequence[str]) -> list[str]:
    return [word for word in words for _ in range(3)]


def _passage(row: sqlite3.Row, word: str) -> str:
    """The letters around the word, in the first of the texts that holds it."""
    text: str = next(row[name] for name in ("answer", "reasoning", "prompt") if word in row[name])
    at = text.index(word)
    start, end = max(0, at - SNIPPET_LETTERS), at + len(word) + SNIPPET_LETTERS
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")
