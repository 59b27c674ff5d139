"""The tasks by LlamaIndex."""

from __future__ import annotations

import asyncio
from typing import Any

import tasks
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ThinkingBlock
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel


class City(BaseModel):
    name: str
    country: str


def outcome(response: Any) -> dict[str, Any]:
    blocks = [each for each in response.message.blocks if isinstance(each, ThinkingBlock)]
    thoughts = "".join(block.content or "" for block in blocks)
    return {"answer": response.message.content, "reasoning": thoughts}


def perform_with(model: Any) -> None:
    """Perform the tasks with the model."""

    def question(text: str) -> dict[str, Any]:
        return outcome(model.chat([ChatMessage(text)]))

    def stream(text: str) -> dict[str, Any]:
        pieces, last = 0, None
        for last in model.stream_chat([ChatMessage(text)]):
            pieces += bool(last.delta)
        return outcome(last) | {"pieces": pieces}

    def second_turn(text: str) -> dict[str, Any]:
        first = model.chat([ChatMessage(text)])
        messages = [ChatMessage(text), first.message, ChatMessage(tasks.SECOND)]
        return outcome(model.chat(messages))

    async def run_agent(text: str) -> Any:
        return await FunctionAgent(tools=[tasks.add], llm=model).run(text)

    def tools(text: str) -> dict[str, Any]:
        return {"answer": str(asyncio.run(run_agent(text)))}

    def structured(text: str) -> dict[str, Any]:
        found = model.structured_predict(City, PromptTemplate("{text}"), text=text)
        return {"found": found.model_dump()}

    tasks.perform(question, stream, second_turn, tools, structured)
