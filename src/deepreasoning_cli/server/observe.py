"""What is noted of each request once it is over, and the log.

Two loggers of the standard library: `deepreasoning_cli.server` for notes, warnings and bugs, and
`deepreasoning_cli.server.access` for one record a request. Nothing is in a record that was written
to us: no key, header, query or prompt; of a path and a model, which are the caller's words, only
what is safe to show. Whoever embeds the app configures the loggers as any others; only our own
`serve` adds a handler, with `log_to_stderr`.
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
"""Where the scope of a request holds its turn, if one has begun."""
RUNNING: Final = "running"
"""What is said of a turn that goes on after its request."""
QUIET: Final = frozenset({"/health", "/metrics"})
"""What machines ask every few seconds."""
FAILING: Final = 400
MAX_PATH: Final = 200  # characters
MAX_METHOD: Final = 20
PLAIN: Final = re.compile(r'[^\s"=]+')
FIELDS: Final = ("method", "path", "status", "seconds", "client")
TURN_FIELDS: Final = ("turn", "model", "ended", "input_tokens", "output_tokens", "cost_usd")
PREFIXES: Final = {"INFO": "note", "WARNING": "warning", "ERROR": "error", "DEBUG": "debug"}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that is over. `status` is None where the caller went before there was one.

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

        def send_and_note(message: Message) -> Awaitable[None]:  # a coroutine costs on each token
            nonlocal status
            status = status or message["status"]
            return send(message)

        began = time.perf_counter()
        try:
            await self._app(scope, receive, send_and_note)
        finally:
            seconds = time.perf_counter() - began
            host, *_ = scope.get("client") or [None]
            turn = scope.get(TURN)
            exchange = Exchange(scope["method"], path_of(scope), status, seconds, host, turn)
            for listener in self._listeners:
                listener(exchange)


def log_request(exchange: Exchange) -> None:
    """Log the request, unless it is a quiet one that went well.

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
    """What a turn did; nothing is counted of one that still runs."""
    usage = total_usage(turn.record) if turn.ended else None
    return {
        "turn": turn.id,
        "model": single_line(turn.request.model),
        "ended": turn.ended or RUNNING,
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "cost_usd": decimal_usd(turn.record.cost) if turn.ended else None,
    }


def _text(facts: Payload) -> str:
    """The first three values alone, since they are always there, the others with their names."""
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
    """A request as a line of `style` with its time, all else as `warning: …`."""

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
        named = record.__dict__
        facts: Payload = {"time": stamp}
        facts |= {name: named[name] for name in (*FIELDS, *TURN_FIELDS) if name in named}
        return dump_json(facts)


class StderrHandler(logging.Handler):
    """A whole line at once: many threads write here. A closed stderr has no reader to tell."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line."""
        try:
            sys.stderr.write(self.format(record) + "\n")
        except (OSError, ValueError):
            return


def add_stderr_handler(style: LogStyle, *, debug: bool = False) -> StderrHandler:
    """Write what the server logs to stderr, and nowhere else, from now on."""
    handler = StderrHandler()
    handler.setFormatter(LineFormatter(style))
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.DEBUG if debug else logging.INFO)
    LOGGER.propagate = False
    return handler


@contextmanager
def log_to_stderr(style: LogStyle, *, debug: bool = False) -> Iterator[None]:
    """The same, as long as the context lasts."""
    level, propagates = LOGGER.level, LOGGER.propagate
    handler = add_stderr_handler(style, debug=debug)
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(level)
        LOGGER.propagate = propagates
