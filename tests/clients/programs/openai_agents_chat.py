"""OpenAI's Agents SDK by Chat Completions."""

from openai import AsyncOpenAI
from openai_agents_tasks import perform_with
from tasks import MODEL, URL

from agents import OpenAIChatCompletionsModel

client = AsyncOpenAI(base_url=f"{URL}/v1", api_key="unused")
perform_with(OpenAIChatCompletionsModel(model=MODEL, openai_client=client))
