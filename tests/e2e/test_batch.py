"""Files of rows: each answered once, whatever happens on the way."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import threading
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import IO, Final

import pytest

from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.library.answers_file import AnswersFile
from deepreasoning_cli.library.question_rows import RowFormat, read_rows
from support.loopback import Received
from support.replies import Gate, Reply, claude_stream, error_reply_anthropic
from support.row_vendors import (
    PATIENCE,
    RowVendors,
    answer_to,
    answers_in,
    has_lines,
    kill_when,
    row_of,
    thought_about,
    write_rows,
)
from support.vendors import Vendors

LONG: Final = os.environ.get("DEEPREASONING_LONG_BATCH")
long_run = pytest.mark.skipif(not LONG, reason="DEEPREASONING_LONG_BATCH asks for it")
KILLED: Final = -9
MEGABYTE: Final = 1_000_000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "in.jsonl"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


STEADY: Final = """
reasoner = "steady"
[reasoners.steady]
base_url = "{url}"
model = "thinker"
key = "deepseek"
rates = {{ input = 1, output = 2 }}
"""
"""A reasoner without peak hours: what it costs does not depend on when a test runs."""


def check_answers(output: Path, count: int) -> None:
    """Each row is there once, with its own thoughts and its own answer."""
    answers = answers_in(output)
    assert sorted(each["id"] for each in answers) == sorted(f"row-{row}" for row in range(count))
    for each in answers:
        row = each["id"].removeprefix("row-")
        assert each["error"] is None, each
        assert each["answer"] == answer_to(row)
        assert set(each["reasoning"].split("; ")) == {thought_about(row).strip("; "), ""}


@pytest.mark.parametrize(
    ("rows", "at_once", "kills"),
    [(200, 20, 3), pytest.param(2_000, 50, 10, marks=(long_run, pytest.mark.timeout(900)))],
)
def test_a_run_that_is_killed_again_and_again_answers_each_row_once(
    vendors: Vendors, source: Path, output: Path, rows: int, at_once: int, kills: int
) -> None:
    world = RowVendors(vendors)
    write_rows(source, rows)
    command = ["batch", str(source), "-o", str(output), "-j", str(at_once)]
    for number in range(1, kills + 1):
        goal = rows * number // (kills + 1)
        assert world.run(command, kill_at=goal, more=at_once) == KILLED
    assert world.run(command) == 0
    check_answers(output, rows)
    assert not output.with_name("out.jsonl.state").exists()
    answered: set[str] = set()
    for who, row in world.log:
        if who == "claude":
            answered.add(row)
        else:
            assert row not in answered, f"the reasoning of row {row} was paid for again"
    for who in ("reasoner", "claude"):
        asked = Counter(world.asked(who))
        assert len(asked) == rows
        assert sum(asked.values()) <= rows + kills * at_once  # those that ran when it was killed
    asked_before = len(world.log)
    assert world.run(command) == 0
    assert len(world.log) == asked_before


@long_run
@pytest.mark.timeout(900)
def test_memory_does_not_grow_with_the_rows(vendors: Vendors, source: Path, output: Path) -> None:
    RowVendors(vendors, thoughts=1_000)  # 20 kB: all of them are 34 MB
    write_rows(source, 1_700)
    # few at once: what those that run hold would drown the rest
    with vendors.started("batch", str(source), "-o", str(output), "-j", "8") as process:
        held = []
        for goal in (800, 1_600):  # each of the threads has its memory by then
            vendors.claude.wait_for_requests(goal, 600)
            held.append(resident(process.pid))
        process.communicate(timeout=600)
        assert process.returncode == 0
    assert held[1] - held[0] < 8 * MEGABYTE, held
    assert len(answers_in(output)) == 1_700


def resident(process: int) -> int:
    """The bytes that a process has in memory."""
    pages = int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_row_that_failed_has_its_error_and_is_asked_again_from_its_reasoning(
    vendors: Vendors, source: Path, output: Path
) -> None:
    world = RowVendors(vendors)
    vendors.config(STEADY.format(url=vendors.reasoner.url))
    refuses = True

    def answer(request: Received) -> Reply:
        if row_of(request) == "1" and refuses:
            return error_reply_anthropic(400, "invalid_request_error", "not this one")
        return world.answer(request)

    vendors.claude.forget()
    vendors.claude.reply(answer)
    write_rows(source, 3)
    command = ("batch", str(source), "-o", str(output))
    first = vendors.run(*command)
    assert first.code == 6
    assert b"error: 1 of 3 rows failed\n" in first.stderr
    failed = {each["id"]: each for each in answers_in(output)}["row-1"]
    assert failed["error"]["kind"] == "bad_request"
    assert failed["error"]["stage"] == "answer"
    assert failed["status"] == "incomplete"
    assert failed["reasoning"].startswith(thought_about("1"))
    refuses = False
    second = vendors.run(*command)
    assert second.code == 0
    check_answers(output, 3)
    assert Counter(world.asked("reasoner")) == {"0": 1, "1": 1, "2": 1}
    again = {each["id"]: each for each in answers_in(output)}["row-1"]
    whole = {each["id"]: each for each in answers_in(output)}["row-0"]
    assert again["cost_usd"] == whole["cost_usd"]  # with the reasoning that the first turn paid


def test_an_outage_of_claude_ends_the_run_before_all_reasoning_is_paid_for(
    vendors: Vendors, source: Path, output: Path
) -> None:
    world = RowVendors(vendors)
    page = [b"<html><title>Please log in</title>"]  # of a network that wants a login
    vendors.claude.forget()
    vendors.claude.reply(Reply(200, {}, page, "text/html", "length"))
    write_rows(source, 60)
    command = ("batch", str(source), "-o", str(output), "-j", "1")
    away = vendors.run(*command)
    reasoned = len(world.asked("reasoner"))
    assert 20 <= reasoned < 30
    assert (away.code, b"sent a web page" in away.stderr) == (6, True)
    assert b"rows are left: run it again to go on\n" in away.stderr
    assert b"resume" not in away.stderr  # that is one row's
    vendors.claude.forget()
    vendors.claude.reply(world.answer)
    assert vendors.run(*command).code == 0
    check_answers(output, 60)
    assert set(Counter(world.asked("reasoner")).values()) == {1}


def test_rows_of_every_format_with_settings_of_their_own(
    vendors: Vendors, source: Path, output: Path
) -> None:
    world = RowVendors(vendors)
    table = source.with_name("in.csv")
    table.write_text(
        'id,prompt,effort,max_tokens,meta\nx,"question number 1,\nof two lines",low,500,mine\n'
        "y,question number 2,,,\n"
    )
    assert vendors.run("batch", str(table), "-o", str(output)).code == 0
    answers = {each["id"]: each for each in answers_in(output)}
    assert set(answers) == {"x", "y"}
    assert answers["x"]["answer"] == answer_to("1")
    assert answers["x"]["prompt"] == "question number 1,\nof two lines"
    assert answers["x"]["meta"] == "mine"
    assert "meta" not in answers["y"]
    first = next(each for each in vendors.claude.requests if row_of(each) == "1").body
    assert first["output_config"] == {"effort": "low"}
    text = b"question number 7\n\nquestion number 8\n"
    other = output.with_name("other.jsonl")
    assert vendors.run("batch", "-", "-o", str(other), stdin=text).code == 0
    assert {each["id"]: each["answer"] for each in answers_in(other)} == {
        1: answer_to("7"),
        3: answer_to("8"),
    }
    assert len(world.log) == 8


BAD: Final = (
    ("not json", "is not JSON: Expecting value"),
    ('["a"]', "is not a JSON object"),
    ('{"id": "b"}', "has no prompt"),
    ('{"id": "b", "prompt": " "}', "has no prompt"),
    ('{"id": "b", "prompt": 7}', "has a prompt that is no text"),
    ('{"id": "a", "prompt": "?"}', "has the id 'a', as line 1 has"),
    ('{"id": [], "prompt": "?"}', "has an id that is neither text nor a whole number"),
    ('{"prompt": "?", "efort": "low"}', "has no setting 'efort'; did you mean effort?"),
    ('{"prompt": "?", "max_tokens": 0}', "cannot be asked: --max-tokens must be"),
    ('{"prompt": "?", "model": "sonet"}', "cannot be asked: "),
    ('{"prompt": "' + "x" * 10_000_000 + '"}', "is longer than 8.0 MB"),
    ("\ud800", "is not UTF-8"),
)


def test_rows_that_cannot_be_asked_are_named_before_anything_is_sent(
    vendors: Vendors, source: Path, output: Path
) -> None:
    world = RowVendors(vendors)
    lines = ['{"id": "a", "prompt": "question number 1"}', *(line for line, _ in BAD)]
    source.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass"))
    told = vendors.run("batch", str(source), "-o", str(output))
    assert told.code == 2
    assert b"error: 12 of 13 rows cannot be asked; nothing was sent\n" in told.stderr
    hints = told.stderr.decode().splitlines()[1:]
    for number, (_, said) in enumerate(BAD, 2):
        assert hints[number - 2].startswith(f"hint: line {number}: {said}")
    assert hints[-1] == "hint: --skip-bad leaves them out"
    assert (vendors.connections(), list(output.parent.glob("out*"))) == (0, [])
    skipped = vendors.run("batch", str(source), "-o", str(output), "--skip-bad")
    assert skipped.code == 0
    warnings = skipped.stderr.decode().splitlines()
    for number, (_, said) in enumerate(BAD, 2):
        assert warnings[number - 2].startswith(f"warning: left out: line {number}: {said}")
    assert [each["id"] for each in answers_in(output)] == ["a"]
    assert len(world.log) == 2


def test_a_cap_holds_for_all_rows_and_the_next_run_goes_on(
    vendors: Vendors, source: Path, output: Path
) -> None:
    RowVendors(vendors)
    vendors.config(STEADY.format(url=vendors.reasoner.url))
    first = source.with_name("first.jsonl")
    write_rows(source, 1)
    assert vendors.run("batch", str(source), "-o", str(first)).code == 0
    cap = 10 * Decimal(answers_in(first)[0]["cost_usd"])
    write_rows(source, 30)
    command = ("batch", str(source), "-o", str(output), "-j", "10")
    stopped = vendors.run(*command, "--max-cost", str(cap), "--json")
    assert stopped.code == 4
    receipt = json.loads(stopped.stdout)
    spent = sum((Decimal(each["cost_usd"]) for each in answers_in(output)), Decimal(0))
    assert cap / 2 < spent <= cap * Decimal("1.1")
    assert receipt["cost_usd"] == f"{spent.normalize():f}"
    assert receipt["answered"] + receipt["left"] + receipt["failed"] == 30
    assert 15 <= receipt["left"] <= 25
    assert json.loads(stopped.stderr.splitlines()[-1])["error"]["kind"] == "cost_cap"
    assert vendors.run(*command).code == 0
    check_answers(output, 30)


def test_a_wrong_key_ends_the_run_at_once(vendors: Vendors, source: Path, output: Path) -> None:
    RowVendors(vendors)
    vendors.reasoner.forget()
    vendors.reasoner.reply(error_reply_anthropic(401, "authentication_error", "no such key"))
    write_rows(source, 100)
    told = vendors.run("batch", str(source), "-o", str(output), "-j", "2")
    assert told.code == 3
    assert b"100 rows are left: run it again to go on" in told.stderr
    assert len(vendors.reasoner.requests) < 20  # what runs and what waits to be looked at
    assert not output.exists()


def test_two_runs_do_not_write_one_file(vendors: Vendors, source: Path, output: Path) -> None:
    world = RowVendors(vendors)
    write_rows(source, 2)
    output.write_bytes(b"")
    with AnswersFile(output):
        told = vendors.run("batch", str(source), "-o", str(output))
    assert told.code == 2
    assert b"another run is writing" in told.stderr
    assert world.log == []


def test_the_rows_themselves_are_no_file_of_answers(vendors: Vendors, source: Path) -> None:
    write_rows(source, 2)
    rows = source.read_text()
    told = vendors.run("batch", str(source), "-o", str(source))
    assert told.code == 2
    assert b"has other text in line 1" in told.stderr
    assert source.read_text() == rows
    assert not list(source.parent.glob("*.state"))
    assert vendors.sent() == 0


def test_a_line_that_was_cut_is_written_again_and_its_turn_is_not_paid_again(
    vendors: Vendors, source: Path, output: Path
) -> None:
    world = RowVendors(vendors)
    write_rows(source, 3)
    command = ("batch", str(source), "-o", str(output), "-j", "1")
    world.most_answers = 1
    assert kill_when(
        vendors, command, lambda: has_lines(output, 1) and len(world.asked("claude")) > 1
    )
    world.most_answers = None
    output.write_bytes(output.read_bytes()[:-5])  # as a disk that was full leaves it
    assert vendors.run(*command).code == 0
    check_answers(output, 3)
    assert Counter(world.asked("claude"))["0"] == 1
    assert Counter(world.asked("reasoner")) == {"0": 1, "1": 1, "2": 1}


def test_an_answer_of_another_prompt_is_not_taken_for_the_row_s(
    vendors: Vendors, source: Path, output: Path
) -> None:
    RowVendors(vendors)
    write_rows(source, 2)
    command = ("batch", str(source), "-o", str(output))
    assert vendors.run(*command).code == 0
    source.write_text(source.read_text().replace("question number 1", "question number 5"))
    told = vendors.run(*command)
    assert told.code == 2
    assert b"line 2: has another prompt than the answer of 'row-1'" in told.stderr


def test_a_recorded_run_is_replayed_without_a_network(
    vendors: Vendors, source: Path, output: Path
) -> None:
    world = RowVendors(vendors)
    write_rows(source, 20)
    tape = str(output.with_name("tape.jsonl"))
    assert vendors.run("batch", str(source), "-o", str(output), "--record", tape).code == 0
    asked = len(world.log)
    other = output.with_name("replayed.jsonl")
    replayed = vendors.run("batch", str(source), "-o", str(other), "--replay", tape, "--json")
    assert replayed.code == 0, replayed.stderr
    check_answers(other, 20)
    assert json.loads(replayed.stdout)["cost_usd"] == "0"
    assert len(world.log) == asked


FINISHING: Final = b"finishing the rows that run; Ctrl-C again stops them\n"


def next_line(pipe: IO[bytes]) -> bytes:
    """The line that comes; fails where none does. Nothing is read ahead of `communicate`."""
    line = b""
    while not line.endswith(b"\n"):
        assert select.select([pipe], [], [], PATIENCE)[0], f"only {line!r}"
        piece = os.read(pipe.fileno(), 1)
        assert piece, f"it ended after {line!r}"
        line += piece
    return line


def test_ctrl_c_lets_the_rows_that_run_end(vendors: Vendors, source: Path, output: Path) -> None:
    world = RowVendors(vendors)
    release = threading.Event()
    vendors.claude.forget()
    vendors.claude.reply(lambda request: replace(world.answer(request), before=[Gate(release)]))
    write_rows(source, 10)
    command = ("batch", str(source), "-o", str(output), "-j", "3")
    with vendors.started(*command) as process:
        vendors.claude.wait_for_requests(3)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert next_line(process.stderr) == FINISHING
        release.set()
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"3 of 10 rows are answered in " in stderr
    assert stderr.endswith(b"run it again to go on\n")
    assert len(answers_in(output)) == 3
    assert vendors.run(*command).code == 0
    check_answers(output, 10)
    assert set(Counter(world.asked("reasoner")).values()) == {1}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_who_ends_a_run_is_told_how_it_goes_on(
    vendors: Vendors, source: Path, output: Path, number: signal.Signals
) -> None:
    world = RowVendors(vendors)
    release = threading.Event()
    vendors.claude.forget()
    vendors.claude.reply(lambda request: replace(world.answer(request), before=[Gate(release)]))
    write_rows(source, 4)
    command = ("batch", str(source), "-o", str(output), "-j", "2")
    with vendors.started(*command) as process:
        vendors.claude.wait_for_requests(2)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
        release.set()
    assert process.returncode == 128 + number
    assert b"0 of 4 rows are answered in " in stderr
    assert stderr.endswith(b"run it again to go on\n")
    assert vendors.run(*command).code == 0
    check_answers(output, 4)
    assert set(Counter(world.asked("reasoner")).values()) == {1}


def test_a_second_ctrl_c_stops_the_rows_and_the_next_run_goes_on_from_their_words(
    vendors: Vendors, source: Path, output: Path
) -> None:
    world = RowVendors(vendors)

    def long_answer(request: Received) -> Reply:
        row_of(request)
        return claude_stream(["and so on, "] * 400, pace=0.1)

    vendors.claude.forget()
    vendors.claude.reply(long_answer)
    write_rows(source, 2)
    command = ("batch", str(source), "-o", str(output), "-j", "2")
    with vendors.started(*command) as process:
        vendors.claude.wait_for_requests(2)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert next_line(process.stderr) == FINISHING
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    vendors.claude.forget()
    vendors.claude.reply(world.answer)
    assert vendors.run(*command).code == 0
    assert set(Counter(world.asked("reasoner")).values()) == {1}
    for each in answers_in(output):
        assert each["error"] is None
        assert each["answer"].endswith(answer_to(each["id"].removeprefix("row-")))


def test_nothing_but_the_answers_is_written_without_a_history(
    vendors: Vendors, source: Path, output: Path
) -> None:
    RowVendors(vendors)
    write_rows(source, 5)
    assert vendors.run("batch", str(source), "-o", str(output), "--no-save").code == 0
    check_answers(output, 5)
    assert sorted(path.name for path in output.parent.glob("*.jsonl*")) == ["in.jsonl", "out.jsonl"]
    assert not list(vendors.home.rglob("history.db"))
    assert not list(vendors.home.rglob("journal"))


def test_a_person_sees_how_far_it_is(vendors: Vendors, source: Path, output: Path) -> None:
    RowVendors(vendors)
    write_rows(source, 30)
    shown = vendors.on_terminal("batch", str(source), "-o", str(output), "-j", "1")
    assert shown.code == 0
    assert re.search(rb"\r\d+ of 30 \xc2\xb7 .*\x1b\[0K", shown.output)
    assert b"30 of 30 rows are answered in" in shown.colorless


TABLES: Final = (
    ("id,text\n1,hello\n", "line 1 has no column named prompt"),
    ("prompt,prompt\na,b\n", "line 1 names 'prompt' twice"),
    ("prompt,modle\na,b\n", "line 1 has no setting 'modle'; did you mean model?"),
    ('prompt\n"a\n', "is not CSV"),
    ("", "line 1 has no column named prompt"),
)


@pytest.mark.parametrize(("table", "said"), TABLES)
def test_a_table_that_cannot_be_read_is_told(table: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        list(read_rows(BytesIO(table.encode()), RowFormat.CSV))


def test_a_table_with_a_row_that_is_too_short(vendors: Vendors, output: Path) -> None:
    source = output.with_name("in.csv")
    source.write_text("prompt,effort\na\n")
    told = vendors.run("batch", str(source), "-o", str(output))
    assert told.code == 2
    assert b"hint: line 2: has 1 cells; the header has 2\n" in told.stderr
    assert (vendors.sent(), output.exists()) == (0, False)
