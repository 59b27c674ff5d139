"""The ASGI app: its routes and the middleware around them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, ExceptionHandler, Receive, Scope, Send

from deepreasoning_cli import __version__
from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.server.asgi import failure_response, json_response, path_of
from deepreasoning_cli.server.formats import BY_PATH, RESPONSES
from deepreasoning_cli.server.guard import BUG, Guard
from deepreasoning_cli.server.handler import SHUTDOWN_SECONDS, TurnHandler
from deepreasoning_cli.server.models import (
    models_response,
    ollama_version_response,
    show_response,
    tags_response,
)
from deepreasoning_cli.server.observe import Listener, RequestLogMiddleware, log_request
from deepreasoning_cli.server.service import Service, log_failure
from deepreasoning_cli.server.token_counts import COUNTS, TokenCounter
from deepreasoning_cli.wire.server.errors import ApiError

if TYPE_CHECKING:
    from deepreasoning_cli.server.metrics import Metrics

CORS_METHODS: Final = ("GET", "POST")
CORS_EXPOSED: Final = ("request-id", "retry-after", "x-request-id", "x-should-retry")
ROUTE_FAILURES: Final = {
    404: ApiError(
        404,
        "not_found",
        "there is nothing at this path: in the client, set a base URL that ends in /v1"
        " (OpenAI's clients) or in no path at all (Anthropic's); /openapi.json lists what there is",
    ),
    405: ApiError(405, "method_not_allowed", "this path does not answer that method"),
}
COMPACTION: Final = ApiError(
    404,
    "unsupported_route",
    "compaction is not supported: in the client, switch it off, or have the model summarize the"
    " conversation in a turn of its own",
)
COMPACTION_PATH: Final = f"{RESPONSES}/compact"
WEBSOCKET: Final = ApiError(
    405,
    "unsupported_transport",
    "WebSockets are not supported: in the client, switch them off and stream over HTTP",
)


def application(service: Service, *, shutdown_seconds: float = SHUTDOWN_SECONDS) -> ASGIApp:
    """The ASGI app that answers with `service`.

    When the server shuts down, turns that were cancelled have `shutdown_seconds` to be saved.
    """
    serve = service.loaded.settings.serve
    listeners: list[Listener] = [log_request]
    metrics = None
    if serve.metrics:
        from deepreasoning_cli.server.metrics import Metrics

        metrics = Metrics()
        listeners.append(metrics.count)
    handler = TurnHandler(service, metrics.set_streams if metrics else None, shutdown_seconds)
    counter = TokenCounter(service, handler)
    others = _other_routes(service, handler, metrics)

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        """Pass turns straight on: what frameworks put around `send` costs on every token."""
        path = path_of(scope) if scope["type"] == "http" else ""
        if path in BY_PATH and scope["method"] == "POST":
            await handler(scope, receive, send)
        elif path in COUNTS and scope["method"] == "POST":
            await counter(scope, receive, send)
        else:
            meant = {**scope, "path": path, "root_path": ""} if path else scope
            await others(meant, receive, send)

    return RequestLogMiddleware(with_cors(Guard(dispatch, service), serve.origins), listeners)


def _other_routes(service: Service, handler: TurnHandler, metrics: Metrics | None) -> Starlette:
    """All routes but those of turns and counts, here for other methods, and the lifespan."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        with service:
            await asyncio.to_thread(service.recover_orphans)
            try:
                service.prepare()
            except DeepReasoningError as error:  # some servers do not show what a lifespan raises
                log_failure(error)
                raise
            yield
            await handler.close()

    async def health(_: Request) -> Response:
        return json_response({"status": "ok", "version": __version__, "streams": handler.streams})

    async def root(_: Request) -> Response:
        """Clients ask here whether anybody is at home."""
        return json_response({"name": "deepreasoning", "version": __version__})

    models = partial(models_response, service)
    routes = [
        *(Route(path, handler, methods=["POST"]) for path in (*BY_PATH, *COUNTS)),
        Route("/v1/models", models),
        Route("/v1/models/{id:path}", models),
        Route("/", root),
        Route("/api/tags", partial(tags_response, service)),
        Route("/api/version", ollama_version_response),
        Route("/api/show", partial(show_response, service), methods=["POST"]),
        Route("/health", health),
        Route("/openapi.json", openapi_response),
    ]
    if metrics:
        routes.append(Route("/metrics", metrics, methods=["GET"]))
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=ERROR_HANDLERS)


@cache
def openapi_document() -> Payload:
    """The document that is packaged beside this module, with the version that runs."""
    source = resources.files("deepreasoning_cli.server").joinpath("openapi.json")
    document: Payload = json.loads(source.read_text(encoding="utf-8"))
    document["info"]["version"] = __version__
    return document


async def openapi_response(_: Request) -> Response:
    """The whole document."""
    document = json.dumps(openapi_document(), ensure_ascii=False)
    return Response(document, media_type="application/json")


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
        allow_headers=("*",),  # SDKs add headers of their own with every version
        expose_headers=CORS_EXPOSED,
    )


async def http_error(request: Request, error: Exception) -> Response:
    """Starlette's handler of HTTPException. Methods are sorted, so that processes agree."""
    assert isinstance(error, HTTPException)
    status = error.status_code
    failure = ROUTE_FAILURES.get(status) or ApiError(status, "http", str(error.detail))
    if status == 404 and path_of(request.scope) == COMPACTION_PATH:
        failure = COMPACTION
    if status == 405 and request.headers.get("upgrade", "").lower() == "websocket":
        failure = WEBSOCKET
    methods = (error.headers or {}).get("Allow")
    headers = {"allow": ", ".join(sorted(methods.split(", ")))} if methods else None
    return failure_response(request.scope, failure, headers=headers)


async def server_error(request: Request, _: Exception) -> Response:
    """Starlette's handler of a bug. Starlette raises the exception again, and the guard logs it."""
    return failure_response(request.scope, BUG)


ERROR_HANDLERS: Final[Mapping[type[Exception], ExceptionHandler]] = {
    HTTPException: http_error,
    Exception: server_error,
}
