"""Haystack's generator for OpenAI's format."""

from __future__ import annotations

import json
from typing import Any

import tasks
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import tool
from haystack.utils import Secret
from pydantic import BaseModel
from tasks import MODEL, SECOND, URL, perform


class City(BaseModel):
    name: str
    country: str


def generator(**more: Any) -> OpenAIChatGenerator:
    key = Secret.from_token("unused")
    return OpenAIChatGenerator(api_key=key, model=MODEL, api_base_url=f"{URL}/v1", **more)


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return tasks.add(a, b)


def outcome(message: ChatMessage) -> dict[str, Any]:
    thoughts = message.reasoning.reasoning_text if message.reasoning else ""
    return {"answer": message.text, "reasoning": thoughts}


def question(text: str) -> dict[str, Any]:
    return outcome(generator().run([ChatMessage.from_user(text)])["replies"][0])


def stream(text: str) -> dict[str, Any]:
    pieces: list[str] = []
    writer = generator(streaming_callback=lambda chunk: pieces.append(chunk.content))
    reply = writer.run([ChatMessage.from_user(text)])["replies"][0]
    return outcome(reply) | {"pieces": sum(map(bool, pieces))}


def second_turn(text: str) -> dict[str, Any]:
    messages = [ChatMessage.from_user(text)]
    messages += generator().run(messages)["replies"]
    return outcome(generator().run([*messages, ChatMessage.from_user(SECOND)])["replies"][0])


def tools(text: str) -> dict[str, Any]:
    agent = Agent(chat_generator=generator(), tools=[add])
    return outcome(agent.run(messages=[ChatMessage.from_user(text)])["messages"][-1])


def structured(text: str) -> dict[str, Any]:
    writer = generator(generation_kwargs={"response_format": City})
    reply = writer.run([ChatMessage.from_user(text)])["replies"][0]
    return {"found": json.loads(reply.text)}


perform(question, stream, second_turn, tools, structured)
