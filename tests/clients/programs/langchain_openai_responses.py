"""LangChain's `ChatOpenAI` by Responses."""

from langchain_openai import ChatOpenAI
from langchain_tasks import perform_with
from tasks import MODEL, URL

perform_with(
    ChatOpenAI(base_url=f"{URL}/v1", api_key="unused", model=MODEL, use_responses_api=True)
)
