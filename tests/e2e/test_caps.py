"""Caps against vendors that would write for ever: stopped in time, the text kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, overload

import pytest

from deepreasoning_cli.pipeline.money import estimate_tokens
from support.replies import Pause, Reply, Step, claude_stream, reasoner_stream
from support.runner import CompletedRun
from support.vendors import Vendors, error_of

CAP = Decimal("0.01")
TOKEN = "ever"  # four bytes: one token by the estimate
SECOND = 100  # tokens that a model writes in one
CLAUDE_SECOND = SECOND * Decimal("0.00001")  # USD
DEEPSEEK_SECOND = SECOND * Decimal("0.00000198")  # USD, off-peak
LAB = """
reasoner = "lab"
[reasoners.lab]
base_url = "{url}"
model = "deepseek-flash"
rates = {{ input = 1, output = {output} }}
"""


class Endless(Sequence[bytes | Step]):
    """The body of a reply that repeats one of its pieces until the peer hangs up."""

    def __init__(self, reply: Reply, repeated: int, pause: float = 0) -> None:
        self._pieces = [piece for piece in reply.body if isinstance(piece, bytes)]
        self._repeated = repeated
        self._pause = pause

    def __iter__(self) -> Iterator[bytes | Step]:
        yield from self._pieces[: self._repeated]
        while True:
            yield self._pieces[self._repeated]
            if self._pause:
                yield Pause(self._pause)

    def __len__(self) -> int:
        return len(self._pieces)

    @overload
    def __getitem__(self, index: int) -> bytes | Step: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes | Step]: ...
    def __getitem__(self, index: int | slice) -> bytes | Step | Sequence[bytes | Step]:
        return self._pieces[index]


def thinking_for_ever(pause: float = 0) -> Reply:
    return Reply(body=Endless(reasoner_stream([TOKEN]), 1, pause))


def writing_for_ever() -> Reply:
    stream = claude_stream([TOKEN])
    at = next(
        at
        for at, piece in enumerate(stream.body)
        if isinstance(piece, bytes) and TOKEN.encode() in piece
    )
    return Reply(body=Endless(stream, at))


def turn_of(result: CompletedRun) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def lab(vendors: Vendors, output: int) -> None:
    vendors.config(LAB.format(url=vendors.reasoner.url, output=output))


def test_a_reasoner_that_thinks_for_ever_is_stopped_at_the_cap_and_its_text_kept(
    vendors: Vendors,
) -> None:
    vendors.reasoner.reply(thinking_for_ever())
    result = vendors.ask("--json", "--max-cost", str(CAP), "6 x 7?")
    error, turn = error_of(result), turn_of(result)
    assert (result.code, error["stage"], error["kind"]) == (6, "reason", "cost_cap")
    assert error["resume"] == f"deepreasoning resume {turn['id']}"
    assert CAP - DEEPSEEK_SECOND <= Decimal(turn["cost_usd"]) <= CAP + DEEPSEEK_SECOND
    assert turn["reasoning"] == TOKEN * turn["reasoner"]["usage"]["output_tokens"]
    assert (turn["status"], turn["stop_reason"]) == ("incomplete", "cost_cap")
    assert turn["reasoner"]["usage"]["estimated"] is True
    assert vendors.counts() == (1, 0)


def test_at_the_pace_of_a_model_it_stops_within_one_second_of_tokens(vendors: Vendors) -> None:
    lab(vendors, output=100)  # the cap is 100 tokens, one second of them
    vendors.reasoner.reply(thinking_for_ever(pause=1 / SECOND))
    turn = turn_of(vendors.ask("--json", "--max-cost", str(CAP), "6 x 7?"))
    assert 99 <= estimate_tokens(turn["reasoning"]) <= 100 + SECOND
    assert vendors.reasoner.connections[0].closed_by == "peer"
    sent = vendors.reasoner.connections[0].sent
    assert len(sent) <= 100 + SECOND


def test_what_a_cap_cut_is_in_the_history_and_resume_pays_only_for_claude(
    vendors: Vendors,
) -> None:
    vendors.reasoner.reply(thinking_for_ever())
    vendors.claude.reply(claude_stream(["42"]))
    cut = turn_of(vendors.ask("--json", "--max-cost", "0.01", "6 x 7?"))
    resumed = vendors.run("resume", cut["id"], "--partial", "--max-cost", "1")
    assert (resumed.code, resumed.stdout) == (0, b"42\n")
    assert vendors.counts() == (1, 1)


def test_an_answer_that_never_ends_is_stopped_at_the_cap_and_printed(vendors: Vendors) -> None:
    vendors.claude.reply(writing_for_ever())
    result = vendors.ask("--json", "--handoff", "none", "--max-cost", "0.01", "6 x 7?")
    error, turn = error_of(result), turn_of(result)
    assert (result.code, error["stage"], error["kind"]) == (6, "answer", "cost_cap")
    assert CAP - CLAUDE_SECOND <= Decimal(turn["cost_usd"]) <= CAP + CLAUDE_SECOND
    assert turn["answer"] == TOKEN * turn["answerer"]["usage"]["output_tokens"]
    assert vendors.counts() == (0, 1)


def test_the_second_stage_has_what_the_first_has_left(vendors: Vendors) -> None:
    vendors.reply(["thought "] * 300, writing_for_ever())
    result = vendors.ask("--json", "--max-cost", "0.01", "6 x 7?")
    turn = turn_of(result)
    assert (result.code, error_of(result)["stage"]) == (6, "answer")
    assert CAP - CLAUDE_SECOND <= Decimal(turn["cost_usd"]) <= CAP + CLAUDE_SECOND
    assert turn["reasoning"] == "thought " * 300


def test_on_cap_answer_stops_the_reasoner_early_and_claude_answers(vendors: Vendors) -> None:
    vendors.reasoner.reply(thinking_for_ever())
    vendors.claude.reply(claude_stream(["42"]))
    result = vendors.ask("--json", "--max-cost", "0.05", "--on-cap", "answer", "6 x 7?")
    turn = turn_of(result)
    assert (result.code, turn["answer"], turn["status"]) == (0, "42", "complete")
    assert Decimal(turn["cost_usd"]) < Decimal("0.05")
    assert result.stderr.startswith(b"warning: the reasoner was stopped at \xe2\x89\x88$0.0")
    assert vendors.counts() == (1, 1)


def test_the_setting_on_cap_does_what_the_flag_does(vendors: Vendors) -> None:
    vendors.config('max_cost = "0.05"\non_cap = "answer"\n')
    vendors.reasoner.reply(thinking_for_ever())
    vendors.claude.reply(claude_stream(["42"]))
    assert vendors.ask("6 x 7?").code == 0


@pytest.mark.parametrize("flag", ["0.000001", "0.0001"])
def test_input_that_passes_the_cap_is_refused_before_anything_is_sent(
    vendors: Vendors, flag: str
) -> None:
    result = vendors.ask("--json", "--max-cost", flag, "word " * 400)
    error = error_of(result)
    assert (result.code, result.stdout, vendors.connections()) == (4, b"", 0)
    assert (error["stage"], error["kind"], error["resume"]) == ("reason", "cost_cap", None)
    assert error["message"].endswith(f": max_cost is ${flag}")
    assert error["hint"] == "--max-cost allows more"


def test_the_input_of_both_stages_counts_before_sending(vendors: Vendors) -> None:
    # 10,000 tokens: at most $0.0132 at DeepSeek, and $0.02 at Claude
    result = vendors.ask("--json", "--max-cost", "0.019", "four" * 10_000)
    assert (result.code, error_of(result)["kind"], vendors.connections()) == (4, "cost_cap", 0)


def test_claude_is_not_called_when_reading_the_reasoning_would_pass_the_cap(
    vendors: Vendors,
) -> None:
    lab(vendors, output=1)
    vendors.reasoner.reply(reasoner_stream(["think"] * 6_000))  # $0.0075, and $0.015 to read
    result = vendors.ask("--json", "--max-cost", "0.01", "6 x 7?")
    error, turn = error_of(result), turn_of(result)
    assert (result.code, error["stage"], error["kind"]) == (6, "answer", "cost_cap")
    assert (turn["reasoning"], vendors.counts()) == ("think" * 6_000, (1, 0))
    assert error["resume"] == f"deepreasoning resume {turn['id']}"


@pytest.mark.parametrize("name", ["daily_cost", "monthly_cost"])
def test_a_day_and_a_month_hold_across_processes(vendors: Vendors, name: str) -> None:
    vendors.config(f'{name} = "0.0005"\n')
    vendors.reply()
    first = turn_of(vendors.ask("--json", "6 x 7?"))
    assert first["status"] == "complete"
    assert Decimal(first["cost_usd"]) > Decimal("0.0005")  # Claude counts more than we estimate
    refused = vendors.ask("--json", "6 x 7?")
    error = error_of(refused)
    assert (refused.code, error["kind"], vendors.counts()) == (4, "cost_cap", (1, 1))
    spent = f"${first['cost_usd']}"
    assert error["message"].endswith(f": {name} is $0.0005, of which {spent} are spent")


def test_a_cap_that_an_unknown_rate_escapes_is_said(vendors: Vendors) -> None:
    vendors.config(LAB.format(url=vendors.reasoner.url, output=1).rpartition("rates")[0])
    vendors.reply()
    result = vendors.ask("--max-cost", "1", "6 x 7?")
    assert result.code == 0
    assert (
        result.stderr
        == b"warning: the cost of deepseek-flash is unknown: max_cost cannot be enforced\n"
    )


def test_a_turn_that_is_not_kept_says_that_the_day_will_not_count_it(vendors: Vendors) -> None:
    vendors.config('daily_cost = "1"\n')
    vendors.reply()
    assert (
        b"daily_cost and monthly_cost will not count it"
        in vendors.ask("--no-save", "6 x 7?").stderr
    )


@pytest.mark.parametrize("wrong", ["-1", "0", "much", "nan", "1e99"])
def test_a_cap_that_is_no_amount_is_a_mistake_in_the_call(vendors: Vendors, wrong: str) -> None:
    result = vendors.ask(f"--max-cost={wrong}", "6 x 7?")
    assert (result.code, vendors.connections()) == (2, 0)
    assert result.stderr.startswith(b"error: --max-cost must be an amount in USD above 0")
