"""The models that a vendor lists: Anthropic's with their lifecycle, ids everywhere else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from deepreasoning_cli.catalog.live import LiveModel
from deepreasoning_cli.errors import UnavailableError
from deepreasoning_cli.keys import Key
from deepreasoning_cli.providers.claude import VERSION
from deepreasoning_cli.providers.probe import Fetches
from deepreasoning_cli.transport import Request
from deepreasoning_cli.wire.shape import as_count, as_dict, as_dicts, as_text

ANTHROPIC_LIST = "/v1/models?limit=1000" + "".join(
    f"&lifecycle%5B%5D={word}" for word in ("active", "deprecated", "retired")
)
MOST_PAGES = 10  # of a thousand models each
PAIRED = "anthropic_model"
"""The gateway's parameter whose values are the models it pairs R1 with (its model page)."""


def claude_models(transport: Fetches, base_url: str, key: Key) -> tuple[LiveModel, ...]:
    """All of Anthropic's models, retired ones too (SDK: model_list_params, model_info).

    Raises what the transport raises, UnavailableError for a reply of another shape.
    """
    found: list[LiveModel] = []
    after = ""
    for _ in range(MOST_PAGES):
        url = f"{base_url.rstrip('/')}{ANTHROPIC_LIST}{after}"
        headers = {"anthropic-version": VERSION}
        request = Request(url, None, key, headers, method="GET", key_header="x-api-key")
        page = transport.fetch(request)
        found += _claude_models(_items(page, request))
        last = as_text(page.get("last_id"))
        if page.get("has_more") is not True or not last.replace("-", "").isalnum():
            break
        after = f"&after_id={last}"
    return tuple(found)


def model_ids(transport: Fetches, base_url: str, key: Key | None) -> tuple[str, ...]:
    """The ids that a host of Chat Completions lists at `/models`. Raises as `claude_models`."""
    request = Request(f"{base_url.rstrip('/')}/models", None, key, method="GET")
    items = _items(transport.fetch(request), request)
    return tuple(found for item in items if (found := as_text(item.get("id"))))


def gateway_models(transport: Fetches, base_url: str, key: Key) -> tuple[str, ...]:
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
        raise UnavailableError(f"{request.host} sent no list of models", kind="wrong_shape")
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
