"""The checks of every request: limits, address, host, token. How much open files allow at once."""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Iterator
from contextlib import suppress
from functools import cache
from importlib import import_module
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deepreasoning_cli.server.asgi import failure_response, header, is_local, path_of
from deepreasoning_cli.server.errors import ClientDisconnected, Rejected
from deepreasoning_cli.settings.models import ServeSettings
from deepreasoning_cli.wire.server.errors import ApiError

resource: Any = None
with suppress(ImportError):  # on Windows
    resource = import_module("resource")  # now, while there are files to import with

if TYPE_CHECKING:
    from deepreasoning_cli.server.service import Service

MAX_HEADERS: Final = 100
MAX_HEADER_BYTES: Final = 65_536
"""Bytes of all headers, names and values."""
MAX_TARGET_BYTES: Final = 8_192
"""Bytes of path and query."""
OPEN_FILES: Final = 65_536
"""How many files may be open, where the system lets us say so."""
SPARE_FILES: Final = 64
"""Open files for other things than callers and turns, if that is at most a quarter of them."""
FILES_OF_A_TURN: Final = 3
"""Its journal, and connections to two vendors."""
REFUSED_METHODS: Final = frozenset({"CONNECT", "TRACE"})
HEALTH: Final = "/health"
POLICY_VIOLATION: Final = 1008
"""Why a WebSocket is closed (RFC 6455, section 7.4.1); before it is open the status is 403."""
BUG: Final = ApiError(500, "internal", "unexpected; the server's log says where", is_final=True)


class Guard:
    """Checks requests before `app` answers them, and answers where `app` raises an exception."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        serve = service.loaded.settings.serve
        self._app = app
        self._service = service
        self._token = service.token.value.encode() if service.token else None
        self._byok = serve.byok
        # a web page of a stranger's does not have the token
        self._hosts = allowed_hosts(serve) if serve.hosts or not self._token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; refuse WebSockets; pass other scopes on."""
        match scope["type"]:
            case "http":
                await self._answer(scope, receive, send)
            case "websocket":
                await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            case _:
                await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_started = False

        def watched_send(message: Message) -> Awaitable[None]:  # a coroutine would cost per token
            nonlocal has_started
            has_started = True
            return send(message)

        try:
            self._check(scope)
            await self._app(scope, receive, watched_send)
        except Rejected as rejected:
            response = failure_response(
                scope,
                rejected.failure,
                retry_after=rejected.retry_after,
                headers=rejected.headers,
            )
            await response(scope, receive, send)
        except ClientDisconnected:
            return
        except Exception as error:  # noqa: BLE001 (the boundary: a caller gets no traceback)
            self._service.log_bug(error)
            if not has_started:
                await failure_response(scope, BUG)(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        """Raise Rejected for a request that is refused."""
        _check_limits(scope)
        if self._token is None and not is_local(scope):
            raise Rejected(
                403,
                "token_required",
                "without a token this server answers only on loopback addresses; "
                "its owner sets one as keys.serve",
            )
        if path_of(scope) == HEALTH:
            return  # it reveals nothing, and load balancers know only the address
        if self._hosts is not None:
            _check_host(scope, self._hosts)
        if self._token is not None:
            self._check_token(scope, self._token)

    def _check_token(self, scope: Scope, token: bytes) -> None:
        tokens = list(self._tokens_in(scope))
        if not any(hmac.compare_digest(each, token) for each in tokens):
            what = "the token is wrong" if tokens else "a token is needed"
            raise Rejected(
                401,
                "invalid_api_key",
                f"{what}: in the client, set this server's token as the API key",
                headers={"www-authenticate": "Bearer"},
            )

    def _tokens_in(self, scope: Scope) -> Iterator[bytes]:
        """The tokens that come with the request; Anthropic's clients have a header of their own."""
        for name, value in scope["headers"]:
            if name == b"authorization":
                scheme, _, token = value.partition(b" ")
                if scheme.lower() == b"bearer":
                    yield token.strip()
            elif name == b"x-api-key" and not self._byok:
                yield value.strip()


def _check_limits(scope: Scope) -> None:
    if scope["method"] in REFUSED_METHODS:
        why = f"{scope['method']} is not answered"
        raise Rejected(405, "method_not_allowed", why, headers={"allow": "GET, HEAD, POST"})
    target = len(scope.get("raw_path") or scope["path"]) + len(scope.get("query_string", b""))
    if target > MAX_TARGET_BYTES:
        raise Rejected(414, "path_too_long", f"the path has over {MAX_TARGET_BYTES:,} bytes")
    headers = scope["headers"]
    if len(headers) > MAX_HEADERS:
        raise Rejected(431, "too_many_headers", f"there are over {MAX_HEADERS} headers")
    if sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
        raise Rejected(
            431, "headers_too_large", f"the headers have over {MAX_HEADER_BYTES:,} bytes"
        )


def _check_host(scope: Scope, hosts: frozenset[str]) -> None:
    """Raise Rejected: 400 for a Host that is missing or malformed, 421 for one that is not ours."""
    host = host_of(header(scope, "host") or "")
    if host is None:
        raise Rejected(400, "invalid_host", "the Host header is missing or malformed")
    if host not in hosts:
        why = f"{host} is no name of this server; its owner adds names to serve.hosts"
        raise Rejected(421, "foreign_host", why)


LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
ANY: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 (compared with, not bind to)
HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[0-9a-z._~-]+)(?::[0-9]{0,5})?", re.IGNORECASE)


def allowed_hosts(serve: ServeSettings) -> frozenset[str]:
    """The allowed host names: this machine's, the address that is served, and `serve.hosts`."""
    names = {_normalized(name) for name in (serve.host, *serve.hosts)}
    return LOOPBACK | (names - ANY)


def host_of(value: str) -> str | None:
    """The name or address in a `Host` header, without its port; None if it is malformed."""
    match = HOST.fullmatch(value)
    return _normalized(match[1]) if match else None


def _normalized(name: str) -> str:
    """A name in lower case, or an address in its shortest form, for comparison."""
    bare = name.strip().lower()
    if match := HOST.fullmatch(bare):
        bare = match[1]
    try:
        return str(ip_address(bare.strip("[]")))
    except ValueError:
        return bare.removesuffix(".")


@cache
def _files_at_once() -> int:
    """How many files there are for callers and turns together."""
    soft, _ = _file_limits()
    return max(soft - SPARE_FILES, soft * 3 // 4) if soft > 0 else OPEN_FILES


def most_connections() -> int:
    """How many callers there may be: with half of the files."""
    return _files_at_once() // 2


def most_turns() -> int:
    """How many turns there may be: with the other half."""
    return max(_files_at_once() // 2 // FILES_OF_A_TURN, 1)


def raise_file_limit() -> None:
    """Let this process, and those that it starts, open as many files as the system allows."""
    soft, hard = _file_limits()
    most = min(hard, OPEN_FILES) if hard >= 0 else OPEN_FILES
    if 0 <= soft < most:
        with suppress(ValueError, OSError):  # macOS has a limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _file_limits() -> tuple[int, int]:
    """How many files may be open, and to how many that can be raised; -1 is any number."""
    if resource is None:
        return -1, -1
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft, hard
