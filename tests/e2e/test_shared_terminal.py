"""One terminal for the answer, the status line and what else is there: nothing is drawn over."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest

from support.replies import Pause, Reply, claude_stream, reasoner_stream
from support.runner import run_in_pty
from support.screen import Terminal
from support.vendors import ANSWER, OWN_ANSWER, REASONING, TEXTS, THOUGHTS, Vendors

LONG = 0.35  # seconds: longer than the status line needs to be drawn


def slow(reply: Reply) -> Reply:
    """The same reply with a pause before each piece."""
    body = [step for piece in reply.body for step in (Pause(LONG), piece)]
    return Reply(body=body)


def play_slowly(vendors: Vendors) -> None:
    vendors.reply(slow(reasoner_stream(THOUGHTS, OWN_ANSWER)), slow(claude_stream(TEXTS)))


def screen(vendors: Vendors, script: str, *, code: int = 0) -> tuple[list[str], str]:
    """The lines that a shell script leaves on a terminal, and everything written to it."""
    program = f"dr() {{ '{sys.executable}' -m deepreasoning_cli \"$@\"; }}\n{script}"
    done = run_in_pty(program=("/bin/bash", "-c", program), env=vendors.environment)
    assert done.code == code, done.output
    terminal = Terminal()
    terminal.write(done.output.decode().replace("\r\n", "\n"))
    return terminal.lines(), terminal.text


@pytest.mark.parametrize("reader", ["cat", "tee kept", "cut -c1-", "head -n 5"])
def test_no_status_is_drawn_once_a_pipe_has_text(vendors: Vendors, reader: str) -> None:
    play_slowly(vendors)
    lines, written = screen(vendors, f"cd '{vendors.home}'; dr ask '6 x 7?' | {reader}")
    assert lines == [ANSWER]
    assert "thinking" in written
    assert "answering" not in written.partition(ANSWER[:4])[2]


def test_a_file_leaves_the_terminal_to_the_status_until_the_end(vendors: Vendors) -> None:
    play_slowly(vendors)
    out = vendors.home / "out"
    lines, written = screen(vendors, f"dr ask '6 x 7?' > '{out}'")
    (bill,) = lines
    assert bill.startswith("deepseek-flash → claude-sonnet-5-5 · ≈")
    assert f"\x1b[2m{bill}\x1b[0m" in written
    assert out.read_text() == f"{ANSWER}\n"
    assert "answering · 0 s · 1 tokens" in written or "answering · 1 s" in written


def test_a_job_in_the_background_draws_nothing(vendors: Vendors) -> None:
    play_slowly(vendors)
    lines, written = screen(
        vendors, f"set -m; dr ask '6 x 7?' > '{vendors.home}/out' & sleep 1; echo typed; wait %1"
    )
    assert "thinking" not in written
    assert "tokens" not in written
    assert lines[0] == "typed"


@pytest.mark.parametrize("options", [["--plain"], ["--plain", "--no-stream"]], ids=" ".join)
def test_plain_text_has_a_line_between_reasoning_and_answer(
    vendors: Vendors, options: Sequence[str]
) -> None:
    play_slowly(vendors)
    lines, written = screen(vendors, f"dr ask {' '.join(options)} '6 x 7?'")
    assert lines[:3] == [REASONING, "", ANSWER]
    assert "thinking" in written
    assert len(lines) == 4  # and the bill


def test_an_answer_for_a_file_is_waited_for_and_its_writing_said(vendors: Vendors) -> None:
    play_slowly(vendors)
    out = vendors.home / "o.md"
    lines, written = screen(vendors, f"dr ask -o '{out}' '6 x 7?'")
    assert REASONING not in "".join(lines)
    shown = "".join(lines).replace(" ", "")  # the terminal is narrower than the path
    assert f"wrote{out}(22bytes)" in shown
    assert "answering" in written
    assert out.read_text() == f"{ANSWER}\n"


def test_a_program_is_not_told_of_the_file_that_it_named(vendors: Vendors) -> None:
    vendors.reply()
    done = vendors.ask("-o", str(vendors.home / "o.md"), "6 x 7?")
    assert (done.code, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("options", ["--plain", "--reasoning hide --plain"])
def test_a_note_stands_on_a_line_of_its_own(vendors: Vendors, options: str) -> None:
    vendors.reply(THOUGHTS, claude_stream(TEXTS, model="served-claude"))
    lines, _ = screen(vendors, f"dr ask {options} '6 x 7?' 2>&1 | cat")
    assert lines[-2] == ANSWER
    assert lines[-1] == "note: served-claude answered instead of claude-sonnet-5-5"


def test_reasoning_that_is_there_is_printed_without_a_turn(vendors: Vendors) -> None:
    vendors.reply()
    vendors.ask("6 x 7?")
    again = vendors.ask("--reasoning-from", "last", "--reasoning", "only", "x")
    assert (again.code, again.stdout) == (0, f"{REASONING}\n".encode())
    assert vendors.counts() == (1, 1)
    assert len(vendors.run("history", "list", "--json").stdout.split(b'"id"')) == 2


def test_only_the_reasoning_of_nobody_is_a_usage_error(vendors: Vendors) -> None:
    done = vendors.ask("--handoff", "none", "--reasoning", "only", "x")
    assert (done.code, done.stdout, vendors.counts()) == (2, b"", (0, 0))
    assert vendors.ask("--json", "--plain", "x").code == 2
