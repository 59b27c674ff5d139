"""The ASGI app: its routes, and what all of them stand behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, ExceptionHandler, Receive, Scope, Send

from deepreasoning_cli import __version__
from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.server.asgi import path_of, send_json, send_response
from deepreasoning_cli.server.formats import BY_PATH, envelope_for
from deepreasoning_cli.server.guard import BUG, Guard
from deepreasoning_cli.server.handler import SHUTDOWN_SECONDS, TurnHandler
from deepreasoning_cli.server.models import ModelsEndpoint
from deepreasoning_cli.server.observe import Listener, RequestLogMiddleware, log_request
from deepreasoning_cli.server.service import Service, log_failure
from deepreasoning_cli.wire.server.errors import ApiError

if TYPE_CHECKING:
    from deepreasoning_cli.server.metrics import Metrics

CORS_METHODS: Final = ("GET", "POST")
CORS_HEADERS: Final = (
    "anthropic-beta",
    "anthropic-dangerous-direct-browser-access",
    "anthropic-version",
    "authorization",
    "openai-organization",
    "openai-project",
    "x-anthropic-api-token",
    "x-api-key",
    "x-deepseek-api-token",
    "x-stainless-arch",
    "x-stainless-helper-method",
    "x-stainless-lang",
    "x-stainless-os",
    "x-stainless-package-version",
    "x-stainless-retry-count",
    "x-stainless-runtime",
    "x-stainless-runtime-version",
    "x-stainless-timeout",
)
"""What the official JavaScript clients send, and the headers of our own."""
CORS_EXPOSED: Final = ("request-id", "retry-after", "x-request-id")
ROUTE_FAILURES: Final = {
    404: ApiError(404, "not_found", "there is nothing at this path; /openapi.json lists what is"),
    405: ApiError(405, "method_not_allowed", "this path does not answer that method"),
}


def application(service: Service, *, shutdown_seconds: float = SHUTDOWN_SECONDS) -> ASGIApp:
    """The ASGI app that answers with `service`.

    Turns that are told to end when the server shuts down have `shutdown_seconds` to be kept.
    """
    serve = service.loaded.settings.serve
    listeners: list[Listener] = [log_request]
    metrics = None
    if serve.metrics:
        from deepreasoning_cli.server.metrics import Metrics

        metrics = Metrics()
        listeners.append(metrics.count)
    handler = TurnHandler(service, metrics.set_streams if metrics else None, shutdown_seconds)
    inner = Guard(_TurnSwitch(handler, _other_routes(service, handler, metrics)), service)
    return RequestLogMiddleware(with_cors(inner, serve.origins), listeners)


class _TurnSwitch:
    """Passes questions straight on: what frameworks put around `send` costs on every token."""

    def __init__(self, handler: TurnHandler, others: ASGIApp) -> None:
        self._handler = handler
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        asks = scope["type"] == "http" and scope["method"] == "POST" and path_of(scope) in BY_PATH
        await (self._handler.answer if asks else self._others)(scope, receive, send)


def _other_routes(service: Service, handler: TurnHandler, metrics: Metrics | None) -> Starlette:
    """All but the questions themselves, and the lifespan."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(service.recover_orphans)
        try:
            service.prepare()
        except DeepReasoningError as error:  # servers may keep what a lifespan raises to themselves
            log_failure(error)
            raise
        yield
        await handler.close()
        service.close()

    async def health(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send_json(send, {"status": "ok", "version": __version__, "streams": handler.streams})

    models = AsgiEndpoint(ModelsEndpoint(service))
    routes = [
        *(Route(path, AsgiEndpoint(handler.answer), methods=["POST"]) for path in BY_PATH),
        Route("/v1/models", models, methods=["GET"]),
        Route("/v1/models/{id:path}", models, methods=["GET"]),
        Route("/health", AsgiEndpoint(health), methods=["GET"]),
        Route("/openapi.json", AsgiEndpoint(OpenApiEndpoint()), methods=["GET"]),
    ]
    if metrics:
        routes.append(Route("/metrics", AsgiEndpoint(metrics), methods=["GET"]))
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=ERROR_HANDLERS)


@dataclass(frozen=True, slots=True)
class AsgiEndpoint:
    """Passes everything on."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call it."""
        await self.app(scope, receive, send)


def openapi_document() -> Payload:
    """The document that is packaged beside this module, with the version that runs."""
    source = resources.files("deepreasoning_cli.server").joinpath("openapi.json")
    document: Payload = json.loads(source.read_text(encoding="utf-8"))
    document["info"]["version"] = __version__
    return document


class OpenApiEndpoint:
    """Answers with the description, which is read once."""

    def __init__(self) -> None:
        self._body = json.dumps(openapi_document(), ensure_ascii=False).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with all of it."""
        await send_response(send, self._body, b"application/json")


def with_cors(app: ASGIApp, origins: Collection[str]) -> ASGIApp:
    """`app` for pages from `origins`, exactly as browsers write them; `*` is any page.

    Without origins it is `app` itself: no header of the kind, and each preflight is refused.
    """
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=CORS_METHODS,
        allow_headers=CORS_HEADERS,
        expose_headers=CORS_EXPOSED,
    )


async def http_error(request: Request, error: Exception) -> JSONResponse:
    """Starlette's handler of HTTPException."""
    assert isinstance(error, HTTPException)
    failure = ROUTE_FAILURES.get(error.status_code)
    return _error_response(
        request, failure or ApiError(error.status_code, "http", str(error.detail)), _allow(error)
    )


async def server_error(request: Request, _: Exception) -> JSONResponse:
    """Starlette's handler of a bug; it raises the exception again, for the guard to note."""
    return _error_response(request, BUG)


ERROR_HANDLERS: Final[Mapping[type[Exception], ExceptionHandler]] = {
    HTTPException: http_error,
    Exception: server_error,
}


def _error_response(
    request: Request, failure: ApiError, headers: dict[str, str] | None = None
) -> JSONResponse:
    envelope = envelope_for(path_of(request.scope))
    return JSONResponse(envelope(failure), failure.status, headers)


def _allow(error: HTTPException) -> dict[str, str]:
    """The methods in an order that does not change from one process to the next."""
    methods = sorted((error.headers or {}).get("Allow", "").split(", "))
    return {"allow": ", ".join(methods)} if any(methods) else {}
