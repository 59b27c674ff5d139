"""The tasks by OpenAI's Agents SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import tasks
from pydantic import BaseModel

from agents import Agent, ReasoningItem, Runner, function_tool


class City(BaseModel):
    name: str
    country: str


def outcome(result: Any) -> dict[str, Any]:
    items = [item.raw_item for item in result.new_items if isinstance(item, ReasoningItem)]
    parts = [part.text for item in items for part in (item.content or item.summary)]
    return {"answer": result.final_output, "reasoning": "".join(parts)}


def perform_with(model: Any) -> None:
    """Perform the tasks with the model, all in one event loop, as its HTTP client wants it."""
    loop = asyncio.new_event_loop()

    def in_loop(task: Callable[[str], Awaitable[dict[str, Any]]]) -> Callable[[str], Any]:
        @wraps(task)
        def run(text: str) -> Any:
            return loop.run_until_complete(task(text))

        return run

    agent = Agent(name="Assistant", model=model)

    @in_loop
    async def question(text: str) -> dict[str, Any]:
        return outcome(await Runner.run(agent, text))

    @in_loop
    async def stream(text: str) -> dict[str, Any]:
        result, pieces = Runner.run_streamed(agent, text), 0
        async for event in result.stream_events():
            data = getattr(event, "data", None)
            pieces += getattr(data, "type", None) == "response.output_text.delta"
        return outcome(result) | {"pieces": pieces}

    @in_loop
    async def second_turn(text: str) -> dict[str, Any]:
        first = await Runner.run(agent, text)
        items = [*first.to_input_list(), {"role": "user", "content": tasks.SECOND}]
        return outcome(await Runner.run(agent, items))

    @in_loop
    async def tools(text: str) -> dict[str, Any]:
        adding = Agent(name="Adder", model=model, tools=[function_tool(tasks.add)])
        return outcome(await Runner.run(adding, text))

    @in_loop
    async def structured(text: str) -> dict[str, Any]:
        knowing = Agent(name="Atlas", model=model, output_type=City)
        return {"found": (await Runner.run(knowing, text)).final_output.model_dump()}

    tasks.perform(question, stream, second_turn, tools, structured)
