"""What stands on the screen, row by row, at 80 × 24 and 40 × 12.

The rows are in files under `screens/`, which `WRITE_SCREENS=1 pytest tests/e2e/test_screens.py`
writes anew. Ids, dates and durations are the same in all of them.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from support.replies import claude_stream, reasoner_stream
from support.runner import environment, run_in_pty
from support.screen import Terminal
from support.tmux import Tmux
from support.vendors import OWN_ANSWER, Vendors

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no pty")

SCREENS = Path(__file__).parent / "screens"
SIZES = [(80, 24), (40, 12)]
SAME = {
    r"\b06[0-9a-z]{14}\b": "06hzzzzzzzzzzzzz",
    r"\b20\d\d-\d\d-\d\d \d\d:\d\d\b": "2026-11-26 09:00",
    r"\b\d\.\d s\b": "0.1 s",
}
"""What differs from run to run, and what stands for it, column for column."""
CLOCK = """
import datetime

class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 11, 26, 12, 30, tzinfo=tz)

datetime.datetime = Clock
from deepreasoning_cli.__main__ import main

main()
"""
AT_NOON = (sys.executable, "-c", CLOCK)
"""The program on a Thursday at noon: what DeepSeek takes depends on the hour."""
THOUGHTS = [
    "They ask why the night sky is dark, although there are stars in every direction.\n\n",
    "In a universe that is endless and eternal, each line of sight ends on a star.\n",
    "So one of the two is wrong. Light needs time, and the universe has an age.\n",
]
ANSWER = """\
The night is dark because the universe has an **age**: the light of most stars has not had the
time to reach us.

```python
def lookback(light_years: float, age: float = 13.8e9) -> bool:
    return light_years < age
```

| effect | share |
|---|---|
| finite age | most of it |
| redshift | the rest |

See <https://en.wikipedia.org/wiki/Olbers%27s_paradox>.
"""
HALF = ANSWER.index("time to reach")


def pieces(text: str) -> list[str]:
    return re.findall(r"\S*\s*", text)


def play(vendors: Vendors, times: int = 1) -> None:
    for _ in range(times):
        vendors.reply(reasoner_stream(THOUGHTS, OWN_ANSWER), claude_stream(pieces(ANSWER)))


def play_cut_and_rest(vendors: Vendors) -> None:
    cut = pieces(ANSWER[:HALF])
    vendors.reply(reasoner_stream(THOUGHTS, OWN_ANSWER), claude_stream(cut).failing(len(cut) + 2))
    vendors.claude.reply(claude_stream(pieces(ANSWER[HALF:])))


def check(name: str, columns: int, rows: int, lines: list[str], home: Path) -> None:
    """Compare the lines with those of the file; or write it, if that is asked for."""
    text = "\n".join(lines).replace(str(home), "~")
    for pattern, same in SAME.items():
        text = re.sub(pattern, same, text)
    file = SCREENS / f"{name}-{columns}x{rows}.txt"
    if os.environ.get("WRITE_SCREENS"):
        file.write_text(f"{text}\n", "utf-8")
    assert f"{text}\n" == file.read_text("utf-8")


SCENES = {
    "ask": "dr ask 'Why is the night dark?'",
    "ask-tail": "dr ask --reasoning tail 'Why is the night dark?'",
    "ask-box": "DEEPREASONING_PANELS=box dr ask 'Why is the night dark?'",
    "ask-plain": "dr ask --plain 'Why is the night dark?'",
    "ask-file": "dr ask -o answer.md 'Why is the night dark?'",
    "redirected": "dr ask 'Why is the night dark?' > answer.md",
    "tee": "dr ask 'Why is the night dark?' | tee answer.md",
    "background": "set -m; dr ask 'Why?' > answer.md & echo typed; wait; ls",
    "resume": "dr ask 'Why is the night dark?'; dr resume",
    "help": "dr help",
    "history": "dr ask 'Why is the night dark?' > a; dr ask -f a 'Is it true?' > b;"
    "dr history; dr history show --reasoning",
}


@pytest.mark.parametrize(("columns", "rows"), SIZES)
@pytest.mark.parametrize("scene", SCENES)
def test_the_screen_is_as_it_is_kept(vendors: Vendors, scene: str, columns: int, rows: int) -> None:
    if scene == "resume":
        play_cut_and_rest(vendors)
    else:
        play(vendors, 2 if scene == "history" else 1)
    script = f'dr() {{ {shlex.join(AT_NOON)} "$@"; }}; cd "$HOME"\n{SCENES[scene]}'
    env = {**vendors.environment, "PAGER": "cat", "TZ": "UTC"}
    program = ("/bin/bash", "-c", script)
    done = run_in_pty(program=program, env=env, columns=columns, rows=rows)
    terminal = Terminal(columns, rows)
    terminal.write(done.output.decode())
    check(scene, columns, rows, terminal.lines(), vendors.home)


@pytest.mark.parametrize(("columns", "rows"), SIZES)
@pytest.mark.parametrize("command", ["models", "price"])
def test_prices_are_kept_row_by_row(
    vendors: Vendors, command: str, columns: int, rows: int
) -> None:
    program = (*AT_NOON, command)
    env = {**vendors.environment, "PAGER": "cat", "TZ": "UTC"}
    done = run_in_pty(program=program, env=env, columns=columns, rows=rows)
    terminal = Terminal(columns, rows)
    terminal.write(done.output.decode())
    check(command, columns, rows, terminal.lines(), vendors.home)


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_the_first_run_says_how_to_begin(vendors: Vendors, columns: int, rows: int) -> None:
    keys = [(b"[Y/n]", b"n\r")]
    done = run_in_pty("ask", "hello", keys=keys, columns=columns, rows=rows)
    terminal = Terminal(columns, rows)
    terminal.write(done.output.decode())
    check("first-run", columns, rows, terminal.lines(), vendors.home)


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_nothing_is_drawn_over_a_pager(
    vendors: Vendors, tmux: Tmux, columns: int, rows: int
) -> None:
    play(vendors)
    script = f"{shlex.join([*AT_NOON, 'ask', 'Why?'])} | less; sleep 60"
    tmux.start(script, environment(vendors.environment), columns=columns, rows=rows)
    tmux.wait_for("The night is dark")
    tmux.press("G")
    tmux.wait_for("(END)")
    shown = tmux.run("capture-pane", "-p", "-t", "run").rstrip("\n").split("\n")
    check("less", columns, rows, [line.rstrip() for line in shown], vendors.home)
