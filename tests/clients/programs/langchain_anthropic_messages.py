"""LangChain's `ChatAnthropic`."""

from langchain_anthropic import ChatAnthropic
from langchain_tasks import perform_with
from tasks import MODEL, URL

perform_with(ChatAnthropic(base_url=URL, api_key="unused", model=MODEL))
