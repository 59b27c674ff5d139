"""The routes of old clients and of Ollama's: Completions, /api, and the root."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deepreasoning_cli.errors import UnavailableError
from deepreasoning_cli.pipeline.events import End, Thought
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.server.asgi import path_of
from support.asgi_calls import Answer, call, pieces, scope
from support.serving import (
    LiveServer,
    Serve,
    post_scope,
    scripted_answerer,
    scripted_reasoner,
)
from support.serving import serve as serve

COMPLETIONS, OLLAMA = "/v1/completions", "/api/chat"
BODIES: dict[str, dict[str, Any]] = {
    COMPLETIONS: {"model": "deepreasoning", "prompt": "6 x 7?"},
    OLLAMA: {"model": "deepreasoning", "messages": [{"role": "user", "content": "6 x 7?"}]},
}
both = pytest.mark.parametrize("path", BODIES)


def ask(server: LiveServer, path: str, **more: Any) -> Answer:
    body = json.dumps(BODIES.get(path, {}) | more).encode()
    return call(server.app, post_scope(path), pieces(body))


def lines(answer: Answer) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.body.splitlines()]


def test_an_old_client_gets_the_text_alone(serve: Serve) -> None:
    server = serve()
    answer = ask(server, COMPLETIONS)
    assert answer.json["choices"][0]["text"] == "Forty-two."
    assert answer.json["id"] == f"cmpl-{answer.headers['x-request-id']}"
    assert (server.reasoner.begun, server.answerer.begun) == (1, 1)
    streamed = ask(server, COMPLETIONS, stream=True)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    data = [line[6:] for line in streamed.body.decode().splitlines() if line]
    assert data.pop() == "[DONE]"
    texts = [json.loads(each)["choices"][0]["text"] for each in data]
    assert "".join(texts) == "Forty-two."


def test_a_client_of_ollama_gets_lines_unless_it_wants_one_object(serve: Serve) -> None:
    server = serve()
    answer = ask(server, OLLAMA)
    assert answer.headers["content-type"] == "application/x-ndjson"
    *said, last = lines(answer)
    assert "".join(each["message"].get("thinking", "") for each in said) == "Six sevens."
    assert "".join(each["message"]["content"] for each in said) == "Forty-two."
    assert (last["done"], last["done_reason"], last["eval_count"]) == (True, "stop", 25)
    whole = ask(server, OLLAMA, stream=False)
    assert whole.headers["content-type"] == "application/json"
    message = whole.json["message"]
    assert (message["thinking"], message["content"]) == ("Six sevens.", "Forty-two.")


def test_a_failure_before_any_text_has_its_status_and_the_formats_envelope(serve: Serve) -> None:
    reasoner = scripted_reasoner(Thought("Six"), Thought("teen"), UnavailableError("down"))
    answer = ask(serve(reasoner), COMPLETIONS, stream=True)
    assert (answer.status, answer.json["error"]["code"]) == (502, "unavailable")
    answer = ask(serve(scripted_reasoner(UnavailableError("down"))), OLLAMA)
    assert (answer.status, answer.json) == (502, {"error": "reason: down"})


def test_a_failure_in_a_stream_of_lines_is_the_last(serve: Serve) -> None:
    reasoner = scripted_reasoner(Thought("Six"), UnavailableError("down"))
    answer = ask(serve(reasoner), OLLAMA)
    assert answer.status == 200
    (message,) = lines(answer)[-1].values()
    assert message.startswith("reason: down")


@both
def test_a_silent_stream_is_kept_open_in_the_formats_own_way(serve: Serve, path: str) -> None:
    waits = scripted_reasoner(0.1, Thought("Six sevens."), Usage(1, 2), End("stop"))
    answer = ask(serve(waits, serve__keep_alive=0.02), path, stream=True)
    if path == OLLAMA:
        silent = [each for each in lines(answer) if each["model"] == "deepreasoning"]
        assert {each["message"]["content"] for each in silent} == {""}
    else:
        assert b": keep-alive\n\n" in answer.body


@both
def test_a_wrong_request_is_refused_in_the_formats_envelope(serve: Serve, path: str) -> None:
    name = "prompt" if path == COMPLETIONS else "messages"
    answer = ask(serve(), path, **{name: 7})
    said = answer.json["error"]
    message = said if path == OLLAMA else said["message"]
    assert (answer.status, message.startswith(f"{name} must be")) == (400, True)
    unknown = ask(serve(), path, model="llama3")
    said = unknown.json["error"]
    assert (unknown.status, "there is no model llama3" in str(said)) == (404, True)


def test_ollamas_clients_list_and_look_at_the_models(serve: Serve) -> None:
    server = serve()
    listed = call(server.app, scope("/api/tags")).json["models"]
    models = call(server.app, scope("/v1/models")).json["data"]
    assert [each["name"] for each in listed] == [each["id"] for each in models]
    for name in ("deepreasoning", "deepreasoning:latest", listed[-1]["name"]):
        shown = ask(server, "/api/show", model=name)
        assert "tools" in shown.json["capabilities"]
        assert shown.json["model_info"]["general.architecture"] == "deepreasoning"
    assert ask(server, "/api/show", name="haiku").status == 200
    assert ask(server, "/api/show", model="llama3").json == {"error": "there is no model llama3"}
    assert ask(server, "/api/show").json == {"error": "model is required"}
    assert call(server.app, scope("/api/show", "POST"), pieces(b"{}")).status == 415
    major, minor, _ = call(server.app, scope("/api/version")).json["version"].split(".")
    assert (int(major), int(minor)) >= (0, 6)  # what VS Code asks for


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/completions", COMPLETIONS),
        ("/v1/v1/completions", COMPLETIONS),
        ("/v1/api/chat", OLLAMA),
        ("/api/chat/", OLLAMA),
        ("/api/tags", "/api/tags"),
        ("/apis/chat", "/apis/chat"),
    ],
)
def test_base_urls_with_and_without_a_version_mean_the_same(path: str, meant: str) -> None:
    assert path_of(scope(path)) == meant


def test_an_unknown_path_of_ollamas_is_told_in_its_envelope(serve: Serve) -> None:
    answer = call(serve().app, scope("/api/pull", "POST"))
    assert answer.status == 404
    assert isinstance(answer.json["error"], str)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_somebody_is_at_home(serve: Serve, method: str) -> None:
    answer = call(serve().app, scope("/", method))
    assert answer.status == 200
    assert answer.body == b"" or answer.json["name"] == "deepreasoning"


@both
def test_claude_alone_and_a_repeat_are_as_in_the_other_formats(serve: Serve, path: str) -> None:
    server = serve()
    assert ask(server, path, model="haiku").status == 200
    assert (server.reasoner.begun, server.answerer.begun) == (0, 1)
    failing = serve(answerer=scripted_answerer(UnavailableError("down")))
    for _ in range(2):
        assert ask(failing, path, stream=False).status == 502
    assert (failing.reasoner.begun, failing.answerer.begun) == (1, 2)
