"""A chat with fakes behind it; run as a program, it chats on the real stdin and stdout."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from deepreasoning_cli.cli.chat.model_names import ChoiceList, ModelsInForce
from deepreasoning_cli.cli.chat.printer import Printer
from deepreasoning_cli.cli.chat.prompt_history import PromptHistory
from deepreasoning_cli.cli.chat.repl import COMMANDS
from deepreasoning_cli.cli.chat.session import ChatSession
from deepreasoning_cli.cli.chat.turns import STOPPED, ChatState, Outcome
from deepreasoning_cli.errors import ConfigError, Interrupted, RefusedError
from deepreasoning_cli.history.sessions import Session
from deepreasoning_cli.pipeline.events import Handoff, Stage, StageFinished, TurnStarted
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.record import GrowingText, TurnRecord
from deepreasoning_cli.sanitize import sanitize
from deepreasoning_cli.views.table import Column

WHEN = datetime(2026, 11, 23, 12, tzinfo=UTC)
MODELS = ("sonnet", "opus", "haiku")
REASONERS = ("deepseek", "ollama")
ANSWERERS = ("anthropic", "ollama")
STATE = ChatState(session="first", model="sonnet", reasoner="deepseek")


def finished(stage: Stage, model: str, cost: str | None = "0.0010") -> StageFinished:
    price = None if cost is None else Decimal(cost)
    return StageFinished(stage, model, None, Usage(100, 50), price, 1.5, "stop")


def turn(
    prompt: str, answer: str = "", reasoning: str = "", number: int = 1, *, complete: bool = True
) -> TurnRecord:
    record = TurnRecord()
    record.start = TurnStarted(f"turn{number}", "demo", prompt, Handoff.REASONING, "first")
    record.thoughts = GrowingText([reasoning])
    record.texts = GrowingText([answer])
    if reasoning:
        record.stages[Stage.REASON] = finished(Stage.REASON, "r1")
    if answer:
        record.stages[Stage.ANSWER] = finished(Stage.ANSWER, "sonnet", "0.0020")
    record.complete = complete
    record.total = 3.0
    return record


@dataclass
class MemoryArchive:
    """Sessions in a dict."""

    kept: dict[str, list[TurnRecord]] = field(default_factory=dict)

    def sessions(self) -> Sequence[Session]:
        return [
            Session(
                name=name,
                turns=len(turns),
                last=WHEN,
                forked_from=None,
                first_prompt=turns[0].start.prompt,
            )
            for name, turns in reversed(self.kept.items())
            if turns
        ]

    def turns(self, session: str) -> Sequence[TurnRecord]:
        return self.kept.get(session, [])

    turns_in_memory = turns

    def enter(self, session: str) -> str:
        return session

    def remove(self, session: str, record: TurnRecord) -> None:
        turns = self.kept[session]
        turns[:] = [each for each in turns if each.start.id != record.start.id]

    def branch(self, session: str, new: str, upto: int) -> None:
        self.kept[new] = self.kept[session][:upto]

    def new_name(self) -> str:
        return f"new-{len(self.kept) + 1}"


@dataclass
class EchoTurns:
    """Answers with the question; what it was asked stands in `asked`."""

    archive: MemoryArchive
    code: int = 0
    failure: Exception | BaseException | None = None
    write: Callable[[str], object] = lambda _: None
    asked: list[tuple[str, str, ChatState]] = field(default_factory=list)
    keeps: bool = True
    opens: bool = True
    number: int = 1
    preconnected: int = 0
    saves: bool = True

    def preconnect(self) -> None:
        self.preconnected += 1

    def ask(self, prompt: str, state: ChatState, instead_of: TurnRecord | None = None) -> Outcome:
        self.asked.append(("instead" if instead_of else "ask", prompt, state))
        if not self.opens:
            return Outcome(TurnRecord(), STOPPED)
        return self._done(turn(prompt, f"echo {prompt}", "hm", self.number), state, instead_of)

    def answer_again(self, of: TurnRecord, state: ChatState) -> Outcome:
        self.asked.append(("again", of.reasoning, state))
        again = turn(of.start.prompt, f"{state.model} says {of.start.prompt}")
        again.thoughts = GrowingText([of.reasoning])
        return self._done(again, state, of)

    def price(self, prompt: str, state: ChatState) -> str:
        return f"≈$0.01 for {prompt!r} on {state.model}"

    def _done(self, record: TurnRecord, state: ChatState, instead_of: TurnRecord | None) -> Outcome:
        if self.failure:
            raise self.failure
        record.complete = not self.code
        turns = self.archive.kept.setdefault(state.session, [])
        if instead_of is not None:
            turns.remove(instead_of)
        if self.keeps:
            turns.append(record)
        self.write(f"[{record.answer}]\n")
        return Outcome(record, self.code)


class FewNames:
    searches = True

    def models(self) -> Sequence[str]:
        return MODELS

    def reasoners(self) -> Sequence[str]:
        return REASONERS

    def answerers(self) -> Sequence[str]:
        return ANSWERERS

    default_answerer = None

    def in_force(self, state: ChatState) -> ModelsInForce:
        return ModelsInForce(state.model or "sonnet", state.reasoner or "deepseek")

    def list_models(self, state: ChatState) -> ChoiceList:
        return _listed(MODELS, self.in_force(state).answerer, "3 older ones")

    def list_reasoners(self, state: ChatState) -> ChoiceList:
        return _listed(REASONERS, str(self.in_force(state).reasoner))

    def list_answerers(self, state: ChatState) -> ChoiceList:
        return _listed(ANSWERERS, state.answerer or "anthropic")

    def list_efforts(self, state: ChatState) -> ChoiceList:
        return _listed(("auto", "low"), state.effort or "auto")

    def check_search(self, state: ChatState) -> None:
        if not self.searches:
            raise ConfigError("no key for linkup", hint="set one")

    def describe_model(self, name: str | None, answerer: str | None = None) -> str:
        return _described(name or MODELS[0], MODELS)

    def describe_answerer(self, name: str) -> str:
        return _described(name, ANSWERERS)

    def describe_reasoner(self, name: str) -> str:
        return _described(name, REASONERS)


def _listed(names: Sequence[str], current: str, note: str = "") -> ChoiceList:
    rows = [["*" * (name == current), name, "1.00"] for name in names]
    return ChoiceList((Column(""), Column("name"), Column("$ in", right=True)), rows, note)


def _described(name: str, known: Sequence[str]) -> str:
    if name not in known:
        raise RefusedError(f"{name} is not offered", hint=f"try {known[0]}")
    return f"{name}: a good one"


class Pipe(io.StringIO):
    """A stream in UTF-8 that is no terminal."""

    encoding = "utf-8"


@dataclass
class Chat:
    """A chat with its fakes, and what it printed."""

    archive: MemoryArchive = field(default_factory=MemoryArchive)
    is_interactive: bool = True
    edited: Callable[[str], str] = str.upper
    clock: Callable[[], float] = time.monotonic
    state: ChatState = field(
        default_factory=lambda: ChatState(session="first", model="sonnet", reasoner="deepseek")
    )
    stdout: Any = field(default_factory=Pipe)
    stderr: Any = field(default_factory=Pipe)
    copied: list[str] = field(default_factory=list)
    names: FewNames = field(default_factory=FewNames)
    make_turns: Callable[[MemoryArchive], EchoTurns] = EchoTurns
    color: str = "never"

    def __post_init__(self) -> None:
        self.turns = self.make_turns(self.archive)
        fakes: dict[str, Any] = {"turns": self.turns, "archive": self.archive, "names": self.names}
        self.session = ChatSession(
            **fakes,
            commands=COMMANDS,
            state=self.state,
            printer=Printer(self.stdout, self.stderr, self.color),
            is_interactive=self.is_interactive,
            copy=self.copied.append,
            edit=self.edited,
            clock=self.clock,
        )


class StoppableTurns(EchoTurns):
    """`wait` runs until Ctrl-C, `fail` fails."""

    def ask(self, prompt: str, state: ChatState, instead_of: TurnRecord | None = None) -> Outcome:
        if prompt == "fail":
            raise RefusedError("no credit", hint="top up")
        if prompt == "wait":
            self.write("waiting\n")
            try:
                time.sleep(60)
            except KeyboardInterrupt:
                self.write("stopped\n")
                return Outcome(turn(prompt, complete=False), STOPPED)
        return super().ask(prompt, state, instead_of)


class LivelyNames(FewNames):
    """Names on which things happen while the prompt waits."""

    def reasoners(self) -> Sequence[str]:
        """The terminal gets narrower."""
        import fcntl
        import struct
        import termios

        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 30, 0, 0))
        return REASONERS

    def models(self) -> Sequence[str]:
        """Somebody ends the program, if it can be ended."""
        if os.environ.get("CHAT_ENDS"):
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
        return MODELS


def end(number: int, _frame: object) -> None:
    raise Interrupted(number)


def main() -> int:
    from deepreasoning_cli.cli.chat.repl import run_on_stdin
    from deepreasoning_cli.views.plain import stream_writer

    signal.signal(signal.SIGTERM, end)
    archive = MemoryArchive({"old": [turn("before", "then", "hm")]})
    show = stream_writer(sys.stdout)
    chat = Chat(
        archive,
        is_interactive=sys.stdin.isatty(),
        stdout=sys.stdout,
        stderr=sys.stderr,
        names=LivelyNames(),
        make_turns=lambda archive: StoppableTurns(archive, write=lambda text: show(sanitize(text))),
        color="auto",
    )
    history = os.environ.get("CHAT_HISTORY")
    try:
        return run_on_stdin(chat.session, PromptHistory(Path(history)) if history else None)
    except Interrupted as ended:
        return ended.exit_code
    finally:
        if sys.stdin.isatty():
            import termios

            echoes = bool(termios.tcgetattr(0)[3] & termios.ECHO)
            print(f"echo {'on' if echoes else 'off'}")


if __name__ == "__main__":
    sys.exit(main())
