"""The cheapest call that shows whether a vendor answers: nothing is generated or billed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.events import Payload
from deepreasoning_cli.keys import Key
from deepreasoning_cli.providers.claude import VERSION
from deepreasoning_cli.transport import Request

LIST_OF_MODELS = "/models"  # what every other host has, and some show to anybody


class Fetches(Protocol):
    """The part of the transport that a probe needs."""

    def fetch(self, request: Request) -> Payload:
        """The JSON object that answers; raises DeepReasoningError."""
        ...


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What came of one call.

    `seconds` it took, `balance` as the vendor states it, `error` if it failed. `key_tried` tells
    whether a success proves the key: a list that anybody may read does not.
    """

    vendor: str
    base_url: str
    seconds: float
    balance: str | None = None
    key_tried: bool = False
    error: DeepReasoningError | None = None


def probe(
    transport: Fetches, vendor: str, base_url: str, key: Key | None, key_check: str | None = None
) -> ProbeResult:
    """Call `vendor` once; a failure is part of the result. A key of None sends none.

    `key_check` is the path that answers only to a valid key, as the catalog has it.
    """
    request = _request(vendor, base_url.rstrip("/") + (key_check or LIST_OF_MODELS), key)
    start = time.monotonic()
    try:
        payload = transport.fetch(request)
    except DeepReasoningError as error:
        return ProbeResult(vendor, base_url, time.monotonic() - start, error=error)
    tried = key is not None and key_check is not None
    return ProbeResult(vendor, base_url, time.monotonic() - start, _balance(payload), tried)


def _request(vendor: str, url: str, key: Key | None) -> Request:
    if vendor == "anthropic":
        headers = {"anthropic-version": VERSION}
        return Request(url, None, key, headers, method="GET", key_header="x-api-key")
    return Request(url, None, key, method="GET")


def _balance(payload: Mapping[str, Any]) -> str | None:
    """What is left on the account, in the shapes of DeepSeek, Linkup (USD) and OpenRouter (USD)."""
    match payload:
        case {"balance_infos": [*infos]}:
            return ", ".join(_amounts(infos)) or None
        case {"balance": int() | float() as amount}:
            return f"{amount:.2f} USD"
        case {"data": {"limit_remaining": int() | float() as amount}}:
            return f"{amount:.2f} USD"
    return None


def _amounts(infos: Iterable[object]) -> Iterable[str]:
    for info in infos:
        match info:
            case {"currency": str(currency), "total_balance": str(total)}:
                yield f"{total} {currency}"
