"""Conversations over several commands, reasoning used again, and a history that cannot be used."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deepreasoning_cli.pipeline.conversation import CUT_OFF
from e2e.test_ask_signals import read_until
from e2e.test_resume import WHOLE, data, turns
from support.replies import Cut, Gate, Stall, claude_stream, reasoner_stream
from support.runner import CompletedRun
from support.vendors import ANSWER, PRINTED, REASONING, TEXTS, THOUGHTS, Vendors, traces, turn_id

QUIET = CompletedRun(0, PRINTED, b"")
FIRST = [{"role": "user", "content": "6 x 7?"}, {"role": "assistant", "content": ANSWER}]


def to_reasoner(vendors: Vendors) -> Any:
    """The messages of the reasoner's last request."""
    return vendors.reasoner.requests[-1].body["messages"]


def to_claude(vendors: Vendors) -> Any:
    """The messages of Claude's last request, without the notes handed over."""
    *earlier, last = vendors.claude.requests[-1].body["messages"]
    question, _, notes = last["content"].partition("\n\n")
    assert REASONING in notes
    return [*earlier, {**last, "content": question}]


# --------------------------------------------------------------------------------- conversations


def test_continue_sends_the_last_question_and_answer_and_never_its_reasoning(
    vendors: Vendors,
) -> None:
    vendors.reply()
    assert vendors.ask("6 x 7?") == QUIET
    assert vendors.ask("-c", "Sure?") == QUIET
    expected = [*FIRST, {"role": "user", "content": "Sure?"}]
    assert (to_reasoner(vendors), to_claude(vendors)) == (expected, expected)
    assert vendors.reasoner.requests[1].raw.count(REASONING.encode()) == 0
    assert vendors.claude.requests[1].raw.count(REASONING.encode()) == 1  # its own
    first, second = turns(vendors)
    assert first.start.session == second.start.session == first.start.id


def test_a_session_goes_on_by_its_name_from_any_command(vendors: Vendors) -> None:
    vendors.reasoner.reply(reasoner_stream(THOUGHTS))
    vendors.claude.reply(WHOLE, WHOLE.failing(4, Cut()), WHOLE)
    assert vendors.ask("--session", "tables", "6 x 7?") == QUIET
    assert vendors.ask("something else").code == 6
    assert vendors.ask("--session", "tables", "Sure?") == QUIET
    expected = [*FIRST, {"role": "user", "content": "Sure?"}]
    assert (to_reasoner(vendors), to_claude(vendors)) == (expected, expected)
    assert vendors.ask("-c", "And now?") == QUIET
    answered = {"role": "assistant", "content": ANSWER}
    assert to_reasoner(vendors) == [*expected, answered, {"role": "user", "content": "And now?"}]
    assert [turn.start.session for turn in turns(vendors)] == ["tables", None, "tables", "tables"]


def test_a_turn_of_a_session_is_resumed_in_it_with_what_came_before_and_nothing_after(
    vendors: Vendors,
) -> None:
    vendors.reasoner.reply(reasoner_stream(THOUGHTS))
    vendors.claude.reply(WHOLE, WHOLE.failing(4, Cut()), WHOLE)
    assert vendors.ask("--session", "s", "6 x 7?") == QUIET
    turn = turn_id(cut := vendors.ask("--session", "s", "Sure?"))
    assert cut.code == 6
    assert vendors.ask("--session", "s", "Quite?") == QUIET
    assert to_reasoner(vendors) == [
        *FIRST,
        {"role": "user", "content": "Sure?"},
        {"role": "assistant", "content": f"**42**{CUT_OFF}"},
        {"role": "user", "content": "Quite?"},
    ]
    assert vendors.run("resume", "-2", "--again").stdout == PRINTED  # the last but one
    first, resumed = vendors.claude.requests[1], vendors.claude.requests[3]
    assert resumed.raw == first.raw
    assert turns(vendors)[-1].start.resumes == turn
    assert vendors.ask("-c", "Well?") == QUIET
    said = [each["content"] for each in to_reasoner(vendors)]
    assert said == ["6 x 7?", ANSWER, "Quite?", ANSWER, "Sure?", ANSWER, "Well?"]


def test_the_system_prompt_is_carried_on_until_another_is_given(vendors: Vendors) -> None:
    vendors.reply()
    assert vendors.ask("-s", "Be brief.", "6 x 7?") == QUIET
    assert vendors.ask("-c", "Sure?") == QUIET
    assert vendors.ask("-c", "-s", "Be long.", "Quite?") == QUIET
    assert vendors.ask("-c", "Well?") == QUIET
    systems = [request.body["system"] for request in vendors.claude.requests]
    assert systems == ["Be brief.", "Be brief.", "Be long.", "Be long."]


def test_a_session_continued_by_two_processes_at_once_forks_and_says_so(vendors: Vendors) -> None:
    gate = threading.Event()
    vendors.reasoner.reply(reasoner_stream(THOUGHTS))
    held = claude_stream(TEXTS).failing(4, Gate(gate), *WHOLE.body[4:])
    vendors.claude.reply(WHOLE, held, WHOLE)
    assert vendors.ask("--session", "s", "6 x 7?") == QUIET
    with vendors.started("ask", "--session", "s", "one") as process:
        read_until(process.stdout, b"**42**")
        forked = vendors.ask("--session", "s", "two")
        gate.set()
        assert vendors.outcome(process) == CompletedRun(0, PRINTED[6:], b"")
    assert forked == CompletedRun(0, PRINTED, b"note: session s is in use; continuing as s-2\n")
    assert to_reasoner(vendors) == [*FIRST, {"role": "user", "content": "two"}]
    assert [each.start.session for each in turns(vendors)] == ["s", "s-2", "s"]
    said = {}
    for session in ("s", "s-2"):
        assert vendors.ask("--session", session, "?") == QUIET
        said[session] = [each["content"] for each in to_reasoner(vendors)]
    assert said == {
        name: ["6 x 7?", ANSWER, q, ANSWER, "?"] for name, q in (("s", "one"), ("s-2", "two"))
    }


def test_what_does_not_fit_into_the_context_is_left_out_from_the_oldest_on_and_said_so(
    vendors: Vendors,
) -> None:
    vendors.reply()
    vendors.config(
        "max_tokens = 100\n[reasoners.lab]\n"
        f'base_url = "{vendors.reasoner.url}"\nmodel = "deepseek-flash"\ncontext = 1500\n'
    )
    words = "word " * 200
    flags = ["-r", "lab", "--session", "s"]
    assert vendors.ask(*flags, "one " + words) == QUIET
    assert vendors.ask(*flags, "two") == QUIET
    left_out = "warning: the {} not fit into 1,500 tokens and {} not sent\n"
    one = left_out.format("1 oldest turn does", "is").encode()
    assert vendors.ask(*flags, "three " + words) == CompletedRun(0, PRINTED, one)
    said = [each["content"] for each in to_reasoner(vendors)]
    assert said == ["two", ANSWER, "three " + words]
    assert [each["content"] for each in to_claude(vendors)] == said
    assert vendors.ask(*flags, "four " + words) == CompletedRun(
        0, PRINTED, left_out.format("3 oldest turns do", "are").encode()
    )
    assert to_reasoner(vendors) == [{"role": "user", "content": "four " + words}]


@pytest.mark.parametrize(
    ("args", "error", "hint"),
    [
        (["-c", "q"], "there is no turn to continue", "ask one first"),
        (["--no-save", "-c", "q"], "there is no turn to continue", "ask one first"),
        (
            ["-c", "--session", "s", "q"],
            "use either --continue or --session",
            "drop one of them",
        ),
        (["--session", " ", "q"], "a session needs a name", "--session NAME"),
        (["--reasoning-from", "last", "q"], "there is no last turn", "the history is empty"),
        (["--reasoning-from", "06h0", "q"], "there is no turn '06h0'", "the history is empty"),
        (["--no-save", "--reasoning-from", "06h0", "q"], "there is no turn yet", "ask one first"),
    ],
)
def test_what_is_not_there_cannot_be_continued(
    vendors: Vendors, args: list[str], error: str, hint: str | None
) -> None:
    said = f"error: {error}\n" + (f"hint: {hint}\n" if hint else "")
    assert vendors.ask(*args) == CompletedRun(2, b"", said.encode())
    assert vendors.counts() == (0, 0)
    if "--no-save" in args:
        assert list(vendors.home.iterdir()) == []


def test_without_saving_a_conversation_is_read_and_not_changed(vendors: Vendors) -> None:
    vendors.reply()
    assert vendors.ask("6 x 7?") == QUIET
    assert vendors.ask("--no-save", "-c", "Sure?") == QUIET
    assert to_reasoner(vendors) == [*FIRST, {"role": "user", "content": "Sure?"}]
    (turn,) = turns(vendors)
    assert turn.start.session is None
    assert vendors.ask("--session", "s", "6 x 7?") == QUIET
    assert vendors.ask("--no-save", "--session", "s", "Quite?") == QUIET
    assert vendors.ask("--no-save", "-c", "Quite?") == QUIET
    assert to_reasoner(vendors) == [*FIRST, {"role": "user", "content": "Quite?"}]
    assert len(turns(vendors)) == 2


def test_without_saving_a_new_session_leaves_nothing_on_the_disk(vendors: Vendors) -> None:
    vendors.reply()
    assert vendors.ask("--no-save", "--session", "s", "6 x 7?") == QUIET
    assert list(vendors.home.iterdir()) == []


# -------------------------------------------------------------------------- reasoning used again


@pytest.mark.parametrize("name", ["last", "id", "prefix", "file"])
def test_reasoning_is_used_again_by_another_claude(
    vendors: Vendors, tmp_path: Path, name: str
) -> None:
    vendors.reply()
    assert vendors.ask("6 x 7?") == QUIET
    (turn,) = turns(vendors)
    path = tmp_path / "why.txt"
    path.write_text(REASONING)
    names = {"id": turn.start.id, "prefix": turn.start.id[:10], "file": str(path), "last": "last"}
    result = vendors.ask("--reasoning-from", names[name], "-m", "haiku", "6 x 7?")
    assert (result.code, result.stdout) == (0, PRINTED)
    first, second = (request.body for request in vendors.claude.requests)
    assert second["model"].startswith("claude-haiku-")
    if name == "file":
        assert to_claude(vendors) == [{"role": "user", "content": "6 x 7?"}]
    else:
        assert second["messages"] == first["messages"]
    assert len(vendors.reasoner.connections) == 1
    source = None if name == "file" else turn.start.id
    assert turns(vendors)[-1].start.reasoning_from == source


def test_a_turn_without_reasoning_has_none_to_use_again(vendors: Vendors) -> None:
    vendors.claude.reply(WHOLE)
    assert vendors.ask("--handoff", "none", "6 x 7?") == QUIET
    (turn,) = turns(vendors)
    error = (
        f"error: turn {turn.start.id} has no reasoning\n"
        "hint: name a turn or a file that has some; `deepreasoning history` lists the turns\n"
    )
    assert vendors.ask("--reasoning-from", "last", "q") == CompletedRun(2, b"", error.encode())


def test_a_file_name_too_long_for_the_system_is_a_usage_error(vendors: Vendors) -> None:
    name = "x" * 300 + ".txt"
    error = (
        f"error: cannot read {name}: File name too long\n"
        "hint: check the name; only text files can be sent\n"
    )
    assert vendors.ask("--reasoning-from", name, "q") == CompletedRun(2, b"", error.encode())


# --------------------------------------------------------------- a history that cannot be written


def below_a_file(vendors: Vendors) -> dict[str, str]:
    (vendors.home / "file").write_text("")
    return {"DEEPREASONING_DATA_DIR": str(vendors.home / "file/data")}


def is_a_file(vendors: Vendors) -> dict[str, str]:
    (vendors.home / "file").write_text("")
    return {"DEEPREASONING_DATA_DIR": str(vendors.home / "file")}


def is_a_device(_: Vendors) -> dict[str, str]:
    return {"DEEPREASONING_DATA_DIR": "/dev/full/x"}


def newer(vendors: Vendors) -> dict[str, str]:
    assert vendors.ask("6 x 7?") == QUIET
    with sqlite3.connect(data(vendors) / "history.db") as connection:
        connection.execute("ALTER TABLE turns ADD COLUMN starred INTEGER")
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    return {}


@pytest.mark.parametrize("place", [below_a_file, is_a_file, is_a_device])
@pytest.mark.parametrize("session", [[], ["--session", "s"]], ids=["", "session"])
def test_a_data_folder_that_cannot_be_made_costs_a_warning_and_not_the_answer(
    vendors: Vendors, place: Callable[[Vendors], dict[str, str]], session: list[str]
) -> None:
    vendors.reply()
    result = vendors.ask(*session, "6 x 7?", env=place(vendors))
    folder = place(vendors)["DEEPREASONING_DATA_DIR"]
    why = "Not a directory; this turn is in memory only"
    warning = f"warning: cannot write the journal in {folder}: {why}\n"
    assert result == CompletedRun(0, PRINTED, warning.encode())


@pytest.mark.parametrize("session", ["", "--session s"])
def test_a_full_disk_costs_warnings_and_not_the_answer(vendors: Vendors, session: str) -> None:
    vendors.reply()
    result = vendors.shell(f'ulimit -f 0; deepreasoning ask {session} "6 x 7?"')
    (journal,) = (data(vendors) / "journal").iterdir()
    lines = [
        f"warning: cannot write the journal in {data(vendors)}: File too large;"
        " until it is in the history this turn is in memory only",
        f"warning: cannot write {data(vendors)}/history.db: disk I/O error;"
        f" this turn is in {journal}, as far as it could be written",
    ]
    assert result == CompletedRun(0, PRINTED, "".join(f"{line}\n" for line in lines).encode())
    assert vendors.ask("6 x 7?") == QUIET  # with room again
    assert [turn.answer for turn in turns(vendors)] == [ANSWER]


def test_where_nothing_can_be_kept_no_resume_is_promised(vendors: Vendors) -> None:
    vendors.reply(texts=WHOLE.failing(4, Cut()))
    result = vendors.ask("6 x 7?", env=below_a_file(vendors))
    assert result.code == 6
    assert b"resume" not in result.stderr


def test_a_newer_database_costs_a_warning_and_the_turn_stays_in_its_journal(
    vendors: Vendors,
) -> None:
    vendors.reply()
    newer(vendors)
    result = vendors.ask("6 x 7?")
    why = "was written by a newer version: it is read, and not changed"
    warning = f"warning: {data(vendors)}/history.db {why}\n"
    assert result == CompletedRun(0, PRINTED, warning.encode())
    assert len(list((data(vendors) / "journal").iterdir())) == 1
    assert vendors.ask("6 x 7?") == result
    assert len(list((data(vendors) / "journal").iterdir())) == 2


def test_a_newer_database_is_still_read_for_a_conversation(vendors: Vendors) -> None:
    vendors.reply()
    newer(vendors)
    result = vendors.ask("-c", "Sure?")
    assert (result.code, result.stdout) == (0, PRINTED)
    assert to_reasoner(vendors) == [*FIRST, {"role": "user", "content": "Sure?"}]


@pytest.mark.parametrize("damage", [b"", b"nonsense" * 1000])
def test_a_damaged_database_costs_a_warning_and_is_made_anew(
    vendors: Vendors, damage: bytes
) -> None:
    vendors.reply()
    assert vendors.ask("6 x 7?") == QUIET
    for path in data(vendors).glob("history.db*"):
        path.unlink()
    (data(vendors) / "history.db").write_bytes(damage)
    result = vendors.ask("6 x 7?")
    (line,) = result.stderr.decode().splitlines()
    assert (result.code, result.stdout) == (0, PRINTED)
    assert line.startswith("warning: the history was damaged: 0 turns were saved, the rest is in ")
    assert [turn.answer for turn in turns(vendors)] == [ANSWER]


def leave_a_journal(vendors: Vendors) -> None:
    """Of a process that was killed in its answer."""
    vendors.reply(texts=WHOLE.failing(4, Stall()))
    vendors.claude.reply(WHOLE)
    with vendors.started("ask", "6 x 7?") as process:
        read_until(process.stdout, b"**42**")
        vendors.outcome(process, signal.SIGKILL)


@pytest.mark.parametrize("quiet", [[], ["-q"]], ids=["", "quiet"])
def test_a_journal_that_cannot_be_adopted_costs_a_warning_and_stays(
    vendors: Vendors, quiet: list[str]
) -> None:
    leave_a_journal(vendors)
    database = data(vendors) / "history.db"
    database.unlink(missing_ok=True)
    database.mkdir()
    result = vendors.run(*quiet, "ask", "--no-save", "6 x 7?")
    assert result == QUIET  # it is not looked at
    result = vendors.run(*quiet, "ask", "6 x 7?")
    assert (result.code, result.stdout) == (0, PRINTED)
    lines = result.stderr.decode().splitlines()
    assert [line[:9] for line in lines] == ([] if quiet else ["warning: "])
    assert len(list((data(vendors) / "journal").iterdir())) == 2


def test_a_history_that_cannot_be_looked_for_is_an_error_where_it_is_needed(
    vendors: Vendors,
) -> None:
    place = vendors.home / ("x" * 300)
    env = {"DEEPREASONING_DATA_DIR": str(place)}
    error = f"error: cannot use {place}/history.db: File name too long\n"
    hint = "hint: DEEPREASONING_DATA_DIR names another place\n"
    result = vendors.ask("--no-save", "-c", "6 x 7?", env=env)
    assert result == CompletedRun(3, b"", f"{error}{hint}".encode())


def test_no_key_is_ever_in_journal_or_database(vendors: Vendors) -> None:
    vendors.reply(texts=WHOLE.failing(4, Stall()))
    vendors.claude.reply(WHOLE)
    with vendors.started("ask", "6 x 7?") as process:
        read_until(process.stdout, b"**42**")
        (journal,) = (data(vendors) / "journal").iterdir()
        written = journal.read_bytes()
        vendors.outcome(process, signal.SIGKILL)
    assert b"6 x 7?" in written
    assert vendors.ask("again?").code == 0
    kept = [path.read_bytes() for path in data(vendors).rglob("*") if path.is_file()]
    assert any(b"again?" in each for each in kept)
    for key, start in (("DEEPSEEK_API_KEY", "sk-"), ("ANTHROPIC_API_KEY", "sk-ant-api03-")):
        for trace in traces(vendors.keys[key], start):
            assert not any(trace in each for each in [written, *kept])


# ------------------------------------------------------------------------------------ the clipboard


def with_clipboard(tmp_path: Path, script: str) -> dict[str, str]:
    """The environment of a desktop whose clipboard tool is `script`."""
    tool = tmp_path / "bin/xclip"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    return {"PATH": f"{tool.parent}:{os.environ['PATH']}", "DISPLAY": ":7"}


def test_copy_puts_the_answer_on_the_clipboard(vendors: Vendors, tmp_path: Path) -> None:
    vendors.reply(texts=["四十二 ", "is it."])
    env = with_clipboard(tmp_path, f"cat > {tmp_path}/clipboard")
    assert vendors.ask("--copy", "6 x 7?", env=env) == CompletedRun(
        0, "四十二 is it.\n".encode(), b""
    )
    assert (tmp_path / "clipboard").read_text() == "四十二 is it."


def test_half_an_answer_is_not_copied(vendors: Vendors, tmp_path: Path) -> None:
    vendors.reply(texts=WHOLE.failing(4, Cut()))
    env = with_clipboard(tmp_path, f"cat > {tmp_path}/clipboard")
    assert vendors.ask("--copy", "6 x 7?", env=env).code == 6
    assert not (tmp_path / "clipboard").exists()


@pytest.mark.parametrize("script", ["cat > /dev/null; sleep 60 & exit 0", "sleep 60"])
def test_a_clipboard_tool_that_stays_is_not_waited_for(
    vendors: Vendors, tmp_path: Path, script: str
) -> None:
    vendors.reply()
    # `ask` has 30 seconds: the tool's streams would be read until it ends
    result = vendors.ask("--copy", "6 x 7?", env=with_clipboard(tmp_path, script), timeout=30)
    assert (result.code, result.stdout) == (0, PRINTED)
    assert (b"did not end within 3 s" in result.stderr) is (script == "sleep 60")


@pytest.mark.parametrize("env", [{}, {"DISPLAY": ":7"}], ids=["no desktop", "no tool"])
def test_without_a_clipboard_there_is_a_warning(
    vendors: Vendors, tmp_path: Path, env: dict[str, str]
) -> None:
    vendors.reply()
    env = env | {"PATH": str(tmp_path)}  # this machine may have a tool
    warning = (
        b"warning: nothing here can write to the clipboard\n"
        b"hint: install wl-clipboard, xclip or xsel\n"
    )
    assert vendors.ask("--copy", "6 x 7?", env=env) == CompletedRun(0, PRINTED, warning)
