"""What an ASGI scope says, and whole responses: JSON objects, and failures in their envelope."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from starlette.types import Scope, Send

from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.server.formats import BY_PATH, envelope_for
from deepreasoning_cli.wire.server.errors import ApiError

Headers = list[tuple[bytes, bytes]]


def header(scope: Scope, name: str) -> str | None:
    """The value of a header; None where it is missing, or given twice with different values."""
    wanted = name.lower().encode("latin-1")
    values = {value for key, value in scope["headers"] if key == wanted}
    return values.pop().decode("latin-1") if len(values) == 1 else None


def path_of(scope: Scope) -> str:
    """The path below where the app is mounted, percent signs decoded."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


def is_local(scope: Scope) -> bool:
    """Whether only this machine can have sent it: it came in on a loopback address or no address.

    A unix socket has a path and no port, and what is called without a server has nothing.
    """
    match scope.get("server"):
        case [str(host), int()]:
            return is_loopback(host)
        case _:
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


async def send_failure(
    scope: Scope,
    send: Send,
    failure: ApiError,
    *,
    retry_after: float | None = None,
    headers: Headers | None = None,
) -> None:
    """The whole response for `failure`; `retry_after` is in seconds."""
    more = list(headers or ())
    if retry_after is not None:
        more.append((b"retry-after", str(math.ceil(retry_after)).encode()))
    if failure.request_id:
        wire_format = BY_PATH.get(path_of(scope))
        name = wire_format.request_id if wire_format else "x-request-id"
        more.append((name.encode(), failure.request_id.encode()))
    await send_json(send, envelope_for(path_of(scope))(failure), failure.status, more)


async def send_json(
    send: Send, payload: Payload, status: int = 200, headers: Headers | None = None
) -> None:
    """The whole response: one JSON object."""
    await send_response(
        send, json.dumps(payload).encode("ascii"), b"application/json", status, headers
    )


async def send_response(
    send: Send, body: bytes, kind: bytes, status: int = 200, headers: Headers | None = None
) -> None:
    """The whole response, of the content type `kind`."""
    length = str(len(body)).encode()
    all_headers = [(b"content-type", kind), (b"content-length", length), *(headers or ())]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body})
