"""What may be left out of a command line, and what stands where it is usually not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.cli.app import COMMANDS, OTHER_NAMES, with_command
from deepreasoning_cli.cli.help import TOPICS
from deepreasoning_cli.errors import UsageError
from support.runner import run, run_in_pty

DEMO = {"DEEPREASONING_BACKEND": "demo"}


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        (["why is the sky dark"], ["ask", "why is the sky dark"]),
        (["why", "is", "it"], ["ask", "why", "is", "it"]),
        (["-c", "and simpler?"], ["ask", "-c", "and simpler?"]),
        (["-m", "opus", "hi"], ["ask", "-m", "opus", "hi"]),
        (["--debug", "-q", "-x", "hi"], ["--debug", "-q", "ask", "-x", "hi"]),
        (["--config", "ask", "hi"], ["--config", "ask", "ask", "hi"]),
        (["--color=never", "hi"], ["--color=never", "ask", "hi"]),
        (["-"], ["ask", "-"]),
        (["--", "chat"], ["ask", "--", "chat"]),
        (["mask the face"], ["ask", "mask the face"]),
        (["logs", "of", "nginx"], ["ask", "logs", "of", "nginx"]),
        (["aks?"], ["ask", "aks?"]),
        (["list -la"], ["ask", "list -la"]),
        (["version"], ["--version"]),
        (["version", "control"], ["ask", "version", "control"]),
        (["-q", "models"], ["-q", "models"]),
        (["--config"], ["--config"]),
        (["-h"], ["-h"]),
    ],
    ids=repr,
)
def test_what_names_no_command_is_a_question(words: list[str], whole: list[str]) -> None:
    assert with_command(words) == whole


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["aks"], "ask"),
        (["chta"], "chat"),
        (["modles"], "models"),
        (["histroy", "list"], "history"),
        (["confgi", "--help"], "config"),
        (["doctor"], "config check"),
        (["login"], "config init"),
        (["keys", "set"], "config init"),
        (["logs"], "history"),
        (["logs", "-n", "3"], "history"),
        (["show"], "history show"),
        (["unset"], "config unset"),
    ],
    ids=repr,
)
def test_a_word_that_looks_like_a_command_is_not_asked(words: Sequence[str], named: str) -> None:
    with pytest.raises(UsageError) as caught:
        with_command(["-q", *words])
    assert f"`deepreasoning {named}`" in str(caught.value.hint)
    assert f"`deepreasoning ask {words[0]}`" in str(caught.value.hint)


@given(st.lists(st.text(min_size=1), min_size=1))
def test_no_word_is_lost_or_added_but_the_command(words: list[str]) -> None:
    try:
        whole = with_command(words)
    except UsageError:
        assert words[0].isalpha() or words[0].startswith("-")
    else:
        assert whole == words or [w for w in whole if w != "ask"] == [
            w for w in words if w != "ask"
        ]


def test_what_other_programs_say_is_no_command_of_ours() -> None:
    assert OTHER_NAMES.keys().isdisjoint(COMMANDS)
    assert {name.split()[0] for name in OTHER_NAMES.values()} <= set(COMMANDS)


@pytest.mark.parametrize(
    "words",
    [
        ["What is 6 times 7?", "--no-save"],
        ["--no-save", "-q", "What is 6 times 7?"],
        ["ask", "--no-save", "What is 6 times 7?", "--color", "never", "--quiet"],
        ["--no-save", "--", "What is 6 times 7?"],
    ],
    ids=repr,
)
def test_a_question_is_answered_without_the_word_ask(words: list[str]) -> None:
    asked = run("ask", "--no-save", "What is 6 times 7?", env=DEMO)
    assert asked.code == 0
    assert asked.stdout
    assert run(*words, env=DEMO).stdout == asked.stdout


def test_piped_text_alone_is_the_question() -> None:
    done = run(stdin=b"What is 6 times 7?", env=DEMO)
    assert (done.code, b"scripted reply" in done.stdout) == (0, True)
    assert b"Usage:" in run(env=DEMO).stdout  # stdin is the null device
    assert b"Usage:" in run_in_pty(env=DEMO).output


@pytest.mark.parametrize(
    "words", [["models", "--json"], ["price", "--json"], ["config", "show", "--json"]]
)
def test_the_global_options_hold_behind_every_command(words: list[str]) -> None:
    wrong = run(*words, "--config", "/there/is/none")
    assert wrong.code == 3
    assert b"/there/is/none" in wrong.stderr
    assert wrong.stderr == run("--config", "/there/is/none", *words).stderr


def test_an_error_behind_a_command_shows_its_traceback_with_debug() -> None:
    assert b"Traceback" in run("models", "show", "nobody", "--debug").stderr
    assert b"Traceback" not in run("models", "show", "nobody").stderr


@pytest.mark.parametrize(
    ("words", "same"),
    [
        (["models", "sonnet"], ["models", "show", "sonnet"]),
        (["models", "ls"], ["models", "list"]),
        (["config", "get", "model"], ["config", "show", "model"]),
        (["config", "list"], ["config", "show"]),
        (["config", "gateway"], ["config", "show", "gateway"]),
        (["history", "last"], ["history", "show", "last"]),
        (["history", "rm", "nobody"], ["history", "delete", "nobody"]),
        (["help"], ["--help"]),
        (["help", "chat"], ["chat", "--help"]),
        (["help", "history", "show"], ["history", "show", "--help"]),
    ],
    ids=repr,
)
def test_short_and_foreign_forms_do_the_same(words: list[str], same: list[str]) -> None:
    first, second = run(*words), run(*same)
    assert (first.code, first.stdout) == (second.code, second.stdout)
    assert first.stdout or first.stderr


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_fits_eighty_columns(topic: str) -> None:
    page = run("help", topic)
    assert page.code == 0
    assert page.stdout.decode() == TOPICS[topic]
    assert max(map(len, TOPICS[topic].splitlines())) <= 99


def test_help_on_nothing_names_the_nearest_or_asks() -> None:
    assert b"did you mean models?" in run("help", "modles").stderr
    assert b'deepreasoning ask "help me write"' in run("help", "me", "write").stderr
    assert run("help", "modles").code == 2


def test_one_setting_is_shown_alone() -> None:
    env = {"DEEPREASONING_MODEL": "opus"}
    assert run("config", "show", "model", env=env).stdout.split()[:2] == [b"model", b"opus"]
    assert len(run("config", "show", "serve").stdout.splitlines()) > 1
    wrong = run("config", "show", "modle")
    assert wrong.code == 2
    assert b"did you mean model?" in wrong.stderr
