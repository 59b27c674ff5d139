"""`resume`: a turn that was cut is finished, and its reasoning is not paid for again."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from deepreasoning_cli.history.store import Store
from deepreasoning_cli.pipeline.continuation import GO_ON, with_cut_answer
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
SAVED = f"reusing {len(REASONING)} characters of reasoning by deepseek-flash"
PRICE = "; <$0.0001 saved"  # 40 tokens, estimated
CONTINUED = f"continuing the answer after 6 characters; {SAVED}"  # **42**
RESTART = WHOLE  # a Claude that does not do as it is told, and begins anew
REST = claude_stream([f"{GO_ON}\n**4", "2** is", " the answer."])
THE_REST = b" is the answer.\n"
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
    error = f"error: answer: {host}: overloaded (529): Overloaded\n"
    hint = "".join(f"hint: {line}\n" for line in kept("try again later").splitlines())
    assert named(result) == CompletedRun(6, b"", f"{error}{hint}".encode())
    assert vendors.counts() == (1, 3)
    return turn_id(result)


def demand_continuation(vendors: Vendors, kept_text: str = "**42**") -> None:
    """The last request to Claude is the first one with the answer so far below its message."""
    first, *_, last = (each.body for each in vendors.claude.requests)
    prompt = Prompt((Message("user", first["messages"][0]["content"]),))
    content = with_cut_answer(prompt, kept_text).messages[0].text
    assert last == first | {"messages": [{"role": "user", "content": content}]}
    assert len(vendors.reasoner.connections) <= 1


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
    error = b"error: there is nothing to resume\nhint: ask something first\n"
    assert resume(vendors) == CompletedRun(2, b"", error)
    assert vendors.counts() == (1, 4)


def cut_answer(vendors: Vendors, *then: Reply, flags: Sequence[str] = ()) -> str:
    """A turn whose answer broke off after its first piece; its id."""
    vendors.reply(texts=claude_stream(TEXTS, pace=0.01).failing(4, Cut()))
    vendors.claude.reply(*then)
    return turn_id(vendors.ask(*flags, "6 x 7?"))


@pytest.mark.parametrize("reply", [REST, RESTART], ids=["as asked", "begun anew"])
def test_a_cut_answer_is_continued_and_the_old_turn_keeps_what_came_of_it(
    vendors: Vendors, reply: Reply
) -> None:
    turn = cut_answer(vendors, reply)
    assert resume(vendors) == CompletedRun(0, THE_REST, again(turn, CONTINUED))
    demand_continuation(vendors)
    old, new = turns(vendors)
    assert (old.start.id, old.complete, old.answer) == (turn, False, "**42**")
    assert (new.start.reasoning_from, new.start.resumes) == (turn, turn)
    assert (new.complete, new.answer) == (True, ANSWER)
    assert (new.reasoning, new.reasoned_by, list(new.stages)) == (
        REASONING,
        "deepseek-flash",
        ["answer"],
    )


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_after_a_signal_in_the_answer(vendors: Vendors, stop: signal.Signals) -> None:
    vendors.reply(texts=WHOLE.failing(4, Stall()))
    vendors.claude.reply(REST)
    with vendors.started("ask", "6 x 7?") as process:
        read_until(process.stdout, b"**42**")
        result = vendors.outcome(process, stop)
    hint = b"hint: `deepreasoning resume ID` continues from here\n"
    assert named(result) == CompletedRun(128 + stop, b"\n", hint)
    told = again(turn_id(result), CONTINUED)
    assert resume(vendors) == CompletedRun(0, THE_REST, told)
    demand_continuation(vendors)


def test_after_a_closed_pipe(vendors: Vendors) -> None:
    lines = claude_stream([f"line {number}\n" for number in range(200)], pace=0.02)
    vendors.reply(texts=lines)
    vendors.claude.reply(claude_stream(["and ", "the rest\n"]))
    script = 'deepreasoning ask "6 x 7?" | head -n 1; echo "${PIPESTATUS[0]}"'
    assert vendors.shell(script) == CompletedRun(0, b"line 0\n141\n", b"")
    (turn,) = turns(vendors)
    continued = resume(vendors)
    assert (continued.code, continued.stdout) == (0, b"and the rest\n")
    demand_continuation(vendors, turn.answer)
    assert turns(vendors)[-1].answer == turn.answer + "and the rest\n"


def killed_in_the_answer(vendors: Vendors, *flags: str) -> str:
    """A turn whose process was killed; its id, from the journal that is left."""
    vendors.reply(texts=WHOLE.failing(4, Stall()))
    vendors.claude.reply(RESTART)
    with vendors.started("ask", *flags, "6 x 7?") as process:
        read_until(process.stdout, b"**42**")
        assert vendors.outcome(process, signal.SIGKILL).code == -signal.SIGKILL
    (journal,) = (data(vendors) / "journal").iterdir()
    return journal.stem


def test_after_sigkill_the_journal_is_adopted_and_said_so(vendors: Vendors) -> None:
    turn = killed_in_the_answer(vendors)
    told = RECOVERED.encode() + again(turn, CONTINUED)
    assert resume(vendors) == CompletedRun(0, THE_REST, told)
    demand_continuation(vendors)
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
    room = 8_192  # to think in, beside the visible answer
    assert (last["messages"], last["max_tokens"]) == (first["messages"], 99 + room)
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
    told = again(turn, f"{SAVED} and 17 of its own answer", PRICE)
    assert resume(vendors) == CompletedRun(0, PRINTED, told)
    asked = vendors.claude.requests
    assert [each.raw for each in asked] == [asked[0].raw] * 4
    content = asked[0].body["messages"][0]["content"]
    assert (OWN_ANSWER[0] in content, REASONING in content) == (True, handoff == "both")
    assert len(vendors.reasoner.connections) == 1


def test_the_reasoners_own_answer_outlives_sigkill(vendors: Vendors) -> None:
    killed_in_the_answer(vendors, "--handoff", "both")
    assert resume(vendors).code == 0
    demand_continuation(vendors)
    assert OWN_ANSWER[0] in vendors.claude.requests[0].body["messages"][0]["content"]
    assert [each.draft for each in turns(vendors)] == [OWN_ANSWER[0]] * 2


def test_reasoning_that_was_allowed_to_be_empty_is_not_paid_for_again(vendors: Vendors) -> None:
    vendors.reasoner.reply(reasoner_stream([], ["42"]))
    vendors.claude.reply(BUSY, BUSY, BUSY, WHOLE)
    turn = turn_id(vendors.ask("--allow-empty-reasoning", "6 x 7?"))
    assert resume(vendors, turn).stdout == PRINTED
    assert {each.raw for each in vendors.claude.requests} == {vendors.claude.requests[0].raw}
    assert vendors.counts() == (1, 4)


def test_without_a_handoff_claude_alone_goes_on(vendors: Vendors) -> None:
    vendors.claude.reply(claude_stream(TEXTS).failing(4, Cut()), REST)
    turn = turn_id(vendors.ask("--handoff", "none", "6 x 7?"))
    told = f"note: turn {turn}: continuing the answer after 6 characters\n".encode()
    assert resume(vendors, turn) == CompletedRun(0, THE_REST, told)
    demand_continuation(vendors)
    assert len(vendors.reasoner.connections) == 0
    assert resume(vendors).code == 2  # nothing is unfinished any more


def test_again_writes_the_answer_anew(vendors: Vendors) -> None:
    turn = cut_answer(vendors, WHOLE)
    assert resume(vendors, "--again") == CompletedRun(0, PRINTED, again(turn))
    demand_the_same_letter(vendors, 2)
    assert turns(vendors)[-1].answer == ANSWER
    assert resume(vendors).code == 2


def test_whole_prints_all_of_a_continued_answer(vendors: Vendors) -> None:
    turn = cut_answer(vendors, REST)
    assert resume(vendors, "--whole") == CompletedRun(0, PRINTED, again(turn, CONTINUED))


def test_json_and_files_get_all_of_a_continued_answer(vendors: Vendors, tmp_path: Path) -> None:
    turn = cut_answer(vendors, REST)
    file = tmp_path / "a.md"
    result = resume(vendors, "--json", "-o", str(file))
    told = json.loads(result.stdout)
    assert (result.code, told["answer"], told["status"]) == (0, ANSWER, "complete")
    assert file.read_bytes() == PRINTED
    shown = vendors.run("history", "show", told["id"])
    assert shown == CompletedRun(0, PRINTED, b"")
    shown = vendors.run("history", "show", turn)
    assert shown.stdout == b"**42**\n"


def test_lines_of_json_are_the_rest_and_the_last_one_is_the_whole(vendors: Vendors) -> None:
    cut_answer(vendors, REST)
    events = [json.loads(line) for line in resume(vendors, "--jsonl").stdout.splitlines()]
    said = "".join(event["text"] for event in events if event["type"] == "answer")
    assert (said, events[-1]["answer"]) == (" is the answer.", ANSWER)


def test_the_money_of_both_parts_adds_up(vendors: Vendors) -> None:
    cut_answer(vendors, REST)
    told = json.loads(resume(vendors, "--json").stdout)
    first, second = turns(vendors)
    assert first.cost is not None
    assert second.cost is not None
    assert Decimal(told["cost_usd"]) == second.cost
    assert second.earlier_cost == first.cost
    assert second.cost_in_all == first.cost + second.cost
    spent = json.loads(vendors.run("price", "--spent", "--json").stdout)
    assert Decimal(spent["cost_usd"]) == first.cost + second.cost
    tokens = sum(len(turn.stages) for turn in (first, second))
    assert (tokens, list(second.stages)) == (3, ["answer"])


def test_a_continuation_that_is_cut_is_continued_from_there(vendors: Vendors) -> None:
    begun = claude_stream([f"{GO_ON}\n**42** is", " the"]).failing(5, Cut())
    ending = claude_stream([f"{GO_ON}\n**42** is the", " answer."])
    cut_answer(vendors, begun, ending)
    second = resume(vendors)
    assert (second.code, second.stdout) == (6, b" is the\n")
    third = resume(vendors)
    assert (third.code, third.stdout) == (0, b" answer.\n")
    demand_continuation(vendors, "**42** is the")
    assert [turn.answer for turn in turns(vendors)] == ["**42**", "**42** is the", ANSWER]
    last = turns(vendors)[-1]
    assert last.cost_in_all == sum(turn.cost or 0 for turn in turns(vendors))
    assert resume(vendors).code == 2
    assert vendors.counts() == (1, 3)


def test_a_kill_during_the_continuation_loses_nothing(vendors: Vendors) -> None:
    begun = claude_stream([f"{GO_ON}\n**42** is", " the"]).failing(5, Stall())
    cut_answer(vendors, begun, claude_stream([f"{GO_ON}\n**42** is the", " answer."]))
    with vendors.started("resume") as process:
        read_until(process.stdout, b" the")
        assert vendors.outcome(process, signal.SIGKILL).code == -signal.SIGKILL
    result = resume(vendors)
    assert (result.code, result.stdout) == (0, b" answer.\n")
    assert [turn.answer for turn in turns(vendors)] == ["**42**", "**42** is the", ANSWER]


def test_a_continuation_that_cannot_begin_keeps_what_there_is(vendors: Vendors) -> None:
    cut_answer(vendors, BUSY, BUSY, BUSY, REST)
    failed = resume(vendors)
    assert (failed.code, failed.stdout) == (5, b"")
    assert resume(vendors).stdout == THE_REST
    assert [turn.answer for turn in turns(vendors)] == ["**42**", "**42**", ANSWER]


def test_where_nothing_is_missing_the_turn_is_complete(vendors: Vendors) -> None:
    vendors.reply(texts=claude_stream(TEXTS).failing(5, Cut()))
    vendors.claude.reply(claude_stream([GO_ON, f"\n{ANSWER}"]))
    vendors.ask("6 x 7?")
    result = resume(vendors)
    assert (result.code, result.stdout) == (0, b"")
    assert (turns(vendors)[-1].answer, turns(vendors)[-1].complete) == (ANSWER, True)


def test_an_older_turn_is_not_paid_for_unawares(vendors: Vendors) -> None:
    turn = cut_answer(vendors, WHOLE, REST)
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, OWN_ANSWER))
    assert vendors.ask("and 7 x 8?").code == 0
    refused = resume(vendors)
    assert (refused.code, refused.stdout) == (2, b"")
    error, hint = refused.stderr.decode().splitlines()
    assert error.startswith(
        f"error: the last turn is complete; an older one is unfinished: {turn}, "
    )
    assert error.endswith(", just now: 6 x 7?")
    assert hint == f"hint: `deepreasoning resume {turn}` finishes it"
    complete = resume(vendors, "last")
    assert (complete.code, b" is complete\n" in complete.stderr) == (2, True)
    assert vendors.counts() == (2, 2)
    assert resume(vendors, turn).stdout == THE_REST


@pytest.mark.parametrize("name", ["last", "-1"])
def test_the_last_turn_has_names(vendors: Vendors, name: str) -> None:
    cut_answer(vendors, REST)
    assert resume(vendors, name).stdout == THE_REST


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


def test_an_answer_of_the_demo_is_continued_too(vendors: Vendors) -> None:
    whole = vendors.ask("--backend", "demo", "q").stdout.decode()
    with vendors.started("ask", "--backend", "demo", "q") as process:
        read_until(process.stdout, whole[:20].encode())
        turn = turn_id(vendors.outcome(process, signal.SIGINT))
    assert resume(vendors, turn).code == 0
    assert turns(vendors)[-1].answer.rstrip() == whole.rstrip()


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
    hint = "hint: use --partial to answer from it, or --again to reason again\n"
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
    saved = f"reusing {len(PARTIAL)} characters of reasoning by deepseek-flash"
    assert resume(vendors, "--partial") == CompletedRun(0, PRINTED, again(turn, saved))
    demand_partial(vendors)


def test_again_asks_the_reasoner_again(vendors: Vendors) -> None:
    cut_reasoning(vendors)
    assert resume(vendors, "--again") == CompletedRun(0, PRINTED, b"")
    demand_again(vendors)


QUESTION = re.compile(
    r"turn (\w{16}), 2\d{3}-\d\d-\d\d \d\d:\d\d, just now: 6 x 7\?\r\n"
    rf"its reasoning was cut after {len(PARTIAL)} characters\r\n"
    r"\[a\]nswer from what there is · \[r\]eason again \(about \$0\.\d{4}\) · \[q\]uit: "
)


@pytest.mark.parametrize(
    ("key", "demand"),
    [(b"a\n", demand_partial), (b"R\n", demand_again), (b"reason\n", demand_again)],
)
def test_on_a_terminal_the_user_is_asked(
    vendors: Vendors, key: bytes, demand: Callable[[Vendors], None]
) -> None:
    turn = cut_reasoning(vendors)
    shown = run_in_pty("resume", keys=[(b"[q]uit: ", key)], env=vendors.environment)
    assert shown.code == 0
    asked = QUESTION.search(shown.output.decode())
    assert asked
    assert asked[1] == turn
    assert "── Answer".encode() in shown.colorless
    demand(vendors)


def test_another_letter_asks_again_and_q_sends_nothing(vendors: Vendors) -> None:
    cut_reasoning(vendors)
    keys: list[tuple[float | bytes, bytes]] = [
        (b"[q]uit: ", b"n\n"),
        (b"[q]uit: ", b"\n"),
        (b"[q]uit: ", b"q\n"),
    ]
    shown = run_in_pty("resume", keys=keys, env=vendors.environment)
    assert (shown.code, shown.output.endswith(b"q\r\nnothing was sent\r\n")) == (0, True)
    assert shown.output.count(b"\r\ntype a, r or q\r\n[a]nswer from what there is") == 2
    assert vendors.counts() == (1, 0)


def test_ctrl_c_at_the_question_sends_nothing(vendors: Vendors) -> None:
    cut_reasoning(vendors)
    # a signal between the question and the read is heard by Python only at the next one: a person
    # presses again
    keys: list[tuple[float | bytes, bytes]] = [(b"[q]uit: ", b"\x03"), (8.0, b"\x03")]
    shown = run_in_pty("resume", keys=keys, env=vendors.environment)
    assert (shown.code, shown.output.endswith(b"\r\ncancelled\r\n")) == (130, True)
    assert vendors.counts() == (1, 0)


# ------------------------------------------------------------------------------------ wrong calls


def test_a_complete_turn_is_not_resumed(vendors: Vendors) -> None:
    vendors.reply()
    turn = json.loads(vendors.ask("--json", "6 x 7?").stdout)["id"]
    hint = f"hint: `deepreasoning ask --reasoning-from {turn} …` uses its reasoning again\n"
    error = f"error: turn {turn} is complete\n"
    assert resume(vendors, turn) == CompletedRun(2, b"", f"{error}{hint}".encode())
    assert vendors.counts() == (1, 1)


LISTED = "`deepreasoning history` lists the turns"


def test_an_unknown_turn_is_named_with_where_to_find_others(vendors: Vendors) -> None:
    turn = overloaded(vendors)
    wrong = turn[:-1] + ("0" if turn[-1] != "0" else "1")
    error = f"error: there is no turn '{wrong}'\nhint: {LISTED}\n"
    assert resume(vendors, wrong) == CompletedRun(2, b"", error.encode())
    error_object = error_of(resume(vendors, "--json", wrong))
    assert (error_object["kind"], error_object["hint"]) == (
        "unknown_turn",
        LISTED,
    )
    assert vendors.counts() == (1, 3)


def test_an_empty_history_has_nothing_to_resume(vendors: Vendors) -> None:
    nothing = b"error: there is nothing to resume\nhint: ask something first\n"
    assert resume(vendors) == CompletedRun(2, b"", nothing)
    empty = b"error: there is no turn '0'\nhint: the history is empty\n"
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
