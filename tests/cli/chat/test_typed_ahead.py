"""Keys that are pressed while a turn runs: what stands at the next prompt, and what is asked."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from deepreasoning_cli.cli.chat import typed_ahead
from deepreasoning_cli.cli.chat.line_editor import LineEditor
from deepreasoning_cli.cli.chat.repl import run_loop
from deepreasoning_cli.cli.chat.typed_ahead import TypedAhead
from support.scripted_chat import Chat

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other terminals")

ENTER, BACKSPACE, NEW_LINE = "\r", "\x7f", "\n"
LETTERS = st.sampled_from("abcäß日 ")
PASTES = st.text("xyz \r", min_size=1, max_size=12).map(lambda text: f"\x1b[200~{text}\x1b[201~")
PRESSES = st.lists(
    st.one_of(LETTERS, LETTERS, st.sampled_from([ENTER, BACKSPACE, NEW_LINE]), PASTES), max_size=200
)


@dataclass
class Expected:
    """What these presses come to: questions in their order, and a line that is not sent yet."""

    queued: list[str] = field(default_factory=list)
    draft: str = ""
    just_queued: bool = False

    def press(self, press: str) -> None:
        if press == ENTER and not self.draft.strip():
            return
        if press == ENTER:
            self.queued.append(self.draft)
            self.draft = ""
        elif press == BACKSPACE and self.just_queued:
            self.draft = self.queued.pop()
        elif press == BACKSPACE:
            self.draft = self.draft[:-1]
        else:
            pasted = press.removeprefix("\x1b[200~").removesuffix("\x1b[201~")
            self.draft += pasted.replace("\r", "\n")
        self.just_queued = press == ENTER


def asked_after(keys: TypedAhead, then: str) -> list[str]:
    """What is asked of these keys and of what is typed at the prompt after them."""
    chat = Chat()
    with create_pipe_input() as pipe:
        pipe.send_text(f"{then}\x04")
        editor = LineEditor(chat.session, None, output=DummyOutput(), source=pipe, keys=keys)
        assert run_loop(chat.session, editor) == 0
    return [question for _, question, _ in chat.turns.asked]


@settings(max_examples=20, deadline=None)
@given(PRESSES)
def test_each_key_is_in_one_question_and_each_question_is_asked_once(presses: list[str]) -> None:
    keys, expected = TypedAhead(), Expected()
    with mock.patch.object(typed_ahead, "SAME_PASTE", 0.0):  # nobody waits between these presses
        for press in presses:
            keys._feed(press)
            expected.press(press)
    assert asked_after(keys, "!\r") == [*expected.queued, f"{expected.draft}!"]


@settings(max_examples=20, deadline=None)
@given(st.text("ab\r\n ", min_size=typed_ahead.LONGEST_DRAFT + 1))
def test_what_comes_at_once_is_a_paste_and_sends_nothing(text: str) -> None:
    keys = TypedAhead()
    keys._feed(text)
    assert keys.tip(can_answer=True).startswith(("> ", "Enter"))
    assert asked_after(keys, "!\r") == [text.replace("\r\n", "\n").replace("\r", "\n") + "!"]


def test_the_keys_that_work_are_named() -> None:
    keys = TypedAhead()
    assert keys.tip(can_answer=False) == "Ctrl-C: stop"
    assert keys.tip(can_answer=True) == "Enter: answer now · Ctrl-C: stop"
    keys._feed("why")
    assert keys.tip(can_answer=True) == "> why"
    keys._feed("\r")
    assert keys.tip(can_answer=True) == "1 queued · Backspace takes it back"
