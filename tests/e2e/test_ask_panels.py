"""`ask` on a terminal: both panels whole in the scrollback, on every size, through a resize."""

from __future__ import annotations

import io
import re
import shlex

import pytest

from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.markdown.stream import render_markdown
from support.replies import Reply, claude_stream, reasoner_stream
from support.runner import PROGRAM, environment, run_in_pty
from support.screen import Terminal
from support.tmux import Tmux, squeezed
from support.vendors import ANSWER, REASONING, Vendors

LINES = 300
ANSWERS = {
    "list": "".join(f"- item {n:03d} of the list\n" for n in range(LINES)),
    "fence": "```python\n" + "".join(f"v{n:03d} = {n}\n" for n in range(LINES)) + "```\n",
    "table": "| a | b |\n|---|---|\n" + "".join(f"| r{n:03d} | x |\n" for n in range(LINES)),
    "cjk": "".join(f"第{n:03d}行的内容\n\n" for n in range(LINES)),
    "emoji": "".join(f"* 👍 number {n:03d} 🎉\n" for n in range(LINES)),
    "arabic": "".join(f"- السطر {n:03d} من القائمة\n" for n in range(LINES)),
}


def pieces(text: str, size: int = 9) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def answers(text: str, pace: float = 0) -> tuple[Reply, Reply]:
    return reasoner_stream(["Let me ", "think."], ["x"]), claude_stream(pieces(text), pace=pace)


def rows(markdown: str, width: int) -> list[str]:
    rendering = terminal.make_console(io.StringIO(), color=False, columns=80)
    laid_out = render_markdown(markdown, width, console=rendering)
    return ["".join(segment.text for segment in row).strip() for row in laid_out]


def inside(lines: list[str], title: str) -> list[str]:
    """The content of the panel with that title."""
    top = next(at for at, line in enumerate(lines) if line.startswith(f"── {title}"))
    bottom = next(at for at in range(top + 1, len(lines)) if lines[at].startswith("── "))
    return [line.strip() for line in lines[top + 1 : bottom]]


@pytest.mark.parametrize(("columns", "height"), [(80, 24), (40, 10), (20, 5)])
@pytest.mark.parametrize("kind", ["list", "fence", "table"])
def test_both_panels_are_whole_on_a_terminal(
    vendors: Vendors, kind: str, columns: int, height: int
) -> None:
    reasoner, claude = answers(ANSWERS[kind])
    vendors.reasoner.reply(reasoner)
    vendors.claude.reply(claude)
    done = run_in_pty("ask", "q", rows=height, columns=columns, env=vendors.environment)
    terminal = Terminal(columns, height)
    terminal.write(done.output.decode())
    lines = terminal.lines()
    assert done.code == 0
    assert inside(lines, "Reasoning") == rows("Let me think.", columns)
    assert inside(lines, "Answer") == rows(ANSWERS[kind], columns)


@pytest.mark.parametrize("panels", ["rules", "box"])
@pytest.mark.parametrize(("columns", "height"), [(80, 24), (40, 12)])
def test_folded_reasoning_leaves_one_line(
    vendors: Vendors, panels: str, columns: int, height: int
) -> None:
    thoughts = [f"thought {number:03d}\n" for number in range(60)]
    vendors.reply(reasoner_stream(thoughts, ["x"], pace=0.01))
    env = {**vendors.environment, "DEEPREASONING_PANELS": panels}
    words = ("ask", "--reasoning", "tail", "q")
    done = run_in_pty(*words, rows=height, columns=columns, env=env)
    terminal = Terminal(columns, height)
    terminal.write(done.output.decode())
    fold, head, answer, *_ = terminal.lines()
    assert "thought 0" in terminal.text.partition("Answer")[0]
    assert re.fullmatch(
        r"(Reasoning · deepseek-flash · )?thought [\d.]+ s · ≈\d+ tokens · .*", fold
    )
    assert (head[:9], answer.strip("│ ")) == (
        {"rules": "── Answer", "box": "╭─ Answer"}[panels],
        "42 is the answer.",
    )


def test_the_setting_holds_where_no_flag_is(vendors: Vendors) -> None:
    def shown(*words: str) -> list[str]:
        vendors.reply()
        env = {**vendors.environment, "DEEPREASONING_REASONING": "tail"}
        terminal = Terminal()
        terminal.write(run_in_pty("ask", *words, "q", env=env).output.decode())
        return terminal.lines()

    assert shown()[0].startswith("Reasoning · deepseek-flash · thought ")
    assert shown("--reasoning", "show")[1] == REASONING
    assert shown("--plain")[0] == ANSWER
    assert shown("--plain", "--reasoning", "show")[0] == REASONING


def command() -> str:
    return f"{shlex.join([*PROGRAM, 'ask', 'q'])}; echo over; sleep 60"


@pytest.mark.parametrize("kind", list(ANSWERS))
def test_in_tmux_each_line_stands_once_and_in_order(
    vendors: Vendors, tmux: Tmux, kind: str
) -> None:
    reasoner, claude = answers(ANSWERS[kind])
    vendors.reasoner.reply(reasoner)
    vendors.claude.reply(claude)
    tmux.start(command(), environment(vendors.environment))
    lines = tmux.wait_for("over")
    assert inside(lines, "Answer") == rows(ANSWERS[kind], 80)


@pytest.mark.parametrize("columns", [[50], [120], [60, 100, 40]])
def test_a_resize_in_mid_stream_loses_nothing(
    vendors: Vendors, tmux: Tmux, columns: list[int]
) -> None:
    text = "".join(f"- item {n:03d} of it\n" for n in range(LINES))
    reasoner, claude = answers(text, pace=0.002)
    vendors.reasoner.reply(reasoner)
    vendors.claude.reply(claude)
    tmux.start(command(), environment(vendors.environment))
    for number, width in enumerate(columns):
        tmux.wait_for(f"item {40 + 80 * number:03d}")
        tmux.run("resize-window", "-t", "run", "-x", str(width), "-y", "24")
    # tmux wraps what is on the screen before it tells of the new size: a row that is drawn in
    # between may stand torn over two lines, but it stands there
    shown = squeezed("".join(tmux.wait_for("over")))
    counts = [shown.count(f"item{n:03d}ofit") for n in range(LINES)]
    assert counts.count(0) == 0
    assert sum(counts) - LINES <= 15 * len(columns)  # no more than a live tail each time


@pytest.mark.parametrize("stage", ["Reasoning", "Answer"])
def test_after_a_stop_and_fg_the_panel_is_whole(vendors: Vendors, tmux: Tmux, stage: str) -> None:
    words = [f"word{number:02d} " for number in range(30)]
    thoughts, texts = (words, ["x"]) if stage == "Reasoning" else (["x"], words)
    vendors.reasoner.reply(reasoner_stream(thoughts, ["x"], pace=0.1))
    vendors.claude.reply(claude_stream(texts, pace=0.1))
    settings = {**vendors.environment, "PS1": "$ "}
    tmux.start("bash --norc -i", environment(settings))
    tmux.press(command().partition(";")[0], "Enter")
    tmux.wait_for("word03")
    tmux.press("C-z")
    stopped = tmux.wait_for("Stopped")
    assert not any("word0" in line for line in stopped if not line.startswith("$"))
    tmux.press("fg", "Enter")
    lines = tmux.wait_for("claude")
    lines = tmux.wait_for("word29")
    shown = squeezed("".join(lines))
    assert shown.count(squeezed("".join(words))) == 1
    assert [shown.count(word.strip()) for word in words] == [1] * 30


@pytest.mark.parametrize(("columns", "height"), [(1, 24), (3, 3), (0, 0)])
def test_the_smallest_terminals_crash_nothing(vendors: Vendors, columns: int, height: int) -> None:
    reasoner, claude = answers(
        "# Title\n\n- a list\n\n```py\nx = 1\n```\n\n| a | b |\n|-|-|\n|1|2|\n"
    )
    vendors.reasoner.reply(reasoner)
    vendors.claude.reply(claude)
    done = run_in_pty("ask", "q", rows=height, columns=columns, env=vendors.environment)
    assert done.code == 0
    assert b"Traceback" not in done.output


def test_a_dumb_terminal_gets_text_and_no_escape_at_all(vendors: Vendors) -> None:
    reasoner, claude = answers("**bold** and `code`")
    vendors.reasoner.reply(reasoner)
    vendors.claude.reply(claude)
    done = run_in_pty("ask", "q", env={**vendors.environment, "TERM": "dumb"})
    assert b"\x1b" not in done.output
    assert b"**bold** and `code`\r\n" in done.output


def test_a_terminal_without_utf8_gets_ascii_borders(vendors: Vendors) -> None:
    reasoner, claude = answers("naïve 漢字")
    vendors.reasoner.reply(reasoner)
    vendors.claude.reply(claude)
    env = {**vendors.environment, "PYTHONIOENCODING": "ascii"}
    done = run_in_pty("ask", "q", env=env)
    assert done.code == 0
    assert done.output.isascii()
    assert b"-- Answer - claude-sonnet-5-5 -" in done.colorless


def test_ctrl_c_closes_the_panel_and_gives_the_cursor_back(vendors: Vendors) -> None:
    vendors.reasoner.reply(reasoner_stream(["thinking "] * 400, pace=0.05))
    vendors.claude.reply(claude_stream(["never"]))
    done = run_in_pty("ask", "q", keys=[(b"1 s", b"\x03")], env=vendors.environment)
    assert done.code == 130
    assert "── stopped ─".encode() in done.colorless
    shown, _, hint = done.output.rpartition(b"\x1b[?25h")
    assert (bool(shown), hint.startswith(b"hint: `deepreasoning resume ")) == (True, True)
