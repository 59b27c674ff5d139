"""One case: the program between vendors that fail as its row says, and all that came of it."""

from __future__ import annotations

import json
import os
import re
import signal as signals
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from deepreasoning_cli.history.recovery import recover
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.sanitize import single_line
from faults.places import Places
from faults.script import TEXT_SEEN, THOUGHTS_SEEN, faulty_reply, good_reply, vendor_of
from faults.table import Case, Outcome
from support.forking import Forked, Forker, started
from support.loopback import Loopback
from support.replies import claude_stream
from support.runner import CompletedRun, environment, homes, read_terminal
from support.screen import Terminal, foreign
from support.tmux import squeezed
from support.vendors import ANSWER, REASONING, TURN_ID, Vendors

OUT: Final = ("stdout", "stderr")
PATIENCE: Final = 60.0  # seconds, on a machine that has much else to do
QUESTION: Final = "6 x 7?"
TEXTS_KEPT: Final = {
    "nothing": ("", ""),
    "question": ("", ""),
    "pages": ("", ""),
    "thoughts": (THOUGHTS_SEEN, ""),
    "reasoning": (REASONING, ""),
    "part": (REASONING, TEXT_SEEN),
    "whole": (REASONING, ANSWER),
}
OFFERS: Final = {"key_missing": b"Set it up now? [Y/n]"}
"""What a person at a terminal is asked after an error of a kind; here, the answer is no."""
SEARCH_OFFER: Final = b"Answer without the search? [y/N]"
RESUMED: Final = {"thoughts": "C", "reasoning": "C", "part": "C", "pages": "RC"}
"""What `resume` has to ask for, by what is kept; of a cut reasoning with --partial."""
USERS_OWN: Final = ("in.jsonl", "out.jsonl")
"""The questions and answers of `batch` and `eval`."""
STRAY: Final = re.compile(r"\.tmp|\.part|~$|^tmp|\.repair|EXECUTED")


@dataclass(slots=True)
class World:
    """The vendors, the places and the user's home of one case."""

    case: Case
    vendors: Vendors
    places: Places
    forker: Forker
    running: list[Forked] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.vendors.home / ".local/share/deepreasoning"

    @property
    def environment(self) -> dict[str, str]:
        """Two vendors and a search, the folder for what is temporary, and what the row adds."""
        fault = self.case.fault
        own = {
            **self.vendors.environment,
            "LINKUP_API_KEY": self.vendors.keys["LINKUP_API_KEY"],
            "LINKUP_BASE_URL": f"{self.vendors.novita.url}/v1",
            "TMPDIR": str(self.vendors.home / "tmp"),
        }
        if fault.timeout is not None:
            own["DEEPREASONING_TIMEOUT"] = str(fault.timeout)
        for name, value in {**fault.env, **self.case.outcome.env}.items():
            own[name] = self.fill(value)
        everything = environment({**homes(self.vendors.home), **own})
        return {name: value for name, value in everything.items() if value != "(unset)"}

    def fill(self, text: str) -> str:
        """A row's text with addresses, keys and the home in it."""
        return self.places.filled(self.keyed(text).replace("{home}", str(self.vendors.home)))

    def keyed(self, text: str) -> str:
        """The text with the keys that it names."""
        own = {"S": "LINKUP", "R": "DEEPSEEK", "C": "ANTHROPIC"}[vendor_of(self.case.phase)]
        keys = self.vendors.keys
        written = {
            **keys,
            "KEY": keys[f"{own}_API_KEY"],
            "PASSWORD": quote(keys["NOVITA_API_KEY"], ""),
        }
        for name, key in written.items():
            text = text.replace(f"{{{name}}}", key)
        return text

    def prepare(self) -> None:
        """Script the vendors, and write the row's files."""
        fault = self.case.fault
        (self.vendors.home / "tmp").mkdir()
        for name, text in fault.files.items():
            mode, _, path = name.rpartition(" ")
            file = self.vendors.home / path
            if path.endswith("/"):
                file.mkdir(parents=True, mode=0o700)
                file.chmod(int(mode, 8))
                continue
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.write_bytes(self.fill(text).encode("utf-8", "surrogateescape"))
            file.chmod(int(mode or "600", 8))
            self.vendors.may_hold_keys.add(file)
        self.script()

    def script(self) -> None:
        """Tell the vendors what to answer."""
        fault, phase = self.case.fault, self.case.phase
        for letter, vendor in self.by_letter().items():
            if fault.does and letter == vendor_of(phase):
                bad = faulty_reply(phase, self.filled(fault.does), self.signal)
                vendor.reply(*[bad] * max(fault.times, 1))
                if not fault.times:
                    continue
            vendor.reply(good_reply(letter))

    def filled(self, said: Any) -> Any:
        """What the row says a vendor does, with the keys that it echoes."""
        match said:
            case str():
                return self.keyed(said)
            case dict():
                return {name: self.filled(value) for name, value in said.items()}
            case tuple() | list():
                return [self.filled(value) for value in said]
        return said

    def by_letter(self) -> dict[str, Loopback]:
        return {"S": self.vendors.novita, "R": self.vendors.reasoner, "C": self.vendors.claude}

    def asked(self) -> str:
        """The requests so far, in their order, as letters."""
        came = [(each.at, name) for name, vendor in self.by_letter().items()
                for each in vendor.requests]  # fmt: skip
        return "".join(name for _, name in sorted(came))

    def forget(self) -> None:
        """All is well from now on."""
        for letter, vendor in self.by_letter().items():
            vendor.forget()
            vendor.reply(good_reply(letter))

    def signal(self, name: str) -> None:
        """Send it to the run, as soon as the journal has what the vendor has sent."""
        text = {"reasoning": "6 times 7", "answer": "**42**"}.get(self.case.phase, "")
        self.wait_until_kept(text)
        self.running[0].send_signal(signals.Signals[f"SIG{name}"])

    def wait_until_kept(self, text: str) -> None:
        """Wait until a run has the text in its journal."""
        deadline = time.monotonic() + PATIENCE
        while not (self.running and self._is_kept(text)):
            assert time.monotonic() < deadline, f"{text!r} is in no journal"
            time.sleep(0.005)

    def _is_kept(self, text: str) -> bool:
        files = self.data.glob("journal/*.jsonl")
        return any(text in file.read_text(encoding="utf-8") for file in files)

    # -------------------------------------------------------------------------------- the runs

    def run(self, *args: str, stdin: str | None = None) -> CompletedRun:
        """A run behind pipes, watched for keys."""
        streams = self.case.fault.streams
        here, theirs = zip(os.pipe(), os.pipe(), strict=True)
        ours = [_instead(streams.get(name), fd) for name, fd in zip(OUT, theirs, strict=True)]
        with _input(stdin) as given:
            forked = self.start(*args, streams=(given, ours[0], ours[1]))
        for fd in {*theirs, *ours} - {-1}:
            os.close(fd)
        stdout, stderr = _read_all(here)
        return self.vendors.check_for_keys(CompletedRun(forked.wait(PATIENCE), stdout, stderr))

    def run_on_terminal(self, *args: str) -> CompletedRun:
        """A run on a terminal of 24 lines of 80 columns, which must be sent nothing foreign."""
        import fcntl
        import pty
        import termios

        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        forked = self.start(*args, streams=(slave,) * 3, terminal=True)
        os.close(slave)
        try:
            offer = OFFERS.get(self.case.outcome.kind, SEARCH_OFFER)
            output = read_terminal(master, [(offer, b"n\n")], time.monotonic(), PATIENCE)
        finally:
            os.close(master)
        strange = foreign(output.decode("utf-8", "replace"))
        assert strange == "", f"sent to the terminal: {strange!r}"
        return self.vendors.check_for_keys(CompletedRun(forked.wait(PATIENCE), output, b""))

    def start(self, *args: str, streams: tuple[int, int, int], terminal: bool = False) -> Forked:
        env = self.environment | ({"TERM": "xterm-256color"} if terminal else {})
        fault = self.case.fault
        start = started if fault.real else self.forker.start
        forked = start(
            *args,
            streams=streams,
            env=env,
            terminal=terminal,
            folder=self.vendors.home,
            largest_file=fault.largest_file,
        )
        self.running.append(forked)
        return forked

    # ------------------------------------------------------------------------- what came of it

    def plain(self, text: str) -> str:
        """Text of a run with names in place of what is another each time."""
        for name, vendor in (("SEARCH", self.vendors.novita), ("REASONER", self.vendors.reasoner),
                             ("CLAUDE", self.vendors.claude)):  # fmt: skip
            text = text.replace(vendor.url.partition("//")[2], name)
        for name, address in self.places.addresses.items():
            text = text.replace(address, name.upper())
        for name, key in self.vendors.keys.items():
            text = text.replace(f"…{key[-4:]}", f"…{name[0]}")
        text = text.replace(str(self.vendors.home), "HOME")
        text = text.replace("python -m deepreasoning_cli", "deepreasoning")  # as it was started
        return STAMP.sub("STAMP", TURN_ID_TEXT.sub("ID", text))

    def kept(self) -> tuple[str, TurnRecord | None]:
        """The state of the only turn in the history, and the turn."""
        with Store.open(self.data, _fail_on_warning) as store:
            rows = list(store.listing())
            assert len(rows) <= 1, rows
            if not rows:
                return "nothing", None
            turn = store.turn(rows[0].id)
        state = "whole" if turn.complete else "question"
        if not turn.complete:
            stage = turn.stages.get("reason")  # type: ignore[call-overload] # a str enum
            if turn.answer.strip():
                state = "part"
            elif turn.reasoning.strip():
                state = "reasoning" if stage and stage.complete else "thoughts"
            elif turn.sources:
                state = "pages"
        return state, turn

    def turns(self) -> list[tuple[str, str, str]]:
        """All of the history, journals of dead processes recovered: status, reasoning, answer."""
        with Store.open(self.data, lambda _: None) as store:
            recover(self.data, store, lambda _: None)
            found = [(row.status, store.turn(row.id)) for row in store.listing()]
        return [(status, turn.reasoning, turn.answer) for status, turn in found]

    def has_journal(self) -> bool:
        """Whether a journal is left, as a second Ctrl-C leaves it while the first one saves."""
        return any(self.data.glob("journal/*.jsonl"))

    def strays(self) -> list[str]:
        """Files that should not be there any more: journals, half-written and temporary ones."""
        own = {self.vendors.home / name for name in USERS_OWN}
        found = [path for path in self.vendors.home.rglob("*") if path.is_file()]
        return [
            self.plain(str(path.relative_to(self.data))) if path.suffix == ".jsonl" else path.name
            for path in found
            if path not in own
            if path.suffix == ".jsonl" or path.parent.name == "tmp" or STRAY.search(path.name)
        ]


TURN_ID_TEXT: Final = re.compile(
    "|".join(
        rf"(?<={word})(?=0){TURN_ID.pattern.decode()}"  # it begins with the time
        for word in ("resume ", "show ", "turn ", "journal/", "resume", "show", "turn")
    )
)
STAMP: Final = re.compile(r"(?<=corrupt-)\d{8}T\d{6}Z")


def _fail_on_warning(text: str) -> None:
    raise AssertionError(text)


def _instead(what: str | None, fd: int) -> int:
    """The descriptor that a row wants in place of a pipe."""
    if what == "full":
        return os.open("/dev/full", os.O_WRONLY)
    if what == "leaves":
        reader, writer = os.pipe()
        os.close(reader)
        return writer
    return -1 if what == "closed" else fd


@contextmanager
def _input(text: str | None) -> Iterator[int]:
    if text is None:
        given = os.open(os.devnull, os.O_RDONLY)
    else:
        given, fill = os.pipe()
        os.write(fill, text.encode("latin-1"))
        os.close(fill)
    try:
        yield given
    finally:
        os.close(given)


def _read_all(fds: Sequence[int]) -> list[bytes]:
    """What comes from each until its end."""
    import selectors

    found = dict.fromkeys(fds, b"")
    with selectors.DefaultSelector() as selector:
        for fd in fds:
            selector.register(fd, selectors.EVENT_READ)
        deadline = time.monotonic() + PATIENCE
        while selector.get_map():
            assert time.monotonic() < deadline, f"no end of output: {found}"
            for key, _ in selector.select(1):
                if piece := os.read(key.fd, 65_536):
                    found[key.fd] += piece
                else:
                    selector.unregister(key.fd)
                    os.close(key.fd)
    return list(found.values())


# ------------------------------------------------------------------------------------ comparing


def words_of(case: Case) -> list[str]:
    """The command line."""
    search = ["--web"] if case.phase == "search" else []
    form = ["--json"] if case.sink == "json" else []
    return ["ask", *search, *form, *case.fault.args]


def texts_kept(outcome: Outcome) -> tuple[str, str]:
    """The chain of thought and the answer that have to be kept."""
    reasoning, answer = TEXTS_KEPT[outcome.kept]
    return (
        reasoning if outcome.reasoning is None else outcome.reasoning,
        answer if outcome.answer is None else outcome.answer,
    )


def printed(outcome: Outcome) -> str:
    """What a pipe has to get."""
    if outcome.stdout is not None:
        return outcome.stdout
    answer = texts_kept(outcome)[1]
    return f"{answer}\n" if answer else ""


def expected(case: Case) -> dict[str, Any]:
    """What has to come, in the form of the sink."""
    outcome = case.outcome
    lines = [*outcome.notes, *([f"error: {outcome.error}"] if outcome.error else [])]
    lines += [f"hint: {hint}" for hint in outcome.hints]
    reasoning, answer = texts_kept(outcome)
    common = {
        "exit": outcome.exit,
        "asked": outcome.asked,
        "kept": outcome.kept,
        "texts kept": (reasoning, answer),
        "strays": list(outcome.leaves),
        "resumed": outcome.resume if outcome.resume is not None
        else RESUMED.get(outcome.kept, "refused"),
    }  # fmt: skip
    if outcome.exit < 0:
        common["found again"] = FOUND_AGAIN
    if case.sink == "json":
        notes = list(outcome.notes if outcome.json_notes is None else outcome.json_notes)
        lines = [*notes, *lines[len(outcome.notes) :]]
        stage, message = _split(outcome.error)
        error = {
            "stage": stage,
            "kind": outcome.kind,
            "message": message,
            "status": outcome.status,
            "hint": "\n".join(outcome.hints) or None,
            "resume": _resume_command(outcome),
        }
        told = outcome.told
        if told is None:
            told = (reasoning, answer) if outcome.kept not in ("nothing", "question") else ()
        shown = dict(zip(("reasoning", "answer"), told, strict=True)) if told else None
        if not outcome.error:
            return common | {"stdout": shown, "error": None, "stderr": lines}
        return common | {"stdout": shown, "error": error, "stderr": notes}
    if case.sink == "terminal":
        return common | {"not shown": []}
    return common | {"stdout": printed(outcome), "stderr": lines}


def _resume_command(outcome: Outcome) -> str | None:
    """The command that a hint names between backquotes."""
    commands = [part for hint in outcome.hints for part in hint.split("`")[1::2]]
    return next((each for each in commands if each.startswith("deepreasoning resume")), None)


def _split(error: str) -> tuple[str | None, str]:
    stage, separator, message = error.partition(": ")
    if separator and stage in ("search", "reason", "answer"):
        return stage, message
    return None, error


def observed(world: World, *, thoroughly: bool) -> dict[str, Any]:
    """Run the case; what came of it in the same form.

    Unless `thoroughly`, no `resume` follows where nothing is left to resume.
    """
    case = world.case
    world.prepare()
    words = [*words_of(case), *([QUESTION] if case.fault.stdin is None else [])]
    words = [world.fill(word) for word in words]
    if case.sink == "terminal":
        result = world.run_on_terminal(*words)
    else:
        result = world.run(*words, stdin=case.fault.stdin)
    found: dict[str, Any] = {"exit": result.code, "asked": world.asked()}
    stdout, stderr = (world.plain(each.decode()) for each in (result.stdout, result.stderr))
    if case.sink == "json":
        found |= _told_as_json(stdout, stderr)
    elif case.sink == "terminal":
        terminal = Terminal()
        terminal.write(result.stdout.decode())
        shown = world.plain(squeezed("".join(terminal.lines())))  # whole, wherever it was broken
        found["not shown"] = [each for each in _to_show(case) if squeezed(each) not in shown]
        if found["not shown"]:
            found["shown"] = terminal.lines()
    else:
        found |= {"stdout": stdout, "stderr": stderr.splitlines()}
    if result.code < 0 or (result.code > 128 and world.has_journal()):
        listed = world.plain(world.run("history", "list").stderr.decode())
        found |= {"found again": listed} if result.code < 0 else {}
    found["strays"] = world.strays()
    state, turn = world.kept()
    found |= {"kept": state, "texts kept": (turn.reasoning, turn.answer) if turn else ("", "")}
    has_rest = state in RESUMED or case.outcome.resume is not None
    found["resumed"] = resumed(world, state, turn) if has_rest or thoroughly else "refused"
    return found


def _told_as_json(stdout: str, stderr: str) -> dict[str, Any]:
    *notes, last = stderr.splitlines() or [""]
    error = None
    if last.startswith("{"):
        error = json.loads(last)["error"]
        error.pop("request_id")
        error["message"] = single_line(error["message"], 2000)
    elif last:
        notes.append(last)
    shown = json.loads(stdout) if stdout else None
    if shown is not None:
        shown = {name: shown[name] for name in ("reasoning", "answer")}
    return {"stdout": shown, "error": error, "stderr": notes}


def _to_show(case: Case) -> list[str]:
    """The texts that a terminal has to show."""
    outcome = case.outcome
    reasoning, answer = texts_kept(outcome)
    notes = outcome.notes if outcome.terminal_notes is None else outcome.terminal_notes
    lines = [*notes, *([f"error: {outcome.error}"] if outcome.error else [])]
    lines += [f"hint: {hint}" for hint in outcome.hints]
    texts = outcome.shown or filter(None, (reasoning, answer.replace("**", "")))
    return [*lines, *texts]


def resumed(world: World, state: str, turn: TurnRecord | None) -> str:
    """What a following `resume` asks for; it has to bring the whole answer, and pay for nothing
    that is kept.
    """
    world.forget()
    if state == "part" and turn:
        rest = ANSWER.removeprefix(turn.answer)
        world.vendors.claude.forget()
        world.vendors.claude.reply(claude_stream([rest]))
    partial = ["--partial"] if state == "thoughts" else []
    world.running.clear()
    again = World(calm(world.case), world.vendors, world.places, world.forker)
    result = again.run("resume", "--json", *partial)
    asked = again.asked()
    if result.code == 2:
        assert asked == "", result
        return "refused"
    assert result.code == 0, result
    answer = json.loads(result.stdout)["answer"]
    assert answer.partition("\n\nSources:")[0] == ANSWER, answer
    if turn and turn.reasoning and "C" in asked:
        given = world.vendors.claude.requests[0].raw.decode()
        assert json.dumps(turn.reasoning.strip(), ensure_ascii=False)[1:-1] in given
    return asked


FOUND_AGAIN: Final = "note: recovered 1 unfinished turn: `deepreasoning history list`\n"


def calm(case: Case) -> Case:
    """The case without what its row sets: the user has mended it."""
    from dataclasses import replace

    outcome = replace(case.outcome, env={})
    mended: dict[str, Any] = {
        "env": {},
        "args": (),
        "timeout": None,
        "streams": {},
        "largest_file": None,
    }
    fault = replace(case.fault, outcomes={case.phase: outcome}, **mended)
    return replace(case, fault=fault)
