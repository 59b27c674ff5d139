"""`deepreasoning config init` on a terminal: what it asks, what it takes, what it writes."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.loopback import Loopback, error_reply_openai, json_reply
from support.runner import PtyRun, run, run_in_pty
from support.screen import Terminal

DEEPSEEK = "sk-0c4fb9a17e2d4c55a2f60718b9d3e6f1"
ANTHROPIC = "sk-ant-api03-Zb7_wQ9x-Kd2mR5vT8yN1cF4gH6jL0pS3uX"
WAY, KEY, NAME, YES = b"Number [1]: ", b"): ", b"name [1]: ", b"[Y/n] "
"""What the terminal shows when it waits for a way to start, a key, a name, a yes."""


@pytest.fixture
def path() -> Path:
    return Path(os.environ["XDG_CONFIG_HOME"]) / "deepreasoning/config.toml"


def init(*answers: tuple[bytes, str], words: Sequence[str] = (), **env: str) -> PtyRun:
    """Run it on a terminal: each answer is typed when its question is there."""
    keys = [(question, f"{answer}\r".encode()) for question, answer in answers]
    return run_in_pty("config", "init", *words, keys=keys, env=env)


def seen(shown: PtyRun) -> list[str]:
    """The lines that stand on the terminal at the end."""
    terminal = Terminal(80, 60)
    terminal.write(shown.output.decode())
    return terminal.lines()


def written(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def test_two_keys_two_names_and_nothing_is_shown_of_the_keys(path: Path) -> None:
    shown = init(
        (WAY, ""), (KEY, DEEPSEEK), (KEY, ANTHROPIC), (KEY, ""), (NAME, ""), (NAME, "2"), (YES, "n")
    )  # fmt: skip
    lines = seen(shown)
    assert shown.code == 0
    assert lines[0].startswith("Writes ")
    at = lines.index("Which keys do you have?")
    assert lines[at + 1 : at + 6] == [
        "  1. DeepSeek and Anthropic  two keys: DeepSeek reasons, Claude answers",
        "  2. OpenRouter              one key: it hosts a reasoner and Claude",
        "  3. EmpirioLabs             one key: the hosted DeepReasoning model",
        "  4. none, but Ollama        both models run on this computer",
        "  5. none yet                the demo: scripted replies, no model is called",
    ]
    at = lines.index("Keys for DeepSeek: https://platform.deepseek.com/api_keys")
    assert lines[at + 1 : at + 3] == [
        "Key for DeepSeek (hidden as you type; Enter skips it):",
        "  got …e6f1 (35 characters)",
    ]
    assert "Keys for Anthropic: https://console.anthropic.com/settings/keys" in lines
    assert lines[-1] == 'now ask: `deepreasoning "What makes the sky blue?"`'
    for key in (DEEPSEEK, ANTHROPIC):
        assert key[6:14] not in shown.output.decode()
    assert written(path) == {
        "backend": "direct",
        "model": "opus",
        "reasoner": "deepseek",
        "answerer": "anthropic",
        "keys": {"deepseek": DEEPSEEK, "anthropic": ANTHROPIC},
    }
    text = path.read_text()
    assert "platform.deepseek.com/api_keys" in text
    assert "{ command =" in text


def test_a_key_that_is_pasted_in_the_wrong_place_is_dropped_and_never_shown(path: Path) -> None:
    shown = init(
        (WAY, DEEPSEEK), (WAY, "1"), (KEY, ANTHROPIC), (KEY, DEEPSEEK), (KEY, ANTHROPIC), (KEY, ""),
        (NAME, ANTHROPIC * 3), (NAME, "1"), (NAME, ""), (YES, DEEPSEEK), (YES, "n"),
    )  # fmt: skip
    lines = seen(shown)
    dropped = "That looks like a key, and was dropped. Each key has a question of its own."
    assert (shown.code, lines.count(dropped)) == (0, 3)
    assert "That looks like a key for Anthropic, and was dropped." in lines
    assert b"sk-" not in shown.output  # not even for a moment
    assert written(path)["keys"] == {"deepseek": DEEPSEEK, "anthropic": ANTHROPIC}
    assert written(path)["reasoner"] == "deepseek"


def test_each_answer_is_checked_where_it_is_given(path: Path) -> None:
    shown = init(
        (WAY, "6"), (WAY, "DeepSeek"), (WAY, "1"), (KEY, f"{DEEPSEEK} x"), (KEY, "<your key>"),
        (KEY, DEEPSEEK), (KEY, ANTHROPIC), (KEY, ""), (NAME, "3"), (NAME, "deepsek"),
        (NAME, "deepseek-pro"), (NAME, "sonet"), (NAME, "claude-3-opus-20240229"), (NAME, "haiku"),
        (YES, "maybe"), (YES, "no"),
    )  # fmt: skip
    text = " ".join(" ".join(seen(shown)).split())  # however it is wrapped
    assert (shown.code, text.count("Type 1, 2, 3, 4 or 5. ")) == (0, 2)
    for words in (
        "the key deepseek from your answer holds a space at position 36",
        "the key deepseek from your answer is a placeholder",
        "Type 1 or 2.",
        "did you mean deepseek or deepseek-pro?",
        "did you mean sonnet?",
        "claude-3-opus-20240229 was retired on 2026-01-05",
        "Type y or n.",
    ):
        assert words in text
    assert (written(path)["reasoner"], written(path)["model"]) == ("deepseek-pro", "haiku")


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("deepsekk\x7f\x7f\x7f\x7fseek", "deepseek"),
        ("nonsense\x15deepseek-pro", "deepseek-pro"),
        ("\x1b[D\x1b[3~deepseek\x1bOC", "deepseek"),
        ("\x1b[200~deepseek\x1b[201~", "deepseek"),
    ],
)
def test_a_line_can_be_mended(path: Path, typed: str, answer: str) -> None:
    shown = init(
        (WAY, "1"), (KEY, DEEPSEEK), (KEY, ANTHROPIC), (KEY, ""), (NAME, typed), (NAME, ""),
        (YES, "n"),
    )  # fmt: skip
    assert f"Number or name [1]: {answer}" in seen(shown)
    assert (shown.code, written(path)["reasoner"]) == (0, answer)


@pytest.mark.parametrize("name", ["TERM", "COLUMNS"])
def test_where_the_cursor_cannot_move_or_a_row_is_short_lines_are_taken_too(
    path: Path, name: str
) -> None:
    env = {"TERM": "dumb", "COLUMNS": "20"}
    shown = init((WAY, "nothing of the kind"), (WAY, "5"), **{name: env[name]})
    assert (shown.code, written(path)["backend"]) == (0, "demo")


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ([(WAY, b"\x03")], 130),
        ([(WAY, b"\r"), (KEY, b"\x03")], 130),
        ([(WAY, b"\r"), (KEY, f"{DEEPSEEK}\r".encode()), (KEY, b"\x04")], 130),
        ([(WAY, b"3\r"), (KEY, b"\r"), (NAME, b"\x04")], 130),
    ],
)
def test_who_leaves_leaves_nothing_behind(
    path: Path, keys: list[tuple[bytes, bytes]], code: int
) -> None:
    shown = run_in_pty("config", "init", keys=keys)
    assert (shown.code, seen(shown)[-1]) == (code, "cancelled; nothing was written")
    assert not path.exists()


@pytest.fixture
def deepseek() -> Iterator[Loopback]:
    with Loopback() as vendor:
        yield vendor


def test_the_keys_are_tried_against_their_vendors(path: Path, deepseek: Loopback) -> None:
    with Loopback(json_reply(200, {"data": []})) as claude:
        deepseek.reply(error_reply_openai(401, "no such key"))
        shown = init(
            (WAY, ""), (KEY, DEEPSEEK), (KEY, ANTHROPIC), (KEY, ""), (NAME, ""), (NAME, ""),
            (YES, ""),
            DEEPSEEK_BASE_URL=deepseek.url, ANTHROPIC_BASE_URL=claude.url,
        )  # fmt: skip
        [request] = claude.requests
    lines = "\n".join(seen(shown))
    assert shown.code == 3
    assert "deepseek     fails" in lines
    assert "anthropic    works" in lines
    assert request.headers["x-api-key"] == ANTHROPIC
    assert written(path)["keys"]["deepseek"] == DEEPSEEK  # to be replaced, not typed anew


def test_completions_are_offered_and_installed_once(path: Path) -> None:
    home = Path(os.environ["HOME"])
    shown = init((WAY, "5"), (YES, ""), SHELL="/usr/bin/fish")
    assert (shown.code, written(path)) == (0, {"backend": "demo", "keys": {}})
    assert (home / ".config/fish/completions/dr.fish").exists()
    path.unlink()
    assert init((WAY, "5"), SHELL="/usr/bin/fish").code == 0


def test_one_key_for_both_stages(path: Path) -> None:
    key = "sk-or-v1-2f6d8c1e9b7a4d3c"
    assert init((WAY, "2"), (KEY, key), (KEY, ""), (NAME, ""), (YES, "n")).code == 0
    assert written(path) == {
        "backend": "direct",
        "model": "sonnet",
        "reasoner": "openrouter",
        "answerer": "openrouter",
        "keys": {"openrouter": key},
    }


def test_one_key_for_the_gateway(path: Path) -> None:
    key = "sk-empiriolabs-77aa01bc"
    assert init((WAY, "3"), (KEY, key), (NAME, "haiku"), (YES, "n")).code == 0
    assert written(path) == {"backend": "gateway", "model": "haiku", "keys": {"empiriolabs": key}}


def test_a_key_of_the_environment_need_not_be_typed(path: Path) -> None:
    shown = init(
        (WAY, ""), (KEY, ""), (KEY, ""), (KEY, ""), (NAME, ""), (NAME, ""),
        DEEPSEEK_API_KEY=DEEPSEEK,
    )  # fmt: skip
    assert "Enter keeps the one of the environment" in shown.output.decode()
    assert (shown.code, written(path)["keys"]) == (0, {})


def test_a_file_that_is_there_takes_the_answers_and_keeps_the_rest(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch(0o600)
    path.write_text('# mine\nmax_cost = "0.50"\n\n[keys]\nlinkup = "l-0123456789"  # search\n')
    shown = init(
        (WAY, "1"), (KEY, DEEPSEEK), (KEY, ANTHROPIC), (KEY, ""), (NAME, ""), (NAME, ""), (YES, "n")
    )  # fmt: skip
    assert shown.output.startswith(b"Changes ")
    assert "Enter keeps the one of the file" in shown.output.decode()
    assert (shown.code, written(path)["max_cost"]) == (0, "0.50")
    assert path.read_text().startswith("# mine\n")
    assert written(path)["keys"] == {
        "linkup": "l-0123456789",
        "deepseek": DEEPSEEK,
        "anthropic": ANTHROPIC,
    }


def test_what_is_set_is_offered_first(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch(0o600)
    text = 'backend = "direct"\nmodel = "claude-opus-5"\nanswerer = "anthropic"\n'
    path.write_text(f'{text}reasoner = "deepseek-pro"\n')
    assert init((WAY, ""), *[(KEY, "")] * 3, (NAME, "")).code == 0
    before = written(path)
    assert before["model"] == "claude-opus-5"
    path.write_text('backend = "gateway"\nmodel = "haiku"\n')
    shown = init((WAY, ""), (KEY, ""), (NAME, ""))
    assert "  1. EmpirioLabs " in "\n".join(seen(shown))
    assert (shown.code, written(path)) == (0, {"backend": "gateway", "model": "haiku"})


def test_only_what_no_flag_answers_is_asked(path: Path) -> None:
    words = ["--backend", "direct", "-r", "ollama", "-m", "opus", "--key-command", "anthropic=p"]
    shown = init((KEY, ""), (YES, "n"), words=words)
    assert (shown.code, shown.output.count(b"Key for ")) == (0, 1)  # Linkup's
    assert written(path)["keys"] == {"anthropic": {"command": "p"}}


@pytest.mark.parametrize("way", ["3", "5"])
def test_where_the_keys_decide_the_way_is_asked_for(path: Path, way: str) -> None:
    answers = {"3": [(KEY, ""), (NAME, "")], "5": []}
    shown = init((WAY, way), *answers[way], words=["--backend", "auto"])
    assert (shown.code, written(path)["backend"]) == (0, {"3": "gateway", "5": "demo"}[way])


@pytest.mark.parametrize(("answer", "panels"), [("", "rules"), ("2", "box")])
def test_where_text_runs_from_right_to_left_rules_are_suggested(
    path: Path, answer: str, panels: str
) -> None:
    init((WAY, answer), words=["--backend", "demo"], LC_ALL="ar_EG.UTF-8")
    assert written(path) == {"backend": "demo", "panels": panels, "keys": {}}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-r", "depseek"], "there is no reasoner 'depseek'"),
        (["-m", "sonet"], "there is no Claude model 'sonet'"),
    ],
)
def test_a_wrong_flag_is_refused_before_anything_is_asked(
    path: Path, words: list[str], message: str
) -> None:
    shown = init(words=words)
    assert shown.code == 2
    assert message in shown.output.decode()
    assert not path.exists()


@pytest.mark.parametrize("stdin", [None, b"", b"1\n"])
def test_a_script_is_told_what_to_say_instead(path: Path, stdin: bytes | None) -> None:
    done = run("config", "init", stdin=stdin)
    assert (done.code, done.stdout, path.exists()) == (2, b"", False)
    assert b"error: config init asks questions, and standard input is no terminal" in done.stderr
    assert b"--keys-from-env" in done.stderr
    assert run("config", "init", "--no-input").code == 0
    assert written(path) == {"keys": {}}
