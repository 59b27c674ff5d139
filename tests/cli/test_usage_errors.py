"""Wrong words in a call are told in plain sentences, none of them from the libraries beneath."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from deepreasoning_cli.cli.app import app

LIBRARY = ("Input should", "Value error", "Invalid value", "No such", "requires an argument")
"""What pydantic and Typer say."""


def said(*words: str) -> str:
    """What a call with exit code 2 says on stderr."""
    result = CliRunner().invoke(app, words, prog_name="dr")
    assert (result.exit_code, result.stdout) == (2, "")
    return result.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ask --timeout 0 x", "--timeout must be at least 1 second"),
        ("ask --timeout soon x", "--timeout must be a number of seconds"),
        ("ask -t 3 x", "--temperature must be a number from 0 to 2"),
        ("ask --max-tokens x x", "--max-tokens must be a whole number from 1 to 65536"),
        ("ask --handoff foo x", "--handoff: choose reasoning, answer, both or none"),
        ("history list -n 0", "--limit must be at least 1"),
        ("completion tcsh", "SHELL: choose bash, zsh, fish or powershell"),
    ],
)
def test_a_wrong_value_is_told_what_it_must_be(words: str, expected: str) -> None:
    first, second = said(*words.split()).splitlines()
    assert first == f"error: {expected}"
    assert re.fullmatch(r"hint: `dr [a-z ]+ --help` says what it takes", second)


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        ("ask --jsn x", "there is no option --jsn", "did you mean --json?"),
        ("ask x --colour", "there is no option --colour", "did you mean --color?"),
        ("ask --foo x", "there is no option --foo", "`dr ask --help` lists the options"),
        (
            "ask -i x.png x",
            "there is no option -i",
            "-f FILE attaches a text file; images are not supported",
        ),
        (
            "ask x --session",
            "--session needs a value: --session NAME",
            "`dr ask --help` lists the options",
        ),
        ("ask --json=1 x", "--json takes no value", "`dr ask --help` lists the options"),
        ("config path x", "unexpected argument: x", "see `dr config path --help`"),
        ("history search", "WORDS is missing", "`dr history search --help` says what it is"),
    ],
)
def test_a_wrong_word_is_told_with_what_to_do(words: str, error: str, hint: str) -> None:
    calls = said(*words.split()).replace("deepreasoning", "dr")
    assert calls == f"error: {error}\nhint: {hint}\n"


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner = getattr(command, "commands", {})
    if not inner:
        yield path, command
    for name in inner:
        yield from commands(inner[name], (*path, name))


def test_no_option_answers_in_the_words_of_a_library() -> None:
    tried = 0
    for path, command in commands(typer.main.get_command(app)):
        for option in command.params:
            kind = option.type_descriptor
            if option.param_type_name == "option" and (
                kind.choices or kind.annotation in (int, float)
            ):
                text = said(*path, option.opts[0], "1e")
                assert not any(phrase in text for phrase in LIBRARY)
                assert text.startswith(f"error: {max(option.opts, key=len)}")
                tried += 1
    assert tried > 20


def test_a_name_that_a_flag_gives_and_nobody_has_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("DEEPSEEK_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "sk-abcdefghijklmnop")
    for flag in ("-m", "-r", "-a"):
        for call in (["ask", "x"], ["chat"]):
            error, _, hint = said(*call, flag, "zzz").partition("\n")
            assert error.startswith(("error: there is no ", "error: answer: there is no "))
            assert hint.startswith(("hint: choose ", "hint: try "))
    assert "there is no reasoner or answerer 'zzz'" in said("ask", "x", "--fallback", "zzz")
