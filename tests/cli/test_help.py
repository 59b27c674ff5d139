"""What the help pages tell, and how they look at 80 and at 40 columns."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from deepreasoning_cli.cli.app import app, with_command
from deepreasoning_cli.cli.help import COMMON, EXAMPLES, SHORT, TOPICS
from support.runner import run, run_in_pty


def pages(command: Any = None, *words: str) -> Iterator[tuple[str, Any]]:
    """Every command by its words after the program's name, the program itself as ""."""
    group: Any = command or typer.main.get_command(app)
    yield " ".join(words), group
    for name in getattr(group, "commands", {}):
        yield from pages(group.get_command(None, name), *words, name)


COMMANDS = dict(pages())
every_page = pytest.mark.parametrize("path", COMMANDS)


def page(*words: str, columns: int = 80) -> list[str]:
    result = CliRunner().invoke(app, words, env={"COLUMNS": str(columns)})
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.stdout
    lines: list[str] = result.stdout.splitlines()
    return lines


def helped(*words: str, columns: int = 80) -> list[str]:
    return page(*words, "--help", columns=columns)


def long_page(path: str, columns: int) -> list[str]:
    """The page with every option; `help config` is a topic."""
    return (
        helped(path, columns=columns)
        if path in TOPICS
        else page("help", *path.split(), columns=columns)
    )


def flat(lines: list[str]) -> str:
    """The help as one line, however it is wrapped."""
    return " ".join(" ".join(lines).split())


def options_of(path: str) -> list[Any]:
    return [
        each
        for each in COMMANDS[path].params
        if each.param_type_name == "option" and not each.hidden
    ]


@every_page
@pytest.mark.parametrize("columns", [80, 40])
def test_a_page_fits_its_width_and_cuts_no_name(path: str, columns: int) -> None:
    lines = long_page(path, columns)
    assert max(map(len, lines)) <= columns
    words = set(re.split(r"[\s,│]+", " ".join(lines)))
    for option in options_of(path):
        assert {*option.opts, *option.secondary_opts} <= words
    assert not any(re.search(r"--[a-z-]*…", line) for line in lines)


@every_page
def test_no_page_speaks_python(path: str) -> None:
    text = "\n".join(helped(*path.split()))
    assert not re.search(r"<(bool|str|int|float|list|path)|\[default:|range\]|[{}]", text)


@every_page
def test_a_switch_takes_nothing_and_an_option_its_metavar(path: str) -> None:
    lines = long_page(path, 100)
    for option in options_of(path):
        name = option.opts[0]
        [row] = [
            line
            for line in lines
            if re.match(rf"│ +(-\w, )?(--[a-z-]+, )*{re.escape(name)}\b(?!-)", line)
        ]
        behind = re.split(r" {2,}", row.strip("│ ").partition(name)[2])[0].strip(" │")
        if option.is_flag:
            assert behind == "" or behind.startswith(", --"), row
        else:
            assert re.fullmatch(r"[A-Za-z_|=]+", behind), row


@every_page
def test_examples_come_first_and_are_as_they_would_be_typed(path: str) -> None:
    examples = EXAMPLES[path]
    assert len(examples) == 5 if path == "ask" else 2 <= len(examples) <= 4
    lines = helped(*path.split(), columns=100)
    shown = [line[3:] for line in lines if line.startswith("   ")]
    assert [line.replace("deepreasoning", "dr") for line in shown] == list(examples)
    boxes = [number for number, line in enumerate(lines) if line.startswith("╭")]
    assert lines.index(f"   {shown[-1]}") < min(boxes, default=len(lines))


@pytest.mark.parametrize("example", sorted({one for each in EXAMPLES.values() for one in each}))
def test_an_example_is_a_command_line_that_is_understood(example: str) -> None:
    found = re.search(r"(?:^|[ (])dr\b([^>|)]*)", example)
    assert found is not None
    group: Any = typer.main.get_command(app)
    words = with_command(shlex.split(found[1]))
    context: Any = group.make_context("dr", list(words), resilient_parsing=False)
    name, command, rest = group.resolve_command(context, list(words)[_globals(words) :])
    while hasattr(command, "resolve_command") and rest and not rest[0].startswith("-"):
        name, command, rest = command.resolve_command(
            type(context)(command, info_name=name, parent=context), rest
        )
    command.make_context(name, rest, parent=context)


def _globals(words: list[str]) -> int:
    return next(n for n, word in enumerate(words) if not word.startswith("-"))


def test_the_page_of_ask_is_one_that_can_be_read_and_the_long_form_has_all_of_it() -> None:
    short = helped("ask")
    assert len(short) <= 60
    assert "│ -m, --model MODEL " in "\n".join(short)
    first_box = short[next(n for n, line in enumerate(short) if line.startswith("╭─ Common ")) :]
    rows = first_box[1 : next(n for n, line in enumerate(first_box) if line.startswith("╰"))]
    named = [word for row in rows for word in row.split() if word.startswith("--")]
    assert [name.strip(",") for name in named] == list(COMMON["ask"])
    left_out = {option.opts[0] for option in options_of("ask")} - set(SHORT["ask"])
    told = flat(short).partition("explains these, too: ")[2].partition(". With every")[0]
    assert set(told.split(", ")) >= {name for name in left_out if name != "--help"}
    assert "explains these, too" not in flat(page("help", "ask"))


def test_the_options_on_top_are_options_of_their_commands() -> None:
    for path, names in (*COMMON.items(), *SHORT.items()):
        known = {name for option in options_of(path) for name in option.opts}
        assert set(names) - known <= {"--edit"}, path


def test_a_lone_argument_has_no_box_of_its_own() -> None:
    lines = helped("price")
    first = next(number for number, line in enumerate(lines) if line.startswith("╭"))
    assert lines[first].startswith("╭─ Input ")
    assert lines[first + 1].startswith("│ PROMPT ")
    assert any(line.startswith("│ SHELL ") for line in helped("completion"))
    assert any(line.startswith("│ TOPIC ") for line in helped("help"))


def test_commands_come_in_the_order_of_their_use() -> None:
    lines = helped()
    start = next(n for n, line in enumerate(lines) if line.startswith("╭─ Commands"))
    names = [found[1] for line in lines[start:] if (found := re.match(r"│ (\w+) ", line))]
    assert names[:7] == ["ask", "chat", "resume", "compare", "eval", "batch", "models"]
    assert names[-2:] == ["completion", "help"]


def test_a_default_is_stated_plainly() -> None:
    assert "(default: all)." in flat(helped("history"))
    assert "(default: 100)." in flat(helped("history", "search"))
    assert "(default: md)." in flat(helped("history", "export"))
    assert "auto, always or never (default: auto)." in flat(helped()).replace("│ │ ", "")


def test_what_holds_everywhere_is_one_line_of_every_page() -> None:
    line = " With every command: --config FILE, --debug, -q, --color WHEN, -h."
    for path in COMMANDS:
        assert helped(*path.split()).count(line) == (path != ""), path


def test_the_help_of_ask_ends_with_the_exit_codes() -> None:
    assert flat(helped("ask")).endswith(
        "Exit codes: 0 done · 2 usage · 3 set-up · 4 refused · 5 unavailable · 6 incomplete"
        " · 7 cannot write · 130 interrupted"
    )


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_fits_eighty_columns(topic: str) -> None:
    assert max(map(len, page("help", topic))) <= 80


def test_the_help_of_the_program_names_the_topics() -> None:
    text = flat(helped())
    assert all(topic in text for topic in TOPICS)
    assert text.endswith("`deepreasoning help exit-codes`.")


def test_a_terminal_gets_bright_names_and_one_without_colour_or_unicode_what_it_can_take() -> None:
    shown = run_in_pty("ask", "--help").output.decode()
    assert "\x1b[1;36m-m, --model\x1b[0m MODEL" in shown
    assert "\x1b" not in run_in_pty("ask", "--help", env={"NO_COLOR": "1"}).output.decode()
    plain = run("ask", "--help", env={"PYTHONIOENCODING": "ascii"}).stdout
    assert b"+- Common -" in plain
    assert b"| -m, --model MODEL " in plain
