"""`serve` up to the moment when it serves."""

from __future__ import annotations

import gc
import socket
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deepreasoning_cli.cli.app import app
from deepreasoning_cli.server import run as running
from deepreasoning_cli.server.service import Service
from deepreasoning_cli.settings.models import ServeSettings


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """What a server sets for its whole process."""
    interval = sys.getswitchinterval()
    yield
    sys.setswitchinterval(interval)
    gc.unfreeze()


Run = tuple[ServeSettings, dict[str, object]]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """With what it would have been served."""
    runs: list[Run] = []

    def run(listening: socket.socket, settings: ServeSettings, make: partial[object]) -> None:
        assert listening.getsockname()[1] > 0
        listening.close()
        match make.args:
            case [Service() as service]:
                runs.append((settings, {"backend": service.loaded.settings.backend}))
            case [config, dict(flags)]:
                given = {name: value for name, value in flags.items() if value is not None}
                runs.append((settings, given | {"config": config, **make.keywords}))

    monkeypatch.setattr(running, "run", run)
    return runs


def serve(*words: str) -> Result:
    return CliRunner().invoke(app, ["serve", *words])


def failure(*words: str) -> tuple[int, str, str]:
    """The exit code, the error and the hint, which is all that is said."""
    result = serve(*words)
    error, hint = [*result.stderr.splitlines(), ""][:2]
    assert error.startswith("error: ")
    return result.exit_code, error.removeprefix("error: "), hint.removeprefix("hint: ")


def test_it_says_where_it_serves(served: list[Run]) -> None:
    result = serve("--backend", "demo", "--port", "0")
    note, where = result.stderr.splitlines()
    assert note == "note: this is the demo; no model is called, every reply is scripted"
    assert where.startswith("serving on http://127.0.0.1:")
    assert (result.exit_code, result.stdout) == (0, "")
    assert served == [
        (
            ServeSettings(port=0),
            {"backend": "demo"},
        )
    ]


def test_who_wants_quiet_has_it(served: list[Run]) -> None:
    result = CliRunner().invoke(app, ["--quiet", "serve", "--backend", "demo", "--port", "0"])
    assert (result.exit_code, result.stderr, len(served)) == (0, "", 1)


def test_every_flag_is_a_setting(served: list[Run]) -> None:
    flags = (
        "--host 127.0.0.1 --port 0 --byok --allow-host a.example --allow-host b.example"
        " --cors https://c.example --workers 2 --streams 9 --drain 1.5 --log json --metrics"
        " --no-save --model haiku --reasoner deepseek --backend demo --handoff both --max-cost 2"
    )
    command = "printf token-of-the-command"
    result = serve(*flags.split(), "--token-command", command)
    assert result.exception is None
    [(settings, given)] = served
    assert settings == ServeSettings(
        port=0,
        byok=True,
        hosts=("a.example", "b.example"),
        origins=("https://c.example",),
        workers=2,
        streams=9,
        drain=1.5,
        log="json",
        metrics=True,
    )
    assert {name: str(given[name]) for name in given if not name.startswith("serve.")} == {
        "keys.serve.command": command,
        "history": "False",
        "model": "haiku",
        "reasoner": "deepseek",
        "backend": "demo",
        "handoff": "both",
        "max_cost": "2",
        "config": "None",
        "debug": "False",
    }


def test_the_settings_of_a_file_hold_without_flags(served: list[Run], tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.touch(0o600)
    config.write_text('backend = "demo"\n[serve]\nport = 0\nstreams = 3\norigins = ["http://a"]\n')
    words = ["--config", str(config), "serve", "--streams", "4", "--workers", "2"]
    result = CliRunner().invoke(app, words)
    assert result.exception is None
    [(settings, given)] = served
    assert settings == ServeSettings(port=0, streams=4, workers=2, origins=("http://a",))
    assert given["config"] == config


@pytest.mark.parametrize("library", ["greenlet", "prometheus_client", "starlette", "uvicorn"])
def test_a_library_that_is_missing_is_named_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    assert failure("--backend", "demo", "--metrics") == (
        3,
        f"serve needs a library that is not installed: {library}",
        "pip install 'deepreasoning-cli[serve]'",
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "box.example"])
def test_whoever_can_be_reached_by_others_needs_a_token(host: str) -> None:
    code, error, hint = failure("--backend", "demo", "--host", host)
    assert (code, error) == (3, f"{host} can be reached by others, and there is no token")
    assert "deepreasoning config set keys.serve" in hint


@pytest.mark.parametrize("origin", ["*", "null"])
def test_pages_of_nobody_in_particular_need_a_token(origin: str) -> None:
    code, error, hint = failure("--backend", "demo", "--port", "0", "--cors", origin)
    assert (code, error.endswith(", and there is no token")) == (3, True)
    assert error.startswith(f"--cors '{origin}' lets in every web page")
    assert "--token-command" in hint


@pytest.mark.parametrize("by", ["command", "environment"])
def test_with_a_token_others_may_ask(
    served: list[Run], monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    words = ["--backend", "demo", "--host", "0.0.0.0", "--port", "0"]
    if by == "command":
        words += ["--token-command", "printf abcdefgh"]
    else:
        monkeypatch.setenv("DEEPREASONING_KEYS__SERVE", "abcdefgh")
    assert (serve(*words).exception, len(served)) == (None, 1)


def test_a_command_wins_over_a_token_that_was_set(
    served: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPREASONING_KEYS__SERVE", "abcdefgh")
    result = serve("--backend", "demo", "--port", "0", "--token-command", "printf ijklmnop")
    assert (result.exception, len(served)) == (None, 1)


def test_a_token_command_that_fails_is_said_before_anybody_is_let_in() -> None:
    code, error, _ = failure("--backend", "demo", "--port", "0", "--token-command", "false")
    assert (code, "keys.serve" in error) == (3, True)


def test_without_keys_nobody_is_let_in() -> None:
    code, error, hint = failure("--port", "0")
    assert (code, error) == (3, "no keys are set")
    assert hint


def test_without_keys_callers_may_bring_them(served: list[Run]) -> None:
    assert (serve("--byok", "--port", "0").exception, len(served)) == (None, 1)


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, error, _ = failure("--backend", "demo", "--port", str(taken.getsockname()[1]))
    assert (code, error.startswith("cannot listen on 127.0.0.1 port ")) == (3, True)


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        (["--port", "70000"], "--port"),
        (["--streams", "0"], "--streams"),
        (["--log", "xml"], "--log"),
        (["--drain", "-1"], "--drain"),
    ],
)
def test_a_flag_that_is_wrong_is_a_matter_of_the_call(words: list[str], flag: str) -> None:
    result = serve(*words)
    assert result.exit_code == 2
    assert flag in result.stderr


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_time_that_is_none_is_a_matter_of_the_call(value: str) -> None:
    code, error, _ = failure("--drain", value)
    assert (code, "--drain" in error) == (2, True)


def test_help_names_what_is_asked_for() -> None:
    said = serve("--help").stdout
    for name in ("/v1/chat/completions", "--token-command", "--byok", "--drain", "127.0.0.1"):
        assert name in said


def test_what_the_settings_note_is_said(served: list[Run], tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.touch(0o600)
    config.write_text('backend = "demo"\n[keys]\nantropic = "sk-0"\n[serve]\nport = 0\n')
    result = CliRunner().invoke(app, ["--config", str(config), "serve"])
    [note, *_] = result.stderr.splitlines()
    assert "did you mean anthropic?" in note
    assert len(served) == 1
