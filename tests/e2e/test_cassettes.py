"""What was recorded is replayed with the network cut: the same output, for nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from support.loopback import (
    Loopback,
    Reply,
    claude_stream,
    error_reply_openai,
    json_reply,
    reasoner_stream,
)
from support.runner import OFFLINE, PROGRAM, CompletedRun, run, run_in_pty
from support.screen import Terminal
from support.serve_process import MODEL, serving
from support.vendors import ANSWER, PRINTED, TEXTS, THOUGHTS, Vendors, error_of

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
@pytest.mark.parametrize("shape", ["--json", "--raw"])
def test_a_replay_prints_what_the_recording_printed(
    vendors: Vendors, tape: Path, handoff: str, shape: str
) -> None:
    words = ("6 x 7?", "--handoff", handoff, shape)
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


def test_the_environment_names_a_cassette_for_a_whole_script(vendors: Vendors, tape: Path) -> None:
    vendors.reply()
    vendors.config("")
    recorded = vendors.ask("6 x 7?", env={"DEEPREASONING_CASSETTE": f"{tape}:record"})
    assert recorded == CompletedRun(0, PRINTED, b"")
    used = vendors.connections()  # the next run would begin with one to the same host
    env = {**vendors.environment, "DEEPREASONING_CASSETTE": f"{tape}:replay"}
    assert run("ask", "6 x 7?", env=env, program=OFFLINE) == CompletedRun(0, PRINTED, NOTE)
    assert vendors.connections() == used


def test_real_keys_and_a_last_host_make_no_difference(vendors: Vendors, tape: Path) -> None:
    vendors.reply()
    vendors.ask("6 x 7?", "--record", str(tape))
    keys = {**vendors.environment, "OPENROUTER_API_KEY": "sk-or-0123456789abcdef"}
    assert replay(tape, "ask", "6 x 7?", env=keys) == CompletedRun(0, PRINTED, NOTE)


def test_what_was_searched_is_replayed(vendors: Vendors, tape: Path) -> None:
    pages = [{"type": "text", "name": "Tables", "url": "https://example.org/6x7", "content": "42"}]
    with Loopback(json_reply(200, {"results": pages})) as linkup:
        key = vendors.keys["LINKUP_API_KEY"]
        env = {"LINKUP_API_KEY": key, "LINKUP_BASE_URL": f"{linkup.url}/v1"}
        vendors.reply()
        recorded = vendors.ask("6 x 7?", "--web", "--json", "--record", str(tape), env=env)
    replayed = replay(tape, "ask", "6 x 7?", "--web", "--json")
    assert differing(replayed) == differing(recorded)
    assert json.loads(replayed.stdout)["sources"] == [
        {"title": "Tables", "url": "https://example.org/6x7"}
    ]


def test_the_gateways_call_is_replayed(vendors: Vendors, tape: Path) -> None:
    with Loopback(reasoner_stream(THOUGHTS, TEXTS, model="deepreasoning")) as gateway:
        key = vendors.keys["EMPIRIOLABS_API_KEY"]
        env = {"EMPIRIOLABS_API_KEY": key, "EMPIRIOLABS_BASE_URL": f"{gateway.url}/v1"}
        words = ("6 x 7?", "--json", "--backend", "gateway")
        recorded = vendors.ask(*words, "--record", str(tape), env=env)
    assert recorded.code == 0, recorded.stderr
    assert differing(replay(tape, "ask", *words)) == differing(recorded)
    assert differing(replay(tape, "ask", *words[:2])) == differing(recorded)  # there was no pair


def test_a_cut_turn_is_recorded_replayed_and_resumed_in_a_replay(
    vendors: Vendors, tape: Path, tmp_path: Path
) -> None:
    texts = claude_stream(("**42**", " is the"))
    vendors.reply(texts=Reply(texts.status, texts.headers, texts.body[:-2]))
    asked = vendors.ask("6 x 7?", "--record", str(tape))
    vendors.claude.reply(claude_stream((" answer.",)))
    resumed = vendors.run("resume", "--json", "--record", str(tape))
    assert (asked.code, resumed.code) == (6, 0), resumed.stderr
    elsewhere = {"DEEPREASONING_DATA_DIR": str(tmp_path / "data")}
    again = replay(tape, "ask", "6 x 7?", env=elsewhere)
    assert (again.code, again.stdout) == (6, asked.stdout)
    finished = replay(tape, "resume", "--json", env=elsewhere)
    assert (finished.code, differing(finished)) == (0, differing(resumed))


def test_a_limit_of_tokens_stops_the_reasoner_at_the_same_place(
    vendors: Vendors, tape: Path
) -> None:
    vendors.reply(reasoner_stream([f"thought {n} " for n in range(40)], ("x",)))
    words = ("6 x 7?", "--max-reasoning", "9", "--json")
    recorded = vendors.ask(*words, "--record", str(tape))
    turn = differing(recorded)
    assert turn["reasoner"]["stop_reason"] == "max_reasoning"
    assert differing(replay(tape, "ask", *words)) == turn
    # without the limit the recording ends the reasoning, and Claude is asked the same
    without = differing(replay(tape, "ask", words[0], words[3]))
    assert (without["answer"], without["reasoning"]) == (turn["answer"], turn["reasoning"])


def test_a_server_records_and_replays_its_callers(vendors: Vendors, tape: Path) -> None:
    def asked(*words: str, env: Mapping[str, str] | None = None) -> str:
        with serving(vendors, *words, env=env) as server:
            reply = server.openai().chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "6 x 7?"}]
            )
            return str(reply.choices[0].message.content)

    vendors.reply()
    assert asked("--record", str(tape)) == ANSWER
    sent = vendors.sent(), vendors.connections()
    assert asked("--replay", str(tape)) == ANSWER
    assert (vendors.sent(), vendors.connections()) == sent


@pytest.mark.parametrize("name", ["folder", "no/such/folder/tape"])
def test_a_file_that_cannot_be_written_is_found_before_anything_is_sent(
    vendors: Vendors, name: str
) -> None:
    (vendors.home / "folder").mkdir()
    refused = vendors.ask("6 x 7?", "--record", str(vendors.home / name))
    assert (refused.code, vendors.sent()) == (7, 0)
    assert b"nothing was sent" in refused.stderr


def test_a_dry_run_records_nothing_and_a_cassette_is_recorded_or_replayed(
    vendors: Vendors, tape: Path
) -> None:
    assert vendors.ask("6 x 7?", "--dry-run", "--record", str(tape)).code == 0
    assert not tape.exists()
    both = vendors.ask("6 x 7?", "--record", str(tape), "--replay", str(tape))
    assert (both.code, b"use either --record or --replay" in both.stderr) == (2, True)


def test_a_replay_is_kept_and_is_no_spending(vendors: Vendors, tape: Path) -> None:
    vendors.reply()
    vendors.ask("6 x 7?", "--no-save", "--record", str(tape))
    assert replay(tape, "ask", "6 x 7?", "--json").code == 0
    (row,) = json.loads(vendors.run("history", "list", "--json").stdout)
    assert (row["prompt"], row["cost_usd"]) == ("6 x 7?", "0")
    spent = json.loads(vendors.run("price", "--spent", "--json").stdout)
    assert (spent["turns"], spent["groups"]) == (0, []), spent


def test_panels_and_the_footer_say_that_it_is_a_replay(vendors: Vendors, tape: Path) -> None:
    vendors.reply()
    vendors.ask("6 x 7?", "--record", str(tape))
    shown = run_in_pty("ask", "6 x 7?", "--replay", str(tape), "--replay-pace", "0").output.decode()
    screen = Terminal()
    screen.write(shown)
    text = "\n".join(screen.lines())
    assert "replay: these are recorded replies, no model was called" in text
    assert "· claude-sonnet-5-5 · replayed" in text
    assert "$0 · replayed" in text


def test_a_host_that_stepped_in_steps_in_again(vendors: Vendors, tape: Path) -> None:
    vendors.reasoner.reply(error_reply_openai(402, "Insufficient Balance"))
    vendors.novita.reply(reasoner_stream(THOUGHTS, ("x",)))
    vendors.claude.reply(claude_stream(TEXTS))
    key = vendors.keys["NOVITA_API_KEY"]
    env = {"NOVITA_API_KEY": key, "NOVITA_BASE_URL": vendors.novita.url}
    words = ("6 x 7?", "--fallback", "novita", "--json")
    recorded = vendors.ask(*words, "--record", str(tape), env=env)
    turn = differing(recorded)
    assert (turn["fallbacks"][0]["to"], turn["answer"]) == ("novita", ANSWER)
    assert differing(replay(tape, "ask", *words)) == turn


def test_a_server_answers_what_was_not_recorded_with_a_refusal(
    vendors: Vendors, tape: Path
) -> None:
    vendors.reply()
    vendors.ask("6 x 7?", "--record", str(tape))
    with serving(vendors, "--replay", str(tape)) as server:
        body = {"model": MODEL, "messages": [{"role": "user", "content": "6 x 8?"}]}
        reply = server.client().post("/v1/chat/completions", json=body)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert (error["code"], "differs in prompt" in error["message"]) == ("cassette_miss", True)


# ------------------------------------------------------------------------ what goes wrong


def test_two_programs_record_into_one_file(vendors: Vendors, tape: Path) -> None:
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, ("x",)))
    vendors.claude.reply(claude_stream(TEXTS * 500))
    words = [("ask", f"6 x {number}?", "--record", str(tape)) for number in (7, 8)]
    with vendors.started(*words[0]) as one, vendors.started(*words[1]) as other:
        done = [vendors.outcome(each) for each in (one, other)]
    assert [each.code for each in done] == [0, 0]
    assert len(lines(tape)) == 4
    for (_, question, *_), recorded in zip(words, done, strict=True):
        assert replay(tape, "ask", question) == CompletedRun(0, recorded.stdout, NOTE)


@pytest.mark.skipif(os.name != "posix", reason="a limit of POSIX stands for the full disk")
def test_a_disk_that_fills_up_costs_the_recording_alone(vendors: Vendors, tape: Path) -> None:
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, ("x",)))
    vendors.claude.reply(claude_stream(TEXTS), claude_stream(TEXTS * 2000))
    assert vendors.ask("6 x 7?", "--no-save", "--record", str(tape)).code == 0
    kept = tape.read_bytes()
    small = ("sh", "-c", 'ulimit -f 16; exec "$@"', "sh", *PROGRAM)
    words = ("ask", "6 x 8?", "--no-save", "--record", str(tape))
    full = vendors.run(*words, program=small)
    assert (full.code, full.stdout) == (0, f"{ANSWER * 2000}\n".encode())
    assert b"warning: this call is not recorded: File too large\n" in full.stderr
    assert tape.read_bytes().startswith(kept)
    assert [each["request"]["stage"] for each in lines(tape)] == ["reason", "answer", "reason"]


PACE: Final = "--replay-pace must be a number from 0 to 1000"
BAD_WORDS: Final = {
    "--record TAPE --replay TAPE": ["use either --record or --replay", "drop one of them"],
    "--replay=": [". is not a file", "name a cassette"],
    "--replay FOLDER": ["FOLDER is not a file", "name a cassette"],
    "--replay TAPE.not": [
        "cannot read TAPE.not: No such file or directory",
        "`--record FILE` makes one",
    ],
    "--replay TAPE --replay-pace -1": [PACE, "`deepreasoning ask --help` says what it takes"],
    "--replay TAPE --replay-pace fast": [PACE, "`deepreasoning ask --help` says what it takes"],
    "--replay TAPE --replay-pace nan": [PACE, "`deepreasoning ask --help` says what it takes"],
    "--replay TAPE --replay-pace inf": [PACE, "`deepreasoning ask --help` says what it takes"],
}


@pytest.mark.parametrize("words", BAD_WORDS)
def test_words_that_make_no_sense_are_refused_with_what_to_do(
    vendors: Vendors, tape: Path, words: str
) -> None:
    tape.write_text('{"cassette": 1}\n')
    places = {"TAPE": str(tape), "FOLDER": str(vendors.home)}

    def named(text: str) -> str:
        return re.sub("TAPE|FOLDER", lambda match: places[match[0]], text)

    refused = vendors.ask("6 x 7?", *map(named, words.split()))
    said = zip(("error", "hint"), map(named, BAD_WORDS[words]), strict=False)
    assert refused == CompletedRun(2, b"", "".join(f"{a}: {b}\n" for a, b in said).encode())
    assert vendors.connections() == 0


def test_a_pace_that_is_very_slow_waits_and_can_be_stopped(vendors: Vendors, tape: Path) -> None:
    vendors.reply()
    vendors.ask("6 x 7?", "--record", str(tape))
    tape.write_text(tape.read_text().replace('"t": ', '"t": 9'))
    words = ("ask", "6 x 7?", "--replay", str(tape), "--replay-pace", "1e-300", "--jsonl")
    with vendors.started(*words) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["type"] == "started"
        stopped = vendors.outcome(process, signal.SIGINT)
    assert stopped.code == 130, stopped
