"""The tasks by LiteLLM's package."""

from __future__ import annotations

import json
from typing import Any

import litellm
import tasks
from pydantic import BaseModel


class City(BaseModel):
    name: str
    country: str


SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}


def outcome(reply: Any) -> dict[str, Any]:
    message = reply.choices[0].message
    thoughts = getattr(message, "reasoning_content", None)
    return {"answer": message.content, "reasoning": thoughts or ""}


def loop(text: str, place: dict[str, Any]) -> dict[str, Any]:
    functions = [{"type": "function", "function": {"name": "add", "parameters": SCHEMA}}]
    messages: list[Any] = [{"role": "user", "content": text}]
    while True:
        reply = litellm.completion(messages=messages, tools=functions, **place)
        message = reply.choices[0].message
        messages.append(message)
        if not message.tool_calls:
            return {"answer": message.content}
        for call in message.tool_calls:
            result = tasks.add(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": str(result)})


def streamed(chunks: Any) -> dict[str, Any]:
    answer, reasoning = [], []
    for chunk in chunks:
        delta = chunk.choices[0].delta
        answer += [delta.content] if delta.content else []
        thought = getattr(delta, "reasoning_content", None)
        reasoning += [thought] if thought else []
    return {"answer": "".join(answer), "reasoning": "".join(reasoning), "pieces": len(answer)}


def perform_with(**place: Any) -> None:
    """Perform the tasks with the model that is at the place."""

    def question(text: str) -> dict[str, Any]:
        messages = [{"role": "user", "content": text}]
        return outcome(litellm.completion(messages=messages, **place))

    def stream(text: str) -> dict[str, Any]:
        messages = [{"role": "user", "content": text}]
        return streamed(litellm.completion(messages=messages, stream=True, **place))

    def second_turn(text: str) -> dict[str, Any]:
        messages: list[Any] = [{"role": "user", "content": text}]
        first = litellm.completion(messages=messages, **place)
        messages += [first.choices[0].message, {"role": "user", "content": tasks.SECOND}]
        return outcome(litellm.completion(messages=messages, **place))

    def tools(text: str) -> dict[str, Any]:
        return loop(text, place)

    def structured(text: str) -> dict[str, Any]:
        messages = [{"role": "user", "content": text}]
        reply = litellm.completion(messages=messages, response_format=City, **place)
        return {"found": json.loads(reply.choices[0].message.content)}

    tasks.perform(question, stream, second_turn, tools, structured)
