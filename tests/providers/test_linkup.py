from __future__ import annotations

from typing import Any, Literal, cast

import pytest

from deepreasoning_cli.errors import DeepReasoningError, RefusedError, UnavailableError
from deepreasoning_cli.keys import Key
from deepreasoning_cli.pipeline.events import Payload, Source
from deepreasoning_cli.pipeline.search import SearchResult
from deepreasoning_cli.providers.linkup import LinkupProvider
from deepreasoning_cli.transport import Request, Transport
from support.loopback import Loopback, Reply, json_reply

KEY = Key("linkup", "lk-canary-0123456789", "LINKUP_API_KEY")


class Answering:
    """A transport that says one thing."""

    def __init__(self, reply: Payload | DeepReasoningError) -> None:
        self.reply = reply
        self.asked: list[Request] = []

    def fetch(self, request: Request) -> Payload:
        self.asked.append(request)
        if isinstance(self.reply, DeepReasoningError):
            raise self.reply
        return self.reply


def linkup(
    transport: Transport,
    base_url: str = "https://x.org/v1",
    depth: Literal["standard", "deep"] = "standard",
) -> LinkupProvider:
    return LinkupProvider(base_url=base_url, key=KEY, transport=transport, depth=depth)


def found(reply: Any) -> tuple[SearchResult, ...]:
    return linkup(cast(Transport, Answering(reply))).search("6×7?")


def page(name: object = "Tables", url: object = "https://a.org", **more: object) -> Payload:
    return {"type": "text", "name": name, "url": url, "content": "6×7 is 42.", **more}


def test_the_request_asks_for_results_of_the_depth() -> None:
    transport = Answering({"results": []})
    deep = linkup(cast(Transport, transport), "https://x.org/v1/", "deep")
    assert deep.search("6×7?") == ()
    (request,) = transport.asked
    assert (request.method, request.url, request.key) == ("POST", "https://x.org/v1/search", KEY)
    assert request.body == {
        "q": "6×7?",
        "depth": "deep",
        "outputType": "searchResults",
        "maxResults": 10,
    }
    assert request.read_timeout == 60


def test_pages_are_taken_in_order_and_the_rest_is_left_out() -> None:
    image = {"type": "image", "name": "a cat", "url": "https://cat.org"}
    untyped = {"url": " https://b.org ", "name": None}
    nameless = page(name="", url="https://c.org", content=7)
    assert found({"results": [page(favicon="x"), image, untyped, nameless, page(url=""), 7]}) == (
        SearchResult(Source("Tables", "https://a.org"), "6×7 is 42."),
        SearchResult(Source("https://b.org", "https://b.org"), ""),
        SearchResult(Source("https://c.org", "https://c.org"), ""),
    )


def test_ten_pages_are_enough() -> None:
    assert len(found({"results": [page() for _ in range(50)]})) == 10


@pytest.mark.parametrize("reply", [{}, {"results": None}, {"answer": "42"}])
def test_a_reply_without_results_is_no_reply(reply: Payload) -> None:
    with pytest.raises(UnavailableError) as raised:
        found(reply)
    assert raised.value.kind == "bad_reply"


def refusal(status: int, code: str) -> Reply:
    error = {"code": code, "message": "So it is.", "details": []}
    return json_reply(status, {"statusCode": status, "error": error})


def over_the_wire(*replies: Reply) -> tuple[tuple[SearchResult, ...], int]:
    with Loopback(*replies) as server, Transport(sleep=lambda _: None) as transport:
        result = linkup(transport, f"{server.url}/v1").search("6×7?")
        return result, len(server.requests)


def test_no_result_is_zero_pages() -> None:
    assert over_the_wire(refusal(400, "SEARCH_QUERY_NO_RESULT")) == ((), 1)


def test_too_many_requests_are_tried_again() -> None:
    reply = json_reply(200, {"results": [page()]})
    assert over_the_wire(refusal(429, "TOO_MANY_REQUESTS"), reply)[1] == 2


@pytest.mark.parametrize("code", ["INSUFFICIENT_FUNDS_CREDITS", "EXCEED_BUDGET_LIMIT"])
def test_no_credit_is_final(code: str) -> None:
    with pytest.raises(RefusedError) as raised:
        over_the_wire(refusal(429, code))
    assert raised.value.kind == "no_credit"


def test_other_refusals_are_passed_on() -> None:
    with pytest.raises(RefusedError) as raised:
        over_the_wire(refusal(400, "VALIDATION_ERROR"))
    assert raised.value.kind == "bad_request"
