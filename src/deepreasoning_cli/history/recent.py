"""What the shells offer at TAB: small files of text that the completion scripts read.

`recent` has the newest turns, a line each: id, first words of the question, session, between tabs.
`own-hosts` has the reasoners and answerers of the user's own: `reasoner`, a tab, its name. They
stand in the data folder, for their owner alone. One that cannot be written is left as it is: what
it lacks is not offered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from deepreasoning_cli.errors import WriteError
from deepreasoning_cli.files import read_regular, write_atomically
from deepreasoning_cli.pipeline.attachments import summarize_prompt
from deepreasoning_cli.sanitize import single_line

TURNS, HOSTS = "recent", "own-hosts"
MOST: Final = 50  # turns
FIRST_WORDS: Final = 60  # characters of a question
LONGEST_NAME: Final = 200  # characters of a session's or a host's name


def add_turn(folder: Path, turn: str, prompt: str, session: str | None) -> None:
    """Put the turn on top, without what stood there of it."""
    words = single_line(summarize_prompt(prompt), FIRST_WORDS) or "…"
    rows = [row for row in _rows(folder) if row[0] != turn]
    _write(folder, [(turn, words, _as_field(session)), *rows[: MOST - 1]])


def remove_turns(folder: Path, turns: Collection[str]) -> None:
    """Leave out the turns of these ids."""
    rows = _rows(folder)
    kept = [row for row in rows if row[0] not in turns]
    if kept != rows:
        _write(folder, kept)


def rename_session(folder: Path, session: str, new: str) -> None:
    """Put the turns of a session under its new name."""
    old = _as_field(session)
    rows = _rows(folder)
    _write(
        folder, [(turn, text, _as_field(new) if old == name else name) for turn, text, name in rows]
    )


def remember_hosts(folder: Path, reasoners: Iterable[str], answerers: Iterable[str]) -> None:
    """Keep the names of the user's own hosts, where they are others than before."""
    named = [("reasoner", name) for name in reasoners] + [("answerer", name) for name in answerers]
    text = "".join(f"{kind}\t{name}\n" for kind, name in named if _as_field(name))
    path = folder / HOSTS
    before = ""
    with suppress(OSError, ValueError):
        before = read_regular(path)
    if text != before:
        _put(path, text)


def _as_field(name: str | None) -> str:
    """A name that can stand between tabs as it is; "" for none, and for one that cannot."""
    return name if name and single_line(name, LONGEST_NAME) == name else ""


def _rows(folder: Path) -> list[tuple[str, str, str]]:
    """The rows that are there; lines of another shape are left out."""
    try:
        lines = read_regular(folder / TURNS).splitlines()
    except (OSError, ValueError):
        return []
    fields = [line.split("\t") for line in lines]
    return [(turn, words, session) for turn, words, session in (f for f in fields if len(f) == 3)]


def _write(folder: Path, rows: Iterable[tuple[str, str, str]]) -> None:
    _put(folder / TURNS, "".join("\t".join(row) + "\n" for row in rows))


def _put(path: Path, text: str) -> None:
    if path.exists() and not path.is_file():  # a pipe would be waited for
        return
    with suppress(WriteError):
        write_atomically(path, text, synced=False)
