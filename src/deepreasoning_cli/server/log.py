"""The access log: one line a request, as text or JSON, with nothing in it that was written to us.

No key, header, query or prompt; of a path and a model, which are the caller's words, only what is
safe to show.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Literal

from deepreasoning_cli.events import Payload
from deepreasoning_cli.money import usd
from deepreasoning_cli.server.accounting import usage_of
from deepreasoning_cli.server.exchange import RUNNING, Exchange, Turn
from deepreasoning_cli.views.safe import json_text, one_line

QUIET: Final = frozenset({"/health", "/metrics"})
"""What machines ask every few seconds."""
FAILING: Final = 400
LONGEST_PATH: Final = 200  # characters
LONGEST_METHOD: Final = 20
PLAIN: Final = re.compile(r'[^\s"=]+')


class AccessLog:
    """Writes a line, without its end, for every request but the quiet ones that went well."""

    def __init__(
        self,
        style: Literal["text", "json"],
        write: Callable[[str], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._line = json_text if style == "json" else _text
        self._write = write
        self._now = now

    def __call__(self, exchange: Exchange) -> None:
        """Write the line of one request."""
        if exchange.path not in QUIET or (exchange.status or FAILING) >= FAILING:
            moment = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
            self._write(self._line({"time": moment, **_facts(exchange)}))


def _facts(exchange: Exchange) -> Payload:
    turn = exchange.turn
    return {
        "method": one_line(exchange.method, LONGEST_METHOD),
        "path": one_line(exchange.path, LONGEST_PATH),
        "status": exchange.status,
        "seconds": round(exchange.seconds, 3),
        "client": exchange.client,
        **({} if turn is None else _facts_of_turn(turn)),
    }


def _facts_of_turn(turn: Turn) -> Payload:
    """What a turn did; nothing is counted of one that still runs."""
    usage = usage_of(turn.record) if turn.ended else None
    return {
        "turn": turn.id,
        "model": one_line(turn.asked.model),
        "ended": turn.ended or RUNNING,
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "cost_usd": usd(turn.record.cost) if turn.ended else None,
    }


def _text(facts: Payload) -> str:
    """The first four values alone, since they are always there, the others with their names."""
    values = {name: _quoted(value) for name, value in facts.items()}
    first = " ".join(values.pop(name) for name in ("time", "method", "path", "status"))
    return " ".join([first, *(f"{name}={value}" for name, value in values.items())])


def _quoted(value: object) -> str:
    if value is None:
        return "-"
    text = str(value)
    if PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
