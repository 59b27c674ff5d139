"""`--stop settled` between two vendors: what ends the thinking, what is asked, kept and shown."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from support.loopback import Received, Reply, Script, Stall
from support.replies import claude_stream, error_reply_anthropic, reasoner_stream
from support.runner import OFFLINE, CompletedRun, run
from support.vendors import ANSWER, OWN_ANSWER, PRINTED, TEXTS, Vendors

STOP: Final = ("--stop", "settled")
HAIKU: Final = "claude-haiku-5-5"
SLOW: Final = 0.05  # seconds between two thoughts of ten tokens
COUNTS: Final = {"input_tokens": 1_000, "output_tokens": 10}
PROBE_COST: Final = Decimal("0.000105")  # of such counts


def is_probe(request: Received) -> bool:
    return bool((request.body or {})["max_tokens"] == 60)


def probes_of(vendors: Vendors) -> list[Received]:
    return [request for request in vendors.claude.requests if is_probe(request)]


def think(
    vendors: Vendors,
    probe: Callable[[int], Reply],
    *,
    thoughts: int = 5_000,
    pace: float = SLOW,
    answer: Reply | None = None,
) -> None:
    """A reasoner that thinks for long, and a Haiku whose reply depends on its number."""
    said = ["abcd" * 390, *["abcd" * 10] * (thoughts - 39)]  # the first probe is due at once
    vendors.reasoner.reply(reasoner_stream(said, OWN_ANSWER, pace=pace))
    number = 0

    def reply(request: Received) -> Reply:
        nonlocal number
        if not is_probe(request):
            return answer or claude_stream(TEXTS)
        number += 1
        return probe(number)

    script: Script = reply
    vendors.claude.reply(script)


def says(text: str) -> Callable[[int], Reply]:
    return lambda _: claude_stream([text], model=HAIKU, usage=COUNTS)


def turn_of(result: CompletedRun) -> dict[str, Any]:
    assert result.code == 0, result.stderr
    turn: dict[str, Any] = json.loads(result.stdout)
    return turn


def shown(vendors: Vendors, name: str = "last") -> dict[str, Any]:
    return turn_of(vendors.run("history", "show", name, "--json"))


def test_two_probes_that_agree_end_the_thinking_and_are_in_the_bill(vendors: Vendors) -> None:
    think(vendors, says("42"))
    turn = turn_of(vendors.ask(*STOP, "--json", "6 x 7?"))
    assert (turn["answer"], turn["status"]) == (ANSWER, "complete")
    assert turn["reasoner"]["stop_reason"] == "settled"
    assert len(turn["reasoning"]) < 5_000 * 40
    sent = probes_of(vendors)
    assert len(sent) == 2
    probes = turn["probes"]
    assert (probes["model"], probes["host"]) == (HAIKU, "anthropic")
    assert probes["usage"]["input_tokens"] == 2_000
    assert Decimal(probes["cost_usd"]) == 2 * PROBE_COST
    stages = [turn[name]["cost_usd"] for name in ("reasoner", "probes", "answerer")]
    assert Decimal(turn["cost_usd"]) == sum(map(Decimal, stages))
    assert shown(vendors) == turn
    spent = vendors.run("price", "--spent", "--by", "stage").stdout.decode()
    assert "probe" in spent


def test_a_probe_asks_for_a_short_answer_without_thinking(vendors: Vendors) -> None:
    think(vendors, says("42"))
    vendors.ask(*STOP, "-s", "Be kind.", "6 x 7?")
    body = probes_of(vendors)[0].body
    assert body
    assert (body["model"], body["thinking"]) == (HAIKU, {"type": "disabled"})
    assert "output_config" not in body
    text = json.dumps(body["messages"])
    assert "6 x 7?" in text
    assert "abcdabcd" in text
    assert "undecided" in text
    final = vendors.claude.requests[-1].body
    assert final
    assert final["output_config"] == {"effort": "low"}  # it has been thought through


def test_the_footer_says_after_how_much_and_for_how_much(vendors: Vendors) -> None:
    think(vendors, says("42"))
    text = vendors.on_terminal("ask", *STOP, "6 x 7?").output.decode()
    text = " ".join(re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).split())
    assert "settled after" in text
    assert re.search(r"settled after [\d,]+ of about [\d,]+ tokens; probes \$0\.0002", text), text


def overloaded(_: int) -> Reply:
    return error_reply_anthropic(529, "overloaded_error", "Overloaded")


def test_probes_that_fail_are_asked_once_and_cost_nothing(vendors: Vendors) -> None:
    think(
        vendors,
        lambda _: error_reply_anthropic(529, "overloaded_error", "Overloaded"),
        thoughts=150,
        pace=0.01,
    )
    result = vendors.ask(*STOP, "--json", "6 x 7?")
    turn = turn_of(result)
    assert result.stderr == b""
    assert (turn["answer"], turn["reasoning"]) == (ANSWER, "abcd" * 1_500)
    assert "probes" not in turn
    dues = [400, 600, 900, 1_350]
    assert 1 <= len(probes_of(vendors)) <= len(dues)  # else one has been tried again


def test_a_probe_that_is_not_answered_holds_up_neither_the_answer_nor_the_end(
    vendors: Vendors,
) -> None:
    think(vendors, lambda _: Reply(body=[Stall(60)]), thoughts=100, pace=0)
    result = vendors.ask(*STOP, "--json", "6 x 7?")
    turn = turn_of(result)
    assert result.stderr == b""
    assert (turn["answer"], turn["reasoning"]) == (ANSWER, "abcd" * 1_000)
    assert len(probes_of(vendors)) <= 1
    if "probes" in turn:
        assert turn["probes"]["usage"]["estimated"]
    assert shown(vendors) == turn


@pytest.mark.parametrize("handoff", ["answer", "both", "none"])
def test_a_hand_off_that_needs_no_reasoning_contradicts_it(vendors: Vendors, handoff: str) -> None:
    result = vendors.ask(*STOP, "--handoff", handoff, "6 x 7?")
    assert (result.code, result.stdout) == (2, b"")
    expected = f"error: --stop settled has no meaning with --handoff {handoff}\nhint: "
    assert result.stderr.decode().startswith(expected)
    assert vendors.sent() == 0


def test_the_setting_gives_way_to_a_hand_off_that_was_typed(vendors: Vendors) -> None:
    vendors.config('stop = "settled"\n')
    vendors.reply()
    assert vendors.ask("--handoff", "both", "6 x 7?").stdout == PRINTED
    vendors.reply()
    assert vendors.ask("--handoff", "none", "6 x 7?").stdout == PRINTED
    assert probes_of(vendors) == []


def test_the_setting_names_another_model_and_a_flag_switches_it_off(vendors: Vendors) -> None:
    vendors.config('stop = "settled"\nprobe_model = "claude-haiku-4-5"\n')
    think(vendors, says("42"))
    turn = turn_of(vendors.ask("--json", "6 x 7?"))
    assert turn["probes"]["model"] == "claude-haiku-4-5-20251001"
    vendors.reasoner.forget()
    vendors.claude.forget()
    think(vendors, says("42"), thoughts=60, pace=0)
    turn = turn_of(vendors.ask("--stop", "end", "--json", "6 x 7?"))
    assert turn["reasoner"]["stop_reason"] != "settled"
    assert probes_of(vendors) == []


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ('probe_model = "haikoo"', "probe_model"),
        ("", "the cost of thinker is unknown"),
    ],
)
def test_what_keeps_it_from_working_is_said_where_it_was_typed(
    vendors: Vendors, config: str, reason: str
) -> None:
    own = f'[reasoners.lab]\nbase_url = "{vendors.novita.url}"\nmodel = "thinker"\n'
    vendors.config(f"{config}\n{own if 'thinker' in reason else ''}")
    vendors.reply()
    vendors.novita.reply(reasoner_stream(["abcd"], OWN_ANSWER))
    words = ("-r", "lab") if "thinker" in reason else ()
    result = vendors.ask(*STOP, *words, "6 x 7?")
    assert (result.code, result.stdout) == (0, PRINTED), result.stderr
    assert b"warning: --stop settled has no effect: " in result.stderr
    assert probes_of(vendors) == []


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_whatever_ends_the_program_what_probes_cost_is_kept(
    vendors: Vendors, stop: signal.Signals
) -> None:
    """The second probe is not answered: what it has read is an estimate."""

    def probe(number: int) -> Reply:
        if number == 1:
            return claude_stream(["42"], model=HAIKU, usage=COUNTS)
        return claude_stream(["4"] * 2_000, model=HAIKU, usage=COUNTS, pace=0.1)

    think(vendors, probe)
    with vendors.started("ask", *STOP, "6 x 7?") as process:
        vendors.claude.wait_for_requests(2, 60)
        result = vendors.outcome(process, stop)
    assert result.code == (-signal.SIGKILL if stop is signal.SIGKILL else 130)
    turn = shown(vendors)
    assert turn["status"] == "incomplete"
    assert turn["reasoning"]
    probes = turn["probes"]
    assert probes["usage"]["estimated"]
    assert probes["usage"]["input_tokens"] > 1_000 + 600
    assert Decimal(probes["cost_usd"]) > PROBE_COST
    vendors.claude.forget()
    vendors.claude.reply(claude_stream(TEXTS))
    resumed = vendors.run("resume", "--partial")
    assert (resumed.code, resumed.stdout) == (0, PRINTED), resumed.stderr


def differing(result: CompletedRun) -> dict[str, Any]:
    """The object of `--json` without what differs each time, and what it cost."""
    turn = turn_of(result)
    for name in ("id", "backend", "cost_usd", "seconds"):
        del turn[name]
    for stage in ("reasoner", "probes", "answerer"):
        del turn[stage]["seconds"], turn[stage]["cost_usd"]
    return turn


def test_a_replay_stops_where_the_recording_did(vendors: Vendors, tmp_path: Path) -> None:
    think(vendors, says("42"))
    tape = str(tmp_path / "tape")
    recorded = vendors.ask(*STOP, "--json", "6 x 7?", "--record", tape)
    stages = [
        json.loads(line)["request"]["stage"] for line in Path(tape).read_text().splitlines()[1:]
    ]
    assert sorted(stages) == ["answer", "probe", "probe", "reason"]
    replayed = run("ask", *STOP, "--json", "6 x 7?", "--replay", tape, program=OFFLINE)
    assert differing(replayed) == differing(recorded)
    assert json.loads(replayed.stdout)["cost_usd"] == "0"
    plain = run("ask", *STOP, "6 x 7?", "--replay", tape, program=OFFLINE)
    assert (plain.code, plain.stdout) == (0, PRINTED), plain.stderr


def test_a_cap_covers_the_probes(vendors: Vendors) -> None:
    think(vendors, says("42"))
    turn = turn_of(vendors.ask(*STOP, "--max-cost", "0.10", "--json", "6 x 7?"))
    assert turn["reasoner"]["stop_reason"] == "settled"
    assert Decimal(turn["cost_usd"]) <= Decimal("0.10")
    vendors.reasoner.forget()
    vendors.claude.forget()
    think(vendors, says("42"), thoughts=60, pace=0)
    turn = turn_of(vendors.ask(*STOP, "--max-cost", "0.004", "--on-cap", "answer", "--json", "?"))
    assert turn["answer"] == ANSWER


def test_a_chat_takes_it_too(vendors: Vendors) -> None:
    think(vendors, says("42"))
    result = vendors.run("chat", *STOP, stdin=b"6 x 7?\n")
    assert result.code == 0, result.stderr
    assert ANSWER.encode() in result.stdout
    assert shown(vendors)["reasoner"]["stop_reason"] == "settled"
