"""Answers that are no replies: failures in the envelope of the format asked, and JSON objects."""

from __future__ import annotations

import json
import math

from starlette.types import Scope, Send

from deepreasoning_cli.events import Payload
from deepreasoning_cli.server.formats import BY_PATH, envelope_for
from deepreasoning_cli.server.scopes import path_of
from deepreasoning_cli.wire.refusal import ApiError

Headers = list[tuple[bytes, bytes]]


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
        spoken = BY_PATH.get(path_of(scope))
        name = spoken.request_id if spoken else "x-request-id"
        more.append((name.encode(), failure.request_id.encode()))
    await send_json(send, envelope_for(path_of(scope))(failure), failure.status, more)


async def send_json(
    send: Send, payload: Payload, status: int = 200, headers: Headers | None = None
) -> None:
    """The whole response: one JSON object."""
    await send_whole(
        send, json.dumps(payload).encode("ascii"), b"application/json", status, headers
    )


async def send_whole(
    send: Send, body: bytes, kind: bytes, status: int = 200, headers: Headers | None = None
) -> None:
    """The whole response, of the content type `kind`."""
    length = str(len(body)).encode()
    all_headers = [(b"content-type", kind), (b"content-length", length), *(headers or ())]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body})


class Rejected(Exception):  # noqa: N818 (what happened to the request, in a word)
    """A request that is answered with a failure before any turn begins."""

    def __init__(
        self, failure: ApiError, *, retry_after: float | None = None, headers: Headers | None = None
    ) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.retry_after = retry_after
        self.headers = headers

    async def answer(self, scope: Scope, send: Send) -> None:
        """Send it."""
        await send_failure(
            scope, send, self.failure, retry_after=self.retry_after, headers=self.headers
        )
