"""The tasks by any chat model of LangChain's."""

from __future__ import annotations

from typing import Any

import tasks
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from pydantic import BaseModel


class City(BaseModel):
    name: str
    country: str


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return tasks.add(a, b)


def outcome(message: Any) -> dict[str, Any]:
    blocks = [block for block in message.content_blocks if block["type"] == "reasoning"]
    thoughts = "".join(block.get("reasoning", "") for block in blocks)
    return {"answer": message.text, "reasoning": thoughts}


def perform_with(model: Any) -> None:
    """Perform the tasks with the model."""

    def question(text: str) -> dict[str, Any]:
        return outcome(model.invoke(text))

    def stream(text: str) -> dict[str, Any]:
        whole, pieces = None, 0
        for chunk in model.stream(text):
            pieces += bool(chunk.text)
            whole = chunk if whole is None else whole + chunk
        return outcome(whole) | {"pieces": pieces}

    def second_turn(text: str) -> dict[str, Any]:
        messages: list[Any] = [HumanMessage(text)]
        first = model.invoke(messages)
        assert isinstance(first, AIMessage)
        return outcome(model.invoke([*messages, first, HumanMessage(tasks.SECOND)]))

    def tools(text: str) -> dict[str, Any]:
        agent = create_agent(model, tools=[add])
        state = agent.invoke({"messages": [HumanMessage(text)]})
        return outcome(state["messages"][-1])

    def structured(text: str) -> dict[str, Any]:
        return {"found": model.with_structured_output(City).invoke(text).model_dump()}

    tasks.perform(question, stream, second_turn, tools, structured)
