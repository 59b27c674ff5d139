"""The table of faults: its files are read here, and what a row may say is told in README.md."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
PHASES: Final = ("call", "search", "first", "reasoning", "claude", "answer")
SINKS: Final = ("pipe", "json", "terminal", "serve")
STATES: Final = ("nothing", "question", "pages", "thoughts", "reasoning", "part", "whole")
ROW_WORDS: Final = {
    *("about", "matrix", "does", "times", "args", "stdin", "env", "files", "sinks", "timeout"),
    *("near", "real", "streams", "largest_file"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What has to come of a fault in one phase: the same for each sink, told in its own way."""

    exit: int = 0
    error: str = ""
    kind: str = ""
    status: int | None = None
    hints: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    json_notes: tuple[str, ...] | None = None
    """The notes with `--json`, where they are others."""
    stdout: str | None = None
    """What a pipe gets; None: the answer, as far as the program keeps it."""
    asked: str = ""
    """The requests in their order: S search, R reasoner, C Claude."""
    kept: str = "nothing"
    reasoning: str | None = None
    """The chain of thought that is kept, where it is not what `kept` says."""
    answer: str | None = None
    resume: str | None = None
    """What `resume` asks afterwards, `refused` for nothing; None: what `kept` says."""
    terminal_notes: tuple[str, ...] | None = None
    told: tuple[str, ...] | None = None
    """The two texts in the object of `--json`, where they are not what is kept; none: no object."""
    leaves: tuple[str, ...] = ()
    """Files that stay: what another program has to look at."""
    shown: tuple[str, ...] = ()
    """What a terminal shows in place of the text as it was sent."""
    http: int | None = None
    """The status that a client of `serve` gets; None: 200."""
    http_error: str = ""
    """What a client is told, where it is not the error itself."""
    sinks: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    """What is set in this phase alone, beside what is for the whole row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One row: what goes wrong, and what has to come of it in each phase."""

    name: str
    about: str
    does: tuple[Any, ...] = ()
    times: int = 0
    args: tuple[str, ...] = ()
    stdin: str | None = None
    env: Mapping[str, str]
    files: Mapping[str, str]
    timeout: float | None = None
    sinks: tuple[str, ...]
    near: str = ""
    """The case outside that this row is a neighbour of."""
    real: bool = False
    """Whether a fork would not do: it depends on how the interpreter starts."""
    streams: Mapping[str, str]
    """What a standard stream is: `closed`, `full`, or one whose reader `leaves`."""
    largest_file: int | None = None
    """Bytes after which a file cannot grow: a full disk."""
    outcomes: Mapping[str, Outcome]


NOTHING: Final = Fault(
    name="none",
    about="Nothing goes wrong by itself.",
    env={},
    files={},
    streams={},
    sinks=("pipe",),
    outcomes={"call": Outcome()},
)


@dataclass(frozen=True, slots=True)
class Case:
    """One run: a fault in a phase, seen at a sink."""

    fault: Fault
    phase: str
    sink: str

    @property
    def outcome(self) -> Outcome:
        return self.fault.outcomes[self.phase]

    def __str__(self) -> str:
        return f"{self.fault.name}-{self.phase}-{self.sink}"


def load_faults() -> list[Fault]:
    """All rows, file by file. Raises ValueError for a row that says what no row can."""
    faults: list[Fault] = []
    for file in sorted(HERE.glob("*.toml")):
        for name, row in tomllib.loads(file.read_text(encoding="utf-8")).items():
            try:
                faults.append(_fault(name, row))
            except (TypeError, KeyError, ValueError) as error:
                raise ValueError(f"{file.name}: [{name}]: {error}") from error
    names = [fault.name for fault in faults]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"named twice: {twice}")
    return faults


def cases(faults: list[Fault]) -> Iterator[Case]:
    """Each fault in each of its phases at each of its sinks."""
    for fault in faults:
        for phase, outcome in fault.outcomes.items():
            for sink in outcome.sinks or fault.sinks:
                yield Case(fault, phase, sink)


def sample(every: list[Case]) -> list[Case]:
    """Each fault in each of its phases once, the sinks taken in turn.

    Those with a time limit are left out: a busy machine may pass it in another stage.
    """
    groups: dict[tuple[str, str], list[Case]] = {}
    for case in every:
        if case.fault.timeout is not None:
            continue
        groups.setdefault((case.fault.name, case.phase), []).append(case)
    return [group[place % len(group)] for place, group in enumerate(groups.values())]


def _fault(name: str, row: dict[str, Any]) -> Fault:
    phases: dict[str, dict[str, Any]] = {word: row.pop(word) for word in PHASES if word in row}
    if strange := row.keys() - ROW_WORDS:
        raise ValueError(f"no word of the table: {strange}")
    row.pop("matrix", None)
    row = {word: tuple(v) if isinstance(v, list) else v for word, v in row.items()}
    own = {"env", "args", "files", "stdin", "streams", "largest_file", "real"} & row.keys()
    own |= {word for said in phases.values() for word in said if word == "env"}
    row.setdefault("sinks", SINKS[:-1] if own else SINKS)
    outcomes = {phase: _outcome(said) for phase, said in phases.items()}
    if not outcomes:
        raise ValueError("without an outcome")
    return Fault(name=name, outcomes=outcomes, **{"env": {}, "files": {}, "streams": {}, **row})


def _outcome(said: dict[str, Any]) -> Outcome:
    known = {each.name for each in fields(Outcome)}
    if strange := said.keys() - known:
        raise ValueError(f"no word of an outcome: {strange}")
    as_given: dict[str, Any] = {}
    for word, value in said.items():
        as_given[word] = tuple(value) if isinstance(value, list) else value
    outcome = Outcome(**as_given)
    if outcome.kept not in STATES:
        raise ValueError(f"kept: one of {STATES}")
    return outcome
