"""The access log, what listeners learn of each finished request, and the log on stderr.

Two loggers of the standard library: `deepreasoning_cli.server` for notes, warnings and bugs, and
`deepreasoning_cli.server.access` for one record per request. A record has no key, header, query or
prompt; of the caller's own words it has the method, the path and the model, made safe to show. An
embedder of the app configures the loggers like any others; only our own `serve` adds a handler,
with `log_to_stderr`.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.pipeline.money import decimal_usd
from deepreasoning_cli.sanitize import dump_json, single_line
from deepreasoning_cli.server.asgi import path_of
from deepreasoning_cli.server.service import LOGGER
from deepreasoning_cli.server.turn import Turn, total_usage

ACCESS: Final = LOGGER.getChild("access")
TURN: Final = "deepreasoning.turn"
"""The key of a request's scope that holds its turn, once it has started."""
RUNNING: Final = "running"
"""The outcome in the log of a turn that still runs after its request."""
QUIET: Final = frozenset({"/health", "/metrics"})
"""Paths that machines request every few seconds."""
FAILING: Final = 400
MAX_PATH: Final = 200  # characters
MAX_METHOD: Final = 20
PLAIN: Final = re.compile(r'[^\s"=]+')
FIELDS: Final = ("method", "path", "status", "seconds", "client")
TURN_FIELDS: Final = (
    *("turn", "model", "ended", "input_tokens", "output_tokens", "cost_usd", "reasoning"),
)
PREFIXES: Final = {"INFO": "note", "WARNING": "warning", "ERROR": "error", "DEBUG": "debug"}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A finished request. `status` is None if the caller disconnected before there was one.

    `path` is without the query, `seconds` are from the first byte of the request to the last of
    the response.
    """

    method: str
    path: str
    status: int | None
    seconds: float
    client: str | None = None
    turn: Turn | None = None


Listener = Callable[[Exchange], None]
LogStyle = Literal["text", "json"]


class RequestLogMiddleware:
    """Calls each of `listeners` for every request that `app` has answered."""

    def __init__(self, app: ASGIApp, listeners: Collection[Listener]) -> None:
        self._app = app
        self._listeners = listeners

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, unchanged."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        status: int | None = None

        def watched_send(message: Message) -> Awaitable[None]:  # a coroutine would cost per token
            nonlocal status
            status = status or message["status"]
            return send(message)

        began = time.perf_counter()
        try:
            await self._app(scope, receive, watched_send)
        finally:
            seconds = time.perf_counter() - began
            host, *_ = scope.get("client") or [None]
            turn = scope.get(TURN)
            exchange = Exchange(scope["method"], path_of(scope), status, seconds, host, turn)
            for listener in self._listeners:
                listener(exchange)


def log_request(exchange: Exchange) -> None:
    """Log the request, unless it is a successful one on a quiet path.

    The record has the facts as attributes, with the names of FIELDS and, for a turn, TURN_FIELDS.
    """
    if exchange.path not in QUIET or (exchange.status or FAILING) >= FAILING:
        facts = _facts(exchange)
        ACCESS.info(_text(facts), extra=facts)


def _facts(exchange: Exchange) -> Payload:
    turn = exchange.turn
    return {
        "method": single_line(exchange.method, MAX_METHOD),
        "path": single_line(exchange.path, MAX_PATH),
        "status": exchange.status,
        "seconds": round(exchange.seconds, 3),
        "client": exchange.client,
        **({} if turn is None else _facts_of_turn(turn)),
    }


def _facts_of_turn(turn: Turn) -> Payload:
    """The facts of a turn; one that still runs has no counts."""
    usage = total_usage(turn.record) if turn.outcome else None
    return {
        "turn": turn.id,
        "model": single_line(turn.request.model),
        "ended": turn.outcome or RUNNING,
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "cost_usd": decimal_usd(turn.record.cost) if turn.outcome else None,
        "reasoning": turn.reasoning,
    }


def _text(facts: Payload) -> str:
    """The first three values without names, since they are always there; the rest with names."""
    values = {name: _quoted(value) for name, value in facts.items()}
    first = " ".join(values.pop(name) for name in FIELDS[:3])
    return " ".join([first, *(f"{name}={value}" for name, value in values.items())])


def _quoted(value: object) -> str:
    if value is None:
        return "-"
    text = str(value)
    if PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class LineFormatter(logging.Formatter):
    """A request is a line of `style` with its time; other records are `warning: …`."""

    def __init__(self, style: LogStyle) -> None:
        super().__init__()
        self._is_json = style == "json"

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        if record.name != ACCESS.name:
            return f"{PREFIXES.get(record.levelname, 'error')}: {record.getMessage()}"
        moment = datetime.fromtimestamp(record.created, UTC)
        stamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if not self._is_json:
            return f"{stamp} {record.getMessage()}"
        attributes = record.__dict__
        facts: Payload = {"time": stamp}
        facts |= {name: attributes[name] for name in (*FIELDS, *TURN_FIELDS) if name in attributes}
        return dump_json(facts)


class StderrHandler(logging.Handler):
    """Writes each line in one call, since many threads write. A closed stderr is no error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line."""
        try:
            sys.stderr.write(self.format(record) + "\n")
        except (OSError, ValueError):
            return


def add_stderr_handler(style: LogStyle, *, debug: bool = False) -> StderrHandler:
    """Write the server's log to stderr, and only there."""
    handler = StderrHandler()
    handler.setFormatter(LineFormatter(style))
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.DEBUG if debug else logging.INFO)
    LOGGER.propagate = False
    return handler


@contextmanager
def log_to_stderr(style: LogStyle, *, debug: bool = False) -> Iterator[None]:
    """The same, within the context."""
    level, propagates = LOGGER.level, LOGGER.propagate
    handler = add_stderr_handler(style, debug=debug)
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(level)
        LOGGER.propagate = propagates
