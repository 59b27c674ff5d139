"""LiteLLM's package, by its provider for Anthropic's format."""

from litellm_tasks import perform_with
from tasks import MODEL, URL

perform_with(model=f"anthropic/{MODEL}", api_base=URL, api_key="unused")
