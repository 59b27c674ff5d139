"""The hosted model on the loopback, in the three formats, streamed and whole."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.loopback import Loopback, Received
from support.replies import (
    Payload,
    Reply,
    claude_stream,
    error_reply_anthropic,
    error_reply_openai,
    html_reply,
    json_reply,
    reasoner_stream,
    sse,
)
from support.runner import CompletedRun
from support.screen import Terminal
from support.vendors import ANSWER, PRINTED, REASONING, TEXTS, THOUGHTS, Vendors, error_of

FORMATS = ("chat_completions", "responses", "messages")
PATHS = {
    "chat_completions": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
}
CLAUDE = "claude-haiku-4-5-20251001"
CHAT_USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 50,
    "total_tokens": 70,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 40},
}
RESPONSES_USAGE = {
    "input_tokens": 20,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 50,
    "output_tokens_details": {"reasoning_tokens": 40},
    "total_tokens": 70,
}
MESSAGES_USAGE = {
    "input_tokens": 20,
    "output_tokens": 50,
    "output_tokens_details": {"thinking_tokens": 40},
}
COST = "0.001246"  # 20 tokens at 4.80, 50 at 23 USD per million


def responses_stream(
    thoughts: tuple[str, ...] = THOUGHTS,
    texts: tuple[str, ...] = TEXTS,
    *,
    kind: str = "reasoning_text",
    end: str = "completed",
) -> Reply:
    """Responses events as api-facts 5.2 lists them; `kind` is where the reasoning stands."""
    head = {"id": "resp_1", "object": "response", "model": "deepreasoning", "output": []}
    events: list[Payload] = [
        {"type": "response.created", "response": head | {"status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning"}},
    ]
    events += [
        {"type": f"response.{kind}.delta", "output_index": 0, "delta": thought}
        for thought in thoughts
    ]
    events += [
        {"type": f"response.{kind}.done", "output_index": 0, "text": "".join(thoughts)},
        {"type": "response.output_item.added", "output_index": 1, "item": {"type": "message"}},
    ]
    events += [
        {"type": "response.output_text.delta", "output_index": 1, "delta": text} for text in texts
    ]
    details = None if end == "completed" else {"reason": "max_output_tokens"}
    whole = head | {"status": end, "incomplete_details": details, "usage": RESPONSES_USAGE}
    events.append({"type": f"response.{end}", "response": whole})
    numbered = [event | {"sequence_number": at} for at, event in enumerate(events)]
    return Reply(body=[sse(event, event["type"]) for event in numbered])


def streamed(endpoint: str) -> Reply:
    match endpoint:
        case "messages":
            return claude_stream(
                TEXTS, model="deepreasoning", thinking=THOUGHTS, usage=MESSAGES_USAGE
            )
        case "responses":
            return responses_stream()
        case _:
            return reasoner_stream(THOUGHTS, TEXTS, model="deepreasoning", usage=CHAT_USAGE)


def whole(endpoint: str) -> Reply:
    match endpoint:
        case "messages":
            content = [
                {"type": "thinking", "thinking": REASONING, "signature": ""},
                {"type": "text", "text": ANSWER},
            ]
            reply: Payload = {"type": "message", "content": content, "stop_reason": "end_turn"}
            reply["usage"] = MESSAGES_USAGE
        case "responses":
            output = [
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": REASONING}]},
                {"type": "message", "content": [{"type": "output_text", "text": ANSWER}]},
            ]
            reply = {"object": "response", "status": "completed", "output": output, "error": None}
            reply["usage"] = RESPONSES_USAGE
        case _:
            message = {"role": "assistant", "content": f"<think>{REASONING}</think>\n\n{ANSWER}"}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            reply = {"object": "chat.completion", "choices": [choice], "usage": CHAT_USAGE}
    return json_reply(200, {"id": "1", "model": "deepreasoning"} | reply)


@dataclass
class Gateway:
    """The hosted model on this machine, and the program with its key alone."""

    loopback: Loopback
    vendors: Vendors

    @property
    def environment(self) -> dict[str, str]:
        return {
            "DEEPSEEK_API_KEY": "",
            "ANTHROPIC_API_KEY": "",
            "EMPIRIOLABS_API_KEY": self.vendors.keys["EMPIRIOLABS_API_KEY"],
            "EMPIRIOLABS_BASE_URL": f"{self.loopback.url}/v1",
            "DEEPREASONING_MODEL": "haiku",
        }

    def run(self, *args: str, **env: str) -> CompletedRun:
        return self.vendors.run(*args, env={**self.environment, **env})

    def ask(self, *args: str, endpoint: str = "chat_completions", **env: str) -> CompletedRun:
        return self.run("ask", *args, DEEPREASONING_GATEWAY__ENDPOINT=endpoint, **env)

    def only_request(self) -> Received:
        (request,) = self.loopback.requests
        return request


@pytest.fixture
def gateway(vendors: Vendors) -> Iterator[Gateway]:
    with Loopback() as loopback:
        yield Gateway(loopback, vendors)


def as_json(result: CompletedRun) -> Any:
    assert (result.code, result.stderr) == (0, b"")
    return json.loads(result.stdout)


ENDS = {"messages": "end_turn", "responses": "completed"}


@pytest.mark.parametrize("endpoint", FORMATS)
@pytest.mark.parametrize("play", [streamed, whole])
class TestFormats:
    def test_a_pipe_gets_the_answer(self, gateway: Gateway, endpoint: str, play: Any) -> None:
        gateway.loopback.reply(play(endpoint))
        assert gateway.ask("6 x 7?", endpoint=endpoint) == CompletedRun(0, PRINTED, b"")
        assert gateway.only_request().path == PATHS[endpoint]

    def test_json_names_both_stages(self, gateway: Gateway, endpoint: str, play: Any) -> None:
        gateway.loopback.reply(play(endpoint))
        turn = as_json(gateway.ask("--json", "6 x 7?", endpoint=endpoint))
        for part in (turn, turn["reasoner"], turn["answerer"]):
            assert part.pop("seconds") is not None
        assert turn.pop("id")
        assert turn == {
            "session": None,
            "backend": "gateway",
            "prompt": "6 x 7?",
            "reasoning": REASONING,
            "answer": ANSWER,
            "sources": [],
            "reasoner": {
                "model": "deepreasoning",
                "served_model": None,
                "host": "empiriolabs",
                "usage": None,
                "cost_usd": None,
                "stop_reason": None,
            },
            "answerer": {
                "model": CLAUDE,
                "served_model": None,
                "host": "empiriolabs",
                "usage": {
                    "input_tokens": 20,
                    "output_tokens": 50,
                    "reasoning_tokens": turn["answerer"]["usage"]["reasoning_tokens"],
                    "cached_tokens": 0,
                    "estimated": False,
                },
                "cost_usd": COST,
                "stop_reason": ENDS.get(endpoint, "stop"),
            },
            "search": None,
            "fallbacks": [],
            "cost_usd": COST,
            "stop_reason": ENDS.get(endpoint, "stop"),
            "status": "complete",
            "handoff": "reasoning",
        }

    def test_panels_are_those_of_the_direct_backend(
        self, gateway: Gateway, endpoint: str, play: Any
    ) -> None:
        gateway.loopback.reply(play(endpoint))
        shown = gateway.vendors.on_terminal(
            "ask",
            "6 x 7?",
            env={**gateway.environment, "DEEPREASONING_GATEWAY__ENDPOINT": endpoint},
        )
        terminal = Terminal()
        terminal.write(shown.output.decode())
        text = "\n".join(terminal.lines())
        assert shown.code == 0
        assert "Reasoning · deepreasoning" in text
        assert f"Answer · {CLAUDE}" in text
        assert text.index(REASONING) < text.index("42 is the answer.")


@pytest.mark.parametrize("endpoint", FORMATS)
def test_the_request_has_all_six_parameters(gateway: Gateway, endpoint: str) -> None:
    gateway.loopback.reply(streamed(endpoint))
    gateway.ask("6 x 7?", "-s", "Be brief.", "-t", "1.5", endpoint=endpoint)
    six = {
        "temperature": 1.5,
        "top_p": 0.9,
        "max_tokens": 8192,
        "anthropic_model": CLAUDE,
        "web_search_linkup": False,
        "disable_formatting": False,
    }
    asked = {"role": "user", "content": "6 x 7?"}
    own: dict[str, Any] = {
        "chat_completions": {
            "messages": [{"role": "system", "content": "Be brief."}, asked],
            "stream_options": {"include_usage": True},
        },
        "responses": {"input": [asked], "instructions": "Be brief."},
        "messages": {"messages": [asked], "system": "Be brief."},
    }
    request = gateway.only_request()
    assert request.body == {"model": "deepreasoning", "stream": True} | six | own[endpoint]
    key = gateway.vendors.keys["EMPIRIOLABS_API_KEY"]
    assert request.headers["authorization"] == f"Bearer {key}"


def test_switches_are_sent_as_they_are_set(gateway: Gateway) -> None:
    gateway.loopback.reply(streamed("chat_completions"))
    gateway.ask("-w", "--no-sources", "--max-tokens", "65536", "--top-p", "1", "6 x 7?")
    body = gateway.only_request().body
    names = ("web_search_linkup", "disable_formatting", "max_tokens", "top_p")
    assert [body[name] for name in names] == [True, True, 65536, 1.0]


@pytest.mark.parametrize(
    ("flag", "value"), [("-t", "2.1"), ("--top-p", "1.1"), ("--max-tokens", "65537")]
)
def test_a_value_out_of_range_is_refused_before_anything_is_sent(
    gateway: Gateway, flag: str, value: str
) -> None:
    assert gateway.ask(flag, value, "6 x 7?").code == 2
    assert gateway.loopback.connections == []


@pytest.mark.parametrize("kind", ["reasoning_text", "reasoning_summary_text"])
def test_both_forms_of_reasoning_items_are_read(gateway: Gateway, kind: str) -> None:
    gateway.loopback.reply(responses_stream(kind=kind))
    turn = as_json(gateway.ask("--json", "6 x 7?", endpoint="responses"))
    assert (turn["reasoning"], turn["answer"]) == (REASONING, ANSWER)


@pytest.mark.parametrize("endpoint", ["responses", "messages"])
def test_reasoning_inside_the_text_is_told_apart_in_every_format(
    gateway: Gateway, endpoint: str
) -> None:
    texts = ("<th", "ink>", *THOUGHTS, "</thi", "nk>\n\n", *TEXTS)
    reply = (
        responses_stream((), texts)
        if endpoint == "responses"
        else claude_stream(texts, model="deepreasoning")
    )
    gateway.loopback.reply(reply)
    turn = as_json(gateway.ask("--json", "--no-sources", "6 x 7?", endpoint=endpoint))
    assert (turn["reasoning"], turn["answer"]) == (REASONING, ANSWER)


FOOTER = "\n\n**Sources:**\n\n1. [Multiplication](https://example.org/6x7)\n2. https://example.com"


def test_the_footer_becomes_sources_and_stays_text(gateway: Gateway) -> None:
    gateway.loopback.reply(
        reasoner_stream(THOUGHTS, (*TEXTS, FOOTER), usage=CHAT_USAGE, model="deepreasoning")
    )
    turn = as_json(gateway.ask("--json", "--web", "6 x 7?"))
    assert turn["answer"] == ANSWER + FOOTER
    assert turn["sources"] == [
        {"title": "Multiplication", "url": "https://example.org/6x7"},
        {"title": "https://example.com", "url": "https://example.com"},
    ]
    assert (turn["search"]["model"], turn["search"]["cost_usd"]) == ("linkup", "0.013")
    assert turn["cost_usd"] == "0.014246"


def test_without_a_search_a_footer_is_only_text(gateway: Gateway) -> None:
    gateway.loopback.reply(reasoner_stream(THOUGHTS, (*TEXTS, FOOTER), model="deepreasoning"))
    assert as_json(gateway.ask("--json", "6 x 7?"))["sources"] == []


ERRORS = [
    (401, "missing_api_key", 3, "key_rejected"),
    (401, "invalid_api_key", 3, "key_rejected"),
    (402, "insufficient_credits", 4, "no_credit"),
    (404, "model_not_found", 4, "not_found"),
    (400, "insufficient_credits", 4, "no_credit"),
    (400, "model_not_found", 4, "not_found"),
    (403, "invalid_api_key", 3, "key_rejected"),
    (429, "rate_limit_exceeded", 5, "rate_limit"),
    (503, "model_unavailable", 5, "overloaded"),
    (502, "upstream_error", 5, "server"),
]


@pytest.mark.parametrize("anthropic", [False, True], ids=["openai", "anthropic"])
@pytest.mark.parametrize(("status", "code", "exit_code", "kind"), ERRORS)
def test_every_code_has_its_exit_code_in_either_envelope(
    gateway: Gateway, status: int, code: str, exit_code: int, kind: str, anthropic: bool
) -> None:
    soon = {"retry-after": "0.01"}
    reply = (
        error_reply_anthropic(status, code, "So it is.", headers=soon)
        if anthropic
        else error_reply_openai(status, "So it is.", code=code, headers=soon)
    )
    gateway.loopback.reply(reply)
    endpoint = "messages" if anthropic else "chat_completions"
    result = gateway.ask("--json", "6 x 7?", endpoint=endpoint)
    error = error_of(result)
    assert (result.code, error["kind"], error["stage"]) == (exit_code, kind, "reason")
    assert error["hint"]
    assert len(gateway.loopback.requests) == (3 if exit_code == 5 else 1)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (html_reply(200, "Sign in"), b"sent a web page instead of an API reply"),
        (Reply(body=[], content_type="application/json"), b"sent an empty answer"),
        (json_reply(200, ["no", "object"]), b"sent unreadable JSON"),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(gateway: Gateway, reply: Reply, said: bytes) -> None:
    gateway.loopback.reply(reply)
    result = gateway.ask("6 x 7?")
    assert (result.code, result.stdout) == (5, b"")
    assert said in result.stderr


def test_no_credit_inside_a_stream_is_a_refusal_too(gateway: Gateway) -> None:
    error = {"error": {"message": "top up", "code": "insufficient_credits"}}
    gateway.loopback.reply(Reply(body=[sse(error)]))
    assert gateway.ask("6 x 7?").code == 4


def test_a_cut_in_the_answer_is_incomplete_and_kept(gateway: Gateway) -> None:
    cut = reasoner_stream(THOUGHTS, TEXTS, model="deepreasoning").failing(5)
    gateway.loopback.reply(cut)
    result = gateway.ask("--json", "6 x 7?")
    error = error_of(result)
    assert (result.code, error["stage"], error["kind"]) == (6, "answer", "cut")
    turn = json.loads(result.stdout)
    assert (turn["reasoning"], turn["answer"]) == (REASONING, TEXTS[0])
    assert turn["answerer"]["usage"]["estimated"] is True
    assert error["resume"] == f"deepreasoning resume {turn['id']}"


def test_a_turn_of_the_gateway_is_resumed_by_claude_directly(gateway: Gateway) -> None:
    gateway.loopback.reply(reasoner_stream(THOUGHTS, TEXTS, model="deepreasoning").failing(5))
    gateway.ask("6 x 7?")
    gateway.vendors.claude.reply(claude_stream(TEXTS))
    key = gateway.vendors.keys["ANTHROPIC_API_KEY"]
    result = gateway.run("resume", "-m", "sonnet", "--whole", ANTHROPIC_API_KEY=key)
    assert (result.code, result.stdout) == (0, PRINTED)
    asked = json.dumps(gateway.vendors.claude.requests[0].body)
    assert (REASONING in asked, "your answer was cut off" in asked) == (True, True)


def test_without_a_key_for_claude_a_turn_of_the_gateway_cannot_be_resumed(
    gateway: Gateway,
) -> None:
    gateway.loopback.reply(reasoner_stream(THOUGHTS, TEXTS, model="deepreasoning").failing(5))
    gateway.ask("6 x 7?")
    result = gateway.run("resume")
    assert (result.code, result.stdout) == (3, b"")
    assert b"set ANTHROPIC_API_KEY" in result.stderr


def test_a_token_limit_is_incomplete(gateway: Gateway) -> None:
    gateway.loopback.reply(responses_stream(end="incomplete"))
    result = gateway.ask("6 x 7?", endpoint="responses")
    assert (result.code, result.stdout) == (6, PRINTED)


def test_only_the_reasoning_is_had_by_closing_the_call(gateway: Gateway) -> None:
    gateway.loopback.reply(streamed("chat_completions"))
    result = gateway.ask("--reasoning", "only", "6 x 7?")
    assert result == CompletedRun(0, f"{REASONING}\n".encode(), b"")


def test_an_answer_without_reasoning_is_an_answer_and_said_so(gateway: Gateway) -> None:
    gateway.loopback.reply(reasoner_stream((), TEXTS))
    result = gateway.ask("6 x 7?")
    assert (result.code, result.stdout) == (0, PRINTED)
    assert b"the gateway sent no reasoning with this answer" in result.stderr


def test_an_empty_answer_is_incomplete(gateway: Gateway) -> None:
    gateway.loopback.reply(reasoner_stream(THOUGHTS, ()))
    result = gateway.ask("6 x 7?")
    assert (result.code, result.stdout) == (6, b"")
    assert b"the model returned no answer" in result.stderr


def test_two_keys_of_ones_own_come_before_the_gateways(gateway: Gateway) -> None:
    gateway.vendors.reply()
    environment = gateway.environment | gateway.vendors.environment | {"DEEPREASONING_MODEL": ""}
    result = gateway.vendors.ask("6 x 7?", env=environment)
    assert result == CompletedRun(0, PRINTED, b"")
    assert gateway.loopback.connections == []


@pytest.mark.parametrize("handoff", ["none", "answer", "both"])
def test_the_gateway_has_a_handoff_of_its_own(gateway: Gateway, handoff: str) -> None:
    result = gateway.ask("--backend", "gateway", "--handoff", handoff, "6 x 7?")
    assert (result.code, result.stdout) == (2, b"")
    assert gateway.loopback.connections == []


def test_what_the_gateway_does_not_take_is_said(gateway: Gateway) -> None:
    gateway.loopback.reply(streamed("chat_completions"))
    result = gateway.ask("--backend", "gateway", "-r", "deepseek", "-m", "claude-9", "6 x 7?")
    assert (result.code, result.stdout) == (0, PRINTED)
    assert b"--reasoner ignored: the gateway decides" in result.stderr
    assert b"unknown model 'claude-9'" in result.stderr
    assert gateway.only_request().body["anthropic_model"] == "claude-9"


def test_the_default_is_the_gateways_own(gateway: Gateway) -> None:
    gateway.loopback.reply(streamed("chat_completions"))
    result = gateway.ask("6 x 7?", DEEPREASONING_MODEL="")
    assert (result.code, result.stdout) == (0, PRINTED)
    assert b"claude-sonnet-4-5-20250929 is deprecated at Anthropic" in result.stderr
    assert gateway.only_request().body["anthropic_model"] == "claude-sonnet-4-5-20250929"


def test_a_retired_model_is_sent_with_a_warning(gateway: Gateway) -> None:
    gateway.loopback.reply(streamed("chat_completions"))
    result = gateway.ask("-m", "claude-3-opus-20240229", "6 x 7?")
    assert (result.code, result.stdout) == (0, PRINTED)
    assert b"claude-3-opus-20240229 is retired at Anthropic" in result.stderr


def test_a_dry_run_shows_the_one_request(gateway: Gateway) -> None:
    shown = as_json(gateway.ask("--dry-run", "--json", "6 x 7?"))
    (stage,) = shown["stages"]
    assert (shown["backend"], stage["model"]) == ("gateway", CLAUDE)
    assert stage["request"]["url"].endswith("/v1/chat/completions")
    assert stage["request"]["body"]["anthropic_model"] == CLAUDE
    assert gateway.loopback.connections == []


def test_the_turn_is_in_the_history(gateway: Gateway) -> None:
    gateway.loopback.reply(streamed("chat_completions"))
    turn = as_json(gateway.ask("--json", "6 x 7?"))
    kept = as_json(gateway.run("history", "show", turn["id"], "--json"))
    assert kept == turn


def test_check_calls_the_gateway(gateway: Gateway) -> None:
    gateway.loopback.reply(json_reply(200, {"data": []}))
    result = gateway.run("config", "check", "--json")
    (outcome,) = json.loads(result.stdout)
    assert (result.code, outcome["vendor"], outcome["works"]) == (0, "empiriolabs", True)
    assert gateway.only_request().path == "/v1/models"


def test_no_file_is_left_but_the_history(gateway: Gateway) -> None:
    gateway.loopback.reply(streamed("messages"))
    gateway.ask("6 x 7?", endpoint="messages")
    journals = Path(os.environ["HOME"]).rglob("journal/*.jsonl")
    assert list(journals) == []
