"""The first minutes without a key: what is offered, asked and shown, and what never is."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from deepreasoning_cli.providers.demo import scripts
from support.loopback import json_reply
from support.runner import PROGRAM, PtyRun, environment, run, run_in_pty
from support.screen import Terminal
from support.tmux import Tmux
from support.vendors import ANSWER, TEXTS, THOUGHTS, Vendors

KEY = "sk-ant-api03-Zb7_wQ9x-Kd2mR5vT8yN1cF4gH6jL0pS3uX"
OFFER = b"Set it up now? [Y/n] "
WAY, UNSEEN, NAME, YES = b"Number [1]: ", b"): ", b"name [1]: ", b"[Y/n] "
HINTS = [
    "error: no keys are set",
    "hint: `deepreasoning config init` asks for your keys and stores them",
    "hint: or export DEEPSEEK_API_KEY=… ANTHROPIC_API_KEY=…, or OPENROUTER_API_KEY=…,",
    "  or EMPIRIOLABS_API_KEY=…",
    "hint: no key yet? --backend demo shows how it works, without calling a model",
]


def seen(shown: PtyRun) -> list[str]:
    """The lines that stand on the terminal at the end."""
    terminal = Terminal(80, 60)
    terminal.write(shown.colorless.decode())
    return terminal.lines()


def config_file() -> Path:
    return Path(os.environ["XDG_CONFIG_HOME"]) / "deepreasoning/config.toml"


def addresses_of(vendors: Vendors) -> dict[str, str]:
    return {name: url for name, url in vendors.environment.items() if name.endswith("_URL")}


def test_after_the_set_up_the_question_is_asked(vendors: Vendors) -> None:
    vendors.reply(THOUGHTS, TEXTS)
    deepseek, anthropic = vendors.keys["DEEPSEEK_API_KEY"], vendors.keys["ANTHROPIC_API_KEY"]
    shown = run_in_pty(
        "ask", "6×7?",
        env=addresses_of(vendors),
        keys=[
            (OFFER, b"\r"), (WAY, b"\r"), (UNSEEN, f"{deepseek}\r".encode()),
            (UNSEEN, f"{anthropic}\r".encode()), (UNSEEN, b"\r"), (NAME, b"\r"), (NAME, b"\r"),
            (YES, b"n\r"),
        ],
    )  # fmt: skip
    lines = seen(shown)
    assert lines[:5] == HINTS
    assert lines[5] == "Set it up now? [Y/n]"
    assert shown.code == 0
    assert ANSWER.replace("*", "") in lines
    [asked] = vendors.claude.requests
    assert asked.headers["x-api-key"] == anthropic
    assert deepseek.encode() not in shown.output
    assert anthropic.encode() not in shown.output


def test_only_the_answer_goes_into_the_file(vendors: Vendors, tmp_path: Path) -> None:
    for vendor in (vendors.reasoner, vendors.claude):
        vendor.reply(json_reply(200, {"data": []}))  # the key is tried
    vendors.reply(THOUGHTS, TEXTS)
    deepseek, anthropic = vendors.keys["DEEPSEEK_API_KEY"], vendors.keys["ANTHROPIC_API_KEY"]
    shown = run_in_pty(
        "-c", f"{' '.join(PROGRAM)} ask '6×7?' > {tmp_path}/answer",
        program=["/bin/sh"],
        env=addresses_of(vendors) | {"SHELL": "/usr/bin/fish"},
        keys=[
            (OFFER, b"y\r"), (WAY, b"1\r"), (UNSEEN, f"{deepseek}\r".encode()),
            (UNSEEN, f"{anthropic}\r".encode()), (UNSEEN, b"\r"), (NAME, b"\r"), (NAME, b"\r"),
            (YES, b"\r"), (YES, b"\r"),
        ],
    )  # fmt: skip
    assert (shown.code, shown.output.count(b" works  ")) == (0, 2)
    assert (tmp_path / "answer").read_text() == f"{ANSWER}\n"


@pytest.mark.parametrize(("key", "code"), [(b"n\r", 3), (b"\x03", 130), (b"\x04", 130)])
def test_who_declines_is_left_with_the_error(key: bytes, code: int) -> None:
    shown = run_in_pty("ask", "why?", keys=[(OFFER, key)])
    assert (shown.code, seen(shown)[:5]) == (code, HINTS)
    assert not config_file().exists()


def test_the_terminal_echoes_again_afterwards() -> None:
    script = f"{' '.join(PROGRAM)} config init; stty -a"
    shown = run_in_pty("-c", script, program=["/bin/sh"], keys=[(WAY, b"\x04")])
    assert b" echo " in shown.output
    assert b" icanon" in shown.output


def test_a_set_up_that_is_left_asks_nothing(vendors: Vendors) -> None:
    shown = run_in_pty(
        "ask", "why?", keys=[(OFFER, b"\r"), (WAY, b"\x03")], env=addresses_of(vendors)
    )
    assert (shown.code, seen(shown)[-1]) == (130, "cancelled; nothing was written")
    assert vendors.connections() == 0
    assert not config_file().exists()


@pytest.mark.parametrize(
    "script",
    ["{} ask why? | cat", "echo why? | {} ask", "x=$({} ask why?)", "{} ask why? < /dev/null"],
)
def test_nobody_is_asked_in_a_pipe(script: str) -> None:
    shown = run_in_pty("-c", script.format(" ".join(PROGRAM)), program=["/bin/sh"])
    assert OFFER.strip() not in shown.output
    assert b"no keys are set" in shown.output


@pytest.mark.parametrize(
    ("words", "env"),
    [
        (["ask", "why?", "--json"], {}),
        (["ask", "why?"], {"CI": "true"}),
        (["ask", "why?", "--backend", "direct", "--config", "{}"], {}),
    ],
)
def test_nobody_is_asked_where_nobody_may_be(
    words: list[str], env: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "empty.toml").touch(0o600)
    shown = run_in_pty(*(word.format(tmp_path / "empty.toml") for word in words), env=env)
    assert (shown.code, OFFER.strip() in shown.output) == (3, False)


def test_without_a_terminal_there_are_three_hints() -> None:
    done = run("ask", "why?")
    assert done.code == 3
    assert done.stderr.decode().splitlines() == [*HINTS[:2], HINTS[2] + HINTS[3][1:], HINTS[4]]


def test_a_job_in_the_background_asks_nothing() -> None:
    program = " ".join(PROGRAM)
    shown = run_in_pty("-ic", f"{program} ask why? & wait", program=["/bin/bash", "--norc"])
    assert b"no keys are set" in shown.output
    assert OFFER.strip() not in shown.output


def test_the_first_minute_row_by_row(tmux: Tmux, tmp_path: Path) -> None:
    program = f"{sys.executable} -m deepreasoning_cli"
    tmux.start(
        f"cd {tmp_path}; SHELL=/usr/bin/fish {program} chat; sleep 60",
        environment({"DEEPREASONING_CONFIG": "dr.toml"}),
    )
    tmux.wait_for("Set it up now? [Y/n]")
    tmux.press("Enter")
    tmux.wait_for("Number [1]:")
    tmux.press("5", "Enter")
    tmux.wait_for("fish? [Y/n]")
    tmux.press("n", "Enter")
    lines = tmux.wait_for("Ctrl-D leaves")
    assert lines[:20] == [
        *HINTS,
        "Set it up now? [Y/n]",
        "",
        "Writes dr.toml",
        "Ctrl-C leaves everything as it is.",
        "",
        "Which keys do you have?",
        "  1. DeepSeek and Anthropic  two keys: DeepSeek reasons, Claude answers",
        "  2. OpenRouter              one key: it hosts a reasoner and Claude",
        "  3. EmpirioLabs             one key: the hosted DeepReasoning model",
        "  4. none, but Ollama        both models run on this computer",
        "  5. none yet                the demo: scripted replies, no model is called",
        "Number [1]: 5",
        "",
        "wrote dr.toml",
        "Install completions for fish? [Y/n] n",
    ]


def test_on_forty_columns_a_choice_stands_on_lines_of_its_own() -> None:
    shown = run_in_pty("config", "init", columns=40, rows=12, keys=[(WAY, b"\x03")])
    terminal = Terminal(40, 40)
    terminal.write(shown.output.decode())
    lines = terminal.lines()
    at = lines.index("  2. OpenRouter")
    assert lines[at + 1 : at + 3] == ["     one key: it hosts a reasoner and", "  Claude"]


def test_on_a_terminal_that_is_none_of_ours_a_long_key_leaves_no_trace(tmux: Tmux) -> None:
    tmux.start(f"{sys.executable} -m deepreasoning_cli config init; sleep 30", dict(os.environ))
    tmux.wait_for("Number [1]:")
    tmux.press("-l", KEY * 4)
    tmux.press("Enter")
    tmux.wait_for("was dropped")
    assert "sk-ant" not in "".join(tmux.lines())


def test_the_code_of_the_demo_is_whole_at_eighty_columns(tmux: Tmux) -> None:
    question = "Show me binary search in Python"
    command = f"{sys.executable} -m deepreasoning_cli ask --backend demo '{question}'; sleep 30"
    tmux.start(command, dict(os.environ))
    lines = tmux.wait_for("from the standard library does the same.", 60)
    answer = next(script.answer for script in scripts() if script.name == "binary-search")
    code = answer.partition("```python\n")[2].partition("```")[0].splitlines()
    at = lines.index("def insertion_point(items: Sequence[int], target: int) -> int:")
    assert lines[at - 3 : at - 3 + len(code)] == code
