"""Messages as a server hears it: read a request."""

from __future__ import annotations

from typing import Final

from deepreasoning_cli.wire.asked import ChatRequest
from deepreasoning_cli.wire.dialogue import Dialogue, message_text
from deepreasoning_cli.wire.fields import Fields
from deepreasoning_cli.wire.request import NO_TOOLS, build_chat_request

ACCEPTED: Final = NO_TOOLS | {
    "container": (),
    "mcp_servers": ([],),
    "output_format": (),
    "stop_sequences": ([],),
    "top_k": (0, -1),
}


def read_request(body: object) -> ChatRequest:
    """What the decoded JSON of a request asks. Raises BadRequest, naming the field.

    `max_tokens`, which Anthropic requires, may be absent here.
    """
    request = Fields.of(body)
    request.reject_unless(ACCEPTED)
    request.within("output_config").reject_unless({"format": ({"type": "text"},)})
    dialogue = Dialogue("messages")
    if request.get("system") is not None:
        dialogue.add_system(message_text(request, "system"))
    for message in request.objects("messages"):
        dialogue.add_message(message)
    return build_chat_request(request, dialogue.prompt(), limits=("max_tokens",))
