"""Responses as a server hears it: read a request."""

from __future__ import annotations

from typing import Final

from deepreasoning_cli.wire.asked import ChatRequest
from deepreasoning_cli.wire.dialogue import Dialogue
from deepreasoning_cli.wire.fields import Fields
from deepreasoning_cli.wire.request import NO_TOOLS, build_chat_request

ACCEPTED: Final = NO_TOOLS | {
    "background": (False,),
    "conversation": (),
    "previous_response_id": (),
    "prompt": (),  # a template that is stored at the vendor's
    "top_logprobs": (0,),
}


def read_request(body: object) -> ChatRequest:
    """What the decoded JSON of a request asks. Raises BadRequest, naming the field."""
    request = Fields.of(body)
    request.reject_unless(ACCEPTED)
    request.within("text").reject_unless({"format": ({"type": "text"},)})
    dialogue = Dialogue("input")
    dialogue.add_system(request.text("instructions") or "")
    if isinstance(request.get("input"), str):
        dialogue.add_message(Fields({"role": "user", "content": request.get("input")}))
    else:
        for item in request.objects("input"):
            _add_item(dialogue, item)
    return build_chat_request(
        request, dialogue.prompt(), limits=("max_tokens", "max_output_tokens")
    )


def _add_item(dialogue: Dialogue, item: Fields) -> None:
    """Note an item; reasoning of earlier replies is left out."""
    match item.text("type"):
        case None | "message":
            dialogue.add_message(item)
        case "reasoning":
            return
        case _:
            item.refuse("type", "is not supported: only messages are")
