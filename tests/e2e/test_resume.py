"""`resume`: a turn that was cut is finished, and its reasoning is not paid for again."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from deepreasoning_cli.history.store import Store
from deepreasoning_cli.pipeline.events import Handoff, Message, Prompt
from deepreasoning_cli.pipeline.handoff import with_notes
from deepreasoning_cli.pipeline.record import TurnRecord
from e2e.test_ask_signals import read_until
from support.replies import Cut, Reply, Stall, claude_stream, error_reply_anthropic, reasoner_stream
from support.runner import CompletedRun, run_in_pty
from support.vendors import (
    ANSWER,
    OWN_ANSWER,
    PRINTED,
    REASONING,
    TEXTS,
    THOUGHTS,
    Vendors,
    error_of,
    kept,
    named,
    turn_id,
)

BUSY = error_reply_anthropic(
    529, "overloaded_error", "Overloaded", headers={"retry-after-ms": "10"}
)
WHOLE = claude_stream(TEXTS)
SAVED = f"{len(REASONING)} characters of reasoning by deepseek-flash are used again"
PRICE = "; <$0.0001 saved"  # 40 tokens, estimated
RECOVERED = "note: recovered 1 unfinished turn: `deepreasoning history list`\n"


def resume(vendors: Vendors, *args: str) -> CompletedRun:
    return vendors.run("resume", *args)


def again(turn: str, saved: str = SAVED, price: str = PRICE) -> bytes:
    """What stderr says of a turn whose reasoning is used again."""
    return f"note: turn {turn}: {saved}{price}\n".encode()


def data(vendors: Vendors) -> Path:
    return vendors.home / ".local/share/deepreasoning"


def turns(vendors: Vendors) -> list[TurnRecord]:
    """All that is kept, oldest first."""

    def warn(text: str) -> None:
        raise AssertionError(text)

    with Store.open(data(vendors), warn) as store:
        ids = [row.id for row in store.listing()]
        return [store.turn(each) for each in reversed(ids)]


def overloaded(vendors: Vendors, *flags: str, before: Sequence[Reply] = ()) -> str:
    """A turn whose Claude was overloaded after the reasoning, and will not be again; its id."""
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, OWN_ANSWER))
    vendors.claude.reply(BUSY, BUSY, BUSY, *before, WHOLE)
    result = vendors.ask(*flags, "6 x 7?")
    host = vendors.claude.url.removeprefix("http://")
    error = f"error: answer: {host} is overloaded (529): Overloaded\n"
    hint = f"hint: {kept('try again later')}\n"
    assert named(result) == CompletedRun(6, b"", f"{error}{hint}".encode())
    assert vendors.counts() == (1, 3)
    return turn_id(result)


def demand_the_same_letter(vendors: Vendors, count: int) -> None:
    """Claude was asked `count` times in the same words, and the reasoner but once."""
    asked = vendors.claude.requests
    assert [(each.method, each.path) for each in asked] == [("POST", "/v1/messages")] * count
    assert {each.raw for each in asked} == {asked[0].raw}
    assert len(vendors.reasoner.connections) == 1
    assert REASONING in asked[0].body["messages"][0]["content"]


# ------------------------------------------------------------------------- Claude alone is called


@pytest.mark.parametrize(
    "which",
    [lambda turn: [], lambda turn: [turn], lambda turn: [turn[:9]]],
    ids=["the last one", "by its id", "by the beginning of its id"],
)
def test_after_an_overload_one_request_goes_to_claude_the_same_to_the_letter(
    vendors: Vendors, which: Callable[[str], list[str]]
) -> None:
    turn = overloaded(vendors)
    assert resume(vendors, *which(turn)) == CompletedRun(0, PRINTED, again(turn))
    demand_the_same_letter(vendors, 4)


def test_a_finished_turn_is_not_resumed_again_by_default(vendors: Vendors) -> None:
    overloaded(vendors)
    assert resume(vendors).code == 0
    error = b"error: no turn is unfinished\nhint: ask something first\n"
    assert resume(vendors) == CompletedRun(2, b"", error)
    assert vendors.counts() == (1, 4)


def test_after_a_cut_answer_the_old_turn_keeps_what_came_of_it(vendors: Vendors) -> None:
    vendors.reply(texts=claude_stream(TEXTS, pace=0.01).failing(4, Cut()))
    vendors.claude.reply(WHOLE)
    turn = turn_id(vendors.ask("6 x 7?"))
    assert resume(vendors) == CompletedRun(0, PRINTED, again(turn))
    demand_the_same_letter(vendors, 2)
    old, new = turns(vendors)
    assert (old.start.id, old.complete, old.answer) == (turn, False, "**42**")
    assert (new.start.reasoning_from, new.complete, new.answer) == (turn, True, ANSWER)
    assert (new.reasoning, new.reasoned_by, list(new.stages)) == (
        REASONING,
        "deepseek-flash",
        ["answer"],
    )


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_after_a_signal_in_the_answer(vendors: Vendors, stop: signal.Signals) -> None:
    vendors.reply(texts=WHOLE.failing(4, Stall()))
    vendors.claude.reply(WHOLE)
    with vendors.started("ask", "6 x 7?") as process:
        read_until(process.stdout, b"**42**")
        result = vendors.outcome(process, stop)
    hint = b"hint: `deepreasoning resume ID` goes on from here\n"
    assert named(result) == CompletedRun(128 + stop, b"\n", hint)
    assert resume(vendors) == CompletedRun(0, PRINTED, again(turn_id(result)))
    demand_the_same_letter(vendors, 2)


def test_after_a_closed_pipe(vendors: Vendors) -> None:
    lines = claude_stream([f"line {number}\n" for number in range(200)], pace=0.02)
    vendors.reply(texts=lines)
    vendors.claude.reply(WHOLE)
    script = 'deepreasoning ask "6 x 7?" | head -n 1; echo "${PIPESTATUS[0]}"'
    assert vendors.shell(script) == CompletedRun(0, b"line 0\n141\n", b"")
    (turn,) = turns(vendors)
    assert resume(vendors) == CompletedRun(0, PRINTED, again(turn.start.id))
    demand_the_same_letter(vendors, 2)


def killed_in_the_answer(vendors: Vendors, *flags: str) -> str:
    """A turn whose process was killed; its id, from the journal that is left."""
    vendors.reply(texts=WHOLE.failing(4, Stall()))
    vendors.claude.reply(WHOLE)
    with vendors.started("ask", *flags, "6 x 7?") as process:
        read_until(process.stdout, b"**42**")
        assert vendors.outcome(process, signal.SIGKILL).code == -signal.SIGKILL
    (journal,) = (data(vendors) / "journal").iterdir()
    return journal.stem


def test_after_sigkill_the_journal_is_adopted_and_said_so(vendors: Vendors) -> None:
    turn = killed_in_the_answer(vendors)
    told = RECOVERED.encode() + again(turn)
    assert resume(vendors) == CompletedRun(0, PRINTED, told)
    demand_the_same_letter(vendors, 2)
    assert [each.answer for each in turns(vendors)] == ["**42**", ANSWER]
    assert list((data(vendors) / "journal").iterdir()) == []


def test_the_next_question_adopts_the_journal_too(vendors: Vendors) -> None:
    killed_in_the_answer(vendors)
    assert vendors.ask("6 x 7?") == CompletedRun(0, PRINTED, RECOVERED.encode())
    assert [each.answer for each in turns(vendors)] == ["**42**", ANSWER]


def test_another_claude_can_be_asked(vendors: Vendors) -> None:
    turn = overloaded(vendors)
    result = resume(vendors, "-m", "opus", "--max-tokens", "99")
    assert (result.code, result.stdout) == (0, PRINTED)
    assert result.stderr.startswith(again(turn))
    first, *_, last = (each.body for each in vendors.claude.requests)
    assert (last["messages"], last["max_tokens"]) == (first["messages"], 99)
    assert last["model"].startswith("claude-opus-")
    assert vendors.counts() == (1, 4)


def test_a_resume_that_fails_is_resumed_in_the_same_words(vendors: Vendors) -> None:
    overloaded(vendors, before=[BUSY] * 3)
    second = resume(vendors)
    assert (second.code, second.stdout) == (5, b"")  # nothing was paid for this time
    turn = turns(vendors)[-1].start.id
    assert resume(vendors) == CompletedRun(0, PRINTED, again(turn, price=""))
    demand_the_same_letter(vendors, 7)
    assert resume(vendors).code == 2  # neither is unfinished now


@pytest.mark.parametrize("handoff", ["answer", "both"])
def test_the_reasoners_own_answer_is_used_again_where_the_handoff_wants_it(
    vendors: Vendors, handoff: str
) -> None:
    turn = overloaded(vendors, "--handoff", handoff)
    own = f"{len(REASONING)} characters of reasoning by deepseek-flash and 17 of its own answer"
    told = again(turn, f"{own} are used again", PRICE)
    assert resume(vendors) == CompletedRun(0, PRINTED, told)
    asked = vendors.claude.requests
    assert [each.raw for each in asked] == [asked[0].raw] * 4
    content = asked[0].body["messages"][0]["content"]
    assert (OWN_ANSWER[0] in content, REASONING in content) == (True, handoff == "both")
    assert len(vendors.reasoner.connections) == 1


def test_the_reasoners_own_answer_outlives_sigkill(vendors: Vendors) -> None:
    killed_in_the_answer(vendors, "--handoff", "both")
    assert resume(vendors).code == 0
    first, second = vendors.claude.requests
    assert second.raw == first.raw
    assert OWN_ANSWER[0] in first.body["messages"][0]["content"]
    assert [each.draft for each in turns(vendors)] == [OWN_ANSWER[0]] * 2


def test_reasoning_that_was_allowed_to_be_empty_is_not_paid_for_again(vendors: Vendors) -> None:
    vendors.reasoner.reply(reasoner_stream([], ["42"]))
    vendors.claude.reply(BUSY, BUSY, BUSY, WHOLE)
    turn = turn_id(vendors.ask("--allow-empty-reasoning", "6 x 7?"))
    assert resume(vendors, turn).stdout == PRINTED
    assert {each.raw for each in vendors.claude.requests} == {vendors.claude.requests[0].raw}
    assert vendors.counts() == (1, 4)


def test_without_a_handoff_claude_alone_is_asked_again(vendors: Vendors) -> None:
    vendors.claude.reply(claude_stream(TEXTS).failing(4, Cut()), WHOLE)
    turn = turn_id(vendors.ask("--handoff", "none", "6 x 7?"))
    assert resume(vendors, turn) == CompletedRun(0, PRINTED, b"")
    first, second = vendors.claude.requests
    assert second.raw == first.raw
    assert len(vendors.reasoner.connections) == 0


def test_json_of_a_resumed_turn_is_the_whole_turn(vendors: Vendors) -> None:
    turn = overloaded(vendors)
    result = resume(vendors, "--json")
    assert (result.code, result.stderr) == (0, again(turn))
    told = json.loads(result.stdout)
    assert (told["prompt"], told["reasoning"], told["answer"]) == ("6 x 7?", REASONING, ANSWER)
    assert (told["status"], told["reasoner"], told["handoff"]) == ("complete", None, "reasoning")
    assert told["id"] != turn


def test_a_resumed_demo_stays_one(vendors: Vendors) -> None:
    with vendors.started("ask", "--backend", "demo", "q") as process:
        read_until(process.stdout, b" ")
        turn = turn_id(vendors.outcome(process, signal.SIGINT))
    result = resume(vendors, turn)
    assert result.code == 0
    assert b"demo: these are scripted replies, no model was called\n" in result.stderr
    assert vendors.connections() == 0


# --------------------------------------------------------------------------- the reasoning was cut

PARTIAL = "".join(THOUGHTS[:2])
THERE_IS = f"the reasoning of ID was cut after {len(PARTIAL)} characters"


def cut_reasoning(vendors: Vendors) -> str:
    """A turn whose reasoner broke off; the next one will not. Its id."""
    vendors.reasoner.reply(
        reasoner_stream(THOUGHTS).failing(3, Cut()), reasoner_stream(THOUGHTS, OWN_ANSWER)
    )
    vendors.claude.reply(WHOLE)
    result = vendors.ask("6 x 7?")
    assert result.code == 6
    return turn_id(result)


def demand_partial(vendors: Vendors) -> None:
    """Claude was asked with what there is of the reasoning."""
    question = Prompt((Message("user", "6 x 7?"),))
    model = "deepseek-flash"
    brief = with_notes(question, Handoff.REASONING, model=model, reasoning=PARTIAL, answer="")
    (request,) = vendors.claude.requests
    assert request.body["messages"] == [{"role": "user", "content": brief.messages[0].text}]
    assert vendors.counts() == (1, 1)


def demand_again(vendors: Vendors) -> None:
    """The reasoner was asked once more in the same words, then Claude with all of it."""
    first, second = vendors.reasoner.requests
    assert second.raw == first.raw
    (request,) = vendors.claude.requests
    assert REASONING in request.body["messages"][0]["content"]


@pytest.mark.parametrize("flags", [[], ["--partial", "--again"]], ids=["neither", "both"])
def test_without_a_terminal_the_choice_has_to_be_named(vendors: Vendors, flags: list[str]) -> None:
    turn = cut_reasoning(vendors)
    result = resume(vendors, *flags)
    error = f"error: {THERE_IS}\n".replace("ID", turn)
    hint = "hint: --partial answers from what there is; --again pays for it once more\n"
    assert result == CompletedRun(2, b"", f"{error}{hint}".encode())
    assert vendors.counts() == (1, 0)


def test_a_turn_is_finished_by_the_models_that_were_chosen_for_it(vendors: Vendors) -> None:
    vendors.reasoner.reply(reasoner_stream(THOUGHTS).failing(3, Cut()))
    vendors.claude.reply(WHOLE)
    assert vendors.ask("-m", "claude-haiku-4-5", "-r", "deepseek", "6 x 7?").code == 6
    assert resume(vendors, "--partial").code == 0
    assert [each.body["model"] for each in vendors.claude.requests] == ["claude-haiku-4-5-20251001"]


def test_partial_answers_from_what_there_is(vendors: Vendors) -> None:
    turn = cut_reasoning(vendors)
    saved = f"{len(PARTIAL)} characters of reasoning by deepseek-flash are used again"
    assert resume(vendors, "--partial") == CompletedRun(0, PRINTED, again(turn, saved))
    demand_partial(vendors)


def test_again_asks_the_reasoner_again(vendors: Vendors) -> None:
    cut_reasoning(vendors)
    assert resume(vendors, "--again") == CompletedRun(0, PRINTED, b"")
    demand_again(vendors)


@pytest.mark.parametrize(
    ("key", "demand"),
    [(b"y\n", demand_partial), (b"\n", demand_partial), (b"n\n", demand_again)],
    ids=["yes", "Enter", "no"],
)
def test_on_a_terminal_the_user_is_asked(
    vendors: Vendors, key: bytes, demand: Callable[[Vendors], None]
) -> None:
    turn = cut_reasoning(vendors)
    shown = run_in_pty("resume", keys=[(b"[Y/n]: ", key)], env=vendors.environment)
    assert shown.code == 0
    asked = THERE_IS.replace("ID", turn) + "\r\nAnswer from what there is? (no: reason again) [Y/n]"
    assert asked.encode() in shown.output
    assert "╭─ Answer".encode() in shown.output
    demand(vendors)


def test_ctrl_c_at_the_question_sends_nothing(vendors: Vendors) -> None:
    cut_reasoning(vendors)
    # a signal between the question and the read is heard by Python only at the next one: a person
    # presses again
    keys: list[tuple[float | bytes, bytes]] = [(b"[Y/n]: ", b"\x03"), (8.0, b"\x03")]
    shown = run_in_pty("resume", keys=keys, env=vendors.environment)
    assert shown.code in (2, 130)
    assert vendors.counts() == (1, 0)


# ------------------------------------------------------------------------------------ wrong calls


def test_a_complete_turn_is_not_resumed(vendors: Vendors) -> None:
    vendors.reply()
    turn = json.loads(vendors.ask("--json", "6 x 7?").stdout)["id"]
    hint = f"hint: `deepreasoning ask --reasoning-from {turn} …` uses its reasoning again\n"
    error = f"error: turn {turn} is complete\n"
    assert resume(vendors, turn) == CompletedRun(2, b"", f"{error}{hint}".encode())
    assert vendors.counts() == (1, 1)


def test_an_unknown_turn_is_named_with_the_nearest(vendors: Vendors) -> None:
    turn = overloaded(vendors)
    wrong = turn[:-1] + ("0" if turn[-1] != "0" else "1")
    error = f"error: no turn {wrong} in the history\nhint: the nearest is {turn}\n"
    assert resume(vendors, wrong) == CompletedRun(2, b"", error.encode())
    error_object = error_of(resume(vendors, "--json", wrong))
    assert (error_object["kind"], error_object["hint"]) == (
        "unknown_turn",
        f"the nearest is {turn}",
    )
    assert vendors.counts() == (1, 3)


def test_an_empty_history_has_nothing_to_resume(vendors: Vendors) -> None:
    nothing = b"error: no turn is unfinished\nhint: ask something first\n"
    assert resume(vendors) == CompletedRun(2, b"", nothing)
    empty = b"error: no turn 0 in the history\nhint: the history is empty\n"
    assert resume(vendors, "0") == CompletedRun(2, b"", empty)


def test_reasoning_only_has_nothing_to_finish(vendors: Vendors) -> None:
    overloaded(vendors)
    error = b"error: --reasoning only has no answer to finish\nhint: leave it out\n"
    assert resume(vendors, "--reasoning", "only") == CompletedRun(2, b"", error)


# ------------------------------------------------------------------------------ nothing to go on


@pytest.mark.parametrize(
    ("flags", "env"),
    [(["--no-save"], {}), ([], {"DEEPREASONING_HISTORY": "false"})],
    ids=["--no-save", "history = false"],
)
@pytest.mark.parametrize("texts", [WHOLE, WHOLE.failing(4, Cut())], ids=["whole", "cut"])
def test_what_is_not_to_be_saved_leaves_nothing_on_the_disk_and_no_hint(
    vendors: Vendors, texts: Reply, flags: list[str], env: dict[str, str]
) -> None:
    vendors.reply(texts=texts)
    result = vendors.ask(*flags, "6 x 7?", env=env)
    assert b"resume" not in result.stderr
    assert (result.code, result.stdout[:6]) == (0 if texts is WHOLE else 6, b"**42**")
    assert list(vendors.home.iterdir()) == []


@pytest.mark.parametrize("env", [{}, {"DEEPREASONING_HISTORY": "false"}], ids=["flag", "setting"])
def test_interrupted_without_a_history_there_is_no_hint(
    vendors: Vendors, env: dict[str, str]
) -> None:
    vendors.reply(texts=WHOLE.failing(4, Stall()))
    flags = [] if env else ["--no-save"]
    with vendors.started("ask", *flags, "6 x 7?", env=env) as process:
        read_until(process.stdout, b"**42**")
        assert vendors.outcome(process, signal.SIGINT) == CompletedRun(130, b"\n", b"")
    assert list(vendors.home.iterdir()) == []


def test_where_nothing_was_paid_for_there_is_nothing_to_resume(vendors: Vendors) -> None:
    vendors.claude.reply(BUSY)
    result = vendors.ask("--json", "--handoff", "none", "6 x 7?")
    assert (result.code, error_of(result)["resume"]) == (5, None)
    assert resume(vendors).code == 2
