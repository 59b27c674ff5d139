"""The rows of a file of questions: read one by one, each checked for what it says.

A file is JSON Lines, CSV with a header, or a prompt a line. A row has a `prompt`, an `id`, which is
the number of its line where it has none, and settings by the names of the flags; `meta` is kept as
it is.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, BinaryIO, Final

from deepreasoning_cli.errors import UsageError, did_you_mean
from deepreasoning_cli.files import format_size
from deepreasoning_cli.prompt import LARGEST_INPUT
from deepreasoning_cli.sanitize import repair_surrogates

ROW_SETTINGS: Final[Mapping[str, str]] = {
    **{name: name for name in ("model", "reasoner", "answerer", "fallback", "backend")},
    **{name: name for name in ("handoff", "temperature", "top_p", "effort", "think")},
    **{name: name for name in ("max_reasoning", "max_tokens", "max_cost", "on_cap")},
    "web": "web_search_linkup",
}
"""What a row may set, by the name of the flag, with the setting's name."""
OWN_FIELDS: Final = ("id", "prompt", "system", "meta")
LONGEST_ID: Final = 500  # characters
LONGEST_SHOWN: Final = 60  # characters of a value that an error names


class RowFormat(StrEnum):
    """How rows are written."""

    JSONL = "jsonl"
    CSV = "csv"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A question: `values` are settings that hold for it alone, `line` is where it ends."""

    id: str | int
    prompt: str
    line: int
    system: str | None = None
    values: Mapping[str, object] = field(default_factory=dict)
    meta: Any = None

    @property
    def key(self) -> str:
        """The id as text: `1` and `"1"` are the same row."""
        return str(self.id)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be asked, and why."""

    line: int
    why: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.why}"


class RowError(ValueError):
    """What is wrong with a row, in words that follow its line."""


def prompt_digest(prompt: str) -> bytes:
    """Sixteen bytes that tell this prompt from any other."""
    return hashlib.blake2b(repair_surrogates(prompt).encode(), digest_size=16).digest()


def guess_format(name: str, start: bytes) -> RowFormat:
    """The format by the file's name, else by how it begins."""
    suffix = name.lower().rpartition(".")[2]
    if suffix in ("jsonl", "ndjson", "json"):
        return RowFormat.JSONL
    if suffix in ("csv", "txt"):
        return RowFormat.CSV if suffix == "csv" else RowFormat.TEXT
    begins = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    return RowFormat.JSONL if begins.startswith(b"{") else RowFormat.TEXT


def read_rows(file: BinaryIO, form: RowFormat) -> Iterator[Row | BadRow]:
    """The rows of the file, from where it stands; blank lines are none.

    One at a time is in memory. Raises UsageError where a CSV file has no usable header or is no
    text.
    """
    if form is RowFormat.CSV:
        yield from _csv_rows(file)
        return
    read = _json_row if form is RowFormat.JSONL else _text_row
    for number, text in text_lines(file):
        try:
            yield text if isinstance(text, BadRow) else read(text, number)
        except RowError as error:
            yield BadRow(number, str(error))


def text_lines(file: BinaryIO) -> Iterator[tuple[int, str | BadRow]]:
    """The lines with their numbers, from 1; blank ones are left out.

    A line that is too long, or is not UTF-8, is a bad row. One at a time is in memory.
    """
    number = 0
    while line := file.readline(LARGEST_INPUT + 1):
        number += 1
        if len(line) > LARGEST_INPUT:
            while len(line) > LARGEST_INPUT and not line.endswith(b"\n"):
                line = file.readline(LARGEST_INPUT + 1)
            yield number, BadRow(number, f"is longer than {format_size(LARGEST_INPUT)}")
            continue
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            yield number, BadRow(number, "is not UTF-8")
            continue
        if text.strip():
            yield number, text


def _text_row(text: str, number: int) -> Row:
    return Row(id=number, prompt=text.strip(), line=number)


def _json_row(text: str, number: int) -> Row:
    return make_row(read_object(text), number)


def read_object(text: str, **readers: Callable[[str], object]) -> dict[str, Any]:
    """The JSON object that a line is. Raises RowError.

    `readers` are those of numbers and constants that `json.loads` takes; what cannot be read by
    them is the row's mistake.
    """
    try:
        fields = json.loads(text, **readers)  # type: ignore[arg-type]  # by their own names
    except json.JSONDecodeError as error:
        raise RowError(f"is not JSON: {error.msg} at column {error.colno}") from None
    except (ValueError, ArithmeticError, RecursionError):
        raise RowError("is not JSON that can be read") from None
    if not isinstance(fields, dict):
        raise RowError("is not a JSON object")
    return fields


def make_row(fields: Mapping[str, Any], line: int) -> Row:
    """The row of these fields. Raises RowError."""
    named = {name.replace("-", "_"): value for name, value in fields.items() if value is not None}
    if unknown := [name for name in named if name not in (*OWN_FIELDS, *ROW_SETTINGS)]:
        raise RowError(unknown_field(unknown[0]))
    return Row(
        id=row_id(named.get("id", line)),
        prompt=row_text(named, "prompt") or _no_prompt(),
        line=line,
        system=row_text(named, "system"),
        values={ROW_SETTINGS[name]: named[name] for name in named if name in ROW_SETTINGS},
        meta=named.get("meta"),
    )


def unknown_field(name: str) -> str:
    """What to say of a field that no row has."""
    advice = did_you_mean(name, (*OWN_FIELDS, *ROW_SETTINGS))
    shown = name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}…"
    return f"has no setting {shown!r}; {advice or 'what is yours belongs into meta'}"


def _no_prompt() -> str:
    raise RowError("has no prompt")


def row_id(value: object) -> str | int:
    """The id of a row. Raises RowError."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RowError("has an id that is neither text nor a whole number")
    if isinstance(value, str) and not 0 < len(value.strip()) <= len(value) <= LONGEST_ID:
        raise RowError(f"has an id that is empty or longer than {LONGEST_ID} characters")
    return repair_surrogates(value) if isinstance(value, str) else value


def row_text(fields: Mapping[str, Any], name: str) -> str | None:
    """The text of a field; None where there is none, or only blanks. Raises RowError."""
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise RowError(f"has a {name} that is no text")
    text = repair_surrogates(value)
    if len(text.encode()) > LARGEST_INPUT:
        raise RowError(f"has a {name} that is longer than {format_size(LARGEST_INPUT)}")
    return text if text.strip() else None


def _csv_rows(file: BinaryIO) -> Iterator[Row | BadRow]:
    csv.field_size_limit(LARGEST_INPUT)
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    rows = csv.reader(text, strict=True)
    try:
        names = [name.strip().replace("-", "_") for name in next(rows, [])]
        _check_header(names)
        for cells in rows:
            try:
                if cells:
                    yield _csv_row(names, cells, rows.line_num)
            except RowError as error:
                yield BadRow(rows.line_num, str(error))
    except csv.Error as error:
        raise UsageError(
            f"line {rows.line_num} is not CSV: {error}",
            kind="bad_rows",
            hint="put a cell with commas, quotes or line ends in double quotes",
        ) from None
    except UnicodeDecodeError:
        message = f"the file is not UTF-8, behind line {rows.line_num}"
        raise UsageError(message, kind="bad_rows", hint="save the file as UTF-8") from None
    finally:
        text.detach()  # the file is the caller's


def _check_header(names: Sequence[str]) -> None:
    """Raise UsageError for a first line that names no columns of ours."""
    problem = None
    if "prompt" not in names:
        problem = "has no column named prompt"
    elif twice := [name for name in names if names.count(name) > 1]:
        problem = f"names {twice[0]!r} twice"
    elif unknown := [name for name in names if name not in (*OWN_FIELDS, *ROW_SETTINGS)]:
        problem = unknown_field(unknown[0])
    if problem:
        raise UsageError(f"line 1 {problem}", kind="bad_rows", hint="name the columns as the flags")


def _csv_row(names: Sequence[str], cells: Sequence[str], line: int) -> Row:
    if len(cells) != len(names):
        raise RowError(f"has {len(cells)} cells; the header has {len(names)}")
    fields: dict[str, Any] = dict(zip(names, cells, strict=True))
    given = {name: cell for name, cell in fields.items() if cell.strip()}
    if "id" in fields:
        given["id"] = fields["id"]
    return make_row(given, line)
