from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from deepreasoning_cli.cli.app import app
from deepreasoning_cli.history import recent
from tools.completions import bash, fish, powershell, zsh
from tools.completions.__main__ import WRITERS, main, scripts, stale
from tools.completions.tree import (
    Command,
    Option,
    argument_values,
    option_values,
    tree_of,
)
from tools.completions.values import Value, models, reasoners

CURRENT = Path(__file__).parents[1] / "completions"
BASH = shutil.which("bash") or "bash"


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


def small_app() -> typer.Typer:
    """Everything a command line can have, in two commands."""
    small = typer.Typer(context_settings={"help_option_names": ["-h", "--help"]})
    group = typer.Typer(help="It's a group: of [one].")

    @small.command()
    def draw(
        prompt: list[str],
        size: Annotated[Size, typer.Option("--size", "-S", help="How big.")] = Size.SMALL,
        where: Annotated[
            str | None, typer.Option("--where", metavar="here|there|FILE", help="Where to.")
        ] = None,
        out: Annotated[Path | None, typer.Option("--out", "-o", help="Into a file.")] = None,
        text: Annotated[list[str] | None, typer.Option("--text", metavar="TEXT")] = None,
        fill: Annotated[bool, typer.Option("--fill/--no-fill", help="It's full.")] = False,
        secret: Annotated[bool, typer.Option("--secret", hidden=True)] = False,
    ) -> None:
        """Draw a thing.

        Not part of the short help.
        """

    @group.command(name="one")
    def first(size: Size) -> None:
        """Take a size."""

    @group.command(hidden=True)
    def ghost() -> None:
        """Never seen."""

    small.add_typer(group, name="group")
    return small


def replies(script: str, *words: str, at: Path | None = None) -> list[str]:
    """What bash offers for the last of `words`."""
    driver = (
        'eval "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _deepreasoning;'
        ' printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        [BASH, "--norc", "-c", driver, "bash", script, *words],
        capture_output=True,
        text=True,
        check=True,
        cwd=at,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1] if done.stdout != "\n" else []


@pytest.fixture(scope="module")
def real() -> str:
    return bash.script(tree_of(app))


@pytest.fixture(scope="module")
def small() -> str:
    return bash.script(tree_of(small_app()))


def test_the_scripts_in_the_repository_are_current() -> None:
    assert stale(CURRENT, scripts(tree_of(app))) == []


def test_the_command_writes_what_is_stale_and_check_names_it(tmp_path: Path) -> None:
    program = typer.Typer()
    program.command()(main)
    runner, folder = CliRunner(), tmp_path / "completions"
    checked = runner.invoke(program, [str(folder), "--check"])
    assert (checked.exit_code, checked.stdout, folder.exists()) == (1, "", False)
    assert checked.stderr.splitlines() == [f"stale: {folder / name}" for name in WRITERS]

    assert runner.invoke(program, [str(folder)]).exit_code == 0
    assert {path.name for path in folder.iterdir()} == set(WRITERS)
    again = runner.invoke(program, [str(folder), "--check"])
    assert (again.exit_code, again.output) == (0, "")

    (folder / "deepreasoning.fish").write_text("old")
    one = runner.invoke(program, [str(folder), "--check"])
    assert (one.exit_code, one.stderr) == (1, f"stale: {folder / 'deepreasoning.fish'}\n")


def test_the_tree_has_what_is_shown_and_nothing_hidden() -> None:
    root = tree_of(small_app())
    [draw, group] = root.commands
    assert (draw.path, draw.help, draw.commands) == (("draw",), "Draw a thing.", ())
    assert draw.options == (
        Option(("--size", "-S"), "How big.", Value(("small", "large")), label="SIZE"),
        Option(
            ("--where",),
            "Where to.",
            Value(("here", "there"), files=True),
            False,
            "here|there|FILE",
        ),
        Option(("--out", "-o"), "Into a file.", Value(files=True), label="OUT"),
        Option(("--text",), "", Value(), repeatable=True, label="TEXT"),
        Option(("--fill", "--no-fill"), "It's full.", None, label="FILL"),
        Option(("--help", "-h"), "Show this message and exit.", None, label="HELP"),
    )
    assert [command.path for command in group.commands] == [("group", "one")]
    assert group.commands[0].arguments == (Value(("small", "large")),)


def test_a_word_that_a_shell_could_read_otherwise_is_refused() -> None:
    with pytest.raises(ValueError, match="not fit for a shell script"):
        Value(("a$(b)",))


def test_models_are_families_and_ids_that_are_not_retired() -> None:
    known = models()
    assert {"sonnet", "claude-sonnet-5-5", "claude-sonnet-4-5-20250929"} <= set(known)
    assert "claude-opus-4-1-20250805" not in known
    assert len(known) == len(set(known))


def test_every_setting_is_offered_by_the_name_that_config_set_takes(real: str) -> None:
    offered = replies(real, "dr", "config", "set", "")
    assert {"model", "max_cost", "keys.deepseek", "base_urls.ollama", "gateway.endpoint"} <= set(
        offered
    )
    assert {"search.depth", "serve.port", "keys.together", "keys.serve"} <= set(offered)
    assert not {"search", "serve", "keys"} & set(offered)
    assert not any(name.startswith("reasoners") for name in offered)


@pytest.mark.parametrize("program", ["deepreasoning", "dr"])
def test_bash_offers_the_commands(real: str, program: str) -> None:
    assert replies(real, program, "") == [each.name for each in tree_of(app).commands]
    assert replies(real, program, "mod") == ["models"]


def test_bash_offers_the_commands_below_a_command(real: str) -> None:
    assert replies(real, "dr", "models", "") == ["list", "show", "default"]


def test_bash_offers_the_options_of_the_command_it_is_in(real: str) -> None:
    assert replies(real, "dr", "--co") == ["--config", "--color", "--continue", "--copy"]
    assert replies(real, "dr", "ask", "--hand") == ["--handoff"]
    assert replies(real, "dr", "models", "--hand") == []
    assert replies(real, "dr", "models", "show", "--j") == ["--json"]


@pytest.mark.parametrize(
    "words",
    [("--handoff", ""), ("--handoff", "="), ("--handoff", "=", ""), ("--plain", "--handoff", "")],
)
def test_bash_offers_the_values_of_an_option(real: str, words: tuple[str, ...]) -> None:
    assert replies(real, "dr", "ask", *words) == ["reasoning", "answer", "both", "none"]


def test_bash_completes_a_value_behind_an_equals_sign_in_the_same_word(real: str) -> None:
    assert replies(real, "dr", "ask", "--handoff=a") == ["--handoff=answer"]


def test_bash_offers_models_and_reasoners(real: str) -> None:
    assert replies(real, "dr", "ask", "-m", "hai") == ["haiku"]
    assert replies(real, "dr", "ask", "--reasoner", "") == list(reasoners())
    assert replies(real, "dr", "models", "show", "") == [*models(), *reasoners()]
    assert replies(real, "dr", "models", "default", "opu") == ["opus"]


def test_bash_knows_the_command_behind_global_options_and_values(real: str) -> None:
    assert replies(real, "dr", "--config", "models", "--quiet", "ask", "-m", "hai") == ["haiku"]
    assert replies(real, "dr", "--config", "=", "models", "config", "sh") == ["show"]


def test_bash_does_not_take_the_words_of_a_prompt_for_commands(real: str) -> None:
    assert replies(real, "dr", "ask", "models", "") == []
    assert replies(real, "dr", "ask", "models", "--hand") == ["--handoff"]


def test_bash_offers_no_options_and_no_commands_behind_two_dashes(real: str) -> None:
    assert replies(real, "dr", "ask", "--", "--hand") == []
    assert replies(real, "dr", "--", "") == []
    assert replies(real, "dr", "models", "show", "--", "haik") == ["haiku"]


def test_bash_offers_nothing_where_only_the_user_knows(real: str) -> None:
    assert replies(real, "dr", "ask", "") == []
    assert replies(real, "dr", "ask", "--temperature", "") == []
    assert replies(real, "dr", "config", "set", "max_cost", "") == []


def test_bash_offers_what_a_setting_takes(real: str) -> None:
    assert replies(real, "dr", "config", "set", "model", "opu") == ["opus"]
    assert replies(real, "dr", "config", "set", "handoff", "") == [
        *("reasoning", "answer", "both", "none")
    ]
    assert replies(real, "dr", "config", "set", "history", "") == ["true", "false"]
    assert replies(real, "dr", "config", "set", "search.depth", "d") == ["deep"]
    assert replies(real, "dr", "config", "set", "fallback", "o") == ["openrouter", "ollama"]


def test_bash_offers_the_words_before_any_file(real: str, tmp_path: Path) -> None:
    (tmp_path / "show.txt").touch()
    (tmp_path / "other.txt").touch()
    words = ["show", "tail", "hide", "only", "stderr"]
    assert replies(real, "dr", "ask", "--reasoning", "", at=tmp_path) == words
    assert replies(real, "dr", "ask", "--reasoning", "o", at=tmp_path) == ["only", "other.txt"]


def test_what_may_be_left_out_is_not_needed_for_the_options_of_ask(real: str) -> None:
    assert replies(real, "dr", "-m", "hai") == ["haiku"]
    assert replies(real, "dr", "-m", "haiku", "--hand") == ["--handoff"]
    assert replies(real, "dr", "-m", "haiku", "mod") == ["models"]


def test_bash_offers_files_also_those_with_blanks(small: str, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    (folder / "thesis").mkdir(parents=True)
    (folder / "a b.txt").touch()
    assert sorted(replies(small, "dr", "draw", "-o", "", at=folder)) == ["a b.txt", "thesis"]
    assert replies(small, "dr", "draw", "--where", "the", at=folder) == ["there", "thesis"]
    assert replies(small, "dr", "draw", "--out=a", at=folder) == ["--out=a b.txt"]


def test_bash_offers_both_names_of_a_switch_and_never_a_hidden_one(small: str) -> None:
    offered = replies(small, "dr", "draw", "--")
    assert {"--fill", "--no-fill"} <= set(offered)
    assert "--secret" not in small
    assert "ghost" not in small


def test_bash_registers_both_programs(small: str) -> None:
    assert small.endswith("complete -F _deepreasoning deepreasoning dr\n")


def test_zsh_escapes_what_its_specs_and_quotes_would_read() -> None:
    text = zsh.script(tree_of(small_app()))
    assert "'(--fill --no-fill)--fill[It'\\''s full.]'" in text
    assert "'group:It'\\''s a group: of [one].'" in text
    where = "'--where=[Where to.]:here|there|FILE: _deepreasoning_choose - files here there'"
    assert where in text
    assert "'(--out -o)-o+[Into a file.]:OUT:_files'" in text
    assert "'*--text=[]:TEXT: '" in text
    assert "'1: :(small large)'" in text


def test_zsh_has_one_function_for_each_command_and_calls_it() -> None:
    text = zsh.script(tree_of(app))
    assert text.startswith("#compdef deepreasoning dr\n")
    for command in tree_of(app).walk():
        name = "_".join(("_deepreasoning", *command.path))
        assert text.count(f"\n{name}() {{\n") == 1
        if command.path:
            assert f"        {command.name}) {name} ;;\n" in text


def test_fish_asks_where_it_is_before_it_offers_anything() -> None:
    lines = fish.script(tree_of(small_app())).splitlines()
    here = """complete -c deepreasoning -n '__deepreasoning_at "draw"'"""
    assert f"{here} -l size -s S -r -f -d 'How big.'" in lines
    assert f"{here} -l size -s S -r -f -k -a 'small large'" in lines
    words = "(__deepreasoning_word_or_file here there)"
    assert f"{here} -l where -r -f -k -a '{words}'" in lines
    assert f"{here} -l out -s o -r -F -d 'Into a file.'" in lines
    assert f"{here} -l fill -l no-fill -d 'It\\'s full.'" in lines
    assert (
        "complete -c deepreasoning -n '__deepreasoning_at \"group one\" 0' -k -a 'small large'"
        in lines
    )
    assert "complete -c dr -w deepreasoning" in lines


def test_powershell_keeps_texts_in_single_quotes_and_knows_every_key() -> None:
    text = powershell.script(tree_of(small_app()))
    assert text.startswith("\ufeff# PowerShell")
    assert "-CommandName deepreasoning, dr -ScriptBlock {" in text
    assert "    $help['draw --fill'] = 'It''s full.'\n" in text
    assert "    $words['draw -S'] = @('small', 'large')\n" in text
    assert "    $words['draw --out'] = @()\n    $files['draw --out'] = $true\n" in text
    assert "    $words['group one 0'] = @('small', 'large')\n" in text
    assert "    $commands[''] = @('draw', 'group')\n" in text
    assert text.count("{") == text.count("}")
    assert text.count("(") == text.count(")")


def test_powershell_knows_where_turns_sessions_and_hosts_can_stand() -> None:
    root = tree_of(app)
    text = powershell.script(root)
    for values in (option_values(root), argument_values(root)):
        for value, keys in values.items():
            kinds = ", ".join(f"'{kind}'" for kind in value.kept)
            lines = [f"    $kept['{key}'] = @({kinds})\n" in text for key in keys]
            assert lines == [bool(value.kept)] * len(keys), value
    assert "    $kept['resume 0'] = @('turn')\n" in text
    assert "    $kept['history export 0'] = @('turn', 'session')\n" in text
    assert {recent.TURNS, recent.HOSTS} == set(re.findall(r"\$file = '([\w-]+)'", text))
    assert text.count("{") == text.count("}")
    assert text.count("(") == text.count(")")


@pytest.mark.parametrize("write", [bash.script, zsh.script, fish.script, powershell.script])
def test_every_script_names_every_command_and_option(write: Callable[[Command], str]) -> None:
    root = tree_of(app)
    text = write(root)
    missing = [word for word in _words(root) if not re.search(rf"(?<!\w){word}(?![\w-])", text)]
    assert missing == []


def _words(root: Command) -> set[str]:
    found = set()
    for command in root.walk():
        found |= set(command.path)
        found |= {name.lstrip("-") for option in command.options for name in option.names}
    return found


def test_the_scripts_do_not_depend_on_the_order_of_hashes() -> None:
    program = (
        "import hashlib; from deepreasoning_cli.cli.app import app;"
        " from tools.completions.__main__ import scripts;"
        " from tools.completions.tree import tree_of;"
        " print(hashlib.sha256(repr(scripts(tree_of(app))).encode()).hexdigest())"
    )
    sums = {_printed(program, PYTHONHASHSEED=str(seed)) for seed in (1, 2, 3)}
    assert len(sums) == 1


def test_the_app_does_not_import_the_generator() -> None:
    program = (
        "import sys, deepreasoning_cli.cli.app;"
        " print([name for name in sys.modules if name.split('.')[0] == 'tools'])"
    )
    assert _printed(program) == "[]\n"


def _printed(program: str, **extra: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **extra},
        cwd=CURRENT.parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout
