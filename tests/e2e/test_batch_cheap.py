"""Files of rows answered by Message Batches, at half price."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from support.loopback import Received
from support.message_batches import USAGE, MessageBatchesVendor, PlayedBatch
from support.replies import Reply, Reset, error_reply_anthropic, reasoner_stream
from support.row_vendors import (
    PATIENCE,
    RowVendors,
    answer_to,
    answers_in,
    has_lines,
    kill_when,
    thought_about,
    write_rows,
)
from support.vendors import Vendors

long_run = pytest.mark.skipif(
    not os.environ.get("DEEPREASONING_LONG_BATCH"), reason="DEEPREASONING_LONG_BATCH asks for it"
)
HOST: Final = """
[reasoners.steady]
base_url = "{url}"
model = "thinker"
key = "deepseek"
rates = {{ input = 1, output = 2 }}
"""
"""A reasoner without peak hours: a test does not wait for the clock."""
SONNET: Final = Decimal(3) * USAGE["input_tokens"] + Decimal(15) * USAGE["output_tokens"]


@pytest.fixture
def paths(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "in.jsonl", tmp_path / "out.jsonl"


def cheap(vendors: Vendors, world: MessageBatchesVendor) -> RowVendors:
    """The reasoner of rows, and Claude by batches alone."""
    rows = RowVendors(vendors)
    vendors.claude.forget()
    vendors.claude.reply(world)
    vendors.config(HOST.format(url=vendors.reasoner.url))
    return rows


def command(source: Path, output: Path, *more: str) -> tuple[str, ...]:
    return ("batch", str(source), "-o", str(output), "--cheap", "-r", "steady", *more)


def test_a_batch_costs_half_and_says_so(vendors: Vendors, paths: tuple[Path, Path]) -> None:
    world = MessageBatchesVendor()
    rows = cheap(vendors, world)
    write_rows(paths[0], 5)
    told = vendors.run(*command(*paths, "--json", "-m", "claude-sonnet-4-6"))
    assert told.code == 0, told.stderr
    answers = answers_in(paths[1])
    assert {each["id"]: each["answer"] for each in answers} == {
        f"row-{row}": answer_to(str(row)) for row in range(5)
    }
    receipt = json.loads(told.stdout)
    paid, listed = Decimal(receipt["cost_usd"]), Decimal(receipt["list_usd"])
    assert listed - paid == 5 * SONNET / 2 / 1_000_000
    assert {each["answerer"]["cost_usd"] for each in answers} == {
        f"{(SONNET / 2 / 1_000_000).normalize():f}"
    }
    assert sum(Decimal(each["cost_usd"]) for each in answers) == paid
    assert b"5 rows: \xe2\x89\x88$" in told.stderr  # the quote
    assert b"list $" in told.stderr
    assert Counter(rows.asked("reasoner")) == Counter(map(str, range(5)))
    assert sorted(world.asked) == sorted(map(str, range(5)))


def test_rows_that_expired_or_failed_are_sent_again_by_the_next_run(
    vendors: Vendors, paths: tuple[Path, Path]
) -> None:
    fails = {"1": "expired", "2": "errored", "3": "canceled", "4": "absent"}
    world = MessageBatchesVendor(fails=fails)
    rows = cheap(vendors, world)
    write_rows(paths[0], 6)
    first = vendors.run(*command(*paths))
    assert first.code == 6
    errors = {each["id"]: each["error"] for each in answers_in(paths[1])}
    assert [errors[f"row-{row}"]["kind"] for row in (1, 2, 3, 4)] == [
        "batch_expired",
        "bad_request",
        "batch_expired",
        "batch_expired",
    ]
    assert [errors[f"row-{row}"] for row in (0, 5)] == [None] * 2
    assert vendors.run(*command(*paths)).code == 0
    answers = {each["id"]: each for each in answers_in(paths[1])}
    assert {name: each["answer"] for name, each in answers.items()} == {
        f"row-{row}": answer_to(str(row)) for row in range(6)
    }
    assert Counter(rows.asked("reasoner")) == Counter(map(str, range(6)))
    assert Counter(world.asked) == Counter([*map(str, range(6)), *fails])
    assert not paths[1].with_name("out.jsonl.state").exists()


def test_a_run_that_is_killed_while_it_waits_collects_the_same_batch_later(
    vendors: Vendors, paths: tuple[Path, Path]
) -> None:
    world = MessageBatchesVendor(looks=1_000_000)
    rows = cheap(vendors, world)
    write_rows(paths[0], 4)
    with vendors.started(*command(*paths)) as process:
        vendors.claude.wait_for_requests(2, PATIENCE)  # sent, and looked at once
        process.kill()
    world.looks = 0
    told = vendors.run("batch", str(paths[0]), "-o", str(paths[1]), "-r", "steady")
    assert told.code == 0, told.stderr
    assert len(answers_in(paths[1])) == 4
    assert (len(world.batches), len(rows.asked("reasoner"))) == (1, 4)


def test_a_batch_is_found_whose_id_never_arrived(
    vendors: Vendors, paths: tuple[Path, Path]
) -> None:
    world = MessageBatchesVendor(looks=0)
    rows = cheap(vendors, world)
    write_rows(paths[0], 4)
    with vendors.started(*command(*paths)) as process:

        def kill(_batch: PlayedBatch) -> None:
            process.kill()
            process.wait(PATIENCE)

        world.after_create = kill
        assert process.wait(PATIENCE) == -signal.SIGKILL
    world.after_create = lambda _: None
    told = vendors.run(*command(*paths))
    assert told.code == 0, told.stderr
    assert len(answers_in(paths[1])) == 4
    assert (len(world.batches), len(rows.asked("reasoner"))) == (1, 4)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_batch_that_was_sent_without_a_word_back_is_not_sent_twice(
    vendors: Vendors, paths: tuple[Path, Path], *, is_there: bool
) -> None:
    world = MessageBatchesVendor(looks=0)
    rows = cheap(vendors, world)
    posts = 0

    def lose(request: Received) -> Reply:
        nonlocal posts
        if request.method == "GET" or posts:
            return world(request)
        posts += 1
        if is_there:
            world(request)
            return Reply(before=[Reset()])
        return error_reply_anthropic(500, "api_error", "something broke")

    vendors.claude.forget()
    vendors.claude.reply(lose)
    write_rows(paths[0], 4)
    told = vendors.run(*command(*paths))
    if not is_there:
        assert (told.code, len(world.batches)) == (5, 0)
        assert b"it looks first whether the batch is there after all" in told.stderr
        told = vendors.run(*command(*paths))
    assert told.code == 0, told.stderr
    assert len(answers_in(paths[1])) == 4
    assert (len(world.batches), len(rows.asked("reasoner"))) == (1, 4)


def test_reasoning_that_is_longer_than_claude_reads_is_cut(
    vendors: Vendors, paths: tuple[Path, Path]
) -> None:
    world = MessageBatchesVendor()
    cheap(vendors, world)
    most = 200_000  # tokens that it reads; the thoughts are 225,000
    vendors.reasoner.forget()
    vendors.reasoner.reply(reasoner_stream([thought_about("0") * 1_000] * 45, ["so it is"]))
    write_rows(paths[0], 1)
    with vendors.started(*command(*paths, "-m", "claude-haiku-4-5-20251001")) as process:
        _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, stderr
    (batch,) = world.batches.values()
    sent = json.dumps(list(batch.params.values()))
    assert "characters in the middle of the reasoning are left out" in sent
    assert len(sent) / 4 < most
    (answer,) = answers_in(paths[1])
    assert answer["reasoning"].count("thoughts on row 0; ") == 45_000


def test_a_dry_run_sends_and_changes_nothing(vendors: Vendors, paths: tuple[Path, Path]) -> None:
    cheap(vendors, MessageBatchesVendor())
    write_rows(paths[0], 3)
    failed = b'{"id":"row-1","turn":null,"prompt":"question number 1","error":{}}\n'
    paths[1].write_bytes(failed)
    args = command(*paths, "-m", "claude-sonnet-4-6", "--dry-run")
    told = vendors.run(*args)
    assert (told.code, told.stderr) == (0, b"")
    lines = told.stdout.decode().splitlines()
    assert lines[0] == "# reason: thinker"
    assert "# answer: claude-sonnet-4-6" in lines
    assert lines[-1].startswith("3 rows: \u2248$0.0")
    assert "; without --cheap \u2248$0.0" in lines[-1]
    told = vendors.run(*args, "--json")
    found = json.loads(told.stdout)
    assert (found["rows"], found["answered"], found["left"]) == (3, 0, 3)
    assert [stage["stage"] for stage in found["first"]["stages"]] == ["reason", "answer"]
    assert 0 < Decimal(found["estimate_usd"]) < 1
    assert (vendors.sent(), paths[1].read_bytes()) == (0, failed)
    assert sorted(path.name for path in paths[1].parent.glob("*.jsonl*")) == [
        "in.jsonl",
        "out.jsonl",
    ]
    assert not list(vendors.home.rglob("history.db"))


def test_a_cap_that_cannot_hold_is_warned_of(vendors: Vendors, paths: tuple[Path, Path]) -> None:
    cheap(vendors, MessageBatchesVendor())
    vendors.config(HOST.format(url=vendors.reasoner.url).rpartition("rates")[0])
    write_rows(paths[0], 3)
    told = vendors.run(*command(*paths, "--max-cost", "5", "--dry-run"))
    assert told.code == 0
    warning = "the cost of thinker is unknown: max_cost of this run cannot be enforced"
    assert told.stderr.decode().splitlines() == [f"warning: {warning}"]
    assert told.stdout.decode().rstrip().endswith("; without thinker, whose cost is unknown")


def test_a_host_without_batches_is_told_and_the_reasoning_is_kept(
    vendors: Vendors, paths: tuple[Path, Path]
) -> None:
    rows = cheap(vendors, MessageBatchesVendor())
    vendors.claude.forget()
    vendors.claude.reply(error_reply_anthropic(404, "not_found_error", "no such page"))
    write_rows(paths[0], 3)
    told = vendors.run(*command(*paths))
    assert told.code == 4
    assert b"takes no Message Batches" in told.stderr
    assert b"run it again without --cheap" in told.stderr
    vendors.claude.forget()
    vendors.claude.reply(rows.answer)
    assert vendors.run("batch", str(paths[0]), "-o", str(paths[1]), "-r", "steady").code == 0
    assert Counter(rows.asked("reasoner")) == {"0": 1, "1": 1, "2": 1}


def test_a_batch_that_does_not_fit_under_the_cap_is_not_sent(
    vendors: Vendors, paths: tuple[Path, Path]
) -> None:
    world = MessageBatchesVendor()
    cheap(vendors, world)
    write_rows(paths[0], 10)
    told = vendors.run(*command(*paths, "--max-cost", "0.05", "-m", "claude-sonnet-4-6"))
    assert told.code == 4
    assert b"the next batch does not fit: max_cost of this run is $0.05" in told.stderr
    assert world.batches == {}


def test_only_anthropic_takes_batches(vendors: Vendors, paths: tuple[Path, Path]) -> None:
    cheap(vendors, MessageBatchesVendor())
    too_long = "x" * 4_500_000  # the other row of its settings can be asked all the same
    rows: list[dict[str, object]] = [{"prompt": too_long}, {"prompt": "question number 1"}]
    rows += [{"prompt": "question number 2", "web": True}] * 2
    paths[0].write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    told = vendors.run(*command(*paths), env={"LINKUP_API_KEY": vendors.keys["LINKUP_API_KEY"]})
    assert told.code == 2
    assert b"error: 3 of 4 rows cannot be asked; nothing was sent" in told.stderr
    assert b"hint: line 1: cannot be asked: " in told.stderr
    assert b"hint: line 4: cannot be asked with --cheap: it searches the web" in told.stderr
    told = vendors.run("batch", str(paths[0]), "-o", str(paths[1]), "--by", "06:00")
    assert told.code == 2
    assert b"--by goes with --cheap" in told.stderr
    told = vendors.run(*command(*paths, "--no-save"))
    assert told.code == 2
    assert b"--cheap keeps the reasoning in the history" in told.stderr
    assert vendors.sent() == 0


@pytest.mark.parametrize(
    "count", [120, pytest.param(2_000, marks=(long_run, pytest.mark.timeout(900)))]
)
def test_a_run_that_is_killed_at_every_stage_pays_for_nothing_twice(
    vendors: Vendors, paths: tuple[Path, Path], count: int
) -> None:
    fails = {str(row): ("expired", "errored", "canceled")[row % 3] for row in range(0, count, 7)}
    world = MessageBatchesVendor(fails=fails, looks=1_000_000)
    rows = cheap(vendors, world)
    write_rows(paths[0], count)
    args, output = command(*paths, "-j", "20"), paths[1]
    for part in range(1, 6):  # while it is reasoned about
        assert kill_when(vendors, args, partial(reasoned, rows, count * part // 6))
    batches = -(-count // 1_000)
    for _ in range(2):  # while batches are waited for
        assert kill_when(
            vendors, args, lambda: len(world.batches) == batches and world.is_looked_at()
        )
    world.looks = 0
    killed = [  # while their answers are kept, which nothing slows down
        kill_when(vendors, args, partial(has_lines, output, count * part // 10))
        for part in (1, 2, 3)
    ]
    if all(killed):
        assert vendors.run(*args, timeout=600).code == 6
    assert vendors.run(*args, timeout=600).code == 0
    answers = answers_in(output)
    assert len(answers) == count
    assert {each["id"]: each["answer"] for each in answers} == {
        f"row-{row}": answer_to(str(row)) for row in range(count)
    }
    sent = Counter(world.asked)
    assert sent == Counter(map(str, range(count))) + Counter(list(fails))
    asked = Counter(rows.asked("reasoner"))
    assert len(asked) == count
    assert sum(asked.values()) <= count + 5 * 20  # those that ran when it was killed


def reasoned(rows: RowVendors, goal: int) -> bool:
    """Whether the reasoner was asked so often."""
    return len(rows.asked("reasoner")) >= goal
