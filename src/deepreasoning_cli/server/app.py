"""The routes, and what all of them stand behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from deepreasoning_cli import __version__
from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.server.answers import send_json
from deepreasoning_cli.server.cors import cross_origin
from deepreasoning_cli.server.description import Description
from deepreasoning_cli.server.desk import Desk
from deepreasoning_cli.server.endpoint import Plain
from deepreasoning_cli.server.exchange import Observed, Teller
from deepreasoning_cli.server.formats import BY_PATH
from deepreasoning_cli.server.guard import Guard
from deepreasoning_cli.server.log import AccessLog
from deepreasoning_cli.server.metrics import Metrics
from deepreasoning_cli.server.models import Models
from deepreasoning_cli.server.scopes import path_of
from deepreasoning_cli.server.service import Service, explain, say
from deepreasoning_cli.server.unrouted import HANDLERS


def application(service: Service) -> ASGIApp:
    """The ASGI app that answers with `service`."""
    serve = service.loaded.settings.serve
    desk = Desk(service)
    metrics = Metrics(lambda: desk.streams)
    listeners: list[Teller] = [AccessLog(serve.log, say)]
    if serve.metrics:
        listeners.append(metrics.note)
    inner = Guard(_Switch(desk, _routed(service, desk, metrics)), service)
    return Observed(cross_origin(inner, serve.origins), listeners)


class _Switch:
    """Questions go straight to the desk: what frameworks put around `send` costs on every token."""

    def __init__(self, desk: Desk, others: ASGIApp) -> None:
        self._desk = desk
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        asks = scope["type"] == "http" and scope["method"] == "POST" and path_of(scope) in BY_PATH
        await (self._desk.answer if asks else self._others)(scope, receive, send)


def _routed(service: Service, desk: Desk, metrics: Metrics) -> Starlette:
    """All but the questions themselves, and the lifespan."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(service.recover_orphans)
        try:
            service.prepare()
        except DeepReasoningError as error:  # servers may keep what a lifespan raises to themselves
            explain(error)
            raise
        yield
        await desk.close()
        service.close()

    async def health(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send_json(send, {"status": "ok", "version": __version__, "streams": desk.streams})

    models = Plain(Models(service))
    routes = [
        *(Route(path, Plain(desk.answer), methods=["POST"]) for path in BY_PATH),
        Route("/v1/models", models, methods=["GET"]),
        Route("/v1/models/{id:path}", models, methods=["GET"]),
        Route("/health", Plain(health), methods=["GET"]),
        Route("/openapi.json", Plain(Description()), methods=["GET"]),
    ]
    if service.loaded.settings.serve.metrics:
        routes.append(Route("/metrics", Plain(metrics), methods=["GET"]))
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=HANDLERS)
