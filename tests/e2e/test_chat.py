"""`chat` from its pipe to its last key: what the vendors get, what is shown, what is kept."""

from __future__ import annotations

import os
import random
import re
import shlex
import threading
import time
from pathlib import Path

import pytest

from deepreasoning_cli import paths
from deepreasoning_cli.cli.chat.prompt_history import PromptHistory
from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.cli.output import OutputOptions
from deepreasoning_cli.cli.runner import TurnRunner
from deepreasoning_cli.pipeline.continuation import GO_ON
from deepreasoning_cli.wiring.resources import TurnRequest
from support.chatting import CTRL_C, ENTER, PROMPT, Key, asked, piped, said, screen, turns, typed
from support.loopback import Loopback
from support.replies import (
    Cut,
    Gate,
    Pause,
    Reply,
    Stall,
    claude_stream,
    error_reply_anthropic,
    error_reply_openai,
    reasoner_stream,
)
from support.runner import PROGRAM, After, CompletedRun, environment, run_in_pty
from support.tmux import Tmux
from support.vendors import ANSWER, REASONING, TEXTS, THOUGHTS, Vendors

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no pty")

THOUGHT, SAID, STOPPED = b"Let me think.", b"42", b"stopped"
NO_RETRIES = {"retry-after": "3600"}  # more patience than anybody has
DOWN = error_reply_anthropic(529, "overloaded_error", "Overloaded", headers=NO_RETRIES)


# ------------------------------------------------------------------------------------- in a pipe


def test_each_line_of_a_pipe_is_a_turn_that_sees_those_before_it(vendors: Vendors) -> None:
    vendors.reply()
    done = piped(vendors, "a\nb\n")
    assert done == CompletedRun(0, f"{ANSWER}\n{ANSWER}\n".encode(), b"")
    reasoner, claude = vendors.requests()
    assert [asked(request) for request in reasoner] == [said("a"), said("a", ANSWER, "b")]
    assert asked(claude[1])[:2] == said("a", ANSWER)
    assert asked(claude[1])[2]["content"].startswith("b\n")
    assert claude[1].raw.decode().count(REASONING) == 1  # this turn's own


def test_a_pipe_ends_with_the_code_of_the_last_failure(vendors: Vendors) -> None:
    refused = error_reply_openai(402, "Insufficient Balance")
    vendors.reasoner.reply(refused, reasoner_stream(THOUGHTS, ["x"]))
    vendors.claude.reply(DOWN, claude_stream(TEXTS))
    done = piped(vendors, "a\nb\nc\n")
    assert (done.code, done.stdout) == (6, f"{ANSWER}\n".encode())
    first, hint, second, resume, advice = done.stderr.decode().splitlines()
    assert (first[:15], "402" in first) == ("error: reason: ", True)
    assert (second[:15], "529" in second) == ("error: answer: ", True)
    assert (hint.startswith("hint: "), "`/resume` continues from" in resume) == (True, True)
    assert advice.startswith("hint: ")


def test_commands_work_in_a_pipe_and_unknown_ones_fail(vendors: Vendors) -> None:
    vendors.reply()
    done = piped(vendors, "/model opus\n/system Be brief.\n//a\n/nope\n")
    assert (done.code, done.stderr.splitlines()[-2]) == (2, b"error: there is no command /nope")
    (claude,) = vendors.claude.requests
    assert (claude.body["model"], claude.body["system"]) == ("claude-opus-5-5", "Be brief.")
    assert asked(vendors.reasoner.requests[0])[-1] == said("/a")[0]


# -------------------------------------------------------------------------------- on a terminal


def test_a_question_is_answered_in_panels_and_ctrl_d_leaves(vendors: Vendors) -> None:
    vendors.reply()
    done = typed(vendors, b"6 x 7?\r")
    lines = screen(done)
    assert (done.code, lines[0]) == (0, "> 6 x 7?")
    assert lines[1].startswith("Reasoning · deepseek-flash · thought 0.")
    assert lines[2].startswith("── Answer · claude-sonnet-5-5 ─")
    assert lines[3] == "42 is the answer."


def test_the_last_rows_of_the_reasoning_are_live_and_can_be_had_whole(vendors: Vendors) -> None:
    vendors.reply(reasoner_stream([f"thought {n:03d}\n" for n in range(40)], ["x"], pace=0.01))
    done = typed(vendors, b"q\r", b"/reasoning last\r", b"/reasoning\r")
    assert b"thought 0" in done.output.partition(b"Answer")[0]
    lines = screen(done)
    at = lines.index("> /reasoning last")
    assert not [line for line in lines[:at] if line.startswith("thought 0")]
    assert lines[at + 1 : at + 41] == [f"thought {n:03d}" for n in range(40)]
    assert lines[-1] == "reasoning: tail (show, tail, hide, last)"


def test_a_question_of_many_lines_is_sent_as_it_stands(vendors: Vendors) -> None:
    vendors.reply()
    typed(vendors, b"one\x1b\rtwo\r")
    assert asked(vendors.reasoner.requests[0]) == said("one\ntwo")


def test_ctrl_c_while_it_thinks_stops_the_reasoner_and_asks_nobody_else(vendors: Vendors) -> None:
    vendors.reasoner.reply(
        reasoner_stream(THOUGHTS).failing(2, Stall()), reasoner_stream(THOUGHTS, ["x"])
    )
    vendors.claude.reply(claude_stream(TEXTS))
    done = typed(vendors, b"first\r", (THOUGHT, CTRL_C), b"second\r")
    assert done.code == 0
    assert vendors.reasoner.connections[0].closed_by == "peer"
    assert vendors.counts() == (2, 1)
    assert asked(vendors.reasoner.requests[1]) == said("second")
    kept = [(t.start.prompt, t.complete, t.reasoning, t.answer) for t in turns()]
    assert kept == [
        ("first", False, THOUGHTS[0], ""),
        ("second", True, REASONING, ANSWER),
    ]


def test_ctrl_c_while_it_answers_keeps_the_part_for_the_next_turn(vendors: Vendors) -> None:
    vendors.reply(texts=claude_stream(["**42** it is", " never"]).failing(4, Stall()))
    vendors.claude.reply(claude_stream(TEXTS))
    done = typed(vendors, b"first\r", (b"it is", CTRL_C), b"second\r")
    assert done.code == 0
    cut = "**42** it is\n\n[the answer was cut off here]"
    assert asked(vendors.reasoner.requests[1]) == said("first", cut, "second")
    assert [(t.complete, t.answer) for t in turns()] == [(False, "**42** it is"), (True, ANSWER)]


@pytest.mark.parametrize("presses", [2, 4])
def test_ctrl_c_in_haste_is_one_ctrl_c(vendors: Vendors, presses: int) -> None:
    vendors.reasoner.reply(
        reasoner_stream(THOUGHTS).failing(2, Stall()), reasoner_stream(THOUGHTS, ["x"])
    )
    vendors.claude.reply(claude_stream(TEXTS))
    hasty = [(STOPPED, CTRL_C)] * (presses - 2)
    done = typed(
        vendors, b"first\r", (THOUGHT, CTRL_C * 2), *hasty[:1], (PROMPT, CTRL_C), (0.0, b"second\r")
    )
    assert done.code == 0
    assert [(t.start.prompt, t.complete) for t in turns()] == [("first", False), ("second", True)]


def test_enter_while_it_thinks_has_it_answered_from_the_reasoning_so_far(vendors: Vendors) -> None:
    endless = reasoner_stream([f"thought {n:03d} " for n in range(500)], pace=0.02)
    vendors.reply(endless)
    done = typed(vendors, b"q\r", (b"thought 003", ENTER))
    assert (done.code, vendors.counts()) == (0, (1, 1))
    assert vendors.reasoner.connections[0].closed_by == "peer"
    (turn,) = turns()
    assert (turn.complete, turn.answer) == (True, ANSWER)
    assert turn.reasoning.startswith("thought 000 thought 001 thought 002 thought 003 ")
    assert len(turn.reasoning) < 12 * 400
    assert turn.reasoning.rstrip() in asked(vendors.claude.requests[0])[0]["content"]
    assert "output_config" not in vendors.claude.requests[0].body  # a cut chain: Claude's default
    assert b"Enter: answer now" in done.output


def test_an_enter_too_many_does_nothing_and_what_is_typed_is_asked_next(
    vendors: Vendors,
) -> None:
    vendors.reply(
        Reply(before=[Pause(0.4)], body=reasoner_stream(THOUGHTS, ["x"], pace=0.1).body),
        claude_stream(TEXTS, pace=0.1),
    )
    done = typed(vendors, b"q\r", (b"0 s", ENTER), (SAID, b"ahead"), (b"> ahead", ENTER))
    assert (done.code, vendors.counts(), turns()[0].reasoning) == (0, (2, 2), REASONING)
    assert [line for line in screen(done) if line.startswith(">")] == ["> q", "> ahead"]
    assert "1 queued · Backspace takes it back".encode() in done.output


def slow(vendors: Vendors) -> None:
    """The first thought takes its time, the others do not."""
    thoughts = reasoner_stream([f"thought {n:03d} " for n in range(40)], ["x"], pace=0.1)
    vendors.reasoner.reply(thoughts, reasoner_stream(THOUGHTS, ["x"]))
    vendors.claude.reply(claude_stream(TEXTS), claude_stream(TEXTS))


def test_enter_behind_words_does_not_cut_the_thought(vendors: Vendors) -> None:
    slow(vendors)
    done = typed(vendors, b"q\r", (b"thought 003", b"next"), (b"> next", ENTER))
    assert (done.code, vendors.counts()) == (0, (2, 2))
    assert [(t.start.prompt, "thought 039" in t.reasoning) for t in turns()] == [
        ("q", True),
        ("next", False),
    ]


def test_a_queued_question_is_taken_back_by_backspace_or_ctrl_c(vendors: Vendors) -> None:
    slow(vendors)
    first = typed(
        vendors,
        b"q\r",
        (b"thought 003", b"next"),
        (b"> next", ENTER),
        (b"1 queued", b"\x7f"),
        (b"> next", b"!"),
        (PROMPT, b"?\r"),
    )
    assert (first.code, turns()[-1].start.prompt) == (0, "next!?")
    slow(vendors)
    keys = ((b"thought 003", b"next"), (b"> next", ENTER), (b"1 queued", CTRL_C))
    second = typed(vendors, b"p\r", *keys, (PROMPT, b"?\r"))
    assert (second.code, [t.start.prompt for t in turns()[-2:]]) == (0, ["p", "next?"])


def test_nothing_that_is_pasted_or_typed_during_a_turn_is_lost_or_sent(vendors: Vendors) -> None:
    slow(vendors)
    chance = random.Random(15)
    pasted = "".join(f"line {number} {'x' * 100}\r" for number in range(50))
    presses = [chance.choice("abcäß日 \n") for _ in range(200)]
    keys: list[Key] = [(0.0, press.encode()) for press in presses]
    done = typed(vendors, b"q\r", (b"thought 003", pasted.encode()), *keys, (PROMPT, b"z\r"))
    assert (done.code, vendors.counts()) == (0, (2, 2))
    one, two = turns()
    assert "thought 039" in one.reasoning
    assert "".join(two.start.prompt.split()) == "".join(f"{pasted}{''.join(presses)}z".split())


def test_two_hundred_keys_in_a_turn_are_asked_once_each_and_in_their_order(
    vendors: Vendors,
) -> None:
    """A key beside Enter waits: what comes at once is a paste, whose line ends send nothing."""
    thoughts = reasoner_stream([f"thought {n:03d} " for n in range(80)], ["x"], pace=0.1)
    vendors.reasoner.reply(thoughts, reasoner_stream(THOUGHTS, ["x"]))
    vendors.claude.reply(claude_stream(TEXTS), claude_stream(TEXTS))
    chance = random.Random(2026)
    presses = [chance.choice("abcdeäß日 ") for _ in range(200)]
    for place in sorted(chance.sample(range(20, 200), 4), reverse=True):
        presses[place] = "\r"
    entries = "".join(presses).split("\r")
    beside = {place for place, press in enumerate(presses) if press == "\r"}
    pauses = [0.3 if {place, place - 1} & beside else 0.005 for place in range(len(presses))]
    keys: list[Key] = [
        (After(pause), press.encode()) for pause, press in zip(pauses, presses, strict=True)
    ]
    last: list[Key] = [(After(0.3), b"\r"), (After(0.3), b"/exit"), (After(0.3), b"\r")]
    done = run_in_pty(
        *("chat", "--reasoning", "show"),
        keys=[(PROMPT, b"q\r"), (b"thought 001", b"x"), *keys, *last],
        env=vendors.environment,
        timeout=60,
    )
    assert done.code == 0
    first, *others = [turn.start.prompt for turn in turns()]
    assert (first, others) == ("q", [f"x{entries[0]}", *entries[1:]])
    assert vendors.counts() == (len(entries) + 1,) * 2


def test_the_row_below_an_open_panel_says_what_it_costs_and_what_keys_do(vendors: Vendors) -> None:
    vendors.reply(
        reasoner_stream(["a long thought " * 400] * 20, ["x"], pace=0.1),
        claude_stream(["**42** "] * 40, pace=0.05),
    )
    done = typed(vendors, b"q\r", (b"Enter: answer now", b""), args=("--reasoning", "show"))
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", done.output.decode())
    assert re.search(
        r"thinking · \d+ s · [\d,]+ tokens · ≈\$0\.\d{4} · Enter: answer now · Ctrl-C: stop", shown
    )
    assert re.search(r"answering · \d+ s · ≈\$0\.\d{4} · Ctrl-C: stop", shown)


# ----------------------------------------------------------------------------------------- again


def test_the_same_reasoning_is_answered_by_another_claude(vendors: Vendors) -> None:
    vendors.reply()
    vendors.claude.reply(claude_stream(["Opus says so."], model="claude-opus-5-5"))
    vendors.claude.reply(claude_stream(["I see."]))
    done = typed(vendors, b"q\r", b"/model opus\r", b"/retry answer\r", b"and now?\r")
    assert (done.code, vendors.counts()) == (0, (2, 3))
    first, second, third = (request.body for request in vendors.claude.requests)
    assert second == {**first, "model": "claude-opus-5-5"} | {
        name: second[name] for name in ("temperature", "top_p") if name in second
    }
    assert asked(vendors.claude.requests[2])[:2] == said("q", "Opus says so.")
    one, two, _ = turns()
    assert (two.start.reasoning_from, two.reasoning) == (one.start.id, REASONING)
    assert third["model"] == "claude-opus-5-5"


def test_all_of_it_again_pays_for_both(vendors: Vendors) -> None:
    vendors.reply()
    typed(vendors, b"q\r", b"/retry all\r")
    assert vendors.counts() == (2, 2)
    for requests in vendors.requests():
        assert requests[0].body == requests[1].body


def test_an_answer_that_fails_again_leaves_the_first_one_in_its_place(vendors: Vendors) -> None:
    vendors.reply()
    vendors.claude.reply(DOWN, claude_stream(["Again."]), claude_stream(["Then."]))
    done = typed(vendors, b"q\r", b"/retry answer\r", b"/retry answer\r", b"then?\r")
    assert (done.code, vendors.counts()) == (0, (2, 4))
    bodies = [request.body for request in vendors.claude.requests[:3]]
    assert bodies == [bodies[0]] * 3
    assert asked(vendors.claude.requests[3])[:2] == said("q", "Again.")


def test_a_cut_answer_is_finished_in_its_place(vendors: Vendors) -> None:
    vendors.reply(texts=claude_stream(["**42**", " is"], pace=0.01).failing(4, Cut()))
    rest = claude_stream([f"{GO_ON}\n**42**", " is the answer."])
    vendors.claude.reply(rest, claude_stream(["So it is."]))
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, ["x"]))
    done = piped(vendors, "q\n/resume\nsure?\n/resume\n")
    assert done.stdout == b"**42**\n is the answer.\nSo it is.\n"
    error, hint, advice, complaint, _usage = done.stderr.decode().splitlines()
    assert error.startswith("error: answer: ")
    assert hint.startswith("hint: `/resume` continues from what is kept")
    assert advice == "hint: check the network, then try again"
    assert complaint == "error: /resume: the last answer is not cut: which session?"
    assert asked(vendors.claude.requests[2])[:2] == said("q", ANSWER)
    cut, whole, _ = turns()
    assert (whole.start.resumes, whole.answer) == (cut.start.id, ANSWER)
    assert whole.start.session == turns()[2].start.session
    assert vendors.counts() == (2, 3)


def test_a_chat_goes_on_after_a_failed_answer_from_the_reasoning_it_has(vendors: Vendors) -> None:
    vendors.reply(texts=DOWN)
    vendors.claude.reply(claude_stream(TEXTS))
    done = typed(vendors, b"q\r", b"/retry answer\r")
    assert (done.code, vendors.counts()) == (0, (1, 2))
    assert vendors.claude.requests[0].body == vendors.claude.requests[1].body
    shown = "\n".join(screen(done))
    assert [part in shown for part in ("error: answer: ", "529", "\nhint: ")] == [True] * 3


def test_what_is_undone_is_not_sent(vendors: Vendors) -> None:
    vendors.reply()
    typed(vendors, b"a\r", b"b\r", b"/undo\r", b"c\r")
    assert asked(vendors.reasoner.requests[2]) == said("a", ANSWER, "c")
    assert [t.start.prompt for t in turns()] == ["a", "b", "c"]  # paid for: it stays


# -------------------------------------------------------------------------------------- sessions


def test_a_branch_goes_its_own_way(vendors: Vendors) -> None:
    vendors.reply()
    done = typed(
        vendors,
        b"a\r",
        b"b\r",
        b"/branch other 1\r",
        b"c\r",
        b"/undo\r",
        b"/undo\r",
        b"d\r",
        b"/resume first\r",
        b"/sessions\r",
        b"e\r",
        args=("--session", "first"),
    )
    sent = [asked(request) for request in vendors.reasoner.requests]
    assert sent[2:] == [
        said("a", ANSWER, "c"),
        said("d"),
        said("a", ANSWER, "b", ANSWER, "e"),
    ]
    lines = [line.split() for line in screen(done)]
    assert [line[:2] for line in lines if line[:1] in (["other"], ["first"])] == [
        ["other", "1"],
        ["first", "2"],
    ]
    assert [t.start.prompt for t in turns("first")] == ["a", "b", "e"]
    assert [t.start.prompt for t in turns("other")] == ["d"]


def test_ask_and_chat_share_a_session(vendors: Vendors) -> None:
    vendors.reply()
    vendors.ask("--session", "x", "-s", "Be brief.", "a")
    typed(vendors, b"b\r", args=("--session", "x"))
    vendors.ask("-c", "c")
    piped(vendors, "d\n", "-c")
    sent = [asked(request) for request in vendors.reasoner.requests]
    system = {"role": "system", "content": "Be brief."}
    assert sent == [
        [system, *said("a")],
        [system, *said("a", ANSWER, "b")],
        [system, *said("a", ANSWER, "b", ANSWER, "c")],
        [system, *said("a", ANSWER, "b", ANSWER, "c", ANSWER, "d")],
    ]
    assert len(turns("x")) == 4


@pytest.mark.parametrize("way", ["flag", "command"])
def test_the_second_chat_on_a_session_goes_on_as_a_fork(vendors: Vendors, way: str) -> None:
    vendors.reply()
    vendors.ask("--session", "x", "a")
    came, go = threading.Event(), threading.Event()
    first, *_ = reasoner_stream(THOUGHTS, ["x"]).body
    vendors.reasoner.reply(
        Reply(body=[first, Gate(go), *reasoner_stream(THOUGHTS, ["x"]).body[1:]]),
        reasoner_stream(THOUGHTS, ["x"]),
    )
    results: list[CompletedRun] = []

    def other() -> None:
        results.append(piped(vendors, "b\n", "--session", "x"))

    thread = threading.Thread(target=other, daemon=True)
    thread.start()
    try:
        vendors.reasoner.wait_for_requests(2, 20)
        came.set()
        second = (
            piped(vendors, "c\n", "--session", "x")
            if way == "flag"
            else piped(vendors, "/resume x\nc\n")
        )
    finally:
        go.set()
        thread.join(60)
    assert b"note: session x is in use; continuing as x-2\n" in second.stderr
    assert [t.start.prompt for t in turns("x")] == ["a", "b"]
    assert [t.start.prompt for t in turns("x-2")] == ["a", "c"]


def test_a_session_that_the_chat_has_left_is_free_again(vendors: Vendors) -> None:
    vendors.reply()
    done = piped(vendors, "a\n/clear\n/resume x\nb\n/clear\n/resume x\nc\n", "--session", "x")
    assert (done.code, b"in use" in done.stderr) == (0, False)
    assert [t.start.prompt for t in turns("x")] == ["a", "b", "c"]


def test_without_saving_an_old_session_is_gone_on_with_and_not_changed(vendors: Vendors) -> None:
    vendors.reply()
    vendors.ask("--session", "x", "a")
    done = piped(vendors, "b\nc\n/undo\n/sessions\nd\n", "--no-save", "--session", "x")
    assert done.code == 0
    assert asked(vendors.reasoner.requests[-1]) == said("a", ANSWER, "b", ANSWER, "d")
    assert [t.start.prompt for t in turns("x")] == ["a"]


@pytest.mark.parametrize(
    ("args", "env"), [(("--no-save",), {}), ((), {"DEEPREASONING_HISTORY": "false"})]
)
def test_a_chat_that_is_not_to_be_kept_leaves_no_file(
    vendors: Vendors, tmp_path: Path, args: tuple[str, ...], env: dict[str, str]
) -> None:
    vendors.reply()
    keys = [b"secret\r", b"more\r", b"/retry answer\r", b"/branch\r", b"/undo\r", b"/sessions\r"]
    done = typed(vendors, *keys, b"last\r", args=args, env=env)
    assert (done.code, vendors.counts()) == (0, (3, 4))
    assert asked(vendors.reasoner.requests[2]) == said("secret", ANSWER, "last")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_chat_that_is_kept_remembers_what_was_typed(vendors: Vendors) -> None:
    vendors.reply()
    typed(vendors, b"once\r")
    typed(vendors, b"\x1b[A\r")
    assert [asked(request)[-1]["content"] for request in vendors.reasoner.requests] == ["once"] * 2
    assert PromptHistory(paths.data_dir() / "prompts").entries() == ["once"]


def test_what_was_typed_for_a_turn_is_deleted_with_it(vendors: Vendors, tmp_path: Path) -> None:
    vendors.reply()
    plan = tmp_path / "plan"
    plan.write_text("x = 1\n")
    keys = [b"/system Be secret.\r", b"/file %b\r" % os.fsencode(plan), b"Why secret?\r"]
    typed(vendors, *keys, b"And then?\r", b"/retry answer\r")
    kept = PromptHistory(paths.data_dir() / "prompts")
    first, second, _ = (turn.start.id for turn in turns())
    deleted = vendors.run("history", "delete", first, "--yes")
    assert (deleted.code, kept.entries()) == (0, ["/retry answer", "And then?"])
    vendors.run("history", "delete", second, "--yes")
    assert kept.entries() == ["/retry answer"]
    vendors.run("history", "delete", "--older-than", "2999-01-01", "--yes")
    assert (paths.data_dir() / "prompts").read_text() == ""


# -------------------------------------------------------------------------------------- commands


def test_the_next_turn_finds_the_connection_that_was_opened_for_it(
    vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in vendors.environment.items():
        monkeypatch.setenv(name, value)
    reasoner = vendors.reasoner
    with TurnRunner(GlobalOptions(), save=False) as runner:
        runner.preconnect()  # before the first turn there is nobody to connect to
        for turn in (1, 2):
            vendors.reply()
            request = TurnRequest(loaded=runner.load({}), question="6 x 7?")
            runner.run(runner.plan(request), request.loaded.settings, OutputOptions())
            assert len(reasoner.connections) == turn  # of which the early stop has closed the last
            reasoner.connections[-1].wait_closed()
            runner.preconnect()
            wait_for_connections(reasoner, turn + 1)
    unused = reasoner.connections[-1]
    unused.wait_closed()
    assert (unused.closed_by, vendors.counts()) == ("peer", (2, 2))


def wait_for_connections(vendor: Loopback, count: int) -> None:
    end = time.monotonic() + 60
    while len(vendor.connections) < count:
        assert time.monotonic() < end, "nobody connects"
        time.sleep(0.005)


def test_the_state_of_the_chat_is_what_is_asked_with(vendors: Vendors, tmp_path: Path) -> None:
    vendors.reply()
    exported = tmp_path / "chat.md"
    done = typed(
        vendors,
        b"/system Be brief.\r",
        b"/reasoner deepseek\r",
        b"/price one two three\r",
        b"/reasoning hide\r",
        b"q\r",
        b"/reasoning last\r",
        b"/handoff none\r",
        b"r\r",
        b"/info\r",
        f"/export {exported}\r".encode(),
    )
    assert (done.code, vendors.counts()) == (0, (1, 2))
    (reasoner,), (first, second) = vendors.requests()
    assert asked(reasoner)[0] == {"role": "system", "content": "Be brief."}
    assert (first.body["system"], second.body["system"]) == ("Be brief.", "Be brief.")
    assert asked(second) == said("q", ANSWER, "r")
    shown = screen(done)
    assert "deepseek-flash: ≈" in "".join(shown)
    assert [line for line in shown if REASONING in line] == [REASONING]  # only /reasoning last
    assert REASONING in exported.read_text()  # also of a turn that is not the last


def test_a_copy_of_an_earlier_answer_and_the_reasoning_of_the_last_but_one(
    vendors: Vendors,
) -> None:
    vendors.reply(["First."], ["One."])
    vendors.reply(["Second."], ["Two."])
    done = piped(vendors, "a\nb\n/undo\n/reasoning last\n/retry answer\n")
    assert done.stdout == b"One.\nTwo.\nFirst.\nTwo.\n"
    assert "First." in asked(vendors.claude.requests[2])[0]["content"]


# -------------------------------------------------------------------------------------- failures


def test_a_failing_vendor_is_explained_and_the_chat_stays(vendors: Vendors) -> None:
    busy = error_reply_openai(529, "Overloaded", headers=NO_RETRIES)
    vendors.reasoner.reply(busy, reasoner_stream(THOUGHTS, ["x"]))
    vendors.claude.reply(claude_stream(TEXTS))
    done = typed(vendors, b"a\r", b"b\r")
    assert (done.code, vendors.counts()) == (0, (2, 1))
    lines = screen(done)
    at = next(place for place, line in enumerate(lines) if line.startswith("error: reason: "))
    assert "529" in lines[at] + lines[at + 1]
    assert any(line.startswith("hint: ") for line in lines[at + 1 : at + 3])
    assert asked(vendors.reasoner.requests[1]) == said("b")


def test_a_wrong_key_is_named_and_not_shown(vendors: Vendors) -> None:
    vendors.reply(error_reply_openai(401, "Authentication Fails"))
    done = piped(vendors, "a\n")
    assert (done.code, done.stdout, vendors.counts()) == (3, b"", (1, 0))
    assert done.stderr.startswith(b"error: reason: ")
    assert b"DEEPSEEK_API_KEY" in done.stderr


def test_a_chat_that_nobody_could_answer_does_not_begin(vendors: Vendors) -> None:
    for stdin in (b"a\n", b""):
        done = vendors.run(
            "chat", stdin=stdin, env={"DEEPSEEK_API_KEY": "", "ANTHROPIC_API_KEY": ""}
        )
        assert (done.code, done.stdout, vendors.connections()) == (3, b"", 0)
        error, *hints = done.stderr.decode().splitlines()
        assert (error, len(hints)) == ("error: no keys are set", 3)
        assert hints[0].startswith("hint: `deepreasoning config init` ")
    assert [path for path in vendors.home.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--session", "x", "-c"), "use either --continue or --session"),
        (("--session", " "), "a session needs a name"),
        (("-c",), "there is no turn to continue"),
        (("--json",), "there is no option --json"),
    ],
)
def test_a_chat_with_wrong_words_does_not_begin(
    vendors: Vendors, args: tuple[str, ...], message: str
) -> None:
    done = piped(vendors, "a\n", *args)
    assert (done.code, vendors.connections()) == (2, 0)
    assert message in done.stderr.decode()


# ------------------------------------------------------------------------------------- in tmux


def test_a_resize_in_mid_answer_loses_nothing_and_the_chat_goes_on(
    vendors: Vendors, tmux: Tmux
) -> None:
    items = [f"- item {number:02d} of it\n" for number in range(60)]
    vendors.reply(texts=claude_stream(items, pace=0.01))
    vendors.claude.reply(claude_stream(["Second."]))
    command = f"{shlex.join([*PROGRAM, 'chat'])}; echo over $?; sleep 60"
    tmux.start(command, environment(vendors.environment))
    tmux.wait_for("/help lists")
    tmux.wait_for("← deepseek-flash")
    tmux.press("q", "Enter")
    tmux.wait_for("item 10 of it")
    tmux.run("resize-window", "-t", "run", "-x", "50", "-y", "18")
    tmux.wait_for("item 30 of it")
    tmux.run("resize-window", "-t", "run", "-x", "100", "-y", "30")
    tmux.wait_for("tokens · ≈$")
    tmux.wait_for("← deepseek-flash")
    tmux.press("next", "Enter")
    tmux.wait_for("Second.")
    tmux.wait_for("← deepseek-flash")
    tmux.press("C-d")
    shown = "".join("".join(tmux.wait_for("over 0")).split())
    assert [number for number in range(60) if f"item{number:02d}ofit" not in shown] == []
    assert asked(vendors.reasoner.requests[1])[1]["content"] == "".join(items)
