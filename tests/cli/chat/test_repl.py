"""The loop: entries from a pipe or a fake, exit codes, Ctrl-C, memory."""

from __future__ import annotations

import gc
import io
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from deepreasoning_cli.cli.chat.repl import LineReader, run_loop
from deepreasoning_cli.cli.chat.turns import STOPPED, ChatState, Outcome
from deepreasoning_cli.errors import RefusedError, UnavailableError, UsageError
from deepreasoning_cli.pipeline.record import TurnRecord
from support.scripted_chat import Chat, EchoTurns, MemoryArchive, turn


class Entries:
    """Gives these entries; one that is an exception is raised."""

    def __init__(self, *entries: str | BaseException) -> None:
        self._entries: Iterator[str | BaseException] = iter(entries)

    def read(self) -> str | None:
        entry = next(self._entries, None)
        if isinstance(entry, BaseException):
            raise entry
        return entry


def piped(chat: Chat, data: bytes, **limits: Any) -> int:
    return run_loop(chat.session, LineReader(io.BytesIO(data), **limits))


def test_each_line_of_a_pipe_is_a_turn() -> None:
    chat = Chat(is_interactive=False)
    code = piped(chat, "\ufeffone\r\n\n  \n//two\nthr\udcffee".encode("utf-8", "surrogateescape"))
    assert code == 0
    assert [each[1] for each in chat.turns.asked] == ["one", "/two", "thrÿee"]
    assert (chat.stdout.getvalue(), chat.stderr.getvalue()) == ("", "")


def test_commands_work_in_a_pipe() -> None:
    chat = Chat(is_interactive=False)
    assert piped(chat, b"/model opus\nq\n/exit\nnever\n") == 0
    assert [each[2].model for each in chat.turns.asked] == ["opus"]


@pytest.mark.parametrize("stream", [io.BytesIO(b""), None])
def test_an_empty_or_closed_stdin_ends_the_chat(stream: io.BytesIO | None) -> None:
    chat = Chat(is_interactive=False)
    assert run_loop(chat.session, LineReader(stream)) == 0


def test_a_pipe_ends_with_the_code_of_the_last_failure() -> None:
    chat = Chat(is_interactive=False)
    chat.turns.failure = UnavailableError("no network", hint="try again", stage="reason")

    class Healing(Entries):
        def read(self) -> str | None:
            entry = super().read()
            if entry == "works":
                chat.turns.failure = None
            return entry

    entries = Healing("fails", "/nonsense", "works")
    assert run_loop(chat.session, entries) == 2
    assert chat.stderr.getvalue().startswith("error: reason: no network\nhint: try again\n")
    assert [each[1] for each in chat.turns.asked] == ["fails", "works"]


def test_a_turn_that_failed_half_way_gives_its_code() -> None:
    chat = Chat(is_interactive=False)
    chat.turns.code = 6
    assert piped(chat, b"q\n/exit\n") == 6


def test_a_person_leaves_with_0_whatever_failed() -> None:
    chat = Chat()
    chat.turns.failure = RefusedError("no credit")
    assert run_loop(chat.session, Entries("q")) == 0
    assert chat.stderr.getvalue() == "error: no credit\n"


def test_a_line_that_is_too_long_is_skipped_whole() -> None:
    chat = Chat(is_interactive=False)
    assert piped(chat, b"0123456789abcdefghijklmnopqrstuvwxyz\nshort\n", longest=10) == 2
    assert [each[1] for each in chat.turns.asked] == ["short"]
    assert chat.stderr.getvalue() == (
        "error: a line is longer than 0 MB\nhint: ask about a part of it\n"
    )


def test_ctrl_c_leads_a_person_back_to_the_prompt() -> None:
    chat = Chat()
    chat.turns.failure = KeyboardInterrupt()
    entries = Entries("first", KeyboardInterrupt(), "second", UsageError("too long"), "third")
    assert run_loop(chat.session, entries) == 0
    assert [each[1] for each in chat.turns.asked] == ["first", "second", "third"]


def test_ctrl_c_ends_a_chat_that_nobody_types() -> None:
    chat = Chat(is_interactive=False)
    with pytest.raises(KeyboardInterrupt):
        run_loop(chat.session, Entries("q", KeyboardInterrupt(), "never"))
    chat.turns.code = STOPPED
    assert run_loop(chat.session, Entries("q", "never")) == STOPPED
    assert [each[1] for each in chat.turns.asked] == ["q", "q"]


def test_a_person_goes_on_after_a_stopped_turn() -> None:
    chat = Chat()
    chat.turns.code = STOPPED
    assert run_loop(chat.session, Entries("q", "on")) == 0
    assert [each[1] for each in chat.turns.asked] == ["q", "on"]


def test_a_bug_is_not_swallowed() -> None:
    chat = Chat()
    chat.turns.failure = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        run_loop(chat.session, Entries("q"))


def test_the_prompt_is_called_before_each_line() -> None:
    prompts: list[str] = []
    reader = LineReader(io.BytesIO(b"a\nb\n"), lambda: prompts.append("> "))
    assert [reader.read(), reader.read(), reader.read(), len(prompts)] == ["a", "b", None, 3]


class Forgetful(EchoTurns):
    """Turns of 100,000 characters, none of them kept."""

    def ask(self, prompt: str, state: ChatState, instead_of: TurnRecord | None = None) -> Outcome:
        return Outcome(turn(prompt, "a" * 50_000 + prompt, "r" * 50_000 + prompt))


def test_a_thousand_turns_take_no_more_memory_than_ten() -> None:
    chat = Chat(is_interactive=False)
    chat.session.turns = cast(Any, Forgetful(MemoryArchive()))
    measured: list[int] = []

    def measuring(entry: int) -> Callable[[], None]:
        def measure() -> None:
            if entry in (10, 999):
                gc.collect()
                measured.append(tracemalloc.get_traced_memory()[0])

        return measure

    class Counted(Entries):
        count = 0

        def read(self) -> str | None:
            measuring(self.count)()
            self.count += 1
            return super().read()

    tracemalloc.start()
    try:
        run_loop(chat.session, Counted(*(f"question {n}" for n in range(1000))))
    finally:
        tracemalloc.stop()
    assert chat.session.totals.turns == 1000
    assert measured[1] - measured[0] < 50_000
