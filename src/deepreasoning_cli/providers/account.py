"""An account at a vendor: whether its key works, the models it lists, the tokens of a prompt."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from deepreasoning_cli.catalog.live import LiveModel
from deepreasoning_cli.errors import DeepReasoningError, UnavailableError
from deepreasoning_cli.keys import Key
from deepreasoning_cli.pipeline.events import Prompt
from deepreasoning_cli.providers.anthropic import claude_request
from deepreasoning_cli.transport import Request, Transport
from deepreasoning_cli.wire.client import messages
from deepreasoning_cli.wire.client.payload import as_count, as_dict, as_dicts, as_text

LIST_OF_MODELS = "/models"  # what every other host has, and some show to anybody


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
    transport: Transport, vendor: str, base_url: str, key: Key | None, key_check: str | None = None
) -> ProbeResult:
    """Call `vendor` once; a failure is part of the result. A key of None sends none.

    `key_check` is the path that answers only to a valid key, as the catalog has it.
    """
    build: Callable[..., Request] = claude_request if vendor == "anthropic" else Request
    url = base_url.rstrip("/") + (key_check or LIST_OF_MODELS)
    start = time.monotonic()
    try:
        payload = transport.fetch(build(url, key=key, method="GET"))
    except DeepReasoningError as error:
        return ProbeResult(vendor, base_url, time.monotonic() - start, error=error)
    tried = key is not None and key_check is not None
    return ProbeResult(vendor, base_url, time.monotonic() - start, _balance(payload), tried)


def _balance(payload: Mapping[str, Any]) -> str | None:
    """What is left on the account, in the shapes of DeepSeek, Linkup (USD) and OpenRouter (USD)."""
    match payload:
        case {"balance_infos": [*infos]}:
            return ", ".join(_amounts(infos)) or None
        case {"balance": int() | float() as amount} | {
            "data": {"limit_remaining": int() | float() as amount}
        }:
            return f"{amount:.2f} USD"
    return None


def _amounts(infos: Iterable[object]) -> Iterable[str]:
    for info in infos:
        match info:
            case {"currency": str(currency), "total_balance": str(total)}:
                yield f"{total} {currency}"


ANTHROPIC_LIST = "/v1/models?limit=1000" + "".join(
    f"&lifecycle%5B%5D={word}" for word in ("active", "deprecated", "retired")
)
MOST_PAGES = 10  # of a thousand models each
PAIRED = "anthropic_model"
"""The gateway's parameter whose values are the models it pairs R1 with (its model page)."""


def claude_models(transport: Transport, base_url: str, key: Key) -> tuple[LiveModel, ...]:
    """All of Anthropic's models, retired ones too (SDK: model_list_params, model_info).

    Raises what the transport raises, UnavailableError for a reply of another shape.
    """
    models: list[LiveModel] = []
    after = ""
    for _ in range(MOST_PAGES):
        url = f"{base_url.rstrip('/')}{ANTHROPIC_LIST}{after}"
        request = claude_request(url, key=key, method="GET")
        page = transport.fetch(request)
        models += _claude_models(_items(page, request))
        last = as_text(page.get("last_id"))
        if page.get("has_more") is not True or not last.replace("-", "").isalnum():
            break
        after = f"&after_id={last}"
    return tuple(models)


def model_ids(transport: Transport, base_url: str, key: Key | None) -> tuple[str, ...]:
    """The ids that a host of Chat Completions lists at `/models`. Raises as `claude_models`."""
    request = Request(f"{base_url.rstrip('/')}{LIST_OF_MODELS}", None, key, method="GET")
    items = _items(transport.fetch(request), request)
    return tuple(id_ for item in items if (id_ := as_text(item.get("id"))))


def gateway_models(transport: Transport, base_url: str, key: Key) -> tuple[str, ...]:
    """The Claude models that the gateway's page of its model names; none where it names none.

    Where they stand is not published for sure: each shape that was seen elsewhere is tried.
    """
    url = f"{base_url.rstrip('/')}/models/deepreasoning"
    answer = transport.fetch(Request(url, None, key, method="GET"))
    record = as_dict(answer.get("data")) or answer
    for parameter in as_dicts(record.get("supported_parameters")):
        if parameter.get("name") == PAIRED:
            values = parameter.get("enum") or as_dict(parameter.get("schema")).get("enum")
            return tuple(filter(None, map(as_text, values))) if isinstance(values, list) else ()
    return ()


def _items(answer: Mapping[str, Any], request: Request) -> list[dict[str, Any]]:
    if not isinstance(answer.get("data"), list):
        what, hint = f"{request.host} sent no list of models", "check the base URL"
        raise UnavailableError(what, kind="wrong_shape", hint=hint)
    return as_dicts(answer["data"])


def _claude_models(items: list[dict[str, Any]]) -> Iterator[LiveModel]:
    for item in items:
        if id_ := as_text(item.get("id")):
            yield LiveModel(
                id_,
                as_text(item.get("display_name")) or id_,
                as_text(item.get("lifecycle")),
                _retires(item),
                as_count(item.get("max_input_tokens")),
                as_count(item.get("max_tokens")),
            )


def _retires(item: Mapping[str, Any]) -> date | None:
    try:
        return datetime.fromisoformat(as_text(item.get("retires_at"))).date()
    except ValueError:
        return None


COUNTED = ("model", "system", "messages", "tools", "tool_choice", "output_config")
"""The fields of a request that may be counted; the rest is refused there."""


def count_tokens(transport: Transport, base_url: str, key: Key, model: str, prompt: Prompt) -> int:
    """Input tokens of `prompt` for `model`; the call is free and counts per model
    (platform.claude.com, token counting).

    Raises what the transport raises, UnavailableError for a reply without a count.
    """
    body = messages.request_body(prompt, model=model, max_tokens=1, samplers={})
    request = claude_request(
        f"{base_url.rstrip('/')}/v1/messages/count_tokens",
        body={name: body[name] for name in COUNTED if name in body},
        key=key,
    )
    count = as_count(transport.fetch(request).get("input_tokens"))
    if count is not None:
        return count
    raise UnavailableError(
        f"{request.host} sent no count of tokens", kind="wrong_shape", hint="leave --exact out"
    )
