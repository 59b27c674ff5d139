"""What an ASGI scope says; responses that are JSON objects, and failures in their envelope."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final

from starlette.responses import Response
from starlette.types import Scope

from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.server.formats import endpoint_of, format_for
from deepreasoning_cli.wire.server.errors import ApiError

ANTHROPIC_HEADER: Final = "anthropic-version"
"""What all clients of Anthropic's send, and no others."""


def header(scope: Scope, name: str) -> str | None:
    """The value of a header; None if it is missing, or appears twice with different values."""
    key = name.lower().encode("latin-1")
    values = {value for each, value in scope["headers"] if each == key}
    return values.pop().decode("latin-1") if len(values) == 1 else None


def path_of(scope: Scope) -> str:
    """The path that is meant, below where the app is mounted, percent signs decoded."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return endpoint_of(path.removeprefix(root) if path.startswith(f"{root}/") else path)


def is_local(scope: Scope) -> bool:
    """Whether only this machine can have sent it: it came in on a loopback address or on none.

    A unix socket has a path and no port; an app that is called without a server has nothing.
    """
    match scope.get("server"):
        case [str(host), int()]:
            return is_loopback(host)
    return True


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def failure_response(
    scope: Scope,
    failure: ApiError,
    *,
    retry_after: float | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The response for `failure` in its path's envelope, or in that of the client's vendor where
    nothing is at the path; `retry_after` is in seconds.
    """
    is_anthropics = header(scope, ANTHROPIC_HEADER) is not None
    wire_format = format_for(path_of(scope), anthropic=is_anthropics)
    all_headers = dict(headers or {})
    if retry_after is not None:
        all_headers["retry-after"] = str(math.ceil(retry_after))
    if failure.stops_retries:
        all_headers["x-should-retry"] = "false"
    if failure.request_id:
        all_headers[wire_format.request_id] = failure.request_id
    return json_response(wire_format.envelope(failure), failure.status, all_headers)


def json_response(
    payload: Payload, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """The response of one JSON object, in ASCII."""
    return Response(json.dumps(payload), status, headers, "application/json")
