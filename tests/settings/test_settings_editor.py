from __future__ import annotations

import difflib
import os
import stat
import tomllib
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.errors import ConfigError, DeepReasoningError, UsageError
from deepreasoning_cli.settings import editor
from deepreasoning_cli.settings.editor import UNCHANGED, Answers
from deepreasoning_cli.settings.loaded import load_settings
from deepreasoning_cli.settings.models import Settings

CANARY = "sk-canary-4f9Qz81LmX77"
TEXT = f"""\
# of my own
model = "sonnet"   # the best
temperature = 0.5

# keys here
[keys] # secret
deepseek = "{CANARY}" # old
anthropic = {{ command = "pass" }}

[reasoners.lab]
base_url = "http://a" # c
model = "m"
# the end
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "dr/config.toml"
    file.parent.mkdir()
    file.touch(0o600)
    file.write_text(TEXT)
    return file


def changes(path: Path) -> list[str]:
    """The lines that are gone, with `-`, and new, with `+`; blank ones aside."""
    lines = difflib.ndiff(TEXT.splitlines(), path.read_text().splitlines())
    return [f"{line[0]}{line[2:]}" for line in lines if line[0] in "+-" and line[2:]]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("model", "opus", ['-model = "sonnet"   # the best', '+model = "opus"   # the best']),
        ("model", "5", ['-model = "sonnet"   # the best', '+model = "5"   # the best']),
        ("model", '"opus"', ['-model = "sonnet"   # the best', '+model = "opus"   # the best']),
        ("model", "true", ['-model = "sonnet"   # the best', '+model = "true"   # the best']),
        ("temperature", "1.50", ["-temperature = 0.5", "+temperature = 1.50"]),
        ("backend", "demo", ['+backend = "demo"']),
        ("max_cost", "1.00", ["+max_cost = 1.00"]),
        ("history", "false", ["+history = false"]),
        ("gateway.endpoint", "messages", ["+[gateway]", '+endpoint = "messages"']),
        (
            "keys.anthropic.command",
            "op read op://x",
            ['-anthropic = { command = "pass" }', '+anthropic = { command = "op read op://x" }'],
        ),
        ("keys.linkup.command", "pass l", ['+linkup = {command = "pass l"}']),
        (
            "keys.deepseek.command",
            "pass d",
            [f'-deepseek = "{CANARY}" # old', '+deepseek = {command = "pass d"} # old'],
        ),
        ("reasoners.lab.model", "z", ['-model = "m"', '+model = "z"']),
        (
            "reasoners.two",
            '{ base_url = "http://b", model = "c" }',
            ["+[reasoners]", '+two = { base_url = "http://b", model = "c" }'],
        ),
    ],
)
def test_set_changes_its_line_and_no_other(
    path: Path, name: str, value: str, expected: list[str]
) -> None:
    editor.set_value(path, name, value)
    assert sorted(changes(path)) == sorted(expected)
    load_settings(path, {}, {})


def test_a_new_setting_comes_before_the_first_table(path: Path) -> None:
    editor.set_value(path, "backend", "demo")
    assert tomllib.loads(path.read_text())["backend"] == "demo"


def test_a_key_is_stored_exactly_as_it_is(path: Path) -> None:
    editor.set_secret(path, "linkup", "true")
    editor.set_secret(path, "novita", 'a"\\b')
    loaded = load_settings(path, {}, {})
    keys = [loaded.key(name) for name in ("linkup", "novita")]
    assert [key and key.value for key in keys] == ["true", 'a"\\b']


@given(st.text(min_size=1))
def test_any_text_comes_back_as_it_was_set(path: Path, text: str) -> None:
    editor.set_secret(path, "lab", text)
    assert tomllib.loads(path.read_text())["keys"]["lab"] == text


def test_set_starts_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "new/config.toml"
    editor.set_value(path, "model", "opus")
    assert path.read_text() == 'model = "opus"\n'
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_windows_line_ends_stay(path: Path) -> None:
    path.write_bytes(b'# c\r\nmodel = "x"\r\npanels = "box"\r\n')
    editor.set_value(path, "panels", "rules")
    assert path.read_bytes() == b'# c\r\nmodel = "x"\r\npanels = "rules"\r\n'


def test_a_new_setting_ends_its_line_as_the_file_does(path: Path) -> None:
    path.touch(0o600)
    path.write_bytes(b'\xef\xbb\xbfmodel = "x"\r\n\r\n[keys]\r\nlab = "aaaaaaaa"\r\n')
    editor.set_value(path, "max_tokens", "100")
    editor.set_value(path, "gateway.endpoint", "messages")
    after = path.read_bytes()
    assert b"max_tokens = 100\r\n" in after
    assert b'endpoint = "messages"\r\n' in after
    assert after.count(b"\n") == after.count(b"\r\n")


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_a_linked_file_stays_linked(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    editor.set_value(link, "model", "opus")
    assert (link.is_symlink(), "opus" in path.read_text()) == (True, True)


EDIT = "`deepreasoning config edit` opens the file"


@pytest.mark.parametrize(
    ("name", "value", "message", "hint"),
    [
        ("temperature", "warm", "temperature must be a number from 0 to 2", UNCHANGED),
        ("temperature", "3", "temperature must be a number from 0 to 2", UNCHANGED),
        ("modle", "x", "modle is not a setting", "did you mean model?"),
        ("gateway", "5", "gateway must be a table with endpoint", UNCHANGED),
        ("gateway.endpont", "x", "gateway.endpont is not a setting", "did you mean endpoint?"),
        ("reasoners.two.model", "x", "reasoners.two.base_url is missing", EDIT),
        ("model.x", "1", 'model must be a string such as "sonnet"', UNCHANGED),
        ("a..b", "1", "a..b is not the name of a setting", "write names like keys.lab"),
        ("", "1", " is not the name of a setting", "write names like keys.lab"),
        (
            "reasoners.lab.key",
            CANARY,
            "reasoners.lab.key must be a string: a name from [keys], never the key itself",
            UNCHANGED,
        ),
    ],
)
def test_a_wrong_set_is_a_usage_error_and_changes_nothing(
    path: Path, name: str, value: str, message: str, hint: str | None
) -> None:
    with pytest.raises(UsageError) as caught:
        editor.set_value(path, name, value)
    assert (caught.value.message, caught.value.hint, caught.value.exit_code) == (message, hint, 2)
    assert path.read_text() == TEXT


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("model", ['-model = "sonnet"   # the best']),
        ("keys.deepseek", [f'-deepseek = "{CANARY}" # old']),
        ("keys.anthropic.command", ['-anthropic = { command = "pass" }']),
    ],
)
def test_unset_takes_its_line_out_and_no_other(path: Path, name: str, gone: list[str]) -> None:
    editor.unset_value(path, name)
    assert changes(path) == gone


def test_unset_takes_out_the_tables_that_it_empties(path: Path) -> None:
    editor.unset_value(path, "reasoners.lab")
    assert "reasoners" not in tomllib.loads(path.read_text())


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("modl", "modl is not set in {}", "did you mean model?"),
        ("history", "history is not set in {}", "`deepreasoning config show` lists what is set"),
        ("model.x", "model.x is not set in {}", "did you mean model?"),
        ("reasoners.lab.model", "reasoners.lab.model is missing", EDIT),
    ],
)
def test_a_wrong_unset_is_a_usage_error_and_changes_nothing(
    path: Path, name: str, message: str, hint: str | None
) -> None:
    with pytest.raises(UsageError) as caught:
        editor.unset_value(path, name)
    assert (caught.value.message, caught.value.hint) == (message.format(path), hint)
    assert path.read_text() == TEXT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'deepseek = "{CANARY}', "{}:1:35: not TOML: unterminated string"),
        (f'[keys]\nlab = ["{CANARY}"]', "{}:2: keys.lab must be the key in quotes, or { command"),
        ("temperature = 7", "{}:1: temperature must be a number from 0 to 2"),
    ],
)
def test_a_file_that_was_wrong_before_is_named_and_never_overwritten(
    path: Path, text: str, message: str
) -> None:
    path.write_text(text)
    changes = (
        partial(editor.set_value, path, "model", "opus"),
        partial(editor.set_secret, path, "linkup", CANARY),
        partial(editor.unset_value, path, "model"),
    )
    for change in changes:
        with pytest.raises(DeepReasoningError) as caught:
            change()
        assert CANARY not in f"{caught.value!r} {caught.value.hint}"
        assert path.read_text() == text
    with pytest.raises(ConfigError) as refused:
        editor.set_value(path, "model", "opus")
    assert refused.value.message.startswith(message.replace("{}", str(path)))


def test_set_can_repair_a_wrong_value(path: Path) -> None:
    path.write_text("temperature = 7 # hot\n")
    editor.set_value(path, "temperature", "1")
    assert path.read_text() == "temperature = 1 # hot\n"


def test_unset_can_repair_an_unknown_name(path: Path) -> None:
    path.write_text('modle = "x"\n')
    editor.unset_value(path, "modle")
    assert path.read_text() == ""


def test_a_new_file_holds_the_answers_and_shows_the_rest_as_comments(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    keys = {"deepseek": CANARY, "lab": {"command": "pass lab"}}
    editor.create(path, Answers({"model": "opus", "backend": "direct"}, keys))
    assert tomllib.loads(path.read_text()) == {
        "backend": "direct",
        "model": "opus",
        "keys": keys,
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert CANARY not in repr(Answers({}, keys))


def test_the_template_names_every_setting_with_its_default() -> None:
    top, _, _ = editor.TEMPLATE.read_text("utf-8").partition("[keys]\n")
    settings = "\n".join(line[2:] for line in top.splitlines() if line and " = " in line[:24])
    shown = tomllib.loads(settings)
    defaults = Settings.model_validate({}).model_dump()
    tables = {"keys", "reasoners", "answerers", "base_urls", "gateway", "search", "serve"}
    del defaults["cassette"]  # is for single runs
    assert set(shown) == set(defaults) - tables
    examples = {name for name, value in defaults.items() if value is None}
    assert {name: value for name, value in shown.items() if name not in examples} == {
        name: value for name, value in defaults.items() if name not in tables | examples
    }


@pytest.mark.parametrize("table", ["gateway", "search", "serve"])
def test_the_template_shows_the_defaults_of_a_table(table: str) -> None:
    _, _, rest = editor.TEMPLATE.read_text("utf-8").partition(f"# [{table}]\n")
    lines = [line.removeprefix("# ") for line in rest.partition("\n\n")[0].splitlines()]
    defaults = Settings.model_validate({}).model_dump(mode="json")
    assert tomllib.loads("\n".join(lines)) == defaults[table]


def test_every_commented_line_of_the_template_is_valid_without_its_mark(tmp_path: Path) -> None:
    lines = editor.render({}, {}).splitlines()
    bare = [
        line.removeprefix("# ") if "=" in line.split("#")[1] or line.startswith("# [") else line
        for line in lines
        if line.startswith("# ")
    ]
    bare = [
        line for line in bare if not line.startswith(("A key", "A reasoner", "An answerer", "# "))
    ]
    tables = next(number for number, line in enumerate(bare) if line.startswith('deepseek = "sk'))
    text = "\n".join([*bare[:tables], "[keys]", *bare[tables:]])
    path = tmp_path / "config.toml"
    path.touch(0o600)
    path.write_text(text)
    loaded = load_settings(path, {}, {})
    assert set(loaded.settings.keys) == {
        *("deepseek", "anthropic", "empiriolabs", "linkup"),
        *("openrouter", "deepinfra", "novita", "serve"),
    }
    assert set(loaded.settings.reasoners) == {"lab"}
    assert set(loaded.settings.answerers) == {"local"}


def test_an_existing_file_is_not_replaced_unasked(path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        editor.create(path, Answers())
    assert (caught.value.message, path.read_text()) == (f"{path} exists already", TEXT)
    editor.create(path, Answers({"model": "opus"}), overwrite=True)
    assert tomllib.loads(path.read_text()) == {"model": "opus", "keys": {}}


def test_a_wrong_answer_is_named_as_the_flag_that_gave_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        editor.create(tmp_path / "config.toml", Answers({"backend": "both"}))
    assert caught.value.message == '--backend must be "auto", "direct", "gateway" or "demo"'
    assert not (tmp_path / "config.toml").exists()


def test_answers_go_into_the_file_that_is_there_and_the_rest_of_it_stays(path: Path) -> None:
    editor.update(path, Answers({"model": "opus", "effort": "low"}, {"deepseek": "sk-new-0123456"}))
    assert changes(path) == [
        '-model = "sonnet"   # the best',
        '+model = "opus"   # the best',
        '+effort = "low"',
        f'-deepseek = "{CANARY}" # old',
        '+deepseek = "sk-new-0123456" # old',
    ]
