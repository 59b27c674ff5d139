"""The tasks by any model of pydantic-ai's."""

from __future__ import annotations

import asyncio
from typing import Any

import tasks
from pydantic import BaseModel
from pydantic_ai import Agent


class City(BaseModel):
    name: str
    country: str


def outcome(result: Any) -> dict[str, Any]:
    return {"answer": result.output, "reasoning": result.response.thinking or ""}


def perform_with(model: Any) -> None:
    """Perform the tasks with the model."""

    def question(text: str) -> dict[str, Any]:
        return outcome(Agent(model).run_sync(text))

    async def streamed(text: str) -> dict[str, Any]:
        async with Agent(model).run_stream(text) as result:
            pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
            thoughts = result.response.thinking or ""
        return {"answer": "".join(pieces), "reasoning": thoughts, "pieces": len(pieces)}

    def stream(text: str) -> dict[str, Any]:
        return asyncio.run(streamed(text))

    def second_turn(text: str) -> dict[str, Any]:
        agent = Agent(model)
        first = agent.run_sync(text)
        return outcome(agent.run_sync(tasks.SECOND, message_history=first.all_messages()))

    def tools(text: str) -> dict[str, Any]:
        return outcome(Agent(model, tools=[tasks.add]).run_sync(text))

    def structured(text: str) -> dict[str, Any]:
        return {"found": Agent(model, output_type=City).run_sync(text).output.model_dump()}

    tasks.perform(question, stream, second_turn, tools, structured)
