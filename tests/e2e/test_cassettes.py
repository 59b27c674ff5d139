"""What was recorded is replayed with the network cut: the same output, for nothing."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from support.loopback import Reply, claude_stream, error_reply_openai, reasoner_stream
from support.runner import CompletedRun, run
from support.vendors import PRINTED, THOUGHTS, Vendors, error_of

OFFLINE: Final = (
    sys.executable,
    "-c",
    """
import os, sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        os.write(2, f"the network was used: {event} {arguments}\\n".encode())
        os._exit(99)
sys.addaudithook(refuse)
from deepreasoning_cli.__main__ import main
main()
""",
)
"""The program in a process in which nobody connects and no name is looked up."""
NOTE: Final = b"replay: these are recorded replies, no model was called\n"


@pytest.fixture
def tape(vendors: Vendors) -> Path:
    """Where a cassette can be: in the home, which is looked through for keys after each run."""
    return vendors.home / "tape.jsonl"


def replay(tape: Path, *words: str, env: Mapping[str, str] | None = None) -> CompletedRun:
    """Run the program offline, without any key, with the cassette."""
    return run(*words, "--replay", str(tape), env=env, program=OFFLINE)


def lines(tape: Path) -> list[dict[str, Any]]:
    """The calls in a cassette."""
    return [json.loads(line) for line in tape.read_bytes().splitlines()[1:]]


def differing(result: CompletedRun) -> dict[str, Any]:
    """The object of `--json` without what differs each time: the id, the times, what it cost."""
    turn: dict[str, Any] = json.loads(result.stdout)
    for name in ("id", "backend", "cost_usd", "seconds"):
        del turn[name]
    for stage in ("reasoner", "answerer", "search"):
        if turn[stage]:
            del turn[stage]["seconds"], turn[stage]["cost_usd"]
    return turn


@pytest.mark.parametrize("handoff", ["reasoning", "answer", "both", "none"])
@pytest.mark.parametrize("shape", ["", "--json", "--raw"])
def test_a_replay_prints_what_the_recording_printed(
    vendors: Vendors, tape: Path, handoff: str, shape: str
) -> None:
    words = ("6 x 7?", "--handoff", handoff, *filter(None, [shape]))
    vendors.reply()
    recorded = vendors.ask(*words, "--record", str(tape))
    assert recorded.code == 0
    asked = vendors.sent(), vendors.connections()
    replayed = replay(tape, "ask", *words)
    assert (replayed.code, replayed.stderr) == (0, NOTE)
    if shape == "--json":
        assert differing(replayed) == differing(recorded)
        turn = json.loads(replayed.stdout)
        assert (turn["backend"], turn["cost_usd"]) == ("replay", "0")
    else:
        assert replayed.stdout == recorded.stdout
    assert (vendors.sent(), vendors.connections()) == asked


def test_the_file_is_the_owners_alone_and_has_a_line_for_each_call(
    vendors: Vendors, tape: Path
) -> None:
    vendors.reply()
    assert vendors.ask("6 x 7?", "--record", str(tape)) == CompletedRun(0, PRINTED, b"")
    if os.name == "posix":
        assert stat.S_IMODE(tape.stat().st_mode) == 0o600
    header = json.loads(tape.read_bytes().splitlines()[0])
    assert header["cassette"] == 1
    reasoner, claude = lines(tape)
    assert reasoner["request"] == {
        "stage": "reason",
        "host": "deepseek",
        "model": "deepseek-flash",
        "handoff": "reasoning",
        "effort": None,
        "messages": [{"role": "user", "text": "6 x 7?"}],
    }
    assert reasoner["end"] == "stopped"
    assert [each["thought"] for each in reasoner["reply"] if "thought" in each] == list(THOUGHTS)
    assert (claude["request"]["stage"], claude["end"]) == ("answer", "complete")
    assert "notes-…" in claude["request"]["messages"][0]["text"]


@pytest.mark.parametrize(
    ("words", "stage", "named"),
    [
        (("6 x 8?",), "reason", ["prompt: 6 x 8? (recorded: 6 x 7?)"]),
        (("6 x 7?", "-m", "haiku"), "answer", ["model: claude-haiku"]),
        (("6 x 7?", "--effort", "high"), "answer", ["effort: high (recorded: low)"]),
        (("6 x 7?", "--think", "high"), "reason", ["effort: high (recorded: none)"]),
        (("6 x 7?", "--handoff", "both"), "reason", ["hand-off: both (recorded: reasoning)"]),
        (("6 x 7?", "--handoff", "none"), "answer", ["hand-off: none (recorded: reasoning)"]),
        (("6 x 7?", "-r", "novita"), "reason", ["host: novita (recorded: deepseek)", "model: "]),
        (("6 x 7?", "-a", "openrouter"), "answer", ["host: openrouter (recorded: anthropic)"]),
        (("6 x 7?", "-s", "Be brief."), "reason", ["system prompt: Be brief. (recorded: none)"]),
        (("6 x 7?", "--max-tokens", "99"), "answer", ["max_tokens: 99 (recorded: 8192)"]),
    ],
    ids=lambda value: " ".join(value[1:3]) if isinstance(value, tuple) else "",
)
def test_what_was_not_recorded_is_a_miss_that_names_what_differs(
    vendors: Vendors, tape: Path, words: tuple[str, ...], stage: str, named: list[str]
) -> None:
    vendors.reply()
    vendors.ask("6 x 7?", "--record", str(tape))
    missed = replay(tape, "ask", *words, "--json")
    *_, line = missed.stderr.splitlines()
    error = error_of(CompletedRun(missed.code, b"", line))
    assert (missed.code, error["stage"], error["kind"]) == (4, stage, "cassette_miss")
    assert all(name in error["hint"] for name in named), error


def test_a_failure_is_replayed_with_its_words_and_its_exit_code(
    vendors: Vendors, tape: Path
) -> None:
    vendors.reply(error_reply_openai(402, "Insufficient Balance"))
    recorded = vendors.ask("6 x 7?", "--record", str(tape))
    assert recorded.code == 4
    assert replay(tape, "ask", "6 x 7?") == CompletedRun(4, b"", NOTE + recorded.stderr)


def test_a_reply_that_was_cut_is_cut_again(vendors: Vendors, tape: Path) -> None:
    texts = claude_stream(("**42**", " is the"))
    vendors.reply(texts=Reply(texts.status, texts.headers, texts.body[:-2]))
    recorded = vendors.ask("6 x 7?", "--record", str(tape))
    replayed = replay(tape, "ask", "6 x 7?")
    assert (recorded.code, replayed.code) == (6, 6)
    assert replayed.stdout == recorded.stdout


def test_equal_questions_are_replayed_in_their_order(vendors: Vendors, tape: Path) -> None:
    for number in ("one", "two"):
        vendors.reasoner.reply(reasoner_stream(THOUGHTS, ("x",)))
        vendors.claude.reply(claude_stream((number,)))
    chat = b"Which?\nWhich?\n"
    recorded = vendors.run("chat", "--no-save", "--record", str(tape), stdin=chat)
    replayed = run("chat", "--no-save", "--replay", str(tape), stdin=chat, program=OFFLINE)
    assert replayed == CompletedRun(0, recorded.stdout, 2 * NOTE)
