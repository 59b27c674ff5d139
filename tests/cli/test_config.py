from __future__ import annotations

import json
import os
import select
import signal
import stat
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deepreasoning_cli.cli.config import app, setup
from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.errors import ConfigError, DeepReasoningError, UsageError
from deepreasoning_cli.wiring.backend import STARTS
from support.loopback import Loopback, error_reply_anthropic, error_reply_openai, json_reply

CANARY = "sk-canary-4f9Qz81LmX77"
posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


@dataclass
class Outcome:
    code: int
    stdout: str
    stderr: str
    error: DeepReasoningError | None

    def failed(self) -> DeepReasoningError:
        assert self.error is not None, self.stdout + self.stderr
        return self.error


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "dr/config.toml"
    monkeypatch.setenv("DEEPREASONING_CONFIG", str(file))
    return file


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.touch(0o600)
    path.write_text(text)


def run(*words: str, stdin: str | bytes = "", options: GlobalOptions | None = None) -> Outcome:
    """Run the command; the canary must never be in what it prints or raises."""
    result = CliRunner().invoke(app, list(words), input=stdin, obj=options)
    error = result.exception if isinstance(result.exception, DeepReasoningError) else None
    if error is None and result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    outcome = Outcome(
        error.exit_code if error else result.exit_code, result.stdout, result.stderr, error
    )
    assert CANARY not in f"{outcome!r} {error.as_json() if error else ''}"
    return outcome


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "is_interactive", lambda: True)


def test_without_a_command_the_help_is_printed() -> None:
    outcome = run()
    names = ["init", "show", "set", "unset", "path", "edit", "check"]
    assert (outcome.code, [name for name in names if name not in outcome.stdout]) == (0, [])


# path


def test_path_prints_where_the_file_would_be(path: Path) -> None:
    assert run("path").stdout == f"{path}\n"


def test_a_file_named_on_the_command_line_wins(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    assert run("path", options=GlobalOptions(config=other)).stdout == f"{other}\n"


def test_path_works_with_a_broken_file(path: Path) -> None:
    write(path, "model = ")
    assert run("path").code == 0


# show


def test_show_prints_every_value_with_its_origin(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        path,
        f'model = "opus"\nmax_cost = "1.00"\n[keys]\ndeepseek = "{CANARY}"\n'
        f'anthropic = {{ command = "echo {CANARY}" }}\n',
    )
    monkeypatch.setenv("LINKUP_API_KEY", CANARY[:-4] + "zzzz")
    monkeypatch.setenv("DEEPREASONING_TOP_P", "0.5")
    table = shown_table(run("show").stdout)
    assert table["model"] == ["opus (claude-opus-5-5)", "file, line 1"]
    assert table["max_cost"] == ["1.00", "file, line 2"]
    assert table["top_p"] == ["0.5", "environment DEEPREASONING_TOP_P"]
    assert table["history"] == ["true", "default"]
    assert table["gateway.endpoint"] == ["chat_completions", "default"]
    assert table["keys.deepseek"] == ["…mX77", "file, line 4"]
    assert table["keys.linkup"] == ["…zzzz", "environment LINKUP_API_KEY"]
    assert table["keys.anthropic"] == ["command: echo …", "file, line 5"]


def shown_table(output: str) -> dict[str, list[str]]:
    """The rows below the file's: name → value and origin."""
    rows = (line.split("  ") for line in output.splitlines()[2:])
    return {name: [part.strip() for part in parts if part] for name, *parts in rows}


KEYS = {"DEEPSEEK_API_KEY": CANARY, "ANTHROPIC_API_KEY": CANARY}


@pytest.mark.parametrize(
    ("env", "backend", "model", "reasoner", "answerer"),
    [
        (
            {},
            *("auto (no key is set)", "claude-sonnet-5-5"),
            *("none: no key is set", "none: no key is set"),
        ),
        (KEYS, "auto (direct)", "claude-sonnet-5-5", "deepseek (deepseek-flash)", "anthropic"),
        (
            KEYS | {"DEEPREASONING_MODEL": "haiku", "DEEPREASONING_REASONER": "novita,deepseek"},
            *("auto (direct)", "haiku (claude-haiku-5-5)"),
            *("deepseek (deepseek-flash)", "anthropic"),  # for Novita there is no key
        ),
        (
            {"OPENROUTER_API_KEY": CANARY, "DEEPREASONING_FALLBACK": "ollama"},
            *("auto (direct)", "anthropic/claude-sonnet-5.5"),
            "openrouter (deepseek/deepseek-r1-0528), then ollama",
            "openrouter, then ollama",
        ),
        (
            {"EMPIRIOLABS_API_KEY": CANARY},
            *("auto (gateway)", "claude-sonnet-4-5-20250929"),
            *("the gateway's", "the gateway's"),
        ),
        (
            {"DEEPREASONING_BACKEND": "demo"},
            *("demo", "the demo's script", "the demo's script", "the demo's script"),
        ),
        (
            {"DEEPREASONING_ANSWERER": "ollama", "DEEPREASONING_REASONER": "ollama"},
            *("auto (direct)", "qwen3", "ollama (deepseek-r1)", "ollama (qwen3)"),
        ),
    ],
)
def test_show_says_who_would_be_called(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    env: dict[str, str],
    backend: str,
    model: str,
    reasoner: str,
    answerer: str,
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    table = shown_table(run("show").stdout)
    shown = [table[name][0] for name in ("backend", "model", "reasoner", "answerer")]
    assert shown == [backend, model, reasoner, answerer]


def test_show_names_the_file_first_and_whether_it_is_there(path: Path) -> None:
    absent = run("show").stdout.splitlines()
    assert absent[:2] == [f"file: {path} (not there yet: `deepreasoning config init`)", ""]
    write(path, 'timeout = 30\n[serve]\nport = 8080\norigins = ["https://a.example"]\n')
    present = run("show").stdout
    table = shown_table(present)
    assert present.splitlines()[0] == f"file: {path}"
    assert (table["timeout"], table["max_cost"]) == (
        ["30.0", "file, line 1"],
        ["no limit", "default"],
    )
    assert {name: row for name, row in table.items() if name.startswith("serve")} == {
        "serve.*": ["--all lists them", "default"],
        "serve.port": ["8080", "file, line 3"],
        "serve.origins": ["https://a.example", "file, line 4"],
    }
    every = shown_table(run("show", "--all").stdout)
    assert (every["serve.hosts"], every["serve.log"]) == (["none", "default"], ["text", "default"])
    assert "not set" not in present
    assert run("show", "serve.port").stdout == f"serve.port  8080  file {path}:3\n"


def test_show_as_json_has_values_and_origins(path: Path) -> None:
    write(path, f'daily_cost = 2.5\n[keys]\ndeepseek = "{CANARY}"\n')
    output = json.loads(run("show", "--json").stdout)
    assert (output["file"], output["exists"]) == (str(path), True)
    names = ("daily_cost", "model", "max_tokens", "keys.deepseek")
    assert {name: output["settings"][name] for name in names} == {
        "daily_cost": {"value": "2.5", "origin": f"file {path}:1"},
        "model": {"value": None, "origin": "default"},
        "max_tokens": {"value": 8192, "origin": "default"},
        "keys.deepseek": {"value": "…mX77", "origin": f"file {path}:3"},
    }


def test_show_without_a_file_shows_the_defaults(path: Path) -> None:
    output = json.loads(run("show", "--json").stdout)
    assert output["exists"] is False
    assert {one["origin"] for one in output["settings"].values()} == {"default"}


def test_show_makes_control_characters_visible(path: Path) -> None:
    write(path, 'model = "a\\u001b]0;x\\u0007b"\n')
    assert "a␛]0;x␇b" in run("show").stdout


@pytest.mark.parametrize("sign", ["u001b]0;x", "u009b31m", "u202e", "u0007"])
def test_show_makes_control_characters_of_names_visible(path: Path, sign: str) -> None:
    write(path, f'[reasoners."a\\{sign}"]\nbase_url = "http://h/v1"\nmodel = "m"\n')
    shown = run("show").stdout
    assert "reasoners.a" in shown
    assert not any(raw in shown for raw in "\x1b\x9b\u202e\x07")


def test_a_key_in_the_place_of_its_name_is_masked(path: Path) -> None:
    write(path, '[keys]\nsk-ant-api03-secret-0123456789 = "anthropic"\n')
    for flags in ([], ["--json"]):
        shown = run("show", *flags).stdout
        assert "secret" not in shown
        assert "keys.…6789" in shown


def test_a_short_key_is_masked_whole(path: Path) -> None:
    write(path, '[keys]\nlab = "abcdefg"\n')
    assert "abcdefg"[-4:] not in run("show").stdout


def test_show_needs_the_file_that_was_named(path: Path, tmp_path: Path) -> None:
    outcome = run("show", options=GlobalOptions(config=tmp_path / "absent.toml"))
    assert (outcome.code, outcome.failed().kind) == (3, "config_missing")


@posix_only
def test_a_repaired_mode_is_told_once_and_not_to_the_quiet(path: Path) -> None:
    write(path, "")
    for quiet, note in (
        (False, f"note: {path} was open to others (mode 0644); now 0600\n"),
        (True, ""),
    ):
        path.chmod(0o644)
        assert run("show", options=GlobalOptions(quiet=quiet)).stderr == note
        assert run("show").stderr == ""


@pytest.mark.parametrize("command", [("show",), ("check",)])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f'[keys]\ndeepseek = "{CANARY}', "2:35: not TOML: unterminated string"),
        (f'[keys]\ndeepseek = ["{CANARY}"]', "2: keys.deepseek must be the key in quotes"),
        (f'[keys]\ndeepseek = {{ x = "{CANARY}" }}', "2: keys.deepseek.x is not a setting"),
        ("temperature = 3", "1: temperature must be a number from 0 to 2"),
    ],
)
def test_a_wrong_file_stops_with_3_and_its_line(
    path: Path, command: tuple[str, ...], text: str, words: str
) -> None:
    write(path, text)
    outcome = run(*command)
    assert (outcome.code, outcome.stdout) == (3, "")
    assert outcome.failed().message.startswith(f"{path}:{words}")


# set, unset


def test_set_changes_the_file_and_says_so(path: Path) -> None:
    outcome = run("set", "model", "opus")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "", f"set model in {path}\n")
    assert tomllib.loads(path.read_text()) == {"model": "opus"}


def test_set_says_nothing_to_the_quiet(path: Path) -> None:
    assert run("set", "model", "opus", options=GlobalOptions(quiet=True)).stderr == ""


@pytest.mark.parametrize("line", [f"{CANARY}\n", CANARY, f"  {CANARY}\r\n", f"{CANARY}\nmore\n"])
def test_a_key_is_read_from_one_line_of_stdin(path: Path, line: str) -> None:
    assert run("set", "keys.deepseek", stdin=line).code == 0
    assert tomllib.loads(path.read_text()) == {"keys": {"deepseek": CANARY}}


def test_a_key_is_asked_for_on_a_terminal(path: Path, terminal: None) -> None:
    outcome = run("set", "keys.deepseek", stdin=f"{CANARY}\n")
    assert (outcome.code, outcome.stdout.strip()) == (0, "")
    assert outcome.stderr.startswith("Key for deepseek")
    assert tomllib.loads(path.read_text()) == {"keys": {"deepseek": CANARY}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("keys.deepseek", CANARY),
        ("keys.deepseek", f'{{ command = "echo {CANARY}" }}'),
        ("keys", f'{{ deepseek = "{CANARY}" }}'),
        ("keys.deepseek", ""),
    ],
)
def test_a_key_on_the_command_line_is_refused_with_the_reason(
    path: Path, name: str, value: str
) -> None:
    error = run("set", name, value).failed()
    assert (type(error), error.exit_code, error.message) == (
        UsageError,
        2,
        "keys are not accepted on the command line, where other programs and the shell's history"
        " can read them; if this one is real, replace it",
    )
    assert not path.exists()


@pytest.mark.parametrize(
    ("stdin", "code", "message"),
    [
        ("", 2, "no key for deepseek was given"),
        ("\n", 2, "no key for deepseek was given"),
        (
            f"{CANARY} {CANARY}\n",
            3,
            "the key deepseek from standard input holds a space at position 23",
        ),
        (
            f"“{CANARY}”\n",
            3,
            "the key deepseek from standard input holds the character U+201C at position 1",
        ),
        (b"\xff\xfe\n", 2, "standard input is not text"),
    ],
)
def test_a_key_that_cannot_be_sent_is_not_stored(
    path: Path, stdin: str | bytes, code: int, message: str
) -> None:
    outcome = run("set", "keys.deepseek", stdin=stdin)
    assert (outcome.code, outcome.failed().message) == (code, message)
    assert not path.exists()


def test_a_missing_value_is_a_usage_error(path: Path) -> None:
    error = run("set", "model").failed()
    assert (error.exit_code, error.message, error.hint) == (
        2,
        "the value for model is missing",
        "`deepreasoning config set model VALUE`",
    )


def test_the_command_of_a_key_can_be_set(path: Path) -> None:
    run("set", "keys.anthropic.command", "pass show anthropic")
    assert tomllib.loads(path.read_text()) == {
        "keys": {"anthropic": {"command": "pass show anthropic"}}
    }


def test_a_wrong_value_is_a_usage_error(path: Path) -> None:
    error = run("set", "temperature", "warm").failed()
    assert (error.exit_code, error.message) == (2, "temperature must be a number from 0 to 2")


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("model", "sonet", "did you mean sonnet?"),
        ("model", '"opsu"', "did you mean opus?"),
        ("reasoner", "deepsek", "did you mean deepseek or deepseek-pro?"),
        ("reasoner", "lap", "did you mean lab?"),
    ],
)
def test_a_model_that_does_not_exist_is_not_set(
    path: Path, name: str, value: str, hint: str
) -> None:
    own = '[reasoners.lab]\nbase_url = "http://lab/v1"\nmodel = "r1"\n'
    write(path, own)
    outcome = run("set", name, value)
    assert (outcome.code, outcome.failed().hint) == (2, hint)
    assert path.read_text() == own
    assert run("set", "reasoner", "lab").code == 0
    assert run("set", "model", "claude-opus-4-1").code == 0  # the gateway may serve it


def test_init_takes_no_model_that_does_not_exist(path: Path) -> None:
    error = run("init", "--no-input", "--model", "sonet").failed()
    assert (error.exit_code, error.hint) == (2, "did you mean sonnet?")
    assert not path.exists()


@posix_only
@pytest.mark.parametrize("mask", [0o000, 0o077], ids=oct)
def test_what_set_and_init_write_is_private_under_every_umask(path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        for words in (("set", "keys.deepseek"), ("init", "--force", "--no-input")):
            run(*words, stdin=CANARY)
            modes = [stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent)]
            assert modes == [0o600, 0o700]
    finally:
        os.umask(before)


def test_unset_takes_a_value_out(path: Path) -> None:
    write(path, '# c\nmodel = "opus"\n')
    outcome = run("unset", "model")
    assert (outcome.stderr, path.read_text()) == (f"removed model from {path}\n", "# c\n")


def test_unset_of_what_is_not_set_is_a_usage_error(path: Path) -> None:
    error = run("unset", "model").failed()
    assert (error.exit_code, error.message) == (2, f"model is not set in {path}")


# init


def test_init_by_flags_writes_the_answers(path: Path) -> None:
    outcome = run(
        "init",
        *("--backend", "direct", "--model", "opus", "--reasoner", "novita"),
        *("--key-command", "novita=pass show novita", "--key-command", "anthropic=op read x=y"),
    )
    assert outcome.stderr == f"wrote {path}; `deepreasoning config check` tries the keys\n"
    assert tomllib.loads(path.read_text()) == {
        "backend": "direct",
        "model": "opus",
        "reasoner": "novita",
        "keys": {
            "anthropic": {"command": "op read x=y"},
            "novita": {"command": "pass show novita"},
        },
    }


def test_init_can_store_the_keys_of_the_environment(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", CANARY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", CANARY)
    run("init", "--keys-from-env", "--key-command", "anthropic=pass a")
    assert tomllib.loads(path.read_text()) == {
        "keys": {"deepseek": CANARY, "anthropic": CANARY},
    }


def test_a_malformed_key_of_the_environment_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", f"{CANARY}é")
    error = run("init", "--keys-from-env").failed()
    assert (error.exit_code, path.exists()) == (3, False)
    assert error.message == (
        "the key deepseek from the environment holds the character U+00E9 at position 23"
    )


def test_without_a_key_in_the_environment_init_says_what_it_looked_for(path: Path) -> None:
    error = run("init", "--keys-from-env").failed()
    assert (error.exit_code, error.message) == (2, "there is no key in the environment")
    assert "DEEPSEEK_API_KEY" in str(error.hint)


@pytest.mark.parametrize("pair", ["anthropic", "=x", "anthropic=", "a b=c", f"{CANARY}=x"])
def test_a_key_command_without_name_or_command_is_a_usage_error(path: Path, pair: str) -> None:
    error = run("init", "--key-command", pair).failed()
    assert (error.exit_code, error.message) == (2, "--key-command takes NAME=COMMAND")


def test_a_key_command_with_an_open_quote_is_a_usage_error(path: Path) -> None:
    error = run("init", "--key-command", f"anthropic=echo '{CANARY}").failed()
    assert (error.exit_code, path.exists()) == (2, False)
    assert error.message == (
        '--key-command: keys.anthropic must be the key in quotes, or { command = "…" }'
    )


def test_init_does_not_replace_a_file_unasked(path: Path) -> None:
    write(path, "broken = ")
    error = run("init", "--backend", "demo").failed()
    assert (error.exit_code, error.message) == (2, f"{path} exists already")
    assert path.read_text() == "broken = "
    assert run("init", "--backend", "demo", "--force").code == 0
    assert tomllib.loads(path.read_text()) == {"backend": "demo", "keys": {}}


@posix_only
def test_a_key_typed_on_a_real_terminal_is_not_echoed(path: Path) -> None:
    import pty

    program = "from deepreasoning_cli.cli.config import app; app()"
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", program, "set", "keys.deepseek"])
    output = _until(terminal, b"Key for deepseek (hidden as you type): ")
    os.write(terminal, CANARY.encode() + b"\n")
    output += _until(terminal, b"set keys.deepseek in")
    os.waitpid(child, 0)
    os.close(terminal)
    assert CANARY.encode() not in output
    assert tomllib.loads(path.read_text()) == {"keys": {"deepseek": CANARY}}


def _until(terminal: int, words: bytes) -> bytes:
    output = b""
    while words not in output:
        ready, _, _ = select.select([terminal], [], [], 30)
        assert ready, output
        output += os.read(terminal, 4096)
    return output


# edit


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An editor that writes what lies in the file `text` beside it."""
    script = tmp_path / "an editor"
    script.write_text(
        f"#!{sys.executable}\nimport shutil, sys\n"
        f"shutil.copy({str(tmp_path / 'text')!r}, sys.argv[-1])\n"
    )
    script.chmod(0o700)
    monkeypatch.setenv("EDITOR", f"'{script}' --wait")
    return tmp_path / "text"


@posix_only
def test_edit_opens_a_new_file_with_the_template_and_checks_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", "true")
    monkeypatch.setenv("EDITOR", "false")
    assert run("edit").code == 0
    assert path.read_text().startswith("# Settings of deepreasoning.")


@posix_only
def test_edit_says_what_is_wrong_afterwards_and_keeps_it(path: Path, editor: Path) -> None:
    editor.write_text(f'[keys]\ndeepseek = ["{CANARY}"]\n')
    outcome = run("edit")
    assert outcome.code == 3
    assert outcome.failed().message.startswith(f"{path}:2: keys.deepseek must be")
    assert path.read_text() == editor.read_text()


@posix_only
def test_edit_opens_a_broken_file_and_closes_it_to_others(path: Path, editor: Path) -> None:
    os.umask(0o022)  # the editor makes a new file
    write(path, "model = ")
    path.chmod(0o644)
    editor.write_text('model = "opus"\n')
    outcome = run("edit")
    assert outcome.stderr == f"note: {path} was open to others (mode 0644); now 0600\n"
    assert path.read_text() == 'model = "opus"\n'


@posix_only
@pytest.mark.parametrize(
    ("editor_line", "words"),
    [
        ("false", "the editor false ended with status 1"),
        ("/no/such", "cannot start the editor /no/such: No such file or directory"),
        ("vi '", "the editor vi ' has an open quote"),
    ],
)
def test_an_editor_that_fails_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch, editor_line: str, words: str
) -> None:
    monkeypatch.setenv("EDITOR", editor_line)
    outcome = run("edit")
    assert (outcome.code, outcome.failed().message) == (3, words)


# check


@pytest.fixture
def vendors(path: Path) -> Iterator[dict[str, Loopback]]:
    """DeepSeek and Anthropic on this machine, and a file that names them."""
    with Loopback() as deepseek, Loopback() as anthropic:
        write(
            path,
            f'[keys]\ndeepseek = "{CANARY}"\nanthropic = "sk-ant-0123456789"\n'
            f'[base_urls]\ndeepseek = "{deepseek.url}"\nanthropic = "{anthropic.url}"\n',
        )
        yield {"deepseek": deepseek, "anthropic": anthropic}


BALANCE: dict[str, Any] = {
    "is_available": True,
    "balance_infos": [{"currency": "USD", "total_balance": "12.30"}],
}


def test_check_calls_every_vendor_once_with_its_cheapest_request(
    vendors: dict[str, Loopback],
) -> None:
    vendors["deepseek"].reply(json_reply(200, BALANCE))
    vendors["anthropic"].reply(json_reply(200, {"data": []}))
    outcome = run("check")
    lines = outcome.stdout.splitlines()
    assert (outcome.code, len(lines)) == (0, 2)
    assert lines[0].startswith("deepseek     works  ")
    assert lines[0].endswith(" ms, balance 12.30 USD")
    assert lines[1].startswith("anthropic    works  ")
    [first] = vendors["deepseek"].requests
    [second] = vendors["anthropic"].requests
    assert (first.method, first.path, first.headers["authorization"]) == (
        "GET",
        "/user/balance",
        f"Bearer {CANARY}",
    )
    assert (second.method, second.path) == ("GET", "/v1/models?limit=1")
    assert second.headers["x-api-key"] == "sk-ant-0123456789"
    assert second.headers["anthropic-version"] == "2023-06-01"


def test_check_goes_on_after_a_failure_and_ends_with_its_code(
    vendors: dict[str, Loopback],
) -> None:
    vendors["deepseek"].reply(error_reply_openai(401, f"no such key {CANARY}"))
    vendors["anthropic"].reply(error_reply_anthropic(403, "permission_error", "not here"))
    outcome = run("check")
    assert outcome.code == 3
    assert "rejected the deepseek key …mX77 from config.toml (401)" in outcome.stdout
    assert "hint:  replace it: `deepreasoning config set keys.deepseek`" in outcome.stdout
    assert "access denied (403): not here" in outcome.stdout


def test_check_as_json_is_one_array(vendors: dict[str, Loopback]) -> None:
    vendors["deepseek"].reply(json_reply(200, BALANCE))
    vendors["anthropic"].reply(error_reply_anthropic(401, "authentication_error", "invalid"))
    outcome = run("check", "--json")
    first, second = json.loads(outcome.stdout)
    assert outcome.code == 3
    assert isinstance(first.pop("milliseconds"), int)
    assert first == {
        "vendor": "deepseek",
        "base_url": vendors["deepseek"].url,
        "works": True,
        "balance": "12.30 USD",
        "key_tried": True,
        "error": None,
    }
    assert (second["works"], second["error"]["status"], second["error"]["kind"]) == (
        False,
        401,
        "key_rejected",
    )


def test_check_without_a_vendor_names_the_ways_to_start(path: Path) -> None:
    error = run("check").failed()
    assert (error.exit_code, error.message, error.hint) == (
        3,
        "no vendor is configured",
        "\n".join(STARTS),
    )


def test_check_tries_ones_own_reasoner_and_a_host_without_a_key(path: Path) -> None:
    with Loopback(json_reply(200, {"data": []})) as own:
        write(
            path,
            f'reasoner = "ollama"\n[keys]\nlab = "{CANARY}"\n'
            f'[base_urls]\nollama = "{own.url}/v1"\n'
            f'[reasoners.lab]\nbase_url = "{own.url}/lab"\nmodel = "m"\nkey = "lab"\n',
        )
        outcome = run("check", options=GlobalOptions(debug=True))
        seen = [(one.path, "authorization" in one.headers) for one in own.requests]
    assert (outcome.code, seen) == (0, [("/v1/models", False), ("/lab/models", True)])
    assert "it may answer this call without looking at the key" in outcome.stdout
    assert "GET" in outcome.stderr


@posix_only
def test_a_key_whose_command_fails_is_that_vendors_failure(
    vendors: dict[str, Loopback], path: Path
) -> None:
    vendors["anthropic"].reply(json_reply(200, {"data": []}))
    text = path.read_text().replace(f'deepseek = "{CANARY}"', 'deepseek = { command = "false" }')
    path.write_text(text)
    outcome = run("check")
    assert outcome.code == 3
    assert "fails  the command of keys.deepseek failed with status 1" in outcome.stdout
    assert "anthropic    works" in outcome.stdout


def test_errors_of_the_sub_app_are_the_houses_own(path: Path) -> None:
    write(path, "modle = 1")
    assert isinstance(run("show").failed(), ConfigError)


def test_a_setting_of_a_table_is_set_shown_and_taken_out(path: Path) -> None:
    for name, value in (
        ("serve.port", "8080"),
        ("serve.byok", "true"),
        ("serve.origins", '["https://a.example"]'),
    ):
        assert run("set", name, value).code == 0
    assert tomllib.loads(path.read_text())["serve"] == {
        "port": 8080,
        "byok": True,
        "origins": ["https://a.example"],
    }
    output = json.loads(run("show", "--json").stdout)["settings"]
    assert output["serve.port"]["value"] == 8080
    assert run("unset", "serve.port").code == 0
    assert "port" not in tomllib.loads(path.read_text())["serve"]


def test_a_setting_of_a_table_that_is_wrong_is_refused_by_its_name(path: Path) -> None:
    error = run("set", "serve.port", "many").failed()
    assert "serve.port must be a port from 0 to 65535" in error.message
    error = run("set", "serve.prot", "1").failed()
    assert (error.message, error.hint) == ("serve.prot is not a setting", "did you mean port?")
    assert not path.exists()


@posix_only
def test_ctrl_c_is_the_editors(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "an editor"
    script.write_text(
        f"#!{sys.executable}\nimport os, signal, sys, time\n"
        "os.kill(os.getppid(), signal.SIGINT)\n"
        "time.sleep(0.2)\n"
        "def interrupted(*_):\n"
        "    open(sys.argv[-1], 'w').write('model = \"opus\"')\n"
        "signal.signal(signal.SIGINT, interrupted)\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
    )
    script.chmod(0o700)
    monkeypatch.setenv("EDITOR", f"'{script}'")
    before = signal.getsignal(signal.SIGINT)
    assert run("edit").code == 0
    assert path.read_text() == 'model = "opus"'
    assert signal.getsignal(signal.SIGINT) is before
