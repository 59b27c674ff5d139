"""Responses as a server hears it: read a request."""

from __future__ import annotations

from typing import Final

from deepreasoning_cli.wire.asked import Asked
from deepreasoning_cli.wire.dialogue import Dialogue
from deepreasoning_cli.wire.fields import Fields
from deepreasoning_cli.wire.request import NO_TOOLS, asked

ACCEPTED: Final = NO_TOOLS | {
    "background": (False,),
    "conversation": (),
    "previous_response_id": (),
    "prompt": (),  # a template that is stored at the vendor's
    "top_logprobs": (0,),
}


def read(body: object) -> Asked:
    """What the decoded JSON of a request asks. Raises BadRequest, naming the field."""
    request = Fields.of(body)
    request.only(ACCEPTED)
    request.within("text").only({"format": ({"type": "text"},)})
    dialogue = Dialogue("input")
    dialogue.instruct(request.text("instructions") or "")
    if isinstance(request.get("input"), str):
        dialogue.take(Fields({"role": "user", "content": request.get("input")}))
    else:
        for item in request.objects("input"):
            _take(dialogue, item)
    return asked(request, dialogue.prompt(), limits=("max_tokens", "max_output_tokens"))


def _take(dialogue: Dialogue, item: Fields) -> None:
    """Note an item; reasoning of earlier replies is left out."""
    match item.text("type"):
        case None | "message":
            dialogue.take(item)
        case "reasoning":
            return
        case _:
            item.refuse("type", "is not supported: only messages are")
