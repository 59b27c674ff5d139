"""One key for both stages, none at all, and hosts that step in: against real sockets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from support.loopback import refusing_url
from support.replies import (
    Reply,
    claude_stream,
    error_reply_anthropic,
    error_reply_openai,
    reasoner_stream,
)
from support.runner import homes
from support.serve_process import ASKED, serving
from support.vendors import ANSWER, OWN_ANSWER, PRINTED, REASONING, TEXTS, THOUGHTS, Vendors

KEY = "sk-or-v1-0123456789abcdef"
NO_KEYS = {"DEEPSEEK_API_KEY": "", "ANTHROPIC_API_KEY": ""}
THOUGHT = reasoner_stream(THOUGHTS)  # ends by itself, with its usage
OVERLOADED = error_reply_openai(503, "busy", headers={"retry-after-ms": "1"})
NO_CREDIT = error_reply_openai(402, "Insufficient Balance")


def openrouter(vendors: Vendors) -> dict[str, str]:
    """The environment of a user who has OpenRouter's key and no other."""
    return {**NO_KEYS, "OPENROUTER_API_KEY": KEY, "OPENROUTER_BASE_URL": vendors.novita.url}


def ollama(vendors: Vendors) -> dict[str, str]:
    """The environment of a user without any key."""
    return {**NO_KEYS, "OLLAMA_BASE_URL": f"{vendors.novita.url}/v1"}


def turn(vendors: Vendors, *args: str, env: Mapping[str, str]) -> dict[str, Any]:
    """The object of `ask --json`."""
    done = vendors.ask(*args, "--json", "6 x 7?", env=env)
    assert done.code == 0, done.stderr
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def hosts(shown: Mapping[str, Any]) -> tuple[tuple[str, str], tuple[str, str]]:
    reasoner, answerer = shown["reasoner"], shown["answerer"]
    return (reasoner["host"], reasoner["model"]), (answerer["host"], answerer["model"])


# --- one key, no key


def test_openrouters_key_alone_is_a_pair(vendors: Vendors) -> None:
    host = vendors.novita
    host.reply(
        reasoner_stream(THOUGHTS, model="deepseek/deepseek-r1-0528", field="reasoning_details"),
        claude_stream(TEXTS, model="anthropic/claude-sonnet-5.5"),
    )
    shown = turn(vendors, env=openrouter(vendors))
    assert (shown["reasoning"], shown["answer"]) == (REASONING, ANSWER)
    assert hosts(shown) == (
        ("openrouter", "deepseek/deepseek-r1-0528"),
        ("openrouter", "anthropic/claude-sonnet-5.5"),
    )
    thinks, answers = host.requests
    assert (thinks.path, answers.path) == ("/chat/completions", "/messages")
    assert thinks.headers["authorization"] == answers.headers["authorization"] == f"Bearer {KEY}"
    assert "x-api-key" not in answers.headers
    assert answers.headers["anthropic-version"] == "2023-06-01"
    assert answers.body["model"] == "anthropic/claude-sonnet-5.5"
    assert vendors.counts() == (0, 0)
    # 100 tokens in at $2, 30 out at $10
    assert Decimal(shown["answerer"]["cost_usd"]) == Decimal("0.0005")


@pytest.mark.parametrize("backend", ["auto", "direct"])
def test_a_local_ollama_is_a_pair_without_any_key(vendors: Vendors, backend: str) -> None:
    host = vendors.novita
    host.reply(
        reasoner_stream(THOUGHTS, model="deepseek-r1", field="reasoning"),
        claude_stream(TEXTS, model="qwen3"),
    )
    args = ("-r", "ollama", "-a", "ollama", "--backend", backend)
    shown = turn(vendors, *args, env=ollama(vendors))
    assert shown["answer"] == ANSWER
    assert hosts(shown) == (("ollama", "deepseek-r1"), ("ollama", "qwen3"))
    assert [request.path for request in host.requests] == ["/v1/chat/completions", "/v1/messages"]
    for request in host.requests:
        assert not {"authorization", "x-api-key"} & request.headers.keys()
    assert "output_config" not in host.requests[1].body
    assert shown["cost_usd"] == "0"


def test_chat_needs_openrouters_key_alone(vendors: Vendors) -> None:
    for _ in range(2):
        vendors.novita.reply(
            reasoner_stream(THOUGHTS, model="deepseek/deepseek-r1-0528", field="reasoning_details"),
            claude_stream(TEXTS, model="anthropic/claude-sonnet-5.5"),
        )
    done = vendors.run("chat", stdin=b"6 x 7?\nSure?\n", env=openrouter(vendors))
    assert (done.code, done.stdout.count(ANSWER.encode())) == (0, 2)
    paths = [request.path for request in vendors.novita.requests]
    assert paths == ["/chat/completions", "/messages"] * 2
    assert vendors.novita.requests[3].body["messages"][0]["content"] == "6 x 7?"
    assert vendors.counts() == (0, 0)


def test_chat_talks_to_a_local_ollama(vendors: Vendors) -> None:
    vendors.config('model = "sonnet"\nreasoner = "ollama"\nanswerer = "ollama"\n')
    vendors.novita.reply(THOUGHT, claude_stream(TEXTS, model="qwen3"))
    done = vendors.run("chat", stdin=b"6 x 7?\n/answerer\n/info\n", env=ollama(vendors))
    assert done.code == 0, done.stderr
    assert ANSWER.encode() in done.stdout
    assert b"qwen3  A model on this computer (Ollama)" in done.stdout
    assert vendors.novita.requests[1].body["model"] == "qwen3"


def test_chat_changes_the_answerer(vendors: Vendors) -> None:
    vendors.reply()
    vendors.novita.reply(claude_stream(TEXTS, model="qwen3"))
    env = {"OLLAMA_BASE_URL": f"{vendors.novita.url}/v1"}
    lines = b"/model sonnet\n/answerer ollama\n6 x 7?\n"
    done = vendors.run("chat", stdin=lines, env=env)
    assert done.code == 0, done.stderr
    assert b"ollama has no model called 'sonnet'; its default answers" in done.stderr
    assert vendors.novita.requests[0].body["model"] == "qwen3"


@pytest.mark.parametrize("local", [True, False], ids=["ollama", "openrouter"])
def test_serve_answers_with_one_host_for_both_stages(vendors: Vendors, local: bool) -> None:
    model = "qwen3" if local else "anthropic/claude-sonnet-5.5"
    vendors.novita.reply(THOUGHT, claude_stream(TEXTS, model=model))
    args = ("-r", "ollama", "-a", "ollama") if local else ()
    env = (ollama if local else openrouter)(vendors)
    with serving(vendors, *args, env={**homes(vendors.home), **env}) as server:
        (first, *others) = httpx2.get(f"{server.url}/v1/models").json()["data"]
        answered = httpx2.post(
            f"{server.url}/v1/chat/completions",
            json={"model": "deepreasoning", "messages": ASKED},
            timeout=30,
        ).json()
    assert first["pricing"]["answer"]["model"] == model
    assert ("deepreasoning/claude-sonnet-5-5" in [each["id"] for each in others]) != local
    assert answered["choices"][0]["message"]["content"] == ANSWER
    assert vendors.novita.requests[1].body["model"] == model


USAGE = {"prompt_tokens": 40, "completion_tokens": 40, "total_tokens": 80}


def test_what_a_host_of_ones_own_charges_is_unknown_until_it_is_written_down(
    vendors: Vendors,
) -> None:
    text = (
        '[answerers.lab]\nbase_url = "{url}/v1"\nmodel = "llama4"\n'
        'format = "chat_completions"\n{rates}'
    )
    costs = []
    for rates in ("", "rates = { input = 1, output = 2 }\n"):
        vendors.config(text.format(url=vendors.novita.url, rates=rates))
        vendors.reply(THOUGHT)
        vendors.novita.reply(reasoner_stream([], TEXTS, model="llama4", usage=USAGE))
        shown = turn(vendors, "-a", "lab", env={})
        assert shown["answer"] == ANSWER
        assert hosts(shown)[1] == ("lab", "llama4")
        costs.append((shown["answerer"]["cost_usd"], shown["cost_usd"] is None))
    assert vendors.novita.requests[0].path == "/v1/chat/completions"
    assert vendors.novita.requests[0].body["max_tokens"] == 8192
    assert costs == [(None, True), ("0.00012", False)]


def test_deepseeks_own_messages_endpoint_answers(vendors: Vendors) -> None:
    vendors.reasoner.reply(THOUGHT, claude_stream(TEXTS, model="deepseek-flash"))
    shown = turn(vendors, "-a", "deepseek", env={"ANTHROPIC_API_KEY": ""})
    assert hosts(shown)[1] == ("deepseek", "deepseek-flash")
    request = vendors.reasoner.requests[1]
    assert request.path == "/anthropic/v1/messages"
    assert request.headers["x-api-key"] == vendors.keys["DEEPSEEK_API_KEY"]


@pytest.mark.parametrize(
    ("environ", "sent"),
    [
        ({"ANTHROPIC_API_KEY": ""}, ("Bearer the-token-0123456789", None)),
        ({}, (None, "the key")),
    ],
)
def test_a_token_is_sent_as_a_bearer_and_gives_way_to_a_key(
    vendors: Vendors, environ: dict[str, str], sent: tuple[str | None, str | None]
) -> None:
    vendors.reply(THOUGHT)
    env = {"ANTHROPIC_AUTH_TOKEN": "the-token-0123456789", **environ}
    done = vendors.ask("6 x 7?", env=env)
    assert (done.code, done.stdout) == (0, PRINTED)
    headers = vendors.claude.requests[0].headers
    key = headers.get("x-api-key") and "the key"
    assert (headers.get("authorization"), key) == sent
    both = b"ANTHROPIC_API_KEY and ANTHROPIC_AUTH_TOKEN are both set: the key is used"
    assert (both in done.stderr) == (not environ)


# --- what hosts refuse


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("output_config", "output_config: Extra inputs are not permitted"),
        ("anthropic-version", "anthropic-version: unsupported"),
    ],
)
def test_what_another_host_refuses_is_left_out(vendors: Vendors, field: str, message: str) -> None:
    vendors.reply(THOUGHT)
    vendors.novita.reply(
        THOUGHT,
        error_reply_anthropic(400, "invalid_request_error", message),
        claude_stream(TEXTS),
    )
    shown = turn(vendors, env=openrouter(vendors))
    assert shown["answer"] == ANSWER
    refused, taken = vendors.novita.requests[1:]
    assert field in {**refused.body, **refused.headers}
    assert field not in {**taken.body, **taken.headers}


def test_cache_marks_that_another_host_refuses_are_left_out(vendors: Vendors) -> None:
    message = "messages.0.content.0.cache_control: not supported"
    vendors.novita.reply(
        error_reply_anthropic(400, "invalid_request_error", message), claude_stream(TEXTS)
    )
    args = ("--handoff", "none", "--session", "s", "-s", "Be brief. " * 2000)
    assert turn(vendors, *args, env=openrouter(vendors))["answer"] == ANSWER
    refused, taken = vendors.novita.requests
    assert "cache_control" in json.dumps(refused.body)
    assert "cache_control" not in json.dumps(taken.body)
    assert taken.body["system"].startswith("Be brief. ")


@pytest.mark.parametrize(
    ("args", "message", "hint"),
    [
        (
            ["-a", "openruter"],
            "error: there is no answerer 'openruter'",
            "hint: did you mean openrouter?",
        ),
        (
            ["-a", "ollama", "-m", "sonnet"],
            "error: answer: ollama has no model called 'sonnet'",
            "hint: use -m qwen3, or the id of another model that it has",
        ),
        (
            ["--fallback", "olama"],
            "error: there is no reasoner or answerer 'olama'",
            "hint: did you mean ollama?",
        ),
        (
            ["--fallback", "ollama", "--fallback", "Ollama"],
            "error: --fallback must be a host name, or a list without repeats such as"
            ' ["openrouter"]',
            "hint: give it such a value, or leave it out",
        ),
    ],
)
def test_a_wrong_host_is_refused_before_anything_is_sent(
    vendors: Vendors, args: list[str], message: str, hint: str
) -> None:
    done = vendors.ask(*args, "6 x 7?")
    assert done.code in (2, 3, 4)
    assert done.stderr.decode() == "\n".join(filter(None, [message, hint])) + "\n"
    assert vendors.sent() == 0


# --- hosts that step in


def test_another_reasoner_steps_in_where_the_first_is_out_of_credit(vendors: Vendors) -> None:
    vendors.reasoner.reply(NO_CREDIT)
    vendors.novita.reply(reasoner_stream(THOUGHTS, model="deepseek/deepseek-r1-0528"))
    vendors.claude.reply(claude_stream(TEXTS))
    env = {"OPENROUTER_API_KEY": KEY, "OPENROUTER_BASE_URL": vendors.novita.url}
    vendors.config('reasoner = ["deepseek", "openrouter"]\n')
    shown = turn(vendors, env=env)
    assert hosts(shown)[0] == ("openrouter", "deepseek/deepseek-r1-0528")
    (fallback,) = shown["fallbacks"]
    assert (fallback["stage"], fallback["from"], fallback["to"]) == (
        *("reason", "deepseek", "openrouter"),
    )
    assert "no credit left (402): Insufficient Balance" in fallback["reason"]
    assert len(vendors.reasoner.requests) == 1
    kept = json.loads(vendors.run("history", "show", "last", "--json").stdout)
    assert (kept["fallbacks"], hosts(kept)) == (shown["fallbacks"], hosts(shown))
    assert kept["cost_usd"] == shown["cost_usd"]


def test_another_answerer_steps_in_after_the_retries_and_reasoning_is_paid_once(
    vendors: Vendors,
) -> None:
    vendors.reasoner.reply(THOUGHT)
    vendors.claude.reply(
        error_reply_anthropic(
            529, "overloaded_error", "Overloaded", headers={"retry-after-ms": "1"}
        )
    )
    vendors.novita.reply(claude_stream(TEXTS, model="anthropic/claude-sonnet-5.5"))
    env = {"OPENROUTER_API_KEY": KEY, "OPENROUTER_BASE_URL": vendors.novita.url}
    done = vendors.ask("--fallback", "openrouter", "6 x 7?", env=env)
    assert (done.code, done.stdout) == (0, PRINTED)
    assert b"note: using openrouter instead of anthropic: " in done.stderr
    assert [len(each.requests) for each in (vendors.reasoner, vendors.claude)] == [1, 3]
    assert len(vendors.novita.requests) == 1


def test_a_host_where_nobody_listens_is_stepped_in_for(vendors: Vendors) -> None:
    vendors.reasoner.reply(THOUGHT)
    vendors.novita.reply(claude_stream(TEXTS, model="anthropic/claude-sonnet-5.5"))
    env = {
        "OPENROUTER_API_KEY": KEY,
        "OPENROUTER_BASE_URL": vendors.novita.url,
        "ANTHROPIC_BASE_URL": refusing_url(),
    }
    shown = turn(vendors, "--fallback", "openrouter", env=env)
    assert hosts(shown)[1][0] == "openrouter"
    assert "connection refused" in shown["fallbacks"][0]["reason"]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (error_reply_openai(401, "bad key"), 3),
        (error_reply_openai(400, "bad request"), 4),
        (reasoner_stream(THOUGHTS).failing(2), 6),
    ],
    ids=["key", "request", "cut"],
)
def test_nobody_steps_in_for_a_fault_of_ones_own_or_for_what_has_begun(
    vendors: Vendors, reply: Reply, code: int
) -> None:
    vendors.reasoner.reply(reply)
    env = {"OPENROUTER_API_KEY": KEY, "OPENROUTER_BASE_URL": vendors.novita.url}
    done = vendors.ask("--fallback", "openrouter", "6 x 7?", env=env)
    assert done.code == code
    assert (len(vendors.novita.requests), len(vendors.claude.requests)) == (0, 0)


def test_the_last_host_that_fails_is_the_one_that_is_told_of(vendors: Vendors) -> None:
    vendors.reasoner.reply(NO_CREDIT)
    vendors.novita.reply(OVERLOADED)
    env = {"OPENROUTER_API_KEY": KEY, "OPENROUTER_BASE_URL": vendors.novita.url}
    done = vendors.ask("--fallback", "openrouter", "6 x 7?", env=env)
    assert done.code == 5
    assert b"error: reason: 127.0.0.1" in done.stderr
    assert len(vendors.claude.requests) == 0


def test_a_host_without_its_key_is_passed_over(vendors: Vendors) -> None:
    vendors.reply(THOUGHT)
    done = vendors.ask("--fallback", "openrouter", "6 x 7?")
    assert (done.code, done.stdout) == (0, PRINTED)
    warning = b"warning: openrouter skipped: no key openrouter\n"
    assert warning in done.stderr


def test_the_screen_says_who_stepped_in(vendors: Vendors) -> None:
    vendors.reasoner.reply(NO_CREDIT)
    vendors.novita.reply(reasoner_stream(THOUGHTS, OWN_ANSWER, model="deepseek/deepseek-r1-0528"))
    vendors.claude.reply(claude_stream(TEXTS))
    env = {"OPENROUTER_API_KEY": KEY, "OPENROUTER_BASE_URL": vendors.novita.url}
    shown = vendors.on_terminal("ask", "--fallback", "openrouter", "6 x 7?", env=env)
    assert shown.code == 0
    text = shown.output.decode()
    assert "using openrouter instead" in text
    assert "Reasoning · deepseek/deepseek-r1-0528 at openrouter" in text
    assert "openrouter instead of deepseek" in text
