"""OpenAI's package, Chat Completions."""

from __future__ import annotations

import json
import os
from typing import Any

from openai import OpenAI
from pydantic import BaseModel
from tasks import MODEL, SECOND, URL, add, perform

client = OpenAI(base_url=f"{URL}/v1", api_key=os.environ.get("OPENAI_API_KEY", "unused"))


class City(BaseModel):
    name: str
    country: str


def question(text: str) -> dict[str, Any]:
    reply = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": text}]
    )
    message = reply.choices[0].message
    return {"answer": message.content, "reasoning": message.reasoning_content}


def stream(text: str) -> dict[str, Any]:
    answer, reasoning = [], []
    for chunk in client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": text}], stream=True
    ):
        delta = chunk.choices[0].delta
        answer += [delta.content] if delta.content else []
        thought = getattr(delta, "reasoning_content", None)
        reasoning += [thought] if thought else []
    return {"answer": "".join(answer), "reasoning": "".join(reasoning), "pieces": len(answer)}


def second_turn(text: str) -> dict[str, Any]:
    messages: list[Any] = [{"role": "user", "content": text}]
    first = client.chat.completions.create(model=MODEL, messages=messages)
    messages += [first.choices[0].message, {"role": "user", "content": SECOND}]
    second = client.chat.completions.create(model=MODEL, messages=messages)
    return {"answer": second.choices[0].message.content}


def tools(text: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    }
    functions: Any = [{"type": "function", "function": {"name": "add", "parameters": schema}}]
    messages: list[Any] = [{"role": "user", "content": text}]
    while True:
        reply = client.chat.completions.create(model=MODEL, messages=messages, tools=functions)
        message = reply.choices[0].message
        messages.append(message)
        if not message.tool_calls:
            return {"answer": message.content}
        for call in message.tool_calls:
            result = add(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": str(result)})


def structured(text: str) -> dict[str, Any]:
    reply = client.chat.completions.parse(
        model=MODEL, messages=[{"role": "user", "content": text}], response_format=City
    )
    return {"found": reply.choices[0].message.parsed.model_dump()}


perform(question, stream, second_turn, tools, structured)
