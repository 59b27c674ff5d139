"""What goes wrong on the way, in the user's words: foreign errors end here."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import httpx

from deepreasoning_cli.errors import DeepReasoningError, UnavailableError
from deepreasoning_cli.keys import redacted
from deepreasoning_cli.transport.environment import proxy_of
from deepreasoning_cli.transport.request import Request
from deepreasoning_cli.wire.client.errors import PROXY_LOGIN


def lost(exc: httpx.HTTPError, request: Request) -> tuple[DeepReasoningError, bool]:
    """The error for a connection that failed, and whether trying again can heal it."""
    proxy = proxy_of(request.url)
    if isinstance(exc, httpx.ProxyError):
        return _turned_away(exc, request, proxy), False
    where = f"{request.host} through the proxy {proxy}" if proxy else request.host
    for cause in _causes(exc):
        match cause:
            case socket.gaierror():
                retry = cause.errno == socket.EAI_AGAIN
                return _unreachable(f"cannot find {where} (name lookup failed)", "dns"), retry
            case ssl.SSLCertVerificationError():
                why = redacted(cause.verify_message, request.secrets)
                hint = "set SSL_CERT_FILE to the CA bundle that your network uses"
                return _unreachable(f"cannot trust {where}: {why}", "tls", hint), False
            case ssl.SSLEOFError():
                break  # a hang-up like any other
            case ssl.SSLError() if isinstance(exc, httpx.ConnectError):
                hint = "check the base URL: does this port speak https?"
                return _unreachable(f"no TLS with {where}", "tls", hint), False
    return _worded(exc, where), True


def _turned_away(exc: httpx.ProxyError, request: Request, proxy: str | None) -> DeepReasoningError:
    named = f"the proxy {proxy}" if proxy else "the proxy"
    if "407" in str(exc):
        return _unreachable(f"{named} asks for a login (407)", "proxy", PROXY_LOGIN)
    hint = "check the proxy's address and login in the environment"
    return _unreachable(f"{named} did not let {request.host} through", "proxy", hint)


def _worded(exc: httpx.HTTPError, where: str) -> DeepReasoningError:
    match exc:
        case httpx.ConnectTimeout():
            return _unreachable(f"{where} does not answer the connection", "timeout")
        case httpx.TimeoutException():
            return _unreachable(f"{where} has been silent for too long", "timeout")
        case httpx.ConnectError():
            refusal = any(isinstance(cause, ConnectionRefusedError) for cause in _causes(exc))
            why = "connection refused" if refusal else "no connection"
            return _unreachable(f"cannot connect to {where} ({why})", "connect")
        case _:
            return _unreachable(f"the connection to {where} was lost", "connection_lost")


def _unreachable(
    message: str, kind: str, hint: str = "check the network, then try again"
) -> UnavailableError:
    return UnavailableError(message, kind=kind, hint=hint)


def _causes(exc: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = exc
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
