"""The faults of the table, struck where one call asks several times: `batch`, `compare`.

Nothing is told twice: what a row says of `ask` is what has to become of each part that is struck.
A part is a row or a model; `one` is the first of two.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from faults.runs import World, calm, texts_kept
from faults.script import TEXT_SEEN, faulty_reply, good_reply, vendor_of
from faults.table import Case, Fault, Outcome
from support.loopback import Received
from support.replies import Reply, claude_stream
from support.runner import CompletedRun
from support.vendors import ANSWER

MODELS: Final = ("claude-opus-5-5", "claude-sonnet-5-5")
ROWS: Final = ("number 1", "number 2")
PARTS: Final = {"batch": ROWS, "compare": MODELS}
PHASES: Final = ("first", "reasoning", "claude", "answer")
IN: Final = "in.jsonl"
OUT: Final = "out.jsonl"
COMMANDS: Final = {
    "batch": ("batch", IN, "-o", OUT, "-j", "1"),
    "compare": ("compare", "6 x 7?", *(word for model in MODELS for word in ("-m", model))),
}
SAID: Final = re.compile("(?:error|hint|note|warning): ")
ENDS: Final = ("key_rejected", "no_credit")
"""Kinds of errors that all others would meet: nobody else is asked."""
CHOSEN: Final = (
    *("connection-reset", "connection-closed", "key-rejected", "no-credit-402", "quota-used-up"),
    *("rate-limit-that-stays", "retry-after-inf", "server-error-500", "overloaded-in-mid-stream"),
    *("json-list", "empty-reply", "declined", "cut-at-max-tokens", "connection-refused"),
    *("name-unknown", "certificate-expired"),
)
"""The faults of the table that are struck here."""
OF_BATCH: Final = ("no-reasoning",)
"""And in `batch` alone: `compare` says in its own words that there is no answer."""


@dataclass(frozen=True, slots=True)
class Many:
    """A fault in a phase of a command, of its first part or of all."""

    command: str
    case: Case
    scope: str

    def __str__(self) -> str:
        return f"{self.command}-{self.scope}-{self.case.fault.name}-{self.case.phase}"

    @property
    def outcome(self) -> Outcome:
        return self.case.outcome

    @property
    def by_reasoner(self) -> bool:
        return vendor_of(self.case.phase) == "R"

    @property
    def struck(self) -> int:
        """How many of the two parts meet the fault."""
        return 1 if self.scope == "one" else 2

    @property
    def ends(self) -> bool:
        return self.outcome.kind in ENDS


def many_cases(faults: list[Fault]) -> Iterator[Many]:
    """Each fault of a vendor in each phase of each command."""
    for fault in (fault for fault in faults if fault.name in CHOSEN + OF_BATCH):
        for phase, outcome in fault.outcomes.items():
            if phase not in PHASES or "pipe" not in (outcome.sinks or fault.sinks):
                continue
            for command in ("batch",) if fault.name in OF_BATCH else PARTS:
                shared = command == "compare" and vendor_of(phase) == "R"
                scopes = ("all",) if shared or outcome.env else ("one", "all")
                yield from (Many(command, Case(fault, phase, "pipe"), scope) for scope in scopes)


# ------------------------------------------------------------------------------------ what comes


def observed(world: World, many: Many) -> dict[str, Any]:
    """Run the command, and run it again when all is well: what came of both."""
    home = world.vendors.home
    (home / "tmp").mkdir()
    rows = [{"id": row, "prompt": row} for row in ROWS]
    (home / IN).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    _strike(world, many)
    first = world.run(*COMMANDS[many.command])
    found = {
        "exit": first.code,
        "asked": world.asked(),
        "stdout": first.stdout.decode() if many.command == "compare" else "",
        "said": _said(world, first),
        "strays": world.strays(),
        "errors": _errors(world) if many.command != "compare" else [],
    }
    for letter, vendor in world.by_letter().items():
        vendor.forget()
        vendor.reply(_rest if letter == "C" else good_reply(letter))
    again = World(calm(many.case), world.vendors, world.places, world.forker)
    second = again.run(*_second(many))
    found |= {"second exit": second.code, "second asked": again.asked()}
    if many.command == "compare":
        texts = [each["answer"] for each in json.loads(second.stdout or "{}").get("answers", [])]
    else:
        texts = [line["answer"] for line in _lines(world) if not line["error"]]
    return found | {"answers": [world.plain(text) for text in texts], "left": again.strays()}


def _strike(world: World, many: Many) -> None:
    """Have the vendor of the phase fail for the first part, or for all."""
    fault, parts, seen = many.case.fault, PARTS[many.command], Counter[str]()
    for letter, vendor in world.by_letter().items():
        good = good_reply(letter)
        if not fault.does or letter != vendor_of(many.case.phase):
            vendor.reply(good)
            continue
        bad = faulty_reply(many.case.phase, world.filled(fault.does), world.signal)

        def reply(request: Received, good: Reply = good, bad: Reply = bad) -> Reply:
            text = json.dumps(request.body)
            part = next((each for each in parts if each in text), parts[0])
            seen[part] += 1
            is_meant = many.scope == "all" or part == parts[0]
            return bad if is_meant and (not fault.times or seen[part] <= fault.times) else good

        vendor.reply(reply)


def _rest(request: Received) -> Reply:
    """The answer; where it was cut, what it goes on with."""
    is_cut = TEXT_SEEN in json.dumps(request.body)
    return claude_stream([ANSWER.removeprefix(TEXT_SEEN)]) if is_cut else good_reply("C")


def _second(many: Many) -> tuple[str, ...]:
    if many.command != "compare":
        return COMMANDS[many.command]
    return ("resume", "--json", *(["--partial"] if many.outcome.kept == "thoughts" else []))


def _said(world: World, run: CompletedRun) -> list[str]:
    """The lines of stderr that are no figures."""
    lines = world.plain(run.stderr.decode()).splitlines()
    return [line for line in lines if SAID.match(line)]


def _lines(world: World) -> list[dict[str, Any]]:
    path = world.vendors.home / OUT
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _errors(world: World) -> list[tuple[str, str, list[str]]]:
    """What failed: the kind, the error, its hints but for `resume`, which names a turn."""
    errors = [line["error"] for line in _lines(world) if line["error"]]
    return [
        (
            error["kind"],
            world.plain(f"{error['stage']}: {error['message']}"),
            [
                hint
                for hint in world.plain(error["hint"] or "").splitlines()
                if "resume" not in hint
            ],
        )
        for error in errors
    ]


# ------------------------------------------------------------------------------ what has to come


def expected(many: Many) -> dict[str, Any]:
    """The outcome of `ask`, for each part that is struck."""
    if many.command == "compare":
        return _expected_of_compare(many)
    return _expected_of_batch(many)


def _expected_of_batch(many: Many) -> dict[str, Any]:
    outcome, struck = many.outcome, many.struck
    if many.ends:
        struck, asked, again = 1, outcome.asked, _again(outcome) + "RC"
    else:
        asked = outcome.asked * struck + "RC" * (2 - struck)
        again = _again(outcome) * struck
    said = [*outcome.notes]
    if many.ends:
        left = 2 if outcome.kept == "question" else 1
        said += [f"error: {outcome.error}", *(f"hint: {hint}" for hint in _advice(outcome))]
        said += [f"hint: {left} rows are left: run it again to go on"]
    elif outcome.error:
        said += [f"error: {struck} of 2 rows failed", "hint: run it again: it asks those alone"]
    written = 0 if many.ends and outcome.kept == "question" else struck
    return {
        "exit": outcome.exit if many.ends or not outcome.error else 6,
        "asked": asked,
        "stdout": "",
        "said": said,
        "strays": [],
        "errors": _failures(outcome) * written,
        "second exit": 0,
        "second asked": again,
        "answers": _answers(many),
        "left": [],
    }


def _expected_of_compare(many: Many) -> dict[str, Any]:
    outcome, struck = many.outcome, many.struck
    message = outcome.error.partition(": ")[2]
    paid = outcome.exit == 6
    came = texts_kept(outcome)[1]
    cut = " (cut)" if outcome.error else ""
    shown = [f"# {model}{cut}\n\n{came}\n" for model in MODELS[:struck] if came]
    others = [f"# {model}\n\n{ANSWER}\n" for model in MODELS[struck:]]
    again = "C" * struck
    missing = [f"{model}: {message}" for model in MODELS[:struck]]
    if many.by_reasoner:
        asked = outcome.asked + ("" if outcome.error else "C")
        again = "RCC" if outcome.kept == "question" else "CC"
        missing[1:] = [f"{MODELS[1]}: it was not asked for"]
        error = outcome.error
        if paid:
            error = f"reason: 2 of 2 answers are missing: {'; '.join(missing)}"
    else:
        asked = "R" + outcome.asked[1:] * struck + "C" * (2 - struck)
        missing = [each.replace(MODELS[1], MODELS[0]) for each in missing[:1]] + missing[1:]
        error = f"answer: {struck} of 2 answers are missing: {'; '.join(missing)}"
    failed = bool(outcome.error)
    return {
        "exit": outcome.exit,
        "asked": asked,
        "stdout": "\n".join([*shown, *others]),
        "said": [*outcome.notes, f"error: {error}", *(f"hint: {each}" for each in outcome.hints)]
        if failed
        else [*outcome.notes],
        "strays": [],
        "errors": [],
        "second exit": 0 if failed else 2,
        "second asked": again if failed else "",
        "answers": [ANSWER] * 2 if failed else [],
        "left": [],
    }


def _again(outcome: Outcome) -> str:
    """What a row takes that ended so: reasoning that was cut is bought again."""
    if not outcome.error:
        return ""
    return "C" if outcome.kept in ("reasoning", "part") else "RC"


def _answers(many: Many) -> list[str]:
    """The texts that are there in the end."""
    struck = ANSWER if many.outcome.error else texts_kept(many.outcome)[1]
    return [struck] * many.struck + [ANSWER] * (2 - many.struck)


def _advice(outcome: Outcome) -> list[str]:
    return [hint for hint in outcome.hints if "resume" not in hint]


def _failures(outcome: Outcome) -> list[tuple[str, str, list[str]]]:
    return [(outcome.kind, outcome.error, _advice(outcome))] if outcome.error else []
