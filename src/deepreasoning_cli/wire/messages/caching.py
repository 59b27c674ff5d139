"""Where a request is marked, so that the vendor keeps its beginning for the next one."""

from __future__ import annotations

from typing import Final

from deepreasoning_cli.events import Payload, Prompt
from deepreasoning_cli.money import estimate_tokens

CACHE_CONTROL: Final[Payload] = {"cache_control": {"type": "ephemeral"}}
"""On a block: all up to here is kept for five minutes from its last use (api-facts.md, 1.10)."""


def cache_breakpoints(prompt: Prompt, minimum: int | None) -> tuple[int, ...]:
    """Behind how many messages a mark belongs, rising; 0 stands for behind the system prompt.

    None where less than `minimum` tokens, by the estimate, stand before it: that would not be
    kept. None at all for a prompt that is sent once, and where `minimum` is unknown.
    """
    if prompt.stable is None or minimum is None:
        return ()
    places = dict.fromkeys((0, prompt.stable))
    return tuple(place for place in places if tokens_before(prompt, place) >= minimum)


def tokens_before(prompt: Prompt, place: int) -> int:
    """The estimated tokens of the system prompt and the first `place` messages."""
    return estimate_tokens(Prompt(prompt.messages[:place], prompt.system).text)


def message_content(text: str, *, marked: bool) -> str | list[Payload]:
    """A text as the format has it: plain, or one block that carries the mark."""
    return [{"type": "text", "text": text} | CACHE_CONTROL] if marked else text
