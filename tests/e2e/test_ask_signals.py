"""Signals and streams: what ends the program from outside, and what it writes into."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from support.loopback import Loopback
from support.replies import Pause, Reply, Stall, claude_stream, error_reply_openai, reasoner_stream
from support.runner import CompletedRun
from support.vendors import PRINTED, REASONING, TEXTS, THOUGHTS, Vendors, error_of, named

QUIET = CompletedRun(0, PRINTED, b"")
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
Process = subprocess.Popen[bytes]


@pytest.fixture(autouse=True)
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of runs of lines that other tests cover: measuring them only takes time."""
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)


def read_until(stream: IO[bytes] | None, text: bytes) -> bytes:
    """What the program has written, as soon as it ends with `text`."""
    assert stream is not None
    seen = b""
    while not seen.endswith(text):
        byte = stream.read(1)
        assert byte, f"the program ended with {seen!r}"
        seen += byte
    return seen


# --------------------------------------------------------------------------------------- signals


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in the turn: what the vendors play, how it is known, what is written after it."""

    name: str
    thoughts: Reply
    texts: Reply
    come: Callable[[Vendors, Process], object]
    stdout: bytes = b""
    stderr: bytes = b""
    kept: bool = False  # whether there is something to go on from


GO_ON = b"hint: `deepreasoning resume ID` continues from here\n"


def asked(vendor: str) -> Callable[[Vendors, Process], object]:
    return lambda vendors, _: getattr(vendors, vendor).wait_for_requests(1)


def refused(vendor: str) -> Callable[[Vendors, Process], object]:
    """The reply is read soon after; before that the outcome is the same."""

    def come(vendors: Vendors, process: Process) -> None:
        asked(vendor)(vendors, process)
        time.sleep(0.2)

    return come


MUTE = Reply(before=[Stall(100)])
BUSY = error_reply_openai(429, "slow down", headers={"retry-after": "30"})
THINKING, ANSWERING = reasoner_stream(THOUGHTS, ["42"]), claude_stream(TEXTS)
THOUGHT = f"{REASONING}\n".encode()
MOMENTS = [
    Moment("before the reasoning", MUTE, ANSWERING, asked("reasoner")),
    Moment("waiting for the reasoner", BUSY, ANSWERING, refused("reasoner")),
    Moment(
        "in the reasoning",
        THINKING.failing(4, Stall(100)),
        ANSWERING,
        lambda _, process: read_until(process.stderr, b"is 42."),
        stderr=b"\n" + GO_ON,
        kept=True,
    ),
    Moment("before the answer", THINKING, MUTE, asked("claude"), stderr=THOUGHT + GO_ON, kept=True),
    Moment(
        "waiting for Claude", THINKING, BUSY, refused("claude"), stderr=THOUGHT + GO_ON, kept=True
    ),
    Moment(
        "in the answer",
        THINKING,
        ANSWERING.failing(4, Stall(100)),
        lambda _, process: read_until(process.stdout, b"**42**"),
        b"\n",
        THOUGHT + GO_ON,
        kept=True,
    ),
]


@pytest.mark.parametrize("stop", SIGNALS, ids=lambda stop: stop.name)
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.name)
def test_a_signal_ends_the_turn_and_its_connections(
    vendors: Vendors, moment: Moment, stop: signal.Signals
) -> None:
    vendors.reply(moment.thoughts, moment.texts)
    with vendors.started("ask", "--reasoning", "stderr", "6 x 7?") as process:
        moment.come(vendors, process)
        result = vendors.outcome(process, stop)
        ended = CompletedRun(128 + stop, moment.stdout, moment.stderr)
        assert (named(result) if moment.kept else result) == ended
    for connection in (*vendors.reasoner.connections, *vendors.claude.connections):
        connection.wait_closed()
        assert connection.closed_by == "peer"


def test_json_of_an_interrupted_answer_holds_what_came(vendors: Vendors) -> None:
    vendors.reply(texts=claude_stream(TEXTS).failing(4, Stall()))
    with vendors.started("ask", "--json", "6 x 7?") as process:
        when_sent(vendors.claude, b"**42**")
        result = vendors.outcome(process, signal.SIGINT)
    assert result.code == 130
    told = json.loads(result.stdout)
    assert (told["reasoning"], told["answer"]) == (REASONING, "**42**")
    assert told["status"] == "incomplete"


def when_sent(vendor: Loopback, text: bytes) -> None:
    """Return when the text has been sent, and the program has had the time to read it."""
    vendor.wait_for_requests(1)
    until = time.monotonic() + 60
    while not any(text in sent.piece for each in vendor.connections for sent in each.sent):
        assert time.monotonic() < until
        time.sleep(0.005)
    time.sleep(0.3)


def test_jsonl_of_an_interrupted_turn_names_the_way_on_in_its_last_line(vendors: Vendors) -> None:
    vendors.reply(texts=claude_stream(TEXTS).failing(4, Stall()))
    with vendors.started("ask", "--jsonl", "6 x 7?") as process:
        read_until(process.stdout, b'"**42**"}\n')
        result = vendors.outcome(process, signal.SIGTERM)
    assert result.code == 143
    (last,) = result.stdout.decode().splitlines()
    error = json.loads(last)
    listed = json.loads(vendors.run("history", "list", "--json").stdout)
    resume = f"deepreasoning resume {listed[0]['id']}"
    assert (error["type"], error["error"]["resume"]) == ("error", resume)


def test_an_interrupted_answer_never_replaces_a_file(vendors: Vendors, tmp_path: Path) -> None:
    vendors.reply(texts=claude_stream(TEXTS).failing(4, Stall()))
    target = tmp_path / "answer.md"
    target.write_text("an older answer")
    with vendors.started("ask", "-o", str(target), "6 x 7?") as process:
        when_sent(vendors.claude, b"**42**")
        assert named(vendors.outcome(process, signal.SIGINT)) == CompletedRun(130, b"", GO_ON)
    assert target.read_text() == "an older answer"
    assert (tmp_path / "answer.md.partial").read_text() == "**42**\n"


# ----------------------------------------------------------------------------------------- stdin


def test_a_silent_pipe_is_announced_after_two_seconds_and_read_when_it_speaks(
    vendors: Vendors,
) -> None:
    vendors.reply()
    began = time.monotonic()
    with vendors.started("ask", "multiply", stdin=subprocess.PIPE) as process:
        said = read_until(process.stderr, b"\n")
        assert time.monotonic() - began > 2
        assert said == b"waiting for stdin; --no-stdin goes on without it\n"
        assert process.stdin is not None
        process.stdin.write(b"6 and 7")
        process.stdin.close()
        process.stdin = None
        assert vendors.outcome(process) == QUIET
    content = vendors.reasoner.requests[0].body["messages"][0]["content"]
    assert content == "<stdin>\n6 and 7\n</stdin>\n\nmultiply"


def test_waiting_for_stdin_ends_with_a_signal(vendors: Vendors) -> None:
    with vendors.started("ask", "multiply", stdin=subprocess.PIPE) as process:
        read_until(process.stderr, b"\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert vendors.outcome(process) == CompletedRun(130, b"", b"")
    assert vendors.sent() == 0


def test_no_stdin_goes_on_without_a_silent_pipe(vendors: Vendors) -> None:
    vendors.reply()
    with vendors.started("ask", "--no-stdin", "6 x 7?", stdin=subprocess.PIPE) as process:
        assert read_until(process.stdout, b"\n") == PRINTED
        assert vendors.outcome(process) == CompletedRun(0, b"", b"")


# ---------------------------------------------------------------------------------------- stdout


def long_answer() -> Reply:
    """Lines for thirty seconds."""
    return claude_stream([f"line {number}\n" for number in range(1500)], pace=0.02)


@pytest.mark.parametrize("flags", ["", "--raw", "--jsonl"])
def test_a_closed_pipe_ends_quietly_and_stops_the_call(vendors: Vendors, flags: str) -> None:
    vendors.reply(texts=long_answer())
    script = f'deepreasoning ask {flags} "6 x 7?" | head -n 1 >/dev/null; echo "${{PIPESTATUS[0]}}"'
    assert vendors.shell(script) == CompletedRun(0, b"141\n", b"")
    (claude,) = vendors.claude.connections
    claude.wait_closed()
    assert claude.closed_by == "peer"


@pytest.mark.parametrize("flags", ["--no-stream", "--json", "-x", "--dry-run"])
def test_a_pipe_that_nobody_reads_is_quiet_too(vendors: Vendors, flags: str) -> None:
    vendors.reply(texts=["```\ncode\n```\n"])
    script = f'deepreasoning ask {flags} "6 x 7?" | true; echo "${{PIPESTATUS[0]}}"'
    assert vendors.shell(script) == CompletedRun(0, b"141\n", b"")


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_the_shortest_output_is_quiet_on_a_closed_pipe(vendors: Vendors, flag: str) -> None:
    script = f'{{ sleep 0.1; deepreasoning {flag}; }} | true; echo "${{PIPESTATUS[0]}}"'
    assert vendors.shell(script) == CompletedRun(0, b"141\n", b"")


FULL = b"error: cannot write: No space left on device\nhint: make room"
TRY_AGAIN = FULL + b", try again\n"
RESUME = FULL + b"\nhint: `deepreasoning resume ID` continues from what is kept\n"
SHOW = FULL + b"\nhint: `deepreasoning history show ID` has the text\n"


@pytest.mark.parametrize(
    ("flags", "stderr"),
    [("", RESUME), ("--raw", RESUME), ("--no-stream", SHOW), ("-x", SHOW)],
)
def test_a_full_disk_behind_stdout_is_exit_code_7_and_loses_nothing(
    vendors: Vendors, flags: str, stderr: bytes
) -> None:
    vendors.reply(texts=["```\ncode\n```\n"])
    result = vendors.shell(f'deepreasoning ask {flags} "6 x 7?" > /dev/full')
    assert named(result) == CompletedRun(7, b"", stderr)


def test_a_full_disk_behind_the_json_is_told_as_json(vendors: Vendors) -> None:
    vendors.reply()
    result = vendors.shell('deepreasoning ask --json "6 x 7?" > /dev/full')
    assert (result.code, result.stdout) == (7, b"")
    assert error_of(named(result)) == {
        "stage": None,
        "kind": "cannot_write",
        "message": "cannot write: No space left on device",
        "status": None,
        "request_id": None,
        "hint": "make room\n`deepreasoning history show ID` has the text",
        "resume": None,
    }


@pytest.mark.parametrize("flag", ["--no-stream", "--json", "-x"])
def test_without_a_history_a_full_disk_leaves_the_answer_on_stderr(
    vendors: Vendors, flag: str
) -> None:
    vendors.reply(texts=["```\ncode\n```\n"])
    result = vendors.shell(f'deepreasoning ask --no-save {flag} "6 x 7?" > /dev/full')
    assert result.code == 7
    assert result.stderr.startswith(b"```\ncode\n```\n")


def test_without_a_history_what_has_come_when_the_disk_is_full_is_on_stderr(
    vendors: Vendors,
) -> None:
    vendors.reply(texts=["42, I think"])
    result = vendors.shell('deepreasoning ask --no-save "6 x 7?" > /dev/full')
    assert result == CompletedRun(7, b"", b"42, I think\n" + TRY_AGAIN)


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_a_full_disk_is_told_for_the_shortest_output_too(vendors: Vendors, flag: str) -> None:
    assert vendors.shell(f"deepreasoning {flag} > /dev/full") == CompletedRun(7, b"", TRY_AGAIN)


def test_a_full_disk_stops_the_call_at_once(vendors: Vendors) -> None:
    vendors.reply(texts=long_answer())
    result = vendors.shell('deepreasoning ask "6 x 7?" > /dev/full')
    assert named(result) == CompletedRun(7, b"", RESUME)
    (claude,) = vendors.claude.connections
    claude.wait_closed()
    assert claude.closed_by == "peer"


def test_answers_of_a_comparison_that_a_full_disk_does_not_take_are_kept(vendors: Vendors) -> None:
    vendors.reasoner.reply(THINKING)
    vendors.claude.reply(ANSWERING, ANSWERING)
    call = 'deepreasoning compare -m sonnet -m opus "6 x 7?"'
    result = vendors.shell(f"{call} > /dev/full")
    error, *hints = result.stderr.decode().splitlines()
    assert (result.code, error) == (7, "error: cannot write: No space left on device")
    [(command, turn)] = re.findall(r"`deepreasoning (resume|history show) (\w+)`", " ".join(hints))
    vendors.claude.reply(ANSWERING, ANSWERING)
    assert vendors.run(*command.split(), turn).code == 0
    assert len(vendors.reasoner.requests) == 1


CALLS = {
    "ask": 'deepreasoning ask "6 x 7?"',
    "compare": 'deepreasoning compare -m sonnet -m opus "6 x 7?"',
    "compare --json": 'deepreasoning compare --json -m sonnet -m opus "6 x 7?"',
    "eval": "deepreasoning eval $HOME/q.jsonl --yes",
    "batch --json": "deepreasoning batch $HOME/q.jsonl -o $HOME/out.jsonl --json",
}


@pytest.mark.parametrize("name", CALLS)
def test_a_closed_stdout_is_exit_code_7_and_sends_nothing(vendors: Vendors, name: str) -> None:
    row = {"prompt": "6 x 7?"} | ({"expect": "42"} if name == "eval" else {})
    (vendors.home / "q.jsonl").write_text(json.dumps(row) + "\n")
    result = vendors.shell(f"{CALLS[name]} >&-")
    hint = "give it a stdout; nothing was sent"
    if "--json" in name:
        assert error_of(result)["hint"] == hint
    else:
        assert result.stderr.decode() == f"error: stdout is closed\nhint: {hint}\n"
    assert (result.code, result.stdout) == (7, b"")
    assert vendors.sent() == 0


# ---------------------------------------------------------------------------------------- stderr


def test_a_closed_stderr_does_not_matter(vendors: Vendors) -> None:
    vendors.reply(texts=["a\x1b"])  # there would be a note
    assert vendors.shell('deepreasoning ask "6 x 7?" 2>&-') == CompletedRun(0, b"a\\x1b\n", b"")


def test_reasoning_for_a_closed_stderr_does_not_cost_the_answer(vendors: Vendors) -> None:
    vendors.reply()
    assert vendors.shell('deepreasoning ask --reasoning stderr "6 x 7?" 2>&-') == QUIET


@pytest.mark.parametrize("stderr", ["&-", "/dev/full"])
def test_an_error_keeps_its_exit_code_without_a_stderr(vendors: Vendors, stderr: str) -> None:
    vendors.reasoner.reply(error_reply_openai(402, "Insufficient Balance"))
    assert vendors.shell(f'deepreasoning ask "6 x 7?" 2>{stderr}') == CompletedRun(4, b"", b"")


def test_a_full_stderr_does_not_cost_the_answer(vendors: Vendors) -> None:
    vendors.reply(texts=["a\x1b"])
    result = vendors.shell('deepreasoning ask -t 1 "6 x 7?" 2>/dev/full')
    assert result == CompletedRun(0, b"a\\x1b\n", b"")


# ------------------------------------------------------------------------------------- encodings


def test_the_c_locale_does_not_harm_the_text(vendors: Vendors) -> None:
    vendors.reply(texts=["四十二 é"])
    result = vendors.ask("四十二 é?", env={"LANG": "C", "LC_ALL": "C"})
    assert result == CompletedRun(0, "四十二 é\n".encode(), b"")
    assert vendors.reasoner.requests[0].body["messages"][0]["content"] == "四十二 é?"


def test_an_output_that_is_ascii_only_gets_escapes(vendors: Vendors) -> None:
    vendors.reply(thoughts=["考える"], texts=["四十二 é 👍"])
    env = {"LANG": "C", "PYTHONIOENCODING": "ascii"}
    result = vendors.ask("--reasoning", "stderr", "6 x 7?", env=env)
    assert result == CompletedRun(
        0,
        b"\\u56db\\u5341\\u4e8c \\xe9 \\U0001f44d\n",
        b"\\u8003\\u3048\\u308b\n",
    )


def test_raw_is_utf8_whatever_the_locale(vendors: Vendors) -> None:
    vendors.reply(texts=["四十二 é"])
    env = {"LANG": "C", "PYTHONIOENCODING": "ascii"}
    assert vendors.ask("--raw", "6 x 7?", env=env) == CompletedRun(0, "四十二 é".encode(), b"")


def test_a_prompt_that_is_not_utf8_is_sent_with_a_replacement_sign(vendors: Vendors) -> None:
    vendors.reply()
    result = vendors.ask("--json", "caf\udce9?")
    assert (result.code, result.stderr) == (0, b"")
    assert vendors.reasoner.requests[0].body["messages"][0]["content"] == "caf\ufffd?"
    assert json.loads(result.stdout)["prompt"] == "caf\ufffd?"


def test_halves_of_an_emoji_in_two_pieces_are_joined(vendors: Vendors) -> None:
    halves: list[Any] = ["\ud83d", "\ude00"]
    writing = claude_stream(["one", "two"])
    pieces = [part for part in writing.body if isinstance(part, bytes)]
    joined = [
        piece.replace(b'"one"', json.dumps(halves[0]).encode()).replace(
            b'"two"', json.dumps(halves[1]).encode()
        )
        for piece in pieces
    ]
    vendors.reply(texts=Reply(body=[part for piece in joined for part in (piece, Pause(0.01))]))
    assert vendors.ask("6 x 7?") == CompletedRun(0, "😀\n".encode(), b"")
