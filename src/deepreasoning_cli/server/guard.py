"""What every request passes before it is answered: limits, the address, the host, the token."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Iterator
from typing import TYPE_CHECKING, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deepreasoning_cli.server.answers import Rejected, send_failure
from deepreasoning_cli.server.body import Gone
from deepreasoning_cli.server.hosts import allowed, host_of
from deepreasoning_cli.server.scopes import header, is_from_here, path_of
from deepreasoning_cli.wire.refusal import ApiError

if TYPE_CHECKING:
    from deepreasoning_cli.server.service import Service

MOST_HEADERS: Final = 100
LARGEST_HEADERS: Final = 65_536
"""Bytes of all headers, names and values."""
LONGEST_TARGET: Final = 8_192
"""Bytes of path and query."""
NEVER: Final = frozenset({"CONNECT", "TRACE"})
HEALTH: Final = "/health"
POLICY_VIOLATION: Final = 1008
"""Why a WebSocket is closed (RFC 6455, section 7.4.1); before it is open the status is 403."""
BUG: Final = ApiError(500, "internal", "unexpected; the server's log says where")


class Guard:
    """Lets through what may be answered, and answers what `app` raises instead of a response."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        serve = service.loaded.settings.serve
        self._app = app
        self._service = service
        self._token = service.token.value.encode() if service.token else None
        self._byok = serve.byok
        # who has the token is no page of a stranger's
        self._hosts = allowed(serve) if serve.hosts or not self._token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; a WebSocket is refused, all else is the app's."""
        match scope["type"]:
            case "http":
                await self._answer(scope, receive, send)
            case "websocket":
                await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            case _:
                await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        def noting(message: Message) -> Awaitable[None]:  # no coroutine of its own for each piece
            nonlocal begun
            begun = True
            return send(message)

        try:
            self._check(scope)
            await self._app(scope, receive, noting)
        except Rejected as rejected:
            await rejected.answer(scope, send)
        except Gone:
            return
        except Exception as error:  # noqa: BLE001 (the boundary: a traceback is nobody's answer)
            self._service.broke(error)
            if not begun:
                await send_failure(scope, send, BUG)

    def _check(self, scope: Scope) -> None:
        """Raise Rejected for what is not let through."""
        _demand_limits(scope)
        if self._token is None and not is_from_here(scope):
            raise Rejected(
                ApiError(
                    403,
                    "token_required",
                    "without a token this server answers only on loopback addresses; "
                    "its owner sets one as keys.serve",
                )
            )
        if path_of(scope) == HEALTH:
            return  # it tells nothing, and who asks is a machine that knows only the address
        if self._hosts is not None:
            _demand_host(scope, self._hosts)
        if self._token is not None:
            self._demand_token(scope, self._token)

    def _demand_token(self, scope: Scope, token: bytes) -> None:
        shown = list(self._shown(scope))
        if not any(hmac.compare_digest(each, token) for each in shown):
            what = "the token is wrong" if shown else "a token is needed"
            raise Rejected(
                ApiError(401, "invalid_api_key", f"{what}: Authorization: Bearer <token>"),
                headers=[(b"www-authenticate", b"Bearer")],
            )

    def _shown(self, scope: Scope) -> Iterator[bytes]:
        """The tokens that come with the request; Anthropic's clients have a header of their own."""
        for name, value in scope["headers"]:
            if name == b"authorization":
                scheme, _, token = value.partition(b" ")
                if scheme.lower() == b"bearer":
                    yield token.strip()
            elif name == b"x-api-key" and not self._byok:
                yield value.strip()


def _demand_limits(scope: Scope) -> None:
    if scope["method"] in NEVER:
        allow = [(b"allow", b"GET, HEAD, POST")]
        failure = ApiError(405, "method_not_allowed", f"{scope['method']} is not answered")
        raise Rejected(failure, headers=allow)
    target = len(scope.get("raw_path") or scope["path"]) + len(scope.get("query_string", b""))
    if target > LONGEST_TARGET:
        raise Rejected(
            ApiError(414, "path_too_long", f"the path has over {LONGEST_TARGET:,} bytes")
        )
    headers = scope["headers"]
    if len(headers) > MOST_HEADERS:
        raise Rejected(ApiError(431, "too_many_headers", f"there are over {MOST_HEADERS} headers"))
    if sum(len(name) + len(value) for name, value in headers) > LARGEST_HEADERS:
        why = f"the headers have over {LARGEST_HEADERS:,} bytes"
        raise Rejected(ApiError(431, "headers_too_large", why))


def _demand_host(scope: Scope, hosts: frozenset[str]) -> None:
    """Raise Rejected with 400 for a Host that is missing or none, 421 for one that is not ours."""
    host = host_of(header(scope, "host") or "")
    if host is None:
        raise Rejected(ApiError(400, "invalid_host", "the Host header is missing or malformed"))
    if host not in hosts:
        why = f"{host} is no name of this server; its owner adds names to serve.hosts"
        raise Rejected(ApiError(421, "foreign_host", why))
