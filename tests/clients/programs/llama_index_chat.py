"""LlamaIndex by Chat Completions."""

from llama_index.llms.openai_like import OpenAILike
from llama_index_tasks import perform_with
from tasks import MODEL, URL

perform_with(
    OpenAILike(
        model=MODEL,
        api_base=f"{URL}/v1",
        api_key="unused",
        is_chat_model=True,
        is_function_calling_model=True,
        should_use_structured_outputs=True,
        context_window=200_000,
    )
)
