"""Anthropic's package."""

from __future__ import annotations

from typing import Any

from anthropic import Anthropic, beta_tool
from pydantic import BaseModel
from tasks import MODEL, SECOND, URL, add, perform

client = Anthropic(base_url=URL, api_key="unused")


class City(BaseModel):
    name: str
    country: str


def texts(message: Any) -> dict[str, Any]:
    return {
        "answer": "".join(block.text for block in message.content if block.type == "text"),
        "reasoning": "".join(b.thinking for b in message.content if b.type == "thinking"),
    }


def question(text: str) -> dict[str, Any]:
    messages: Any = [{"role": "user", "content": text}]
    return texts(client.messages.create(model=MODEL, max_tokens=1000, messages=messages))


def stream(text: str) -> dict[str, Any]:
    messages: Any = [{"role": "user", "content": text}]
    with client.messages.stream(model=MODEL, max_tokens=1000, messages=messages) as events:
        pieces = list(events.text_stream)
        return texts(events.get_final_message()) | {"pieces": len(pieces)}


def second_turn(text: str) -> dict[str, Any]:
    messages: list[Any] = [{"role": "user", "content": text}]
    first = client.messages.create(model=MODEL, max_tokens=1000, messages=messages)
    messages.append({"role": "assistant", "content": first.content})
    messages.append({"role": "user", "content": SECOND})
    return texts(client.messages.create(model=MODEL, max_tokens=1000, messages=messages))


@beta_tool
def add_numbers(a: int, b: int) -> str:
    """Add two numbers.

    Args:
        a: The first.
        b: The second.
    """
    return str(add(a, b))


add_numbers.name = "add"


def tools(text: str) -> dict[str, Any]:
    messages: Any = [{"role": "user", "content": text}]
    runner = client.beta.messages.tool_runner(
        model=MODEL, max_tokens=1000, messages=messages, tools=[add_numbers]
    )
    return texts(runner.until_done())


def structured(text: str) -> dict[str, Any]:
    messages: Any = [{"role": "user", "content": text}]
    reply = client.messages.parse(
        model=MODEL, max_tokens=1000, messages=messages, output_format=City
    )
    return {"found": reply.parsed_output.model_dump()}


perform(question, stream, second_turn, tools, structured)
