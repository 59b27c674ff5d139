"""Long answers and long chats take memory for their text, and nothing else that grows."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from support.runner import PROGRAM, environment, run, run_in_pty
from support.serve_process import ASKED, serving
from support.vendors import Vendors

PARAGRAPH: Final = "word " * 199 + "end.\n\n"
PARAGRAPHS: Final = 10_000
COPIES: Final = 8
"""How often the text may be in memory at once: its pieces, joined, and what SQLite is handed."""

# Runs a program from a small process: the peak of a child begins with that of its parent.
PEAK: Final = """
import os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(child, 0)
print("", used.ru_maxrss * 1024, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""
MEASURED: Final = (sys.executable, "-IS", "-c", PEAK, *PROGRAM)
THOUGHTS: Final = 16_000
"""Thoughts of a thousand characters: 16 MB."""
COPIES_OF_THOUGHTS: Final = 3
"""A chain of thought is in memory once; what Claude reads of it, four million characters at most,
several times. Beside 100 MB that is less than a third: `benchmarks/memory.py`."""
TURNS: Final = 100
EARLY: Final = 10  # turns after which all that is opened once is open

pytestmark = [
    pytest.mark.no_cover,  # the same lines thousands of times: only slower
    pytest.mark.skipif(sys.platform != "linux", reason="memory and descriptors as Linux has them"),
]


def peak(vendors: Vendors, paragraphs: int, *, on_terminal: bool) -> int:
    """The most bytes that `ask` held while it showed so many paragraphs."""
    vendors.reply(texts=[PARAGRAPH] * paragraphs)
    if on_terminal:
        shown = run_in_pty("ask", "q", env=vendors.environment, timeout=100, program=MEASURED)
        said, text = shown.output, shown.output
    else:
        done = run("ask", "q", env=vendors.environment, timeout=100, program=MEASURED)
        said, text = done.stderr, done.stdout
    assert text.count(b"end.") == paragraphs
    return int(said.split()[-1])


@pytest.mark.parametrize("on_terminal", [False, True], ids=["pipe", "panels"])
def test_ten_megabytes_of_answer_take_the_memory_of_their_text(
    vendors: Vendors, on_terminal: bool
) -> None:
    short = peak(vendors, 1, on_terminal=on_terminal)
    long = peak(vendors, PARAGRAPHS, on_terminal=on_terminal)
    assert (long - short) / (len(PARAGRAPH) * PARAGRAPHS) < COPIES


def peak_of_thoughts(vendors: Vendors, count: int, *options: str) -> int:
    """The most bytes that `ask` held while the reasoner thought so many thoughts."""
    vendors.reply([PARAGRAPH] * count, ["42"])
    if options == ("terminal",):
        shown = run_in_pty("ask", "q", env=vendors.environment, timeout=100, program=MEASURED)
        assert shown.code == 0
        return int(shown.output.split()[-1])
    done = run("ask", "q", *options, env=vendors.environment, timeout=100, program=MEASURED)
    assert done.code == 0
    assert done.stdout.count(b"end.") in (0, count, 2 * count)
    is_handed_over = count > 1 and "only" not in options
    assert (b"not sent: the answerer reads" in done.stderr) == is_handed_over
    return int(done.stderr.split()[-1])


@pytest.mark.parametrize(
    "options", [(), ("--json",), ("--jsonl",), ("--no-save", "--reasoning", "only"), ("terminal",)]
)
def test_a_long_chain_of_thought_is_in_memory_once(
    vendors: Vendors, options: tuple[str, ...]
) -> None:
    short = peak_of_thoughts(vendors, 1, *options)
    long = peak_of_thoughts(vendors, THOUGHTS, *options)
    assert (long - short) / (len(PARAGRAPH) * THOUGHTS) < COPIES_OF_THOUGHTS


def test_a_long_chain_of_thought_is_kept_whole(vendors: Vendors) -> None:
    thoughts = [f"{number} → {PARAGRAPH}" for number in range(3_000)]
    vendors.reply(thoughts, ["42"])
    vendors.ask("q")
    done = run("history", "show", "last", "--json", env=vendors.environment, timeout=100)
    assert json.loads(done.stdout)["reasoning"] == "".join(thoughts)
    message = vendors.claude.requests[0].body["messages"][0]
    assert thoughts[0] in message["content"]
    assert thoughts[-1].strip() in message["content"]


@pytest.mark.parametrize("streams", [True, False], ids=["streaming", "whole"])
def test_a_server_has_a_long_chain_of_thought_in_memory_once(
    vendors: Vendors, streams: bool
) -> None:
    peaks = []
    with serving(vendors) as server:
        for count in (1, THOUGHTS):
            server.forget()
            vendors.reply([PARAGRAPH] * count, ["42"])
            body = {"model": "deepreasoning", "messages": ASKED, "stream": streams}
            reply = server.client().post("/v1/chat/completions", json=body)
            assert (reply.status_code, reply.text.count("end.")) == (200, count)
            if not streams:
                message = reply.json()["choices"][0]["message"]
                assert message["reasoning_content"] == PARAGRAPH * count
            status = Path(f"/proc/{server.process.pid}/status").read_text()
            peaks.append(int(status.partition("VmHWM:")[2].split()[0]) * 1024)
    assert (peaks[1] - peaks[0]) / (len(PARAGRAPH) * THOUGHTS) < COPIES_OF_THOUGHTS


def held(process: int) -> int:
    """How many descriptors and threads the process has."""
    return sum(len(list(Path("/proc", str(process), each).iterdir())) for each in ("fd", "task"))


def held_when_idle(process: int, wanted: int | None = None) -> int:
    """The same once what ends by itself within a second has ended, or there are `wanted`."""
    end, fewest = time.monotonic() + (2 if wanted is None else 60), held(process)
    while time.monotonic() < end and (wanted is None or fewest > wanted):
        time.sleep(0.02)
        fewest = min(fewest, held(process))
    return fewest


def test_a_long_chat_over_the_network_holds_no_more_descriptors_and_threads(
    vendors: Vendors,
) -> None:
    early = late = 0
    with subprocess.Popen(
        [*PROGRAM, "chat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(vendors.environment),
    ) as process:
        assert process.stdin
        assert process.stdout
        for turn in range(1, TURNS + 1):
            vendors.reply()
            process.stdin.write(b"6 x 7?\n")
            process.stdin.flush()
            assert b"42" in process.stdout.readline()
            if turn == EARLY:
                early = held_when_idle(process.pid)
        late = held_when_idle(process.pid, early)
        process.stdin.close()
        assert process.wait(30) == 0
    assert vendors.counts() == (TURNS, TURNS)
    assert late <= early
