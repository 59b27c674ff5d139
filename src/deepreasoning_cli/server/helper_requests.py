"""What clients ask beside the conversation: titles, tags, follow-ups, summaries of what was said.

Many send it with the model of the conversation, and nothing in its fields tells it from a question.
Its first words do: they are the client's own, and nobody types them.
"""

from __future__ import annotations

import re
from typing import Final

from deepreasoning_cli.pipeline.events import Prompt

CONTEXT: Final = re.compile(r"\s*(?:<([a-z_-]+)>.*?</\1>\s*)*", re.DOTALL)
"""What Claude Code (`<system-reminder>`) and Codex (`<environment_context>`) put in front."""
TASK: Final = "### Task:\n"
"""How Open WebUI's begin; so does a question of its own with pages to answer from."""
BEGINNINGS: Final = (
    # Claude Code 2.1.332: /compact, and the same by itself; what happened while the user was away
    "CRITICAL: Respond with TEXT ONLY. Do NOT call any tools.",
    "The user stepped away and is coming back. Recap in under",
    # Claude Code and Qwen Code: what may be typed next
    "[SUGGESTION MODE: Suggest what the user might naturally type next",
    # Codex 0.171.0: titles; /compact
    "Generate a concise, single-line task title of at most",
    "You are performing a CONTEXT CHECKPOINT COMPACTION.",
    # opencode 1.18.33: titles; its summaries, and those of pi 1.5.2
    "You are a title generator. You output ONLY a thread title.",
    "You are a context summarization agent.",
    "You are a context summarization assistant.",
    # Qwen Code 0.24.4: /compress
    "You are the component that summarizes a conversation when its context window",
    # Continue 1.5.47 and gptme 0.35.1: titles
    "Given the following... please reply with a title for the chat",
    "Generate concise conversation titles.",
    # LibreChat (@librechat/agents 3.9.2): titles
    "Provide a concise, 5-word-or-less title for the conversation",
    "Analyze this conversation and provide:\n1. The detected language of the conversation",
    # Open WebUI 0.12.4: titles, tags, follow-ups, searches, completion of what is typed, summaries
    f"{TASK}Generate a concise title",
    f"{TASK}Generate a concise, 3-5 word title",
    f"{TASK}Generate 1-3 broad tags",
    f"{TASK}Predict 3-5 useful messages",
    f"{TASK}Suggest 3-5 relevant follow-up",
    f"{TASK}Analyze the chat history to determine the necessity of generating search queries",
    f"{TASK}You are an autocompletion system.",
    "Your task is to reflect the speaker's likely facial expression through a fitting emoji.",
    "Summarize the conversation history that will be compacted out of the active chat context.",
)
"""The first words of system prompts and of last messages, as the clients named sent them."""


def is_helper_request(prompt: Prompt) -> bool:
    """Whether a client sent it for its own use, and not for a user's question."""
    last = prompt.messages[-1]
    texts = [part for part in last.parts if isinstance(part, str)] or [last.text]
    return any(
        text.startswith(BEGINNINGS, _after_context(text)) for text in (prompt.system or "", *texts)
    )


def _after_context(text: str) -> int:
    """Where the client's own words begin."""
    found = CONTEXT.match(text)
    return found.end() if found else 0
