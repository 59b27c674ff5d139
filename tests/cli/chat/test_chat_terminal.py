"""The chat on a real terminal: what it shows, what it sends, what it leaves behind.

`run_in_pty` holds everything that is sent to the grammar of screen.py.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from deepreasoning_cli.cli.chat.prompt_history import PromptHistory
from support import scripted_chat
from support.runner import PtyRun, run, run_in_pty
from support.screen import Terminal

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no pty")

CHAT = (sys.executable, scripted_chat.__file__)
READY, FIRST, SECOND = b"$0", b"$0.0030", b"$0.0060"
CTRL_C, CTRL_D, CTRL_L, UP = b"\x03", b"\x04", b"\x0c", b"\x1b[A"
DRAWN = b"\x1b[0m\x1b[?25h"
PROMPT = b"\x1b[?2004h"  # a new one: keys are read
LEFT, HOME, RIGHT = b"\x1b[D", b"\x1b[H", b"\x1b[C"


def chat(
    *keys: tuple[float | bytes, bytes],
    columns: int = 80,
    rows: int = 24,
    env: Mapping[str, str] | None = None,
) -> PtyRun:
    return run_in_pty(program=CHAT, keys=keys, columns=columns, rows=rows, env=env, timeout=30)


def lines(done: PtyRun, columns: int = 80, rows: int = 24) -> list[str]:
    """What the terminal shows at the end, between the welcome and the last empty prompt."""
    terminal = Terminal(columns, rows)
    terminal.write(done.output.decode())
    shown = terminal.lines()
    below = next(at for at, line in enumerate(shown) if line.startswith("> "))
    last = len(shown) - 1 - shown[::-1].index(">")
    assert shown[-1] == "echo on"
    return shown[below:last]


def test_a_chat_from_hello_to_ctrl_d() -> None:
    done = chat((READY, b"hello\r"), (FIRST, CTRL_D))
    assert (done.code, lines(done)) == (0, ["> hello", "[echo hello]"])
    left = done.output.rpartition(b"\x1b[?25h\x1b[?2004l")[2]
    assert re.sub(rb"\x1b\[[0-9;]*m", b"", left).decode().splitlines() == [
        "1 question · 300 tokens · $0.0030",
        "`deepreasoning chat --session first` continues from here",
        "echo on",
    ]


def test_lines_are_entered_with_escape_enter_and_ctrl_j() -> None:
    done = chat((READY, b"one\x1b\rtwo\nthree"), (b"three", b"\r"), (FIRST, CTRL_D))
    assert lines(done) == ["> one", "  two", "  three", "[echo one", "two", "three]"]


def test_a_paste_keeps_its_lines() -> None:
    done = chat((READY, b"\x1b[200~a\rb\x1b[201~"), (b"b", b"\r"), (FIRST, CTRL_D))
    assert lines(done) == ["> a", "  b", "[echo a", "b]"]


def test_what_is_pasted_cannot_touch_the_terminal() -> None:
    hostile = "x\x1b]0;title\x07\x9b2J\u202ey\u200b\xad".encode()
    done = chat((READY, b"\x1b[200~" + hostile + b"z\x1b[201~"), (b"z", b"\r"), (FIRST, CTRL_D))
    assert lines(done)[0] == "> x^[]0;title^G<9b>2Jy�z"
    assert "\u202e" not in done.output.decode().partition("[echo")[0]


def test_a_command_and_its_word_are_completed() -> None:
    done = chat(
        (READY, b"/mod"),
        (b"/mod", b"\t"),
        (b"el", b" hai"),
        (b"hai", b"\t"),
        (b"ku", b"\r"),
        ("haiku ←".encode(), CTRL_D),
    )
    assert lines(done) == ["> /model haiku", "haiku: a good one"]


def test_enter_takes_the_chosen_completion_and_enter_again_sends() -> None:
    done = chat(
        (READY, b"/re"),
        (b"/re", b"\t"),
        (b"session", b"\t"),  # the menu is there; the first of it is chosen
        (b"asoner", b"\r"),
        (b"\x1b[?25h", b"\r"),
        (PROMPT, CTRL_D),
    )
    assert lines(done)[:3] == ["> /reasoner", "   name      $ in", "*  deepseek  1.00"]


def test_a_completed_file_is_attached(tmp_path: Path) -> None:
    folder = tmp_path / "my files"
    folder.mkdir()
    (folder / "it's.txt").write_text("x", encoding="utf-8")
    done = chat(
        (READY, f"/file {tmp_path}/my".encode()),
        (b"/my", b"\t"),
        (b"files/", b"it"),
        (b"it", b"\t"),
        (b".txt", b"\r"),
        (b"1 file attached", CTRL_D),
        columns=300,
    )
    assert lines(done, 300)[1] == f"goes with the next question: {folder}/it's.txt"


def test_ctrl_c_clears_the_line_and_then_tells_the_way_out() -> None:
    done = chat(
        (READY, b"wrong"),
        (b"wrong", CTRL_C),
        (b"\x1b[K", CTRL_C),
        (b"\x1b[?25h", CTRL_C),
        (b"Ctrl-D", b"right\r"),
        (FIRST, CTRL_D),
    )
    assert (done.code, lines(done)) == (0, ["> right", "[echo right]"])


def test_ctrl_c_stops_the_turn_and_stays() -> None:
    done = chat((READY, b"wait\r"), (b"waiting", CTRL_C), (READY, b"hello\r"), (FIRST, CTRL_D))
    assert (done.code, lines(done)[-2:]) == (0, ["> hello", "[echo hello]"])


def test_ctrl_c_in_haste_stays_too() -> None:
    done = chat((READY, b"wait\r"), (b"waiting", CTRL_C * 3), (READY, b"hello\r"), (FIRST, CTRL_D))
    assert (done.code, lines(done)[-2:]) == (0, ["> hello", "[echo hello]"])


def test_a_failure_leads_back_to_the_prompt() -> None:
    done = chat((READY, b"fail\r"), (PROMPT, CTRL_D))
    assert (done.code, lines(done)) == (0, ["> fail", "error: no credit", "hint: top up"])


def test_reasoning_is_shown_again_dim() -> None:
    done = chat((READY, b"q\r"), (FIRST, b"/reasoning last\r"), (FIRST, CTRL_D))
    assert b"\x1b[2mhm\x1b[0m\r\n" in done.output


def test_a_line_longer_than_the_screen_is_edited_where_it_stands() -> None:
    text = b"".join(b"%02d " % n for n in range(30))
    done = chat(
        (READY, text + b"end"),
        (b"end", HOME + RIGHT * 15 + b"HERE"),
        (b"HERE", LEFT + b"\x7f\r"),
        (FIRST, CTRL_D),
        columns=39,
    )
    whole = "00 01 02 03 04 HEE" + text.decode()[15:] + "end"
    shown = lines(done, 39)
    assert shown[0] == "> " + whole[:37].rstrip()
    assert "".join(line.ljust(39) for line in shown[3:]).rstrip() == f"[echo {whole}]"


@pytest.mark.parametrize("count", [26, 27, 28, 29])
def test_the_last_column_is_no_trap(count: int) -> None:
    text = b"a" * count
    done = chat(
        (READY, text),
        (text[-20:], b"b"),
        (b"b", b"c"),
        (b"c", LEFT * 2 + b"x\r"),
        (FIRST, CTRL_D),
        columns=30,
    )
    entry = "> " + "a" * count + "xbc"
    assert lines(done, 30)[:2] == [entry[:30], f"  {entry[30:]}".rstrip()]


def test_wide_characters_keep_their_columns() -> None:
    done = chat(
        (READY, "漢字と仮名".encode()),
        ("名".encode(), LEFT * 2 + "・".encode() + b"\r"),
        (FIRST, CTRL_D),
    )
    assert "".join(lines(done)[0].split()) == ">漢字と・仮名"


def test_a_resize_redraws_the_prompt() -> None:
    done = chat((READY, b"/reasoner oll\t"), (b"ama", b"\r"), (PROMPT, CTRL_D))
    redrawn = done.output.decode().split("\x1b[?2004h")[2]
    terminal = Terminal(30, 10)
    terminal.write(redrawn)
    assert terminal.lines() == ["> /reasoner ollama", "ollama: a good one"]
    assert "sonnet ← deepseek · $0\x1b" in redrawn  # there is no room for the other fields


@pytest.mark.parametrize(("columns", "rows"), [(1, 24), (3, 2), (20, 1), (0, 0)])
def test_the_smallest_terminals_crash_nothing(columns: int, rows: int) -> None:
    done = chat(
        (DRAWN, b"hello\r"),
        (PROMPT, CTRL_D),
        columns=columns,
        rows=rows,
    )
    assert done.code == 0
    assert b"[echo hello]" in done.output
    assert b"Traceback" not in done.output


def test_ctrl_l_clears_the_screen_in_plain_moves() -> None:
    done = chat((READY, b"one\r"), (FIRST, CTRL_L), (FIRST, b"two\r"), (SECOND, CTRL_D))
    terminal = Terminal()
    terminal.write(done.output.decode())
    assert terminal.lines()[:3] == ["> two", "[echo two]", ">"]


def test_what_was_typed_is_there_in_the_next_run_for_the_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "prompts"
    env = {"CHAT_HISTORY": str(path)}
    chat((READY, b"first\x1b\rline\r"), (FIRST, CTRL_D), env=env)
    kept = PromptHistory(path).entries()
    assert (stat.S_IMODE(path.stat().st_mode), kept) == (0o600, ["first\nline"])
    done = chat((READY, UP), (b"line", b"!\r"), (FIRST, CTRL_D), env=env)
    assert lines(done) == ["> first", "  line!", "[echo first", "line!]"]


def test_without_a_history_no_file_is_written(tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    chat((READY, b"secret\r"), (FIRST, UP), (b"secret", b"\r"), (SECOND, CTRL_D))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_history_that_cannot_be_written_is_remembered_for_this_run(tmp_path: Path) -> None:
    env = {"CHAT_HISTORY": str(tmp_path)}
    done = chat((READY, b"kept\r"), (FIRST, UP), (b"kept", b"!\r"), (SECOND, CTRL_D), env=env)
    assert lines(done) == ["> kept", "[echo kept]", "> kept!", "[echo kept!]"]


def test_the_end_of_the_program_gives_the_terminal_back() -> None:
    done = chat((READY, b"/model o"), (b"/model o", b"\t"), env={"CHAT_ENDS": "1"})
    assert done.code == 143
    assert done.output.endswith(b"\x1b[?25h\x1b[?2004lecho on\r\n")


def test_a_dumb_terminal_gets_no_escape_at_all() -> None:
    done = chat((b"> ", b"hello\n"), (b"[echo hello]\r\n> ", CTRL_D), env={"TERM": "dumb"})
    assert done.code == 0
    assert b"\x1b" not in done.output
    assert b"> hello\r\n[echo hello]\r\n> " in done.output


def test_without_colour_there_is_none() -> None:
    done = chat(
        (READY, b"/"),
        (b"/", b"\t"),
        (b"what can be typed", CTRL_C),
        (b"\x1b[K", CTRL_D),
        env={"NO_COLOR": "1"},
    )
    assert b"38;" not in done.output


def test_an_ascii_terminal_gets_an_ascii_toolbar() -> None:
    done = chat(
        (b"sonnet < deepseek - first - $0 - /help", b"q\r"),
        (FIRST, CTRL_D),
        env={"PYTHONIOENCODING": "ascii"},
    )
    assert done.output.isascii()


def test_a_hundred_turns_on_a_terminal() -> None:
    costs = [f"${0.003 * n:.4f} ".encode() if n else READY for n in range(101)]
    turns = [(cost, b"turn %d\r" % n) for n, cost in enumerate(costs[:-1])]
    done = chat(*turns, (costs[-1], CTRL_D))
    shown = lines(done)
    assert shown == [line for n in range(100) for line in (f"> turn {n}", f"[echo turn {n}]")]


def test_a_pipe_gets_plain_text() -> None:
    done = run(stdin=b"one\n\n/model opus\n//two\n/nope\nfail\n", program=CHAT)
    assert done.code == 4
    assert done.stdout == b"[echo one]\nopus: a good one\n[echo /two]\n"
    assert done.stderr == (
        b"error: there is no command /nope\nhint: /help lists them; // sends a /\n"
        b"error: no credit\nhint: top up\n"
    )


def test_a_pipe_does_not_wait_for_the_line_editor_to_load() -> None:
    code = "import sys, deepreasoning_cli.cli.chat.repl; print('prompt_toolkit' in sys.modules)"
    assert run("-c", code, program=(sys.executable,)).stdout == b"False\n"
