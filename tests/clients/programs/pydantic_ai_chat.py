"""pydantic-ai by Chat Completions."""

from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai_tasks import perform_with
from tasks import MODEL, URL

provider = OpenAIProvider(base_url=f"{URL}/v1", api_key="unused")
perform_with(OpenAIChatModel(MODEL, provider=provider))
