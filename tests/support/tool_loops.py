"""A Claude that calls the tools of a client one after the other, whatever else the client asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from support.loopback_line import Received
from support.replies import Payload, Reply, claude_stream

ENDING = "All done."


def has_tool(request: Received, name: str) -> bool:
    """Whether Claude may call it."""
    return any(tool["name"] == name for tool in request.body.get("tools", ()))


def results_of(request: Received) -> list[dict[str, Any]]:
    """The blocks of results in its messages, in order."""
    blocks = [block for message in request.body["messages"] for block in _blocks(message)]
    return [block for block in blocks if block["type"] == "tool_result"]


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    return message["content"] if isinstance(message["content"], list) else []


@dataclass(frozen=True)
class ToolLoop:
    """Calls of `tool`, one a request; when all results are there, the `ending`, with `last` calls.

    A request without the tool is one for a title or the like: `aside` is its answer.
    """

    tool: str
    inputs: Sequence[Payload]
    last: Sequence[tuple[str, str, Payload]] = ()
    aside: str = "A title"
    asked: list[Received] = field(default_factory=list)
    """The requests of the loop."""
    asides: list[Received] = field(default_factory=list)

    def __call__(self, request: Received) -> Reply:
        if not has_tool(request, self.tool):
            self.asides.append(request)
            return claude_stream((self.aside,))
        self.asked.append(request)
        done = len(results_of(request))
        if done < len(self.inputs):
            calls = [(f"toolu_{done}", self.tool, self.inputs[done])]
            return claude_stream((), calls=calls, stop_reason="tool_use")
        stop_reason = "tool_use" if self.last else "end_turn"
        return claude_stream((ENDING,), calls=self.last, stop_reason=stop_reason)
