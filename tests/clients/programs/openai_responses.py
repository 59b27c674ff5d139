"""OpenAI's package, Responses."""

from __future__ import annotations

import json
from typing import Any

from openai import OpenAI
from pydantic import BaseModel
from tasks import MODEL, SECOND, URL, add, perform

client = OpenAI(base_url=f"{URL}/v1", api_key="unused")


class City(BaseModel):
    name: str
    country: str


def question(text: str) -> dict[str, Any]:
    reply = client.responses.create(model=MODEL, input=text)
    thoughts = [item for item in reply.output if item.type == "reasoning"]
    return {
        "answer": reply.output_text,
        "reasoning": "".join(part.text for item in thoughts for part in item.summary),
    }


def stream(text: str) -> dict[str, Any]:
    answer, reasoning = [], []
    for event in client.responses.create(model=MODEL, input=text, stream=True):
        if event.type == "response.output_text.delta":
            answer.append(event.delta)
        elif event.type == "response.reasoning_summary_text.delta":
            reasoning.append(event.delta)
        elif event.type == "response.failed":
            raise RuntimeError(event.response.error.message)
    return {"answer": "".join(answer), "reasoning": "".join(reasoning), "pieces": len(answer)}


def second_turn(text: str) -> dict[str, Any]:
    first = client.responses.create(model=MODEL, input=text)
    second = client.responses.create(model=MODEL, input=SECOND, previous_response_id=first.id)
    return {"answer": second.output_text}


def tools(text: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
        "additionalProperties": False,
    }
    functions: Any = [{"type": "function", "name": "add", "parameters": schema, "strict": True}]
    items: list[Any] = [{"role": "user", "content": text}]
    while True:
        reply = client.responses.create(model=MODEL, input=items, tools=functions)
        items += reply.output
        calls = [item for item in reply.output if item.type == "function_call"]
        if not calls:
            return {"answer": reply.output_text}
        for call in calls:
            result = str(add(**json.loads(call.arguments)))
            output = {"type": "function_call_output", "call_id": call.call_id, "output": result}
            items.append(output)


def structured(text: str) -> dict[str, Any]:
    reply = client.responses.parse(model=MODEL, input=text, text_format=City)
    return {"found": reply.output_parsed.model_dump()}


perform(question, stream, second_turn, tools, structured)
