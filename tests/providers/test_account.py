from __future__ import annotations

from typing import Any, cast

import pytest

from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.errors import DeepReasoningError, UnavailableError
from deepreasoning_cli.keys import Key
from deepreasoning_cli.providers.account import ProbeResult, probe
from deepreasoning_cli.transport import Request, Transport

KEY = Key("x", "sk-0123456789", "a test")


def key_check(name: str) -> str | None:
    """The vendor's path in the catalog; none for a host of the user's own."""
    return next((each.key_check for each in load_catalog().vendors if each.name == name), None)


class Vendor:
    """Answers with `reply`, or raises it."""

    def __init__(self, reply: Any) -> None:
        self.reply = reply
        self.requests: list[Request] = []

    def fetch(self, request: Request) -> Any:
        self.requests.append(request)
        if isinstance(self.reply, DeepReasoningError):
            raise self.reply
        return self.reply


@pytest.mark.parametrize(
    ("name", "base_url", "url"),
    [
        ("deepseek", "https://api.deepseek.com", "https://api.deepseek.com/user/balance"),
        ("anthropic", "https://api.anthropic.com/", "https://api.anthropic.com/v1/models?limit=1"),
        ("linkup", "https://api.linkup.so/v1", "https://api.linkup.so/v1/credits/balance"),
        ("openrouter", "https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1/key"),
        ("empiriolabs", "https://api.empiriolabs.ai/v1", "https://api.empiriolabs.ai/v1/models"),
        ("lab", "http://gpu:8000/v1", "http://gpu:8000/v1/models"),
    ],
)
def test_each_vendor_gets_one_request_that_generates_nothing(
    name: str, base_url: str, url: str
) -> None:
    vendor = Vendor({})
    probe(cast(Transport, vendor), name, base_url, KEY, key_check(name))
    by_key_header = name == "anthropic"
    assert vendor.requests == [
        Request(
            url,
            None,
            KEY,
            {"anthropic-version": "2023-06-01"} if by_key_header else {},
            method="GET",
            key_header="x-api-key" if by_key_header else "authorization",
        )
    ]


@pytest.mark.parametrize(
    ("reply", "balance"),
    [
        (
            {
                "balance_infos": [
                    {"currency": "USD", "total_balance": "1.50"},
                    {"currency": "CNY", "total_balance": "8.00"},
                    {"currency": "EUR"},
                    None,
                ]
            },
            "1.50 USD, 8.00 CNY",
        ),
        ({"balance_infos": []}, None),
        ({"balance_infos": None}, None),
        ({"balance": 123.456}, "123.46 USD"),
        ({"balance": 0}, "0.00 USD"),
        ({"balance": "a lot"}, None),
        ({"data": {"limit_remaining": 4.9}}, "4.90 USD"),
        ({"data": {"limit_remaining": None}}, None),
        ({"data": [{"id": "m"}]}, None),
        ({}, None),
    ],
)
def test_a_balance_is_read_in_every_vendors_shape(reply: Any, balance: str | None) -> None:
    assert (
        probe(cast(Transport, Vendor(reply)), "deepseek", "https://x.example", KEY).balance
        == balance
    )


@pytest.mark.parametrize(
    ("name", "key", "tried"),
    [("deepseek", KEY, True), ("novita", KEY, False), ("ollama", None, False)],
)
def test_only_a_call_that_needs_the_key_proves_it(name: str, key: Key | None, tried: bool) -> None:
    result = probe(cast(Transport, Vendor({})), name, "https://x.example", key, key_check(name))
    assert result.key_tried is tried


def test_a_failure_is_part_of_the_result() -> None:
    error = UnavailableError("no")
    result = probe(cast(Transport, Vendor(error)), "deepseek", "https://x.example", KEY)
    expected = ProbeResult("deepseek", "https://x.example", result.seconds, error=error)
    assert result == expected
    assert result.seconds >= 0
