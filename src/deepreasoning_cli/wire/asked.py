"""What a caller asks of the server, whatever the format, and how a bad request is refused."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from deepreasoning_cli.events import Prompt

TEMPERATURE: Final = (0, 2)
TOP_P: Final = (0, 1)
MAX_TOKENS: Final = (1, 65_536)
"""The ranges of api-facts.md, section 4.3."""


@dataclass(frozen=True, slots=True)
class RequestParameters:
    """The six parameters of the product (api-facts.md, section 4.3); None is not given.

    `max_tokens` is the answer's limit in tokens, whatever the format calls it.
    """

    anthropic_model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    web_search_linkup: bool | None = None
    disable_formatting: bool | None = None

    def to_dict(self) -> dict[str, object]:
        """Those that were given, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request that can be answered; `model` is as the caller wrote it.

    `include_usage` says whether a stream ends with its usage, which only Chat Completions asks.
    """

    model: str
    prompt: Prompt
    parameters: RequestParameters
    stream: bool
    include_usage: bool = True


class BadRequest(ValueError):  # noqa: N818 - the name of the status it becomes
    """A request that is refused; `field` is the place it is about, as `messages[2].role`."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
