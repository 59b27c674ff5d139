"""LiteLLM's package, by its provider for OpenAI's format."""

from litellm_tasks import perform_with
from tasks import MODEL, URL

perform_with(model=f"openai/{MODEL}", api_base=f"{URL}/v1", api_key="unused")
