"""Comparisons that a person looks at: panels and rows that move, and `/compare` in a chat."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import pytest

from e2e.test_compare import FIVE, answer_of, asked, but, by_model, compared, in_pipe
from support.chatting import CTRL_C, piped, said, screen, turns, typed
from support.chatting import asked as messages
from support.loopback import Received, Reply, Stall, error_reply_anthropic, reasoner_stream
from support.replies import claude_stream
from support.runner import PROGRAM, PtyRun, environment, run_in_pty
from support.screen import Terminal
from support.tmux import Tmux
from support.vendors import ANSWER, OWN_ANSWER, REASONING, THOUGHTS, Vendors

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no pty")

TWO: Final = FIVE[:2]
NAMES: Final = ("-m", TWO[0], "-m", TWO[1])
REFUSED: Final = error_reply_anthropic(400, "invalid_request_error", "No.")
PICK: Final = b"(Enter for none)"
GOES_ON: Final = b"Enter keeps the"
TIP: Final = b"Enter: answer now"


def think(vendors: Vendors, count: int = 500) -> None:
    """The reasoner thinks for long; all models answer."""
    thoughts = [f"thought {n:03d}\n" for n in range(count)]
    vendors.reasoner.reply(reasoner_stream(thoughts, OWN_ANSWER, pace=0.05))
    vendors.claude.reply(by_model)


def on_terminal(vendors: Vendors, *words: str, keys: Sequence[tuple[bytes, bytes]]) -> PtyRun:
    return run_in_pty("compare", "6 x 7?", *NAMES, *words, keys=keys, env=vendors.environment)


def lines_of(done: PtyRun) -> list[str]:
    terminal = Terminal()
    terminal.write(done.output.decode())
    return terminal.lines()


# ---------------------------------------------------------------------------------- on a terminal


def test_the_reasoning_streams_and_enter_has_all_models_answer(vendors: Vendors) -> None:
    think(vendors)
    done = on_terminal(vendors, keys=[(b"thought 003", b"\r"), (PICK, b"\r")])
    assert (done.code, vendors.counts()) == (0, (1, 2))
    assert vendors.reasoner.connections[0].closed_by == "peer"
    lines = lines_of(done)
    assert len([line for line in lines if "stopped by you after " in line]) == 1
    assert lines.count("thought 000") == 1
    assert all(f"The answer of {model}: it is 42." in lines for model in TWO)
    assert TIP in done.output
    for request in vendors.claude.requests:
        assert "thought 000" in str(request.body)


@pytest.mark.parametrize(
    ("reasoning", "shown"), [("show", [REASONING]), ("tail", []), ("hide", [])]
)
def test_the_reasoning_is_shown_as_ask_shows_it(
    vendors: Vendors, reasoning: str, shown: list[str]
) -> None:
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, OWN_ANSWER))
    vendors.claude.reply(by_model)
    done = on_terminal(vendors, "--reasoning", reasoning, keys=[(PICK, b"\r")])
    lines = lines_of(done)
    assert (done.code, [line for line in lines if line == REASONING]) == (0, shown)
    assert len([line for line in lines if "thought " in line and "tokens" in line]) == 1
    assert len([line for line in lines if line.startswith("The answer of ")]) == 2


def test_keys_that_were_pressed_before_pick_nothing(vendors: Vendors) -> None:
    think(vendors, 10)
    keys = [(b"thought 000", b"2\r"), (PICK, b"1\r")]
    assert on_terminal(vendors, keys=keys).code == 0
    picks = json.loads(vendors.run("history", "picks", "--json").stdout)
    assert [(each["model"], each["wins"]) for each in picks] == [(TWO[0], 1), (TWO[1], 0)]


def test_ctrl_c_while_it_reasons_keeps_the_reasoning_for_resume(vendors: Vendors) -> None:
    think(vendors)
    done = on_terminal(vendors, keys=[(b"thought 003", CTRL_C)])
    assert (done.code, vendors.counts()) == (130, (1, 0))
    (cut,) = turns()
    assert f"`deepreasoning resume {cut.start.id}` continues from here".encode() in done.output
    resumed = vendors.run("resume", cut.start.id, "--partial", "--json")
    assert (resumed.code, vendors.counts()) == (0, (1, 2))
    found = compared(resumed)
    assert found["reasoning"] == cut.reasoning
    assert [each["answer"] for each in found["answers"]] == list(map(answer_of, TWO))


@pytest.fixture
def stalling(vendors: Vendors) -> Vendors:
    """The second model has written a piece and does not go on; the first is slow."""
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, OWN_ANSWER))

    def script(request: Received) -> Reply:
        return but(TWO[1], by_model(request).failing(4, Stall()))(request)

    vendors.claude.reply(script)
    return vendors


def test_rows_follow_a_resize_and_a_stop_and_leave_no_trace(stalling: Vendors, tmux: Tmux) -> None:
    tmux.start("bash --norc -i", environment({**stalling.environment, "PS1": "$ "}))
    tmux.press(shlex.join([*PROGRAM, "compare", "6 x 7?", *NAMES]), "Enter")
    tmux.wait_for(f"{TWO[1]} answering")
    tmux.wait_for("The answer of claude-opus-5-5")
    tmux.run("resize-window", "-t", "run", "-x", "50")
    tmux.wait_for(f"{TWO[1]} answering")
    tmux.press("C-z")
    stopped = tmux.wait_for("Stopped")
    assert not any("answering" in line for line in stopped), "\n".join(stopped)
    tmux.press("echo aloud", "Enter")
    tmux.wait_for("echo aloud aloud")
    tmux.press("fg", "Enter")
    tmux.wait_for(f"{TWO[1]} answering")
    tmux.press("C-c")
    lines = tmux.wait_for("continues from here")
    assert not any("answering" in line for line in lines)
    answers = [line for line in lines if line.startswith("The answer of")]
    assert answers == [f"The answer of {TWO[0]}: it is 42.", "The answer of"]


# -------------------------------------------------------------------------------------- in a chat


@pytest.fixture
def chatting(vendors: Vendors) -> Vendors:
    """One answer to the first question, then one of each model's own."""
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, OWN_ANSWER))
    vendors.claude.reply(claude_stream((ANSWER,)), by_model)
    return vendors


def test_a_chat_goes_on_with_the_answer_that_is_picked(chatting: Vendors) -> None:
    compare = f"/compare {' '.join(TWO)}\r".encode()
    done = typed(chatting, b"q\r", compare, (GOES_ON, b"2\r"), b"and now?\r")
    assert (done.code, chatting.counts()) == (0, (2, 4))
    again = chatting.claude.requests[1:3]
    assert sorted(map(asked, again)) == sorted(TWO)
    assert all(REASONING in str(request.body) for request in again)
    assert messages(chatting.claude.requests[3])[:2] == said("q", answer_of(TWO[1]))
    first, one, other, last = turns()
    assert {one.start.reasoning_from, other.start.reasoning_from} == {first.start.id}
    picked = next(turn for turn in (one, other) if turn.answer == answer_of(TWO[1]))
    kept = [turn.start.id for turn in turns(last.start.session)]
    assert kept == [picked.start.id, last.start.id]
    picks = json.loads(chatting.run("history", "picks", "--json").stdout)
    assert [(each["model"], each["wins"]) for each in picks] == [(TWO[1], 1), (TWO[0], 0)]
    spent = json.loads(chatting.run("price", "--spent", "--json").stdout)
    costs = [turn.cost for turn in turns()]
    assert Decimal(spent["cost_usd"]) == sum(cost for cost in costs if cost)


def test_enter_keeps_the_answer_that_the_chat_has(chatting: Vendors) -> None:
    done = typed(chatting, b"q\r", b"/compare\r", (GOES_ON, b"\r"))
    assert (done.code, chatting.counts()) == (0, (1, 4))
    first, *others = turns()
    assert [turn.start.session for turn in others] == [None] * 3
    chatting.run("ask", "-c", "and now?")
    assert messages(chatting.claude.requests[4])[:2] == said("q", ANSWER)
    assert [turn.start.prompt for turn in turns(first.start.session)] == ["q", "and now?"]
    assert json.loads(chatting.run("history", "picks", "--json").stdout) == []


def test_ask_goes_on_with_the_answer_that_was_picked(vendors: Vendors) -> None:
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, OWN_ANSWER))
    vendors.claude.reply(by_model)
    on_terminal(vendors, keys=[(PICK, b"1\r")])
    vendors.run("ask", "-c", "and now?")
    assert messages(vendors.claude.requests[2])[:2] == said("6 x 7?", answer_of(TWO[0]))


def test_a_chat_in_a_pipe_prints_the_answers_and_picks_none(chatting: Vendors) -> None:
    done = piped(chatting, f"q\n/compare {' '.join(TWO)}\nand now?\n")
    assert done.code == 0
    assert (
        done.stdout
        == f"{ANSWER}\n".encode()
        + in_pipe(TWO)
        + b"The answer of claude-sonnet-5-5: it is **42**.\n"
    )
    assert messages(chatting.claude.requests[3])[:2] == said("q", ANSWER)


def test_without_a_history_the_picked_answer_goes_on_too(chatting: Vendors) -> None:
    compare = f"/compare {' '.join(TWO)}\r".encode()
    typed(chatting, b"q\r", compare, (GOES_ON, b"1\r"), b"more\r", args=("--no-save",))
    assert messages(chatting.claude.requests[3])[:2] == said("q", answer_of(TWO[0]))
    assert not (chatting.home / ".local/share").exists()


def test_what_cannot_be_compared_is_said_and_the_chat_stays(chatting: Vendors) -> None:
    entries = "/compare\nq\n/compare sonnet\n/compare sonnet sonet\n/compare sonnet sonnet\n"
    done = piped(chatting, entries)
    assert (done.code, chatting.counts()) == (2, (1, 1))
    said_ = done.stderr.decode()
    for words in (
        "error: this session has no turn yet",
        "error: /compare: name two models, or none for the usual three",
        "did you mean sonnet",
        "error: the model sonnet is named twice",
    ):
        assert words in said_


def test_one_model_that_fails_leaves_the_others_to_pick_from(chatting: Vendors) -> None:
    chatting.claude.forget()
    chatting.claude.reply(claude_stream((ANSWER,)), but(TWO[0], REFUSED))
    compare = f"/compare {' '.join(TWO)}\r".encode()
    done = typed(chatting, b"q\r", compare, (GOES_ON, b"1\r"), b"and now?\r")
    assert "1 of 2 answers are missing" in " ".join(screen(done))
    assert messages(chatting.claude.requests[-1])[:2] == said("q", answer_of(TWO[1]))


def test_ctrl_c_in_a_comparison_stays_and_resume_answers_in_the_conversation(
    chatting: Vendors,
) -> None:
    chatting.claude.forget()
    answers = [claude_stream((ANSWER,))] * 2
    chatting.claude.reply(*answers, lambda request: by_model(request).failing(4, Stall()))
    compare = f"/compare {' '.join(TWO)}\r".encode()
    stop = (f"{TWO[1]} answering".encode(), CTRL_C)
    done = typed(chatting, b"a\r", b"b\r", compare, stop)
    assert (done.code, chatting.counts()) == (0, (2, 4))
    assert b"continues from here" in done.output
    chatting.claude.forget()
    chatting.claude.reply(by_model)
    resumed = chatting.run("resume", "last", "--again", "--json")
    assert resumed.code == 0, resumed.stderr
    assert [each["answer"] for each in compared(resumed)["answers"]] == list(map(answer_of, TWO))
    for request in chatting.claude.requests:
        assert messages(request)[:2] == said("a", ANSWER)
