"""How many tokens a prompt is for a Claude model, by Anthropic's own count."""

from __future__ import annotations

from deepreasoning_cli.errors import UnavailableError
from deepreasoning_cli.events import Prompt
from deepreasoning_cli.keys import Key
from deepreasoning_cli.providers.claude import VERSION
from deepreasoning_cli.providers.probe import Fetches
from deepreasoning_cli.transport import Request
from deepreasoning_cli.wire.messages import client as messages

COUNTED = ("model", "system", "messages")
"""The fields of a request that may be counted; the rest is refused there."""


def count_tokens(transport: Fetches, base_url: str, key: Key, model: str, prompt: Prompt) -> int:
    """Input tokens of `prompt` for `model`; the call is free and counts per model
    (platform.claude.com, token counting).

    Raises what the transport raises, UnavailableError for a reply without a count.
    """
    body = messages.request_body(prompt, model=model, max_tokens=1, samplers={}, stream=False)
    request = Request(
        f"{base_url.rstrip('/')}/v1/messages/count_tokens",
        {name: body[name] for name in COUNTED if name in body},
        key,
        {"anthropic-version": VERSION},
        key_header="x-api-key",
    )
    match transport.fetch(request):
        case {"input_tokens": int(count)} if not isinstance(count, bool) and count >= 0:
            return count
    raise UnavailableError(
        f"{request.host} sent no count of tokens", kind="wrong_shape", hint="leave --exact out"
    )
