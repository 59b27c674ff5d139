"""OpenAI's Agents SDK by Responses, its default."""

from openai import AsyncOpenAI
from openai_agents_tasks import perform_with
from tasks import MODEL, URL

from agents import OpenAIResponsesModel

client = AsyncOpenAI(base_url=f"{URL}/v1", api_key="unused")
perform_with(OpenAIResponsesModel(model=MODEL, openai_client=client))
