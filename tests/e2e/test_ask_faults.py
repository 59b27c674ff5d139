"""What can go wrong between a question and its answer: one line, one hint, one exit code."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.loopback import Loopback
from support.replies import (
    CLAUDE_USAGE,
    Cut,
    Pause,
    Reply,
    Reset,
    Stall,
    claude_stream,
    error_reply_anthropic,
    error_reply_openai,
    html_reply,
    json_reply,
    reasoner_stream,
    sse,
)
from support.runner import CompletedRun
from support.vendors import (
    ANSWER,
    PRINTED,
    REASONING,
    TEXTS,
    THOUGHTS,
    Vendors,
    error_of,
    kept,
    named,
    refusing,
)

QUIET = CompletedRun(0, PRINTED, b"")
PAID = f"; {len(REASONING)} characters of the reasoning came before"
LATER = "try again later"


@pytest.fixture(autouse=True)
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of runs of lines that other tests cover: measuring them only takes time."""
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)


def host(vendor: Loopback) -> str:
    return vendor.url.removeprefix("http://")


def failed(code: int, error: str, hint: str | None, stdout: bytes = b"") -> CompletedRun:
    """The outcome of a run that fails with this error, and with each line of `hint`."""
    lines = [f"error: {error}", *(f"hint: {line}" for line in (hint or "").splitlines())]
    return CompletedRun(code, stdout, "".join(f"{line}\n" for line in lines).encode())


def told(stage: str | None, kind: str, message: str, hint: str | None, **known: Any) -> Any:
    """The error object of `--json`."""
    first = {"stage": stage, "kind": kind, "message": message, "status": None, "request_id": None}
    return {**first, "hint": hint, "resume": None, **known}


def told_to_resume(stage: str, kind: str, message: str, hint: str | None, **known: Any) -> Any:
    """The same where something is kept."""
    return told(stage, kind, message, kept(hint), resume="deepreasoning resume ID", **known)


# ------------------------------------------------------------------------------------------ keys

STARTS = (
    "`deepreasoning config init` asks for your keys and stores them\n"
    "or export DEEPSEEK_API_KEY=… ANTHROPIC_API_KEY=…, or OPENROUTER_API_KEY=…,"
    " or EMPIRIOLABS_API_KEY=…\n"
    "no key yet? --backend demo shows how it works, without calling a model"
)


@pytest.mark.parametrize(
    ("missing", "error"),
    [
        (("DEEPSEEK_API_KEY", "ANTHROPIC_API_KEY"), "no keys are set"),
        (("DEEPSEEK_API_KEY",), "no key for a reasoner"),
        (("ANTHROPIC_API_KEY",), "no key for Claude: set ANTHROPIC_API_KEY"),
    ],
)
def test_without_a_key_three_ways_to_start_are_named(
    vendors: Vendors, missing: tuple[str, ...], error: str
) -> None:
    result = vendors.ask("6 x 7?", env=dict.fromkeys(missing, ""))
    assert result == failed(3, error, STARTS)
    assert vendors.connections() == 0


def test_without_a_key_json_says_so_too(vendors: Vendors) -> None:
    result = vendors.ask("--json", "6 x 7?", env={"ANTHROPIC_API_KEY": " "})
    assert (result.code, result.stdout) == (3, b"")
    message = "no key for Claude: set ANTHROPIC_API_KEY"
    assert error_of(result) == told(None, "key_missing", message, STARTS)


@pytest.mark.parametrize(
    ("sign", "named"),
    [
        ("\n", "a line break"),
        ("\r\n", "a line break"),
        (" ", "a space"),
        ("é", "the character U+00E9"),
        ("\u200b", "the character U+200B"),
    ],
)
def test_a_malformed_key_is_refused_and_not_shown(vendors: Vendors, sign: str, named: str) -> None:
    key = vendors.keys["ANTHROPIC_API_KEY"]
    result = vendors.ask("6 x 7?", env={"ANTHROPIC_API_KEY": f"{key[:20]}{sign}{key[20:]}"})
    assert result == failed(
        3,
        f"the key anthropic from environment ANTHROPIC_API_KEY holds {named} at position 21",
        "copy the key again, without line breaks or typographic signs",
    )
    assert vendors.sent() == 0


def test_a_malformed_key_of_the_reasoner_is_refused_too(vendors: Vendors) -> None:
    key = vendors.keys["DEEPSEEK_API_KEY"]
    result = vendors.ask("--json", "6 x 7?", env={"DEEPSEEK_API_KEY": f"{key}\n{key}"})
    assert (result.code, result.stdout) == (3, b"")
    where = f"at position {len(key) + 1}"
    message = f"the key deepseek from environment DEEPSEEK_API_KEY holds a line break {where}"
    hint = "copy the key again, without line breaks or typographic signs"
    assert error_of(result) == told(None, "key_malformed", message, hint)
    assert vendors.sent() == 0


def test_white_space_around_a_key_is_not_part_of_it(vendors: Vendors) -> None:
    vendors.reply()
    key = vendors.keys["ANTHROPIC_API_KEY"]
    assert vendors.ask("6 x 7?", env={"ANTHROPIC_API_KEY": f" {key}\r\n"}) == QUIET
    assert vendors.claude.requests[0].headers["x-api-key"] == key


def test_a_key_in_the_file_is_used_and_stays_there(vendors: Vendors) -> None:
    vendors.reply()
    key = vendors.keys["DEEPSEEK_API_KEY"]
    vendors.config(f'[keys]\ndeepseek = "{key}"\n', holds_keys=True)
    assert vendors.ask("6 x 7?", env={"DEEPSEEK_API_KEY": ""}) == QUIET
    assert vendors.reasoner.requests[0].headers["authorization"] == f"Bearer {key}"


def test_a_rejected_reasoner_key_is_named_by_its_origin_and_last_letters(vendors: Vendors) -> None:
    key = vendors.keys["DEEPSEEK_API_KEY"]
    echo = f"Authentication Fails, Your api key: {key} is invalid"
    vendors.reasoner.reply(error_reply_openai(401, echo, type="authentication_error"))
    assert vendors.ask("6 x 7?") == failed(
        3,
        f"reason: {host(vendors.reasoner)}: rejected the deepseek key …{key[-4:]} from"
        f" environment DEEPSEEK_API_KEY (401): Authentication Fails, Your api key: [key] is"
        " invalid",
        "correct DEEPSEEK_API_KEY: the environment outranks the config file",
    )
    assert vendors.counts() == (1, 0)


def test_a_key_that_claude_rejects_after_the_reasoning_leaves_it_incomplete(
    vendors: Vendors,
) -> None:
    key = vendors.keys["ANTHROPIC_API_KEY"]
    vendors.reply(texts=error_reply_anthropic(401, "authentication_error", f"invalid key {key}"))
    result = vendors.ask("--json", "6 x 7?")
    assert result.code == 6
    assert error_of(named(result)) == told_to_resume(
        "answer",
        "key_rejected",
        f"{host(vendors.claude)}: rejected the anthropic key …{key[-4:]} from environment"
        f" ANTHROPIC_API_KEY (401): invalid key [key]",
        "correct ANTHROPIC_API_KEY: the environment outranks the config file",
        status=401,
        request_id="req_011Loopback",
    )


def test_debug_shows_requests_without_keys(vendors: Vendors) -> None:
    vendors.reply()
    result = vendors.run("--debug", "ask", "6 x 7?")
    assert (result.code, result.stdout) == (0, PRINTED)
    lines = result.stderr.decode().splitlines()
    assert [line[:8] for line in lines] == ["debug: >", "debug: <"] * 2
    assert f"Bearer …{vendors.keys['DEEPSEEK_API_KEY'][-4:]}" in lines[0]


# ------------------------------------------------------------------- refusals before any payment

REFUSALS = [
    (402, "Insufficient Balance", "no_credit", "no credit left (402)", "top up the account"),
    (403, "Not here", "forbidden", "access denied (403)", "check the rights of the key"),
    (404, "Not Found", "not_found", "unknown model or address (404)", "`deepr"),
    (400, "bad messages", "bad_request", "request refused (400)", "change the request"),
    (413, "", "too_long", "the request is too long (413)", "shorten the prompt"),
    (422, "bad field", "bad_request", "request refused (422)", "change the request"),
]


@pytest.mark.parametrize(("status", "said", "kind", "what", "hint"), REFUSALS)
def test_a_reasoners_refusal_is_exit_code_4_at_once(
    vendors: Vendors, status: int, said: str, kind: str, what: str, hint: str
) -> None:
    reply = error_reply_openai(status, said, headers={"x-request-id": "7e5f"})
    vendors.reasoner.reply(reply)
    result = vendors.ask("--json", "6 x 7?")
    assert (result.code, result.stdout) == (4, b"")
    error = error_of(result)
    message = f"{host(vendors.reasoner)}: {what}" + (f": {said}" if said else "")
    assert error["hint"].startswith(hint)
    expected = told("reason", kind, message, error["hint"], status=status, request_id="7e5f")
    assert error == expected
    assert vendors.counts() == (1, 0)


@pytest.mark.parametrize(("status", "said", "kind", "what", "hint"), REFUSALS)
def test_claudes_refusal_after_the_reasoning_is_exit_code_6_at_once(
    vendors: Vendors, status: int, said: str, kind: str, what: str, hint: str
) -> None:
    vendors.reply(texts=error_reply_anthropic(status, "invalid_request_error", said))
    result = named(vendors.ask("6 x 7?"))
    assert (result.code, result.stdout) == (6, b"")
    error, *advice = result.stderr.decode().splitlines()
    words = f"error: answer: {host(vendors.claude)}: {what}" + (f": {said}" if said else "")
    assert error == words
    to_resume, own = (f"hint: {line}" for line in kept(hint).splitlines())
    if kind == "not_found":  # the same name would be refused again
        to_resume = to_resume.replace("` continues", " -m sonnet` continues")
    assert advice[0] == to_resume
    assert advice[1].startswith(own)
    assert len(advice) == 2
    assert vendors.counts() == (1, 1)


def test_claudes_refusal_without_a_reasoner_is_exit_code_4(vendors: Vendors) -> None:
    vendors.claude.reply(error_reply_anthropic(400, "invalid_request_error", "no"))
    result = vendors.ask("--handoff", "none", "6 x 7?")
    error = f"answer: {host(vendors.claude)}: request refused (400): no"
    assert result == failed(4, error, "change the request as the message says")


def test_an_empty_account_at_anthropic_is_known_by_its_words(vendors: Vendors) -> None:
    said = "Your credit balance is too low to access the Anthropic API."
    vendors.claude.reply(error_reply_anthropic(400, "invalid_request_error", said))
    assert vendors.ask("--handoff", "none", "6 x 7?") == failed(
        4,
        f"answer: {host(vendors.claude)}: no credit left (400): {said}",
        "top up the account at https://console.anthropic.com",
    )


def test_a_vendors_words_cannot_drive_the_terminal(vendors: Vendors) -> None:
    vendors.reasoner.reply(error_reply_openai(400, "a\x1b]0;owned\x07\nb\u202e" + "x" * 900))
    result = vendors.ask("6 x 7?")
    error, _ = result.stderr.decode().splitlines()
    assert f"request refused (400): a␛]0;owned␇ b⟨U+202E⟩{'x' * 400}" in error
    assert len(error) < 700


# --------------------------------------------------------------------------------------- retries


def slow_down(**headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return error_reply_openai(429, "slow down", type="rate_limit_error", headers=named)


@pytest.mark.parametrize(
    "headers",
    [{"retry_after": "0.05"}, {"retry_after_ms": "50"}, {}, {"retry_after": "-1"}],
    ids=["seconds", "milliseconds", "nothing", "nonsense"],
)
def test_a_rate_limit_that_passes_is_waited_for(vendors: Vendors, headers: dict[str, str]) -> None:
    vendors.reasoner.reply(slow_down(**headers))
    vendors.claude.reply(slow_down(**headers))
    vendors.reply()
    assert vendors.ask("6 x 7?") == QUIET
    assert vendors.counts() == (2, 2)
    asked, answered = vendors.requests()
    for first, second in (asked, answered):
        assert first.raw == second.raw
        assert second.at - first.at > 0.04


def test_a_rate_limit_that_stays_is_given_up_after_two_retries(vendors: Vendors) -> None:
    vendors.reasoner.reply(slow_down(retry_after="0.05"))
    error = f"reason: {host(vendors.reasoner)}: rate limited (429): slow down"
    assert vendors.ask("6 x 7?") == failed(5, error, LATER)
    assert vendors.counts() == (3, 0)


def test_a_wait_of_an_hour_is_left_to_the_user(vendors: Vendors) -> None:
    vendors.reasoner.reply(slow_down(retry_after="3600"))
    error = f"reason: {host(vendors.reasoner)}: rate limited (429): slow down"
    assert vendors.ask("6 x 7?") == failed(5, error, "try again in 3600 s")
    assert vendors.counts() == (1, 0)


def test_an_empty_account_is_not_waited_for(vendors: Vendors) -> None:
    said = error_reply_openai(429, "quota used up", code="insufficient_quota")
    vendors.reasoner.reply(said)
    result = vendors.ask("6 x 7?")
    assert result == failed(
        4,
        f"reason: {host(vendors.reasoner)}: no credit left (429): quota used up",
        "top up the account at https://platform.deepseek.com",
    )
    assert vendors.counts() == (1, 0)


def test_the_servers_own_word_on_retrying_is_heeded(vendors: Vendors) -> None:
    vendors.reasoner.reply(error_reply_openai(500, "no", headers={"x-should-retry": "false"}))
    assert vendors.ask("6 x 7?").code == 5
    assert vendors.counts() == (1, 0)


def test_a_server_fault_that_stays_is_given_up(vendors: Vendors) -> None:
    vendors.reasoner.reply(error_reply_openai(500, "boom", type="server_error"))
    result = vendors.ask("--json", "6 x 7?")
    assert (result.code, result.stdout) == (5, b"")
    message = f"{host(vendors.reasoner)}: server error (500): boom"
    assert error_of(result) == told("reason", "server", message, LATER, status=500)
    assert vendors.counts() == (3, 0)


def test_an_overloaded_claude_leaves_the_reasoning_paid_for(vendors: Vendors) -> None:
    vendors.reply(texts=error_reply_anthropic(529, "overloaded_error", "Overloaded"))
    result = vendors.ask("--json", "6 x 7?")
    assert result.code == 6
    message = f"{host(vendors.claude)}: overloaded (529): Overloaded"
    assert error_of(named(result)) == told_to_resume(
        "answer", "overloaded", message, LATER, status=529, request_id="req_011Loopback"
    )
    assert vendors.counts() == (1, 3)
    assert f'"reasoning": "{REASONING}", "answer": ""' in result.stdout.decode()


def test_an_overloaded_claude_that_recovers_is_not_noticed(vendors: Vendors) -> None:
    busy = error_reply_anthropic(
        529, "overloaded_error", "Overloaded", headers={"retry-after-ms": "20"}
    )
    vendors.claude.reply(busy, busy)
    vendors.reply()
    assert vendors.ask("6 x 7?") == QUIET
    assert vendors.counts() == (1, 3)


# -------------------------------------------------------------------- replies that are no answer


def test_a_page_instead_of_an_answer_is_named_by_its_title(vendors: Vendors) -> None:
    vendors.reasoner.reply(html_reply(200, "Hotel &amp; WiFi \x1b[2J login"))
    assert vendors.ask("6 x 7?") == failed(
        5,
        f"reason: {host(vendors.reasoner)} sent a web page instead of an API reply:"
        ' "Hotel & WiFi ␛[2J login"',
        "check the base URL and whether the network asks for a login",
    )


def test_a_page_of_a_broken_gateway_is_never_printed(vendors: Vendors) -> None:
    page = replace(html_reply(502, "Bad gateway"), headers={"retry-after-ms": "10"})
    vendors.reasoner.reply(page)
    error = f'reason: {host(vendors.reasoner)}: server error (502): "Bad gateway"'
    assert vendors.ask("6 x 7?") == failed(5, error, LATER)
    assert vendors.counts() == (3, 0)


def test_a_page_at_claude_leaves_the_reasoning_paid_for(vendors: Vendors) -> None:
    vendors.reply(texts=html_reply(200, "Login"))
    result = vendors.ask("6 x 7?")
    assert (result.code, result.stdout) == (6, b"")
    assert result.stderr.startswith(
        f"error: answer: {host(vendors.claude)} sent a web page".encode()
    )


@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
def test_an_empty_success_is_no_answer(vendors: Vendors, kind: str) -> None:
    vendors.reasoner.reply(Reply(content_type=kind))
    result = vendors.ask("6 x 7?")
    assert (result.code, result.stdout) == (5, b"")
    assert result.stderr.startswith(b"error: reason: ")
    assert vendors.counts() == (1, 0)


def test_a_whole_reply_where_a_stream_was_asked_for_is_taken(vendors: Vendors) -> None:
    message = {"role": "assistant", "reasoning_content": REASONING, "content": "42."}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    completion = {"object": "chat.completion", "model": "deepseek-flash", "choices": choices}
    reply = {
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5-5",
        "content": [{"type": "text", "text": ANSWER}],
        "stop_reason": "end_turn",
        "usage": CLAUDE_USAGE,
    }
    vendors.reply(json_reply(200, completion), json_reply(200, reply))
    result = vendors.ask("--reasoning", "stderr", "6 x 7?")
    assert result == CompletedRun(0, PRINTED, f"{REASONING}\n".encode())


def test_a_redirect_is_not_followed(vendors: Vendors) -> None:
    elsewhere = f"{vendors.novita.url}/chat/completions"
    vendors.reasoner.reply(Reply(307, {"location": elsewhere}, (), "text/html"))
    assert vendors.ask("6 x 7?") == failed(
        5,
        f"reason: {host(vendors.reasoner)}: redirects to {elsewhere} (307), not followed",
        "set the base URL to the address that answers",
    )
    assert len(vendors.novita.connections) == 0


# ----------------------------------------------------------------------------------- the network

NETWORK = "check the network, then try again"


def test_a_refused_connection_names_host_and_port(vendors: Vendors) -> None:
    with refusing() as address:
        result = vendors.ask("6 x 7?", env={"DEEPSEEK_BASE_URL": f"http://{address}"})
    error = f"reason: cannot connect to {address} (connection refused)"
    assert result == failed(5, error, NETWORK)


def test_a_claude_that_cannot_be_reached_leaves_the_reasoning_paid_for(vendors: Vendors) -> None:
    vendors.reply()
    with refusing() as address:
        result = vendors.ask("6 x 7?", env={"ANTHROPIC_BASE_URL": f"http://{address}"})
    error = f"answer: cannot connect to {address} (connection refused)"
    assert named(result) == failed(6, error, kept(NETWORK))


def test_a_name_that_does_not_exist_is_named(vendors: Vendors) -> None:
    result = vendors.ask("6 x 7?", env={"DEEPSEEK_BASE_URL": "http://name.invalid"})
    error = "reason: cannot find name.invalid (name lookup failed)"
    assert result == failed(5, error, NETWORK)


def test_a_connection_lost_before_anything_came_is_tried_again(vendors: Vendors) -> None:
    vendors.reasoner.reply(Reply(before=[Reset()]))
    vendors.claude.reply(Reply(before=[Cut()]))
    vendors.reply()
    assert vendors.ask("6 x 7?") == QUIET
    assert vendors.counts() == (2, 2)


# -------------------------------------------------------------------------------- broken streams


@pytest.mark.parametrize("how", [Cut(), Reset()])
def test_a_connection_lost_in_the_reasoning_is_exit_code_6(vendors: Vendors, how: Any) -> None:
    vendors.reasoner.reply(reasoner_stream(THOUGHTS).failing(4, how))
    result = vendors.ask("--reasoning", "stderr", "6 x 7?")
    lost = f"error: reason: the connection to {host(vendors.reasoner)} was lost{PAID}"
    lines = [REASONING, lost, *(f"hint: {line}" for line in kept(NETWORK).splitlines())]
    said = "".join(f"{line}\n" for line in lines)
    assert named(result) == CompletedRun(6, b"", said.encode())
    assert vendors.counts() == (1, 0)


@pytest.mark.parametrize("how", [Cut(), Reset()])
def test_a_connection_lost_in_the_answer_leaves_what_came_on_stdout(
    vendors: Vendors, how: Any
) -> None:
    vendors.reply(texts=claude_stream(TEXTS, pace=0.01).failing(4, how))
    assert named(vendors.ask("6 x 7?")) == failed(
        6,
        f"answer: the connection to {host(vendors.claude)} was lost"
        "; 6 characters of the answer came before",
        kept(NETWORK),
        b"**42**\n",
    )
    assert vendors.counts() == (1, 1)


def test_a_reasoning_without_its_end_mark_is_incomplete(vendors: Vendors) -> None:
    vendors.reasoner.reply(reasoner_stream(THOUGHTS).failing(4))
    error = f"reason: the reply was cut short{PAID}"
    assert named(vendors.ask("6 x 7?")) == failed(6, error, kept("try again"))


def test_an_answer_without_its_end_mark_is_incomplete(vendors: Vendors) -> None:
    vendors.reply(texts=claude_stream(TEXTS).failing(5))
    error = f"answer: the reply was cut short; {len(ANSWER)} characters of the answer came before"
    assert named(vendors.ask("6 x 7?")) == failed(6, error, kept("try again"), PRINTED)
    assert vendors.counts() == (1, 1)


OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@pytest.mark.parametrize(
    ("after", "code", "suffix"),
    [(1, 5, ""), (2, 6, "; 14 characters of the reasoning came before")],
)
def test_an_error_within_the_reasoning_has_the_vendors_words(
    vendors: Vendors, after: int, code: int, suffix: str
) -> None:
    event = sse({"error": {"message": "queue\x1b full", "code": 503}})
    vendors.reasoner.reply(reasoner_stream(THOUGHTS).failing(after, event))
    error = f"reason: {host(vendors.reasoner)}: unavailable (503): queue␛ full{suffix}"
    result, hint = vendors.ask("6 x 7?"), "try again later"
    if code == 6:  # something of it came, and is kept
        result, hint = named(result), kept(hint)
    assert result == failed(code, error, hint)
    assert vendors.counts() == (1, 0)


def test_an_error_within_the_answer_leaves_what_came(vendors: Vendors) -> None:
    vendors.reply(texts=claude_stream(TEXTS).failing(4, sse(OVERLOADED, "error")))
    result = vendors.ask("--jsonl", "6 x 7?")
    assert result.code == 6
    assert error_of(named(result)) == told_to_resume(
        "answer",
        "overloaded",
        f"{host(vendors.claude)}: overloaded (529): Overloaded;"
        " 6 characters of the answer came before",
        "try again later",
        status=529,
    )
    assert vendors.counts() == (1, 1)


def test_a_server_out_of_resources_breaks_the_reasoning_off(vendors: Vendors) -> None:
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, finish="insufficient_system_resource"))
    failure = f"{host(vendors.reasoner)}: unavailable (503): insufficient_system_resource"
    error = f"reason: {failure}{PAID}"
    assert named(vendors.ask("6 x 7?")) == failed(6, error, kept("try again later"))


def test_an_unreadable_event_is_skipped(vendors: Vendors) -> None:
    thinking, writing = reasoner_stream(THOUGHTS), claude_stream(TEXTS)
    junk = sse('{"choices": [{"del')
    vendors.reply(
        thinking.failing(2, junk, *thinking.body[2:]),
        writing.failing(4, junk, sse("null"), sse("[]"), *writing.body[4:]),
    )
    result = vendors.ask("--reasoning", "stderr", "6 x 7?")
    assert result == CompletedRun(0, PRINTED, f"{REASONING}\n".encode())


def test_three_unreadable_events_in_a_row_are_a_cut(vendors: Vendors) -> None:
    writing = claude_stream(TEXTS)
    vendors.reply(texts=writing.failing(4, *[sse("{")] * 3, *writing.body[4:]))
    result = vendors.ask("6 x 7?")
    assert (result.code, result.stdout) == (6, b"**42**\n")
    error, *_ = result.stderr.decode().splitlines()
    came = "6 characters of the answer came before"
    assert error == f"error: answer: the reply is not readable; {came}"


# ---------------------------------------------------------------------- ends that are no success


def test_an_answer_cut_at_its_limit_is_printed_and_exit_code_6(vendors: Vendors) -> None:
    vendors.reply(texts=claude_stream(TEXTS, stop_reason="max_tokens"))
    assert named(vendors.ask("6 x 7?")) == failed(
        6,
        "answer: claude-sonnet-5-5 was cut at its token limit (max_tokens)",
        kept("raise --max-tokens"),
        PRINTED,
    )


def test_a_refusal_is_printed_and_exit_code_6(vendors: Vendors) -> None:
    vendors.reply(texts=claude_stream(TEXTS, stop_reason="refusal"))
    result = vendors.ask("--json", "6 x 7?")
    assert result.code == 6
    assert '"stop_reason": "refusal", "status": "incomplete"' in result.stdout.decode()
    assert error_of(named(result)) == told_to_resume(
        "answer",
        "refusal",
        "claude-sonnet-5-5 declined to continue (refusal)",
        "word the question differently, or ask another model",
    )


def test_a_reasoning_cut_at_its_limit_stops_before_claude(vendors: Vendors) -> None:
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, finish="length"))
    error = "reason: deepseek-flash was cut at its token limit (length)"
    assert named(vendors.ask("6 x 7?")) == failed(6, error, kept())
    assert vendors.counts() == (1, 0)


@pytest.mark.parametrize("reason", ["abort", "network_error", "sensitive", "MAX_TOKENS"])
def test_half_a_thought_is_not_billed_at_claude(vendors: Vendors, reason: str) -> None:
    vendors.reply(reasoner_stream(THOUGHTS, finish=reason))
    result = vendors.ask("6 x 7?")
    assert (result.code, vendors.counts()) == (6, (1, 0))
    assert reason.encode() in result.stderr


@pytest.mark.parametrize("texts", [[], [""], [" \n"]])
def test_an_empty_answer_is_incomplete(vendors: Vendors, texts: list[str]) -> None:
    vendors.reply(texts=claude_stream(texts))
    result = vendors.ask("6 x 7?")
    assert result.stdout.strip() == b""
    error = "answer: the model returned an empty answer"
    hint = "word the question differently, or ask another model"
    assert named(result) == failed(6, error, f"{kept()}\n{hint}", result.stdout)


def test_empty_reasoning_stops_before_claude_is_billed(vendors: Vendors) -> None:
    vendors.reasoner.reply(reasoner_stream([], ["It is 42."]))
    assert vendors.ask("6 x 7?") == failed(
        4,
        "reason: deepseek-flash sent no reasoning, only 9 characters of text;"
        " Claude was not called",
        "choose another reasoner with -r\n"
        "if that text is its reasoning, set opens_thinking = true under [reasoners.deepseek]\n"
        "use --handoff none to ask Claude alone\n"
        "add --allow-empty-reasoning to continue without reasoning",
    )
    assert vendors.counts() == (1, 0)


def test_empty_reasoning_can_be_allowed(vendors: Vendors) -> None:
    vendors.reply(thoughts=reasoner_stream([], ["It is 42."]))
    assert vendors.ask("--allow-empty-reasoning", "6 x 7?") == QUIET
    assert vendors.claude.requests[0].body["messages"] == [{"role": "user", "content": "6 x 7?"}]


# --------------------------------------------------------------------------------------- silence


IMPATIENT = {"DEEPREASONING_TIMEOUT": "0.3"}


def test_a_reasoner_that_never_answers_is_given_up_after_its_retries(vendors: Vendors) -> None:
    vendors.reasoner.reply(Reply(before=[Stall()]))
    error = f"reason: {host(vendors.reasoner)} has been silent for too long"
    assert vendors.ask("6 x 7?", env=IMPATIENT) == failed(5, error, NETWORK)
    assert vendors.counts() == (3, 0)


def test_a_reasoner_that_falls_silent_is_left(vendors: Vendors) -> None:
    vendors.reasoner.reply(reasoner_stream(THOUGHTS).failing(4, Stall()))
    error = f"reason: {host(vendors.reasoner)} has been silent for too long{PAID}"
    assert named(vendors.ask("6 x 7?", env=IMPATIENT)) == failed(6, error, kept(NETWORK))
    assert vendors.counts() == (1, 0)


def test_a_claude_that_falls_silent_is_left(vendors: Vendors) -> None:
    vendors.reply(texts=claude_stream(TEXTS).failing(4, Stall()))
    error = (
        f"answer: {host(vendors.claude)} has been silent for too long"
        "; 6 characters of the answer came before"
    )
    result = named(vendors.ask("--timeout", "1", "6 x 7?"))
    assert result == failed(6, error, kept(NETWORK), b"**42**\n")
    assert vendors.counts() == (1, 1)


def test_keep_alives_alone_are_no_progress(vendors: Vendors) -> None:
    beats = [part for _ in range(50) for part in (Pause(0.1), b": keep-alive\n\n")]
    vendors.reasoner.reply(reasoner_stream(THOUGHTS).failing(4, *beats))
    error = f"reason: nothing but keep-alives for 1 s{PAID}"
    result = vendors.ask("--timeout", "1", "6 x 7?")
    assert (result.code, result.stdout) == (6, b"")
    assert result.stderr.decode().splitlines()[0] == f"error: {error}"


# ----------------------------------------------------------------------------------- wrong calls


@pytest.mark.parametrize(
    "flags",
    [
        ["-t", "2.1"],
        ["-t", "-0.1"],
        ["-t", "nan"],
        ["-t", "hot"],
        ["--top-p", "1.01"],
        ["--max-tokens", "0"],
        ["--max-tokens", "65537"],
        ["--max-tokens", "1.5"],
        ["--timeout", "0"],
        ["--timeout", "nan"],
        ["--timeout", "inf"],
        ["--handoff", "everything"],
        ["--backend", "cloud"],
        ["--json", "--jsonl"],
        ["--json", "--raw"],
        ["--json", "--extract"],
        ["--reasoning", "only", "--raw"],
        ["--reasoning", "only", "-o", "x"],
        ["--no-such-flag"],
        ["-m"],
        ["-f", "/no/such/file"],
        ["-f", "/"],
        ["-m", ""],
    ],
    ids=" ".join,
)
def test_a_wrong_call_is_exit_code_2_and_sends_nothing(vendors: Vendors, flags: list[str]) -> None:
    result = vendors.ask("6 x 7?", *flags)
    assert (result.code, result.stdout) == (2, b"")
    first, *rest = result.stderr.decode().splitlines()
    assert first.startswith('{"error"' if "--json" in flags else "error: ")
    assert len(rest) <= 1
    assert vendors.sent() == 0


@pytest.mark.parametrize("words", [[], [""], [" ", "\n"], ["-"], ["--"]], ids=repr)
def test_an_empty_prompt_is_a_usage_error(vendors: Vendors, words: list[str]) -> None:
    result = vendors.ask(*words, stdin=b" \n")
    assert result == failed(2, "the prompt is empty", '`deepreasoning ask "your question"`')
    assert vendors.sent() == 0


def test_no_prompt_and_nothing_piped_is_a_usage_error_and_no_wait(vendors: Vendors) -> None:
    result = vendors.ask()
    assert result == failed(2, "the prompt is empty", '`deepreasoning ask "your question"`')


def test_a_terminal_as_stdin_is_not_waited_for(vendors: Vendors) -> None:
    shown = vendors.on_terminal("ask")
    assert shown.code == 2
    assert b"error: the prompt is empty\r\n" in shown.output
    assert vendors.sent() == 0


def test_raw_is_refused_on_a_terminal(vendors: Vendors) -> None:
    shown = vendors.on_terminal("ask", "--raw", "6 x 7?")
    assert shown.code == 2
    assert b"error: --raw is refused on a terminal: model text could drive it\r\n" in shown.output
    assert vendors.sent() == 0


def test_binary_input_is_refused(vendors: Vendors, tmp_path: Path) -> None:
    picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
    result = vendors.ask("what is it?", stdin=picture)
    assert result == failed(2, "stdin looks binary", "only text can be sent")
    (tmp_path / "a.png").write_bytes(picture)
    result = vendors.ask("-f", str(tmp_path / "a.png"), "what is it?")
    assert result == failed(2, f"{tmp_path}/a.png looks binary", "only text can be sent")
    assert vendors.sent() == 0


def test_ten_megabytes_are_refused_before_anything_is_sent(vendors: Vendors) -> None:
    result = vendors.ask("--json", "sum up", stdin=b"0123456789" * 1_000_000)
    assert (result.code, result.stdout) == (2, b"")
    hint = "cut it down to what the question needs"
    assert error_of(result) == told(None, "too_long", "stdin is larger than 8 MB", hint)
    assert vendors.sent() == 0


def test_a_text_that_no_model_here_can_read_is_refused_before_anything_is_sent(
    vendors: Vendors,
) -> None:
    result = vendors.ask("sum up", stdin=b"word " * 1_200_000)
    assert (result.code, result.stdout) == (2, b"")
    error, hint = result.stderr.decode().splitlines()
    assert error.endswith("tokens; deepseek-flash reads 1,000,000")
    assert hint == "hint: shorten it, or choose a model with a larger context"
    assert vendors.sent() == 0


# ------------------------------------------------------------------------------------ the set-up


def test_a_broken_config_file_is_named_with_its_place(vendors: Vendors) -> None:
    path = vendors.config('model = "sonnet"\nkeys = [\n')
    result = vendors.ask("6 x 7?")
    assert (result.code, result.stdout) == (3, b"")
    error, hint = result.stderr.decode().splitlines()
    assert error.startswith(f"error: {path}:")
    assert ": not TOML: " in error
    assert hint.startswith("hint: strings need quotes")
    assert vendors.sent() == 0


EDIT = "`deepreasoning config edit` opens the file"
CONFIGS = [
    ('max_tokens = "many"\n', 1, "max_tokens must be a whole number from 1 to 65536", EDIT),
    ("\ntemperature = 9\n", 2, "temperature must be a number from 0 to 2", EDIT),
    ('modle = "sonnet"\n', 1, "modle is not a setting", "did you mean model?"),
    ("[gateway]\nendpoit = 1\n", 2, "gateway.endpoit is not a setting", "did you mean endpoint?"),
    ('handoff = "all"\n', 1, 'handoff must be "reasoning", "answer", "both" or "none"', EDIT),
]


@pytest.mark.parametrize(("text", "line", "words", "hint"), CONFIGS)
def test_a_wrong_setting_is_named_with_its_line(
    vendors: Vendors, text: str, line: int, words: str, hint: str | None
) -> None:
    path = vendors.config(text)
    assert vendors.ask("6 x 7?") == failed(3, f"{path}:{line}: {words}", hint)
    assert vendors.sent() == 0


def test_a_wrong_value_beside_a_key_does_not_show_the_key(vendors: Vendors) -> None:
    key = vendors.keys["DEEPSEEK_API_KEY"]
    path = vendors.config(f'[keys]\ndeepseek = ["{key}"]\n', holds_keys=True)
    result = vendors.ask("6 x 7?", env={"DEEPSEEK_API_KEY": ""})
    assert result.code == 3
    assert result.stderr.decode().startswith(f"error: {path}:2: keys.deepseek must be ")


SHOW = "`deepreasoning config show` lists the settings"


def test_a_key_pasted_in_the_wrong_place_is_not_shown(vendors: Vendors) -> None:
    key = vendors.keys["DEEPSEEK_API_KEY"]
    path = vendors.config(f'deepseek_key = "{key}"\n', holds_keys=True)
    assert vendors.ask("6 x 7?") == failed(3, f"{path}:1: deepseek_key is not a setting", SHOW)


def test_a_key_without_quotes_is_not_shown(vendors: Vendors) -> None:
    path = vendors.config(
        f"[keys]\ndeepseek = {vendors.keys['DEEPSEEK_API_KEY']}\n", holds_keys=True
    )
    result = vendors.ask("6 x 7?")
    assert result.code == 3
    assert result.stderr.decode().startswith(f"error: {path}:2:12: not TOML: ")


def test_an_unknown_variable_of_ours_is_named_with_the_nearest(vendors: Vendors) -> None:
    result = vendors.ask("6 x 7?", env={"DEEPREASONING_MODLE": "sonnet"})
    assert result == failed(
        3,
        "unknown setting in the environment: DEEPREASONING_MODLE",
        "did you mean DEEPREASONING_MODEL?",
    )


def test_a_config_file_that_was_named_must_exist(vendors: Vendors, tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    result = vendors.run("--config", str(missing), "ask", "6 x 7?")
    assert (result.code, result.stdout) == (3, b"")
    assert result.stderr.decode().startswith(f"error: there is no config file {missing}\nhint: ")


def test_a_config_file_named_by_the_environment_counts(vendors: Vendors, tmp_path: Path) -> None:
    vendors.reply()
    path = tmp_path / "own.toml"
    path.write_text('model = "claude-sonnet-5"\nmax_tokens = 99\n')
    path.chmod(0o600)
    result = vendors.ask("6 x 7?", env={"DEEPREASONING_CONFIG": str(path)})
    assert (result.code, result.stdout) == (0, PRINTED)
    body = vendors.claude.requests[0].body
    assert (body["model"], body["max_tokens"]) == ("claude-sonnet-5", 99 + 8192)


def test_flags_beat_the_environment_and_the_environment_the_file(vendors: Vendors) -> None:
    vendors.reply()
    vendors.config('model = "claude-sonnet-5"\nmax_tokens = 99\nhandoff = "none"\n')
    env = {"DEEPREASONING_MAX_TOKENS": "98", "DEEPREASONING_HANDOFF": "both"}
    result = vendors.ask("--max-tokens", "97", "6 x 7?", env=env)
    assert (result.code, result.stdout) == (0, PRINTED)
    body = vendors.claude.requests[0].body
    assert (body["model"], body["max_tokens"]) == ("claude-sonnet-5", 97 + 8192)
    assert vendors.counts() == (1, 1)


def test_a_config_file_open_to_others_is_closed_and_said_so(vendors: Vendors) -> None:
    vendors.reply()
    path = vendors.config('model = "sonnet"\n')
    path.chmod(0o644)
    note = f"note: {path} was open to others (mode 0644); now 0600\n"
    assert vendors.ask("6 x 7?") == CompletedRun(0, PRINTED, note.encode())
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("url", ["api.deepseek.com", "file:///etc/passwd", "http://h:99999"])
def test_a_base_url_that_is_none_is_refused(vendors: Vendors, url: str) -> None:
    result = vendors.ask("6 x 7?", env={"DEEPSEEK_BASE_URL": url})
    assert (result.code, result.stdout) == (3, b"")
    assert result.stderr.startswith(b"error: DEEPSEEK_BASE_URL must be an address such as ")


def test_a_proxy_that_is_none_is_named_without_its_password(vendors: Vendors) -> None:
    key = vendors.keys["NOVITA_API_KEY"]
    result = vendors.ask("6 x 7?", env={"ALL_PROXY": f"carrier-pigeon://me:{key}@loft"})
    assert result == failed(
        3,
        "a proxy setting is wrong: look at ALL_PROXY=carrier-pigeon://…@loft",
        "write it as http://host:port or socks5://host:port",
    )
    assert vendors.sent() == 0


def test_a_proxy_that_nobody_answers_is_named(vendors: Vendors) -> None:
    with refusing() as address:
        result = vendors.ask("6 x 7?", env={"HTTP_PROXY": f"http://{address}"})
    assert result.code == 5
    assert b" through the proxy" in result.stderr
    assert vendors.sent() == 0


def test_a_ca_file_that_is_missing_is_named(vendors: Vendors, tmp_path: Path) -> None:
    missing = tmp_path / "ca.pem"
    result = vendors.ask("6 x 7?", env={"SSL_CERT_FILE": str(missing)})
    assert result == failed(3, f"SSL_CERT_FILE={missing} does not exist", "correct or unset it")
    assert vendors.sent() == 0


@pytest.mark.parametrize("size", [1, 5, 13])
def test_a_key_that_comes_back_in_pieces_is_masked(vendors: Vendors, size: int) -> None:
    """`vendors.ask` looks for pieces of the keys in all that it wrote."""
    for form in ((), ("--json",), ("--jsonl",)):
        pieces = []
        for name in ("DEEPSEEK_API_KEY", "ANTHROPIC_API_KEY"):
            text = f"It is {vendors.keys[name]}, I think."
            pieces.append([text[at : at + size] for at in range(0, len(text), size)])
        vendors.reply(*pieces)
        result = vendors.ask(*form, "--reasoning", "stderr", "6 x 7?")
        assert result.code == 0
        assert b"[key], I think." in result.stdout
        for each in (vendors.reasoner, vendors.claude):
            each.forget()
