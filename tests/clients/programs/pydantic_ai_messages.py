"""pydantic-ai by Messages."""

from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai_tasks import perform_with
from tasks import MODEL, URL

perform_with(AnthropicModel(MODEL, provider=AnthropicProvider(base_url=URL, api_key="unused")))
