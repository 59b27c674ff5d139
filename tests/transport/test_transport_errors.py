from __future__ import annotations

import base64
import json
import urllib.parse
from dataclasses import replace
from typing import Any

import pytest
from pytest_httpx import HTTPXMock

from deepreasoning_cli.errors import ConfigError, RefusedError, UnavailableError
from deepreasoning_cli.keys import redact_known
from deepreasoning_cli.transport import RetryNotice
from support.calls import CANARY, HOST, KEY, REQUEST, Witness, outcome, said, to
from support.calls import no_jitter as no_jitter
from support.calls import seen as seen
from support.loopback import Loopback, Reply

LATER = "try again later"
MODELS = "`deepreasoning models` lists the models; or check the base URL"
CHANGE = "change the request as the message says"
SHORTER = "shorten the prompt, drop files, or choose a model with a larger context"
TOP_UP = "top up the account at https://example.com/top_up"
RIGHTS = "check the rights of the key and whether your region is served"
WRONG_KEY = "rejected the deepseek key …vBn5 from DEEPSEEK_API_KEY (401)"
REPLACE = "replace it: `deepreasoning config set keys.deepseek`"
FINAL = [
    (400, RefusedError, "bad_request", "request refused (400)", CHANGE),
    (401, ConfigError, "key_rejected", WRONG_KEY, REPLACE),
    (402, RefusedError, "no_credit", "no credit left (402)", TOP_UP),
    (403, RefusedError, "forbidden", "access denied (403)", RIGHTS),
    (404, RefusedError, "not_found", "unknown model or address (404)", MODELS),
    (412, RefusedError, "bad_request", "request refused (412)", CHANGE),
    (413, RefusedError, "too_long", "the request is too long (413)", SHORTER),
    (422, RefusedError, "bad_request", "request refused (422)", CHANGE),
    (431, RefusedError, "bad_request", "request refused (431)", CHANGE),
    (499, RefusedError, "bad_request", "request refused (499)", CHANGE),
]
HEALING = [
    (408, "server", "server error (408)"),
    (409, "server", "server error (409)"),
    (429, "rate_limit", "rate limited (429)"),
    (500, "server", "server error (500)"),
    (501, "server", "server error (501)"),
    (502, "server", "server error (502)"),
    (503, "overloaded", "unavailable (503)"),
    (504, "server", "server error (504)"),
    (522, "server", "server error (522)"),
    (524, "server", "server error (524)"),
    (529, "overloaded", "overloaded (529)"),
]


@pytest.mark.parametrize(("status", "error", "kind", "what", "hint"), FINAL)
def test_a_status_that_waiting_cannot_heal_is_final(
    httpx_mock: HTTPXMock,
    seen: Witness,
    status: int,
    error: type[ConfigError | RefusedError],
    kind: str,
    what: str,
    hint: str,
) -> None:
    httpx_mock.add_response(
        status, headers={"request-id": "req_7"}, json={"error": {"message": "So\n  it is."}}
    )
    failure = seen.failure()
    message = f"{HOST}: {what}: So it is."
    assert outcome(failure) == (error, kind, message, hint, status, "req_7", error.exit_code)
    assert (seen.waits, seen.told) == ([], [])


@pytest.mark.parametrize(("status", "kind", "what"), HEALING)
def test_a_status_that_waiting_heals_is_tried_three_times(
    httpx_mock: HTTPXMock, seen: Witness, status: int, kind: str, what: str
) -> None:
    httpx_mock.add_response(
        status, headers={"x-request-id": "x-7"}, json={"detail": "busy"}, is_reusable=True
    )
    failure = seen.failure()
    message = f"{HOST}: {what}: busy"
    assert outcome(failure) == (UnavailableError, kind, message, LATER, status, "x-7", 5)
    assert len(httpx_mock.get_requests()) == 3
    assert seen.waits == [0.5, 1.0]
    assert seen.told == [RetryNotice(message, 0.5), RetryNotice(message, 1.0)]


def test_a_second_attempt_that_succeeds_is_the_answer(httpx_mock: HTTPXMock, seen: Witness) -> None:
    httpx_mock.add_response(529)
    httpx_mock.add_response(json={"id": 1})
    assert (seen.answer(), seen.waits) == ([{"id": 1}], [0.5])


@pytest.mark.parametrize(("status", "word", "count"), [(400, "true", 3), (529, "false", 1)])
def test_the_servers_own_word_on_retries_comes_first(
    httpx_mock: HTTPXMock, seen: Witness, status: int, word: str, count: int
) -> None:
    httpx_mock.add_response(status, headers={"x-should-retry": word}, is_reusable=True)
    assert seen.failure().status == status
    assert len(httpx_mock.get_requests()) == count


@pytest.mark.parametrize(
    "error",
    [
        {"message": "Empty.", "code": "insufficient_quota"},
        {"message": "Empty.", "type": "insufficient_quota", "code": None},
        {"message": "Empty.", "code": "insufficient_credits"},
        {"message": "Empty.", "code": "INSUFFICIENT_FUNDS_CREDITS", "details": []},
        {"message": "Empty.", "code": "EXCEED_BUDGET_LIMIT"},
        {
            "message": "Empty.",
            "type": "rate_limit_error",
            "details": {"error_code": "enforced_spend_limit_reached"},
        },
        {
            "message": "Empty.",
            "type": "rate_limit_error",
            "details": {"error_code": "contract_spend_limit_reached"},
        },
    ],
)
def test_a_limit_on_money_is_no_rate_limit(
    httpx_mock: HTTPXMock, seen: Witness, error: dict[str, Any]
) -> None:
    headers = {"x-should-retry": "true", "retry-after": "1"}
    httpx_mock.add_response(429, headers=headers, json={"error": error, "request_id": "req_8"})
    message = f"{HOST}: no credit left (429): Empty."
    assert outcome(seen.failure()) == (
        (RefusedError, "no_credit", message, TOP_UP, 429, "req_8", 4)
    )
    assert seen.waits == []


def test_growing_too_fast_is_waited_for(httpx_mock: HTTPXMock, seen: Witness) -> None:
    error = {"message": "Slow.", "details": {"error_code": "ramp_limit_exceeded"}}
    httpx_mock.add_response(429, headers={"retry-after": "2"}, json={"error": error})
    httpx_mock.add_response(json={"id": 1})
    assert (seen.answer(), seen.waits) == ([{"id": 1}], [2.0])


@pytest.mark.parametrize(
    ("status", "body", "kind", "what", "hint"),
    [
        (
            400,
            {"error": {"message": "Your credit balance is too low to access the API."}},
            "no_credit",
            "no credit left (400): Your credit balance is too low to access the API.",
            "top up the account",
        ),
        (
            403,
            {"error": {"type": "billing_error", "message": "Pay."}},
            "no_credit",
            "no credit left (403): Pay.",
            "top up the account",
        ),
        (
            400,
            {"error": {"message": "prompt is too long: 210000 tokens > 200000 maximum"}},
            "too_long",
            "the request is too long (400): prompt is too long: 210000 tokens > 200000 maximum",
            SHORTER,
        ),
        (
            400,
            {"error": {"message": "This model's maximum context length is 65536 tokens."}},
            "too_long",
            "the request is too long (400): This model's maximum context length is 65536 tokens.",
            SHORTER,
        ),
    ],
)
def test_what_a_vendor_means_by_a_400_is_told_by_its_words(
    httpx_mock: HTTPXMock,
    seen: Witness,
    status: int,
    body: dict[str, Any],
    kind: str,
    what: str,
    hint: str,
) -> None:
    httpx_mock.add_response(status, json=body)
    failure = seen.failure(replace(REQUEST, top_up=None))
    assert outcome(failure) == (RefusedError, kind, f"{HOST}: {what}", hint, status, None, 4)


def test_a_401_without_a_key_asks_for_one(httpx_mock: HTTPXMock, seen: Witness) -> None:
    httpx_mock.add_response(401)
    failure = seen.failure(replace(REQUEST, key=None))
    message = f"{HOST}: a key is needed (401)"
    assert outcome(failure) == (
        (ConfigError, "key_missing", message, "set a key for this host", 401, None, 3)
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": "plain"}, ": plain"),
        ({"error": None, "message": "beside it"}, ": beside it"),
        ({"detail": "detailed"}, ": detailed"),
        ({"statusCode": 404, "error": {"code": "GONE", "message": "m", "details": [{}]}}, ": m"),
        ({"error": {"code": 404}}, ""),
        ({"error": [1]}, ""),
        ({"error": {"message": "x" * 600}}, f": {'x' * 500}"),
    ],
)
def test_every_envelope_gives_its_words(
    httpx_mock: HTTPXMock, seen: Witness, body: dict[str, Any], words: str
) -> None:
    httpx_mock.add_response(404, json=body)
    what = "unknown model or address (404)"
    assert seen.failure().message == f"{HOST}: {what}{words}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<html><TITLE lang=en>\n 502 &amp; out </TITLE><body>x</body>", ': "502 & out"'),
        ("<html><title>" + "x" * 100 + "</title>", f': "{"x" * 80}"'),
        ("<html><body>no title</body>", ""),
        ("upstream connect error", ": upstream connect error"),
        ("y" * 1000, f": {'y' * 500}"),
        ("[" * 100_000, f": {'[' * 500}"),
        ("model <r1> is not loaded", ": model <r1> is not loaded"),
        ("<!DOCTYPE html><p>Sorry", ""),
        ('<?xml version="1.0"?><Error/>', ""),
        ("", ""),
    ],
)
def test_of_a_page_only_the_title_is_shown(
    httpx_mock: HTTPXMock, seen: Witness, text: str, words: str
) -> None:
    httpx_mock.add_response(502, text=text, is_reusable=True)
    assert seen.failure().message == f"{HOST}: server error (502){words}"


@pytest.mark.parametrize("status", [200, 500])
def test_a_page_without_end_is_not_read_without_end(seen: Witness, status: int) -> None:
    page = [b"<title>On and on</title>", *[b" " * 65_536] * 1000]
    with Loopback(Reply(status, body=page, content_type="text/html")) as vendor:
        failure = seen.failure(to(vendor.url))
        sent = [connection.bytes_sent for connection in vendor.connections]
    assert failure.message.endswith(': "On and on"')
    assert max(sent) < 1000 * 65_536


@pytest.mark.parametrize(
    ("location", "target"),
    [
        (
            "https://user:secret@elsewhere.example:8443/login?x=1",
            "https://elsewhere.example:8443/login",
        ),
        ("/v2/chat", f"https://{HOST}/v2/chat"),
        (f"http://{HOST}/v1/chat/completions/", f"http://{HOST}/v1/chat/completions/"),
        (None, "nowhere"),
    ],
)
def test_a_redirect_is_named_and_not_followed(
    httpx_mock: HTTPXMock, seen: Witness, location: str | None, target: str
) -> None:
    headers = {"location": location} if location else {}
    httpx_mock.add_response(307, headers=headers)
    message = f"{HOST}: redirects to {target} (307), not followed"
    hint = "set the base URL to the address that answers"
    assert outcome(seen.failure()) == (UnavailableError, "redirect", message, hint, 307, None, 5)
    assert [request.url.host for request in httpx_mock.get_requests()] == [HOST]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_https_says_which_address_to_write(
    httpx_mock: HTTPXMock, seen: Witness, status: int
) -> None:
    target = "https://api.example.com/v1/chat/completions"
    httpx_mock.add_response(status, headers={"location": target})
    failure = seen.failure(to("http://api.example.com"))
    assert failure.message == f"{HOST}: redirects to {target} ({status}), not followed"
    assert failure.hint == f"write the base URL with https://: {target}"


def test_a_proxy_that_answers_407_is_named_as_a_proxy(httpx_mock: HTTPXMock, seen: Witness) -> None:
    httpx_mock.add_response(407)
    message = f"{HOST}: the proxy asks for a login (407)"
    hint = "write it into the proxy's address: http://user:password@host:port"
    assert outcome(seen.failure()) == (UnavailableError, "proxy", message, hint, 407, None, 5)


ECHOES = {
    "raw": CANARY,
    "escaped": json.dumps(CANARY)[1:-1],
    "percent-encoded": urllib.parse.quote(CANARY, safe=""),
    "base64": base64.b64encode(CANARY.encode()).decode().rstrip("="),
    "cut off": CANARY[:20],
}


@pytest.mark.parametrize("form", ECHOES)
@pytest.mark.parametrize("envelope", ["json", "html", "text"])
def test_a_key_that_a_401_echoes_is_masked(
    httpx_mock: HTTPXMock, seen: Witness, form: str, envelope: str
) -> None:
    words = f"bad key {ECHOES[form]} here"
    match envelope:
        case "json":
            httpx_mock.add_response(401, json={"error": {"message": words}, "request_id": CANARY})
        case "html":
            httpx_mock.add_response(401, html=f"<title>{words}</title>")
        case _:
            httpx_mock.add_response(401, text=words)
    failure = seen.failure()
    shown = '"bad key [key] here"' if envelope == "html" else "bad key [key] here"
    assert failure.message == f"{HOST}: {WRONG_KEY}: {shown}"
    everything = json.dumps(failure.as_json()) + "".join(seen.lines)
    assert redact_known(everything) == everything


@pytest.mark.parametrize("form", ECHOES)
def test_a_key_at_the_end_of_a_long_message_is_masked_before_the_message_is_cut(
    httpx_mock: HTTPXMock, seen: Witness, form: str
) -> None:
    httpx_mock.add_response(400, json={"error": {"message": "x" * 480 + ECHOES[form]}})
    assert seen.failure().message == f"{HOST}: request refused (400): {'x' * 480}[key]"


def test_a_log_line_says_what_was_sent_and_what_came_without_the_key(
    httpx_mock: HTTPXMock, seen: Witness
) -> None:
    httpx_mock.add_response(json={}, headers={"x-deepseek-request-id": f"id {CANARY}"})
    request = replace(REQUEST, url=f"https://{HOST}/v1?k={CANARY[:18]}", headers={"x": CANARY})
    seen.answer(request)
    sent, came = seen.lines
    assert came == f"< 200 {HOST} request-id id [key]"
    assert sent.startswith(f"> POST https://{HOST}/v1?k=[key] {{'accept': ")
    assert "'authorization': 'Bearer …vBn5'" in sent
    assert "'x': '[key]'" in sent
    assert httpx_mock.get_requests()[0].headers["authorization"] == f"Bearer {KEY.value}"


OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@pytest.mark.parametrize(
    ("payload", "kind", "status", "what"),
    [
        (OVERLOADED, "overloaded", 529, "overloaded (529): Overloaded"),
        (
            {"error": {"type": "rate_limit_error", "message": "Slow"}},
            "rate_limit",
            429,
            "rate limited (429): Slow",
        ),
        ({"error": {"code": 502, "message": "Bad"}}, "server", 502, "server error (502): Bad"),
        ({"error": {"type": "api_error"}}, "server", 500, "server error (500)"),
        (
            {"error": {"code": "model_unavailable", "message": "Off"}},
            "overloaded",
            503,
            "unavailable (503): Off",
        ),
        (
            {"error": {"code": "upstream_error", "message": "Off"}},
            "server",
            502,
            "server error (502): Off",
        ),
    ],
)
def test_an_error_that_is_the_first_payload_is_tried_again(
    httpx_mock: HTTPXMock,
    seen: Witness,
    payload: dict[str, Any],
    kind: str,
    status: int,
    what: str,
) -> None:
    body = said({"type": "ping"}, payload | {"request_id": "req_9"})
    headers = {"content-type": "text/event-stream"}
    httpx_mock.add_response(headers=headers, content=body, is_reusable=True)
    failure = seen.failure()
    message = f"{HOST}: {what}"
    assert outcome(failure) == (UnavailableError, kind, message, LATER, status, "req_9", 5)
    assert seen.waits == [0.5, 1.0]


@pytest.mark.parametrize(
    ("error", "kind", "what", "hint"),
    [
        (
            {"type": "invalid_request_error", "message": "No"},
            "bad_request",
            "request refused (400)",
            CHANGE,
        ),
        (
            {"type": "rate_limit_error", "code": "insufficient_quota", "message": "No"},
            "no_credit",
            "no credit left (429)",
            TOP_UP,
        ),
        ({"code": 402, "message": "No"}, "no_credit", "no credit left (402)", TOP_UP),
        ("No", "stream_error", "the reply broke off", "try again in a minute"),
    ],
)
def test_an_error_that_stays_is_raised_at_once(
    httpx_mock: HTTPXMock, seen: Witness, error: Any, kind: str, what: str, hint: str
) -> None:
    headers = {"content-type": "text/event-stream"}
    httpx_mock.add_response(headers=headers, content=said({"error": error}))
    failure = seen.failure()
    assert (failure.kind, failure.message, failure.hint) == (kind, f"{HOST}: {what}: No", hint)
    assert seen.waits == []


PARTLY: list[dict[str, Any]] = [
    {"error": None, "choices": []},
    {"error": {"code": 502}, "choices": [{"delta": {"role": "assistant", "content": "4"}}]},
    {"choices": [{"message": {"content": "4"}, "finish_reason": "insufficient_system_resource"}]},
]


@pytest.mark.parametrize("payload", PARTLY)
def test_a_first_payload_with_text_or_without_an_error_is_handed_on(
    httpx_mock: HTTPXMock, seen: Witness, payload: dict[str, Any]
) -> None:
    httpx_mock.add_response(json=payload)
    assert (seen.answer(), seen.waits) == ([payload], [])


def test_an_error_after_the_first_payload_is_handed_on(
    httpx_mock: HTTPXMock, seen: Witness
) -> None:
    first = {"type": "message_start"}
    headers = {"content-type": "text/event-stream"}
    httpx_mock.add_response(headers=headers, content=said(first, OVERLOADED))
    assert (seen.answer(), seen.waits) == ([first, OVERLOADED], [])


MEANT = [
    ("missing_api_key", ConfigError, "key_rejected", f"{WRONG_KEY[:-6]} (418)"),
    ("invalid_api_key", ConfigError, "key_rejected", f"{WRONG_KEY[:-6]} (418)"),
    ("insufficient_credits", RefusedError, "no_credit", "no credit left (418)"),
    ("model_not_found", RefusedError, "not_found", "unknown model or address (418)"),
    ("rate_limit_exceeded", UnavailableError, "rate_limit", "rate limited (418)"),
    ("model_unavailable", UnavailableError, "overloaded", "unavailable (418)"),
    ("upstream_error", UnavailableError, "server", "server error (418)"),
    ("SEARCH_QUERY_NO_RESULT", RefusedError, "no_result", "no results"),
]


@pytest.mark.parametrize(("code", "error", "kind", "what"), MEANT)
def test_a_code_that_is_known_says_more_than_the_status(
    httpx_mock: HTTPXMock,
    seen: Witness,
    code: str,
    error: type[ConfigError | RefusedError | UnavailableError],
    kind: str,
    what: str,
) -> None:
    httpx_mock.add_response(
        418, json={"error": {"message": "So it is.", "code": code}}, is_reusable=True
    )
    failure = seen.failure()
    assert (type(failure), failure.kind, failure.status) == (error, kind, 418)
    assert failure.message == f"{HOST}: {what}: So it is."
    assert len(httpx_mock.get_requests()) == (3 if error is UnavailableError else 1)
