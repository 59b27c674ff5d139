"""The questions of an evaluation: JSON Lines, each row with a prompt and what is right for it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from typing import Any, BinaryIO, Final

from deepreasoning_cli.errors import UsageError, did_you_mean
from deepreasoning_cli.evaluation.checkers import (
    CheckCommand,
    Checker,
    ExpectedNumber,
    ExpectedPattern,
    ExpectedText,
    ExpectedWords,
    JudgeCriterion,
)
from deepreasoning_cli.library.question_rows import (
    BadRow,
    RowError,
    read_object,
    row_id,
    row_text,
    text_lines,
)

CHECKERS: Final = ("expect", "regex", "number", "contains", "run", "judge")
FIELDS: Final = ("id", "prompt", "system", "tolerance", *CHECKERS)
MOST_NAMED: Final = 10  # mistakes that are told at once


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRow:
    """A question and how its answer is checked. `line` is where it stands in the file, from 1."""

    id: str
    line: int
    prompt: str
    system: str | None
    checker: Checker


def read_rows(file: BinaryIO, name: str, *, allow_run: bool = False) -> list[EvaluationRow]:
    """The rows of a file, in their order; empty lines are skipped.

    A row without an `id` has the number of its line. Raises UsageError that names the file and each
    wrong line, before anything is sent; `run` is a mistake without `allow_run`.
    """
    rows: list[EvaluationRow] = []
    mistakes: list[BadRow] = []
    lines_of_ids: dict[str, int] = {}
    for line, text in text_lines(file):
        if isinstance(text, BadRow):
            mistakes.append(text)
            continue
        try:
            row = read_row(text, line, allow_run=allow_run)
            first = lines_of_ids.setdefault(row.id, line)
            if first != line:
                raise RowError(f"has the id {row.id!r}, as line {first} has")
            rows.append(row)
        except RowError as mistake:
            mistakes.append(BadRow(line, str(mistake)))
    if mistakes:
        raise _refusal(name, mistakes)
    if not rows:
        raise UsageError(
            f"{name} has no rows",
            hint='write a line such as {"prompt": "6 times 7?", "number": 42}',
        )
    return rows


def _refusal(name: str, mistakes: list[BadRow]) -> UsageError:
    rest = len(mistakes) - MOST_NAMED
    more = [f"and {rest} more"] if rest > 0 else []
    what = "one row" if len(mistakes) == 1 else f"{len(mistakes)} rows"
    return UsageError(
        f"{name}: {what} cannot be used; nothing was sent",
        kind="bad_rows",
        hint=[*map(str, mistakes[:MOST_NAMED]), *more],
    )


def read_row(text: str, line: int, *, allow_run: bool = False) -> EvaluationRow:
    """One row. Raises RowError."""
    row = read_object(text, parse_float=Decimal, parse_constant=_refuse_constant)
    for field in row:
        if field not in FIELDS:
            close = did_you_mean(field, FIELDS)
            raise RowError(f"has an unknown field {field!r}" + (f"; {close}" if close else ""))
    prompt = row_text(row, "prompt")
    if prompt is None:
        raise RowError("has no prompt")
    return EvaluationRow(
        id=str(row_id(row.get("id", line))),
        line=line,
        prompt=prompt,
        system=row_text(row, "system"),
        checker=_read_checker(row, allow_run=allow_run),
    )


def _refuse_constant(constant: str) -> None:
    raise ValueError(constant)


def _read_checker(row: Mapping[str, Any], *, allow_run: bool) -> Checker:
    named = [name for name in CHECKERS if name in row]
    if len(named) != 1:
        found = " and ".join(named) if named else "none of them"
        raise RowError(f"needs one of {', '.join(CHECKERS)}; it has {found}")
    if "tolerance" in row and named != ["number"]:
        raise RowError("has a tolerance, which only a number can have")
    if named == ["run"] and not allow_run:
        raise RowError("runs a command, which --allow-run has to allow")
    return READERS[named[0]](row)


def _read_expect(row: Mapping[str, Any]) -> Checker:
    return ExpectedText(_text(row["expect"], "expect"))


def _read_contains(row: Mapping[str, Any]) -> Checker:
    texts = row["contains"] if isinstance(row["contains"], list) else [row["contains"]]
    if not texts:
        raise RowError("has an empty contains")
    return ExpectedWords(tuple(_text(text, "contains") for text in texts))


def _read_number(row: Mapping[str, Any]) -> Checker:
    tolerance = _number(row.get("tolerance", 0), "tolerance")
    if tolerance < 0:
        raise RowError("has a tolerance below 0")
    return ExpectedNumber(_number(row["number"], "number"), tolerance)


def _read_regex(row: Mapping[str, Any]) -> Checker:
    pattern = _text(row["regex"], "regex")
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as exc:
        raise RowError(f"has a regex that is none: {exc}") from exc
    return ExpectedPattern(pattern)


def _read_run(row: Mapping[str, Any]) -> Checker:
    command = row["run"]
    if isinstance(command, list) and command:
        return CheckCommand(tuple(_text(part, "run") for part in command))
    return CheckCommand(_text(command, "run"))


def _read_judge(row: Mapping[str, Any]) -> Checker:
    return JudgeCriterion(_text(row["judge"], "judge"))


READERS: Final[dict[str, Callable[[Mapping[str, Any]], Checker]]] = {
    "expect": _read_expect,
    "regex": _read_regex,
    "number": _read_number,
    "contains": _read_contains,
    "run": _read_run,
    "judge": _read_judge,
}


def _text(value: object, field: str) -> str:
    if not isinstance(value, str) or not value.strip():
        hint = "; number is the field for one" if isinstance(value, int | Decimal) else ""
        raise RowError(f"has a value of {field} that is no text{hint}")
    return value


def _number(value: object, field: str) -> Decimal:
    number = None
    if isinstance(value, int | Decimal | str) and not isinstance(value, bool):
        with suppress(DecimalException):
            number = Decimal(value)
    if number is None or not number.is_finite():
        raise RowError(f"has a value of {field} that is no number")
    return number
