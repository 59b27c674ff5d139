from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.connect import HttpOrigin
from deepreasoning_cli.keys import redact_known
from deepreasoning_cli.transport import Request, Timeouts
from deepreasoning_cli.transport.request import USER_AGENT, DeferredTransport
from support.calls import CANARY, KEY, REQUEST


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.deepseek.com/v1/chat?x=//y", "api.deepseek.com"),
        ("http://GPU:8000", "gpu:8000"),
        ("http://[::1]:8000/v1", "[::1]:8000"),
        ("https://user:secret@a.example/v1", "a.example"),
        ("https://a.example?user@b", "a.example"),
        ("https://a.example:port/", "a.example:port"),
        ("nonsense", ""),
    ],
)
def test_the_host_is_as_the_address_names_it(url: str, host: str) -> None:
    assert Request(url).host == host


def test_a_key_goes_into_its_header_and_is_masked_for_show() -> None:
    shared = {
        "accept": "text/event-stream, application/json",
        "accept-encoding": "identity",
        "user-agent": USER_AGENT,
    }
    json_too = shared | {"content-type": "application/json"}
    assert REQUEST.all_headers(show_key=True) == json_too | {"authorization": f"Bearer {CANARY}"}
    assert REQUEST.all_headers(show_key=False) == json_too | {"authorization": "Bearer …vBn5"}
    bare = replace(REQUEST, key_header="x-api-key", body=None, headers={"accept": "x"})
    assert bare.all_headers(show_key=True) == shared | {"accept": "x", "x-api-key": CANARY}
    assert bare.all_headers(show_key=False) == shared | {"accept": "x", "x-api-key": "…vBn5"}
    assert Request("https://a.example").all_headers(show_key=True) == shared


def test_a_request_cannot_show_its_key_by_accident() -> None:
    assert redact_known(repr(REQUEST)) == repr(REQUEST)
    assert (REQUEST.secrets, replace(REQUEST, key=None).secrets) == ((KEY.value,), ())


def test_no_body_is_no_content() -> None:
    assert Request("https://a.example").content() is None


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("é😀\u2028", "é😀\u2028"),
        ("\ud83d\ude00", "😀"),
        ("a\ud83db", "a\ufffdb"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("caf\udce9", "caf\ufffd"),  # a byte of argv that is no UTF-8
    ],
)
def test_halves_of_surrogate_pairs_are_joined_or_replaced(text: str, sent: str) -> None:
    content = Request("https://a.example", {"prompt": text}).content()
    assert content is not None
    assert json.loads(content.decode("utf-8", "strict")) == {"prompt": sent}


anything = st.text(st.characters(categories=None) | st.characters(categories=["Cs"]))


@given(st.lists(anything))
def test_any_text_is_sent_as_valid_json(texts: list[str]) -> None:
    content = Request("https://a.example", {"texts": texts}).content()
    assert content is not None
    sent = json.loads(content.decode("utf-8", "strict"))["texts"]
    whole = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts]
    assert sent == whole


def test_one_patience_sets_every_clock_but_that_of_connecting() -> None:
    assert Timeouts.all_of(30) == Timeouts(10, 30, 30, 30)
    assert Timeouts.all_of(5) == Timeouts(5, 5, 5, 5)
    assert Timeouts() == Timeouts(10, 120, 620, 180)


def test_a_transport_is_opened_by_its_first_use_and_checks_what_it_was_to_check() -> None:
    class Noting:
        first_origin = HttpOrigin("https", "a.example", 443)

        def __init__(self) -> None:
            calls.append("made")

        def __getattr__(self, name: str) -> Callable[..., tuple[object, ...]]:
            def call(*args: object, **named: object) -> tuple[object, ...]:
                calls.append(name)
                return (*args, named)

            return call

    calls: list[str] = []
    deferred = DeferredTransport(cast(Any, Noting))
    deferred.check_route("https://a.example")
    assert (deferred.first_origin, calls) == (None, [])
    deferred.open()
    deferred.open()
    assert calls == ["made", "check_route"]
    assert deferred.first_origin == Noting.first_origin
    deferred.preconnect("https://a.example", once=True)
    request = Request("https://a.example")
    assert cast(object, deferred.fetch(request)) == (request, {})
    assert cast(object, deferred.stream(request, calls.clear)) == (request, calls.clear, {})
    assert calls == ["made", "check_route", "preconnect", "fetch", "stream"]
