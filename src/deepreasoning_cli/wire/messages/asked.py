"""Messages as a server hears it: read a request."""

from __future__ import annotations

from typing import Final

from deepreasoning_cli.wire.asked import Asked
from deepreasoning_cli.wire.dialogue import Dialogue, content
from deepreasoning_cli.wire.fields import Fields
from deepreasoning_cli.wire.request import NO_TOOLS, asked

ACCEPTED: Final = NO_TOOLS | {
    "container": (),
    "mcp_servers": ([],),
    "output_format": (),
    "stop_sequences": ([],),
    "top_k": (0, -1),
}


def read(body: object) -> Asked:
    """What the decoded JSON of a request asks. Raises BadRequest, naming the field.

    `max_tokens`, which Anthropic requires, may be absent here.
    """
    request = Fields.of(body)
    request.only(ACCEPTED)
    request.within("output_config").only({"format": ({"type": "text"},)})
    dialogue = Dialogue("messages")
    if request.get("system") is not None:
        dialogue.instruct(content(request, "system"))
    for message in request.objects("messages"):
        dialogue.take(message)
    return asked(request, dialogue.prompt(), limits=("max_tokens",))
