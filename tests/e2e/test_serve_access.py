"""Who may ask, with whose keys, and what the server refuses to begin with."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import anthropic
import openai
import pytest

from support.replies import error_reply_anthropic, error_reply_openai
from support.runner import CompletedRun
from support.serve_process import ASKED, MODEL, Server, refused, serving, serving_at, started
from support.vendors import ANSWER, STARTS, Vendors, canary, traces


def asked_openai(server: Server, key: str = "sk-callers", **headers: str) -> str | None:
    """The answer to a chat."""
    client = server.openai(key, **headers)
    reply = client.chat.completions.create(model=MODEL, messages=ASKED)
    return reply.choices[0].message.content


def asked_anthropic(server: Server, key: str = "sk-ant-callers", **headers: str) -> str:
    """The answer to a message."""
    client = server.anthropic(key, **headers)
    reply = client.messages.create(model=MODEL, max_tokens=100, messages=ASKED)
    return "".join(block.text for block in reply.content if block.type == "text")


def error(*lines: str) -> CompletedRun:
    """The outcome of a start that is refused."""
    return CompletedRun(3, b"", "".join(f"{line}\n" for line in lines).encode())


# ------------------------------------------------------------------------------ callers' own keys


@pytest.fixture(scope="module")
def byok(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving_at(tmp_path_factory.mktemp("byok"), "--byok") as server:
        yield server


@pytest.fixture
def callers(byok: Server) -> Iterator[dict[str, str]]:
    """Keys of a caller's, as headers; nobody may find them in what the server leaves."""
    byok.forget()
    keys = {"DEEPSEEK_API_KEY": "", "ANTHROPIC_API_KEY": ""}
    keys = {name: canary(STARTS[name]) for name in keys}
    yield {
        "X-DeepSeek-API-Token": keys["DEEPSEEK_API_KEY"],
        "X-Anthropic-API-Token": keys["ANTHROPIC_API_KEY"],
    }
    left = [byok.stderr.encode(), *byok.response_bytes]
    left += [path.read_bytes() for path in byok.vendors.home.rglob("*") if path.is_file()]
    for name, key in keys.items():
        assert not any(trace in each for trace in traces(key, STARTS[name]) for each in left)


def check_sent(server: Server, callers: dict[str, str]) -> None:
    """The vendors were sent the caller's keys, and nothing of the owner's."""
    (reasoner,), (claude,) = server.vendors.requests()
    assert reasoner.headers["authorization"] == f"Bearer {callers['X-DeepSeek-API-Token']}"
    assert claude.headers["x-api-key"] == callers["X-Anthropic-API-Token"]
    for request in (reasoner, claude):
        server.vendors.look_for_keys(str(request.headers).encode() + request.raw, request.path)


def test_callers_keys_go_to_the_vendors_and_nothing_is_kept(
    byok: Server, callers: dict[str, str]
) -> None:
    byok.vendors.reply()
    assert asked_openai(byok, **callers) == ANSWER
    check_sent(byok, callers)
    byok.forget()
    byok.vendors.reply()
    assert asked_anthropic(byok, **callers) == ANSWER
    check_sent(byok, callers)
    assert byok.history() == []
    assert not list(byok.vendors.home.rglob("journal/*"))


@pytest.mark.parametrize("missing", ["X-DeepSeek-API-Token", "X-Anthropic-API-Token"])
def test_without_the_callers_keys_nobody_is_asked(
    byok: Server, callers: dict[str, str], missing: str
) -> None:
    given = {name: key for name, key in callers.items() if name != missing}
    with pytest.raises(openai.AuthenticationError, match=missing.lower()):
        asked_openai(byok, **given)
    with pytest.raises(anthropic.AuthenticationError, match=missing.lower()):
        asked_anthropic(byok, **given)
    assert byok.vendors.counts() == (0, 0)


def test_a_callers_key_that_is_rejected_is_the_callers_to_replace(
    byok: Server, callers: dict[str, str]
) -> None:
    byok.vendors.reasoner.reply(error_reply_openai(401, "Authentication Fails"))
    byok.vendors.claude.reply(error_reply_anthropic(401, "authentication_error", "invalid"))
    with pytest.raises(openai.AuthenticationError, match="rejected the deepseek key"):
        asked_openai(byok, **callers)
    with pytest.raises(anthropic.AuthenticationError, match="rejected the deepseek key"):
        asked_anthropic(byok, **callers)


def test_the_owner_needs_no_keys_where_callers_bring_theirs(vendors: Vendors) -> None:
    vendors.reply()
    nothing = {"DEEPSEEK_API_KEY": "", "ANTHROPIC_API_KEY": ""}
    keys = {"X-DeepSeek-API-Token": "sk-callers", "X-Anthropic-API-Token": "sk-ant-callers"}
    with serving(vendors, "--byok", env=nothing) as server:
        assert asked_openai(server, **keys) == ANSWER


# -------------------------------------------------------------------------------------- the token


def check_token(server: Server, token: str) -> None:
    """Nobody is answered without it, and both clients are with it, each in its own header."""
    for wrong in ("wrong", token[:-1], f"{token}x"):
        with pytest.raises(openai.AuthenticationError):
            asked_openai(server, wrong)
        with pytest.raises(anthropic.AuthenticationError):
            asked_anthropic(server, wrong)
    for path in ("/v1/models", "/openapi.json", "/v1/none"):
        assert server.client().get(path).status_code == 401
    assert server.client().get("/health").status_code == 200
    assert server.vendors.counts() == (0, 0)
    server.vendors.reply()
    assert asked_openai(server, token) == ANSWER
    assert asked_anthropic(server, token) == ANSWER
    left = [server.stderr.encode(), *server.response_bytes]
    assert not any(trace in each for trace in traces(token, "") for each in left)


def test_with_a_token_in_the_environment_callers_have_to_show_it(vendors: Vendors) -> None:
    token = canary("")
    with serving(vendors, env={"DEEPREASONING_KEYS__SERVE": token}) as server:
        check_token(server, token)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_command_may_print_the_token(vendors: Vendors, tmp_path: Path, workers: str) -> None:
    token = canary("")
    file = tmp_path / "token"
    file.write_text(f"{token}\n")
    with serving(vendors, "--token-command", f"cat {file}", "--workers", workers) as server:
        check_token(server, token)


def test_all_the_world_may_ask_who_shows_a_token(vendors: Vendors) -> None:
    token = canary("")
    env = {"DEEPREASONING_KEYS__SERVE": token}
    with serving(vendors, "--host", "0.0.0.0", env=env) as server:
        assert server.url.startswith("http://0.0.0.0:")
        server.url = server.url.replace("0.0.0.0", "127.0.0.1")
        check_token(server, token)


# ------------------------------------------------------------------------------- what is not begun


def test_an_address_that_others_reach_needs_a_token(vendors: Vendors) -> None:
    assert refused(vendors, "--host", "0.0.0.0") == error(
        "error: 0.0.0.0 can be reached by others, and there is no token",
        "hint: `deepreasoning config set keys.serve`, --token-command,"
        " or DEEPREASONING_KEYS__SERVE in the environment",
    )


def test_a_port_that_is_taken_is_refused(vendors: Vendors) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = refused(vendors, "--port", port)
    assert result == error(
        f"error: cannot listen on 127.0.0.1 port {port}: {os.strerror(errno.EADDRINUSE)}",
        "hint: choose another with --host and --port",
    )


def test_two_servers_do_not_share_a_port(vendors: Vendors) -> None:
    with serving(vendors) as server:
        port = server.url.rpartition(":")[2]
        result = refused(vendors, "--port", port)
        assert result.code == 3
        assert result.stderr.startswith(f"error: cannot listen on 127.0.0.1 port {port}".encode())


def test_without_a_key_it_does_not_begin(vendors: Vendors) -> None:
    result = refused(vendors, env={"DEEPSEEK_API_KEY": "", "ANTHROPIC_API_KEY": ""})
    first, *hints = result.stderr.decode().splitlines()
    assert (result.code, first, len(hints)) == (3, "error: no keys are set", 3)
    assert hints[0].startswith("hint: `deepreasoning config init` ")


def test_a_key_that_its_command_prints_only_once_is_not_missed_in_silence(
    vendors: Vendors, tmp_path: Path
) -> None:
    """The command runs once to look whether all is well, and once in each worker."""
    once = f"mkdir {tmp_path / 'asked'} 2>/dev/null || {{ echo locked >&2; exit 1; }}; echo sk-once"
    script = tmp_path / "key.sh"
    script.write_text(once)
    vendors.config(f'[keys]\ndeepseek = {{ command = "sh {script}" }}\n')
    result = refused(vendors, "--workers", "2", env={"DEEPSEEK_API_KEY": ""})
    assert (result.code, result.stderr.decode().splitlines()[1:3]) == (
        3,
        [
            "error: the command of keys.deepseek failed with status 1: locked",
            "hint: run it by hand; `deepreasoning config edit` changes it",
        ],
    )


WITHOUT = (
    "import sys; sys.modules[{name!r}] = None;"
    "from deepreasoning_cli.__main__ import main; sys.argv[0] = 'deepreasoning'; main()"
)


@pytest.mark.parametrize("name", ["uvicorn", "starlette", "greenlet"])
def test_without_the_extra_it_says_how_to_get_it(vendors: Vendors, name: str) -> None:
    program = (sys.executable, "-c", WITHOUT.format(name=name))
    result = vendors.run("serve", "--port", "0", program=program)
    assert result == error(
        f"error: serve needs a library that is not installed: {name}",
        "hint: pip install 'deepreasoning-cli[serve]'",
    )


# ------------------------------------------------------------------------------- ways to run it


def test_without_saving_no_file_is_made(vendors: Vendors) -> None:
    vendors.reply()
    with serving(vendors, "--no-save") as server:
        assert asked_openai(server) == ANSWER
        assert asked_anthropic(server) == ANSWER
        assert server.stop().code == 143
    assert list(vendors.home.rglob("*")) == []


def test_the_demo_says_what_it_is_and_calls_nobody(vendors: Vendors) -> None:
    none = {"DEEPSEEK_API_KEY": "", "ANTHROPIC_API_KEY": ""}
    with serving(vendors, "--backend", "demo", env=none) as server:
        assert "demo" in (asked_openai(server) or "")
        first = server.stderr.splitlines()[0]
        assert first == "note: this is the demo; no model is called, every reply is scripted"
    assert vendors.connections() == 0


LOG: Final = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        name: {"handlers": ["stderr"], "level": "INFO"}
        for name in ("uvicorn", "deepreasoning_cli.server")
    },
}
"""What whoever runs the app configures."""


def test_any_asgi_server_runs_the_app(vendors: Vendors, tmp_path: Path) -> None:
    program = (sys.executable, "-m", "uvicorn", "--factory", "deepreasoning_cli.server:create_app")
    log = tmp_path / "log.json"
    log.write_text(json.dumps(LOG))
    vendors.reply()
    with started(
        vendors, "--port", "0", "--no-access-log", "--log-config", str(log), program=program
    ) as server:
        (line,) = server.said(r"Uvicorn running on (http://\S+)")
        server.url = line[1]
        assert asked_openai(server) == ANSWER
        assert asked_anthropic(server) == ANSWER
        assert server.stop().code == -signal.SIGTERM
        assert [row["status"] for row in server.history()] == ["complete", "complete"]
        own = re.findall(r" POST (\S+) 200 .*ended=complete", server.stderr)
        assert own == ["/v1/chat/completions", "/v1/messages"]
