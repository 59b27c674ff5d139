"""Each command at each hand-off: replayed offline it says what it said, byte for byte.

What was not recorded is refused by what differs, and nothing is sent.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import httpx2
import pytest

from support.loopback import Received, Reply, claude_stream, reasoner_stream
from support.runner import GUARD, OFFLINE, CompletedRun, run
from support.serve_process import SERVE, SERVING, started
from support.vendors import OWN_ANSWER, THOUGHTS, Vendors

QUESTION: Final = "What is 6 times 7?"
OTHER: Final = "What is 6 times 8?"
SECOND: Final = "And twice that?"
NOTE: Final = b"replay: these are recorded replies, no model was called\n"
REFUSED: Final = 400
HANDOFFS: Final = ("reasoning", "answer", "both", "none")
PYTHON: Final = """
import json, sys
from deepreasoning_cli import ask, compare
from deepreasoning_cli.errors import DeepReasoningError

words, name, question = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
try:
    if name == "ask":
        answer = ask(question, **words)
        print(*((type(event).__name__, getattr(event, "text", "")) for event in answer))
        print(answer.reasoning, answer.text, answer.usage)
    else:
        answers = compare(question, **words)
        print(*sorted((answer.name, answer.text, str(answer.usage)) for answer in answers))
        print(answers.reasoning)
except DeepReasoningError as error:
    print(error, *error.hints, sep="\\n", file=sys.stderr)
    sys.exit(error.exit_code)
"""
"""Calls the library; how an error reads is on stderr."""


def answered(request: Received) -> Reply:
    """What this model says: who it is, and what it was handed."""
    told = json.dumps(request.body)
    notes = [words in told for words in (THOUGHTS[-1], OWN_ANSWER[0])]
    texts = (f"**42**, says {request.body['model']}", f" after {notes}.\n", "\nAnswer: 42")
    return claude_stream(texts, model=request.body["model"])


@dataclass(frozen=True, slots=True)
class Tape:
    """Runs the program so that it records into a cassette, or plays it without a network."""

    vendors: Vendors
    mode: Literal["record", "replay"]

    @property
    def folder(self) -> Path:
        """What belongs to this run alone: its history, and the files it writes."""
        folder = self.vendors.home / self.mode
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def cassette(self) -> str:
        return str(self.vendors.home / "tape.jsonl")

    @property
    def environment(self) -> dict[str, str]:
        return {"DEEPREASONING_DATA_DIR": str(self.folder / "data")}

    def run(self, *words: str, stdin: bytes | None = None) -> CompletedRun:
        """Run a command."""
        words = (*words, f"--{self.mode}", self.cassette)
        if self.mode == "record":
            return self.vendors.run(*words, stdin=stdin, env=self.environment)
        return self.cut_off(*words, stdin=stdin, program=OFFLINE)

    def call(self, name: str, question: str, **words: Any) -> CompletedRun:
        """Call `ask` or `compare` of the library."""
        words[self.mode] = self.cassette
        arguments = (json.dumps(words), name, question)
        if self.mode == "record":
            program = (sys.executable, "-c", PYTHON)
            return self.vendors.run(*arguments, env=self.environment, program=program)
        return self.cut_off(*arguments, program=(sys.executable, "-c", GUARD + PYTHON))

    def cut_off(
        self, *words: str, program: Sequence[str], stdin: bytes | None = None
    ) -> CompletedRun:
        """Run the program without keys and network; nothing may reach the vendors."""
        before = self.vendors.sent(), self.vendors.connections()
        done = run(*words, stdin=stdin, env=self.environment, program=program)
        assert (self.vendors.sent(), self.vendors.connections()) == before
        return done

    def cut_turn(self, question: str, handoff: str) -> None:
        """Have the turn in this history that a cut reply left; no cassette knows of it."""
        whole = claude_stream(("**42**", ", says "))
        self.vendors.claude.forget()
        self.vendors.claude.reply(Reply(whole.status, whole.headers, whole.body[:-2]))
        words = (question, "--handoff", handoff)
        assert self.vendors.ask(*words, env=self.environment).code == 6
        self.vendors.claude.forget()
        self.vendors.claude.reply(answered)

    def write(self, name: str, *rows: dict[str, Any]) -> str:
        """A file of rows."""
        path = self.folder / name
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        return str(path)

    def read(self, name: str) -> bytes:
        """The lines of a file, in the order of their ids, without what is of each run alone."""
        path = self.folder / name
        lines = map(json.loads, path.read_bytes().splitlines() if path.exists() else ())
        rows = sorted((without_run(line) for line in lines), key=lambda row: row["id"])
        return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


OF_A_RUN: Final = {"turn", "backend", "cost_usd", "seconds", "created"}


def without_run(value: Any) -> Any:
    """JSON without ids, times and money."""
    if isinstance(value, list):
        return list(map(without_run, value))
    if isinstance(value, dict):
        return {name: without_run(each) for name, each in value.items() if name not in OF_A_RUN}
    return value


# ------------------------------------------------------------------------ the commands


def ask(tape: Tape, question: str, handoff: str, **more: str) -> CompletedRun:
    return tape.run("ask", question, "--reasoning", "stderr", *flags(handoff=handoff, **more))


def chat(tape: Tape, question: str, handoff: str, **more: str) -> CompletedRun:
    lines = f"{question}\n{SECOND}\n".encode()
    return tape.run("chat", *flags(handoff=handoff, **more), stdin=lines)


def resume(tape: Tape, question: str, handoff: str, **more: str) -> CompletedRun:
    tape.cut_turn(question, handoff)
    return tape.run("resume", "--whole", *flags(**more))


def compare(tape: Tape, question: str, handoff: str, **more: str) -> CompletedRun:
    more = {"model": "sonnet", "handoff": handoff} | more
    return tape.run("compare", question, "-m", "opus", *flags(**more))


def batch(tape: Tape, question: str, handoff: str, **more: str) -> CompletedRun:
    rows = tape.write("in.jsonl", *({"id": str(n), "prompt": f"{question} {n}"} for n in range(3)))
    output = str(tape.folder / "out.jsonl")
    done = tape.run("batch", rows, "-o", output, *flags(handoff=handoff, **more))
    return CompletedRun(done.code, tape.read("out.jsonl"), done.stderr)


def evaluate(tape: Tape, question: str, handoff: str, **more: str) -> CompletedRun:
    rows = tape.write("questions.jsonl", {"id": "a", "prompt": question, "number": 42})
    arm = "reasoner" if handoff == "none" else handoff  # Claude alone is always there
    output = str(tape.folder / "answers.jsonl")
    done = tape.run("eval", rows, "-o", output, "--yes", *flags(arm=arm, **more))
    return CompletedRun(done.code, tape.read("answers.jsonl"), done.stderr)


def serve(tape: Tape, question: str, handoff: str, **more: str) -> CompletedRun:
    """One request, streamed; the exit code is REFUSED where its reply is an error."""
    program = SERVE if tape.mode == "record" else (*OFFLINE, "serve", "--port", "0")
    model, *effort = more.get("model"), *filter(None, [more.get("effort")])
    body: dict[str, Any] = {
        "model": "/".join(filter(None, ["deepreasoning", model])),
        "messages": [{"role": "user", "content": question}],
        "stream": True,
        **dict.fromkeys(["reasoning_effort"][: len(effort)], *effort),
    }
    words = (f"--{tape.mode}", tape.cassette, "--handoff", handoff)
    with started(tape.vendors, *words, program=program) as server:
        (line,) = server.said(f"^{SERVING}$")
        reply = httpx2.post(f"{line[1]}/v1/chat/completions", json=body, timeout=30)
    text = re.sub(r'"(id|created)":("[^"]*"|\d+)', r'"\1":0', reply.text).encode()
    return CompletedRun(REFUSED if b"cassette_miss" in text else 0, text, text)


def python_ask(tape: Tape, question: str, handoff: str, **more: str) -> CompletedRun:
    return tape.call("ask", question, handoff=handoff, **more)


def python_compare(tape: Tape, question: str, handoff: str, **more: str) -> CompletedRun:
    many = {f"{name}s": [value] for name, value in more.items()}
    models = many.pop("models", ["sonnet"])
    return tape.call("compare", question, models=["opus", *models], handoffs=[handoff], **many)


def flags(**values: str) -> list[str]:
    """Options as they are typed."""
    return [word for name, value in values.items() for word in (f"--{name}", value)]


Command = Callable[..., CompletedRun]
COMMANDS: Final[tuple[Command, ...]] = (
    ask,
    chat,
    resume,
    compare,
    batch,
    evaluate,
    serve,
    python_ask,
    python_compare,
)


@pytest.fixture
def telling(vendors: Vendors) -> Vendors:
    """Vendors that answer whatever is asked, and say what they were handed."""
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, OWN_ANSWER))
    vendors.claude.reply(answered)
    return vendors


@pytest.mark.parametrize("handoff", HANDOFFS)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: each.__name__)
def test_a_replay_says_what_the_recording_said(
    telling: Vendors, command: Command, handoff: str
) -> None:
    recorded = command(Tape(telling, "record"), QUESTION, handoff)
    assert recorded.code == 0, recorded.stderr
    replayed = command(Tape(telling, "replay"), QUESTION, handoff)
    assert (replayed.code, replayed.stdout) == (0, recorded.stdout)
    if command in (ask, python_ask, python_compare):
        assert replayed.stderr.removeprefix(NOTE) == recorded.stderr


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"question": OTHER}, "prompt: What is 6 times 8?"),
        ({"model": "haiku"}, "model: claude-haiku"),
        ({"effort": "high"}, "effort: high"),
    ],
    ids=["prompt", "model", "effort"],
)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: each.__name__)
def test_what_was_not_recorded_is_refused_by_what_differs(
    telling: Vendors, command: Command, change: dict[str, str], named: str
) -> None:
    asked = {"question": QUESTION, "handoff": "reasoning"}
    assert command(Tape(telling, "record"), **asked).code == 0
    missed = command(Tape(telling, "replay"), **(asked | change))
    assert missed.code == (REFUSED if command is serve else 4), missed
    if command is serve:  # a caller is told what differs, and not how it was recorded
        named = f"differs in {named.partition(':')[0]}"
    assert named.encode() in missed.stderr


@pytest.mark.parametrize("mode", ["record", "replay"])
def test_batches_of_a_vendor_are_neither_recorded_nor_replayed(
    telling: Vendors, mode: Literal["record", "replay"]
) -> None:
    ask(Tape(telling, "record"), QUESTION, "reasoning")
    sent, tape = telling.sent(), Tape(telling, mode)
    rows, output = tape.write("in.jsonl", {"id": "a", "prompt": QUESTION}), tape.folder / "out"
    refused = tape.run("batch", rows, "-o", str(output), "--cheap")
    assert (refused.code, telling.sent()) == (2, sent)
    assert b"--cheap sends batches, which no cassette holds\n" in refused.stderr


def test_the_demo_is_recorded_and_replayed_by_itself(telling: Vendors) -> None:
    question = "How many r's are in strawberry?"
    recorded = ask(Tape(telling, "record"), question, "reasoning", backend="demo")
    replayed = ask(Tape(telling, "replay"), question, "reasoning")
    assert (replayed.code, replayed.stdout) == (0, recorded.stdout)
    assert replayed.stderr.startswith(NOTE)
    assert ask(Tape(telling, "replay"), QUESTION, "reasoning").code == 4
