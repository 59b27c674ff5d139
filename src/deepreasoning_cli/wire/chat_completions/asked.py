"""Chat Completions as a server hears it: read a request."""

from __future__ import annotations

from typing import Final

from deepreasoning_cli.wire.asked import ChatRequest
from deepreasoning_cli.wire.dialogue import Dialogue
from deepreasoning_cli.wire.fields import Fields
from deepreasoning_cli.wire.request import NO_TOOLS, build_chat_request

ACCEPTED: Final = NO_TOOLS | {
    "n": (1,),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "audio": (),
    "web_search_options": (),  # the search here is `web_search_linkup`
    "stop": ([], ""),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "top_k": (0, -1),
}


def read_request(body: object) -> ChatRequest:
    """What the decoded JSON of a request asks. Raises BadRequest, naming the field."""
    request = Fields.of(body)
    request.reject_unless(ACCEPTED)
    dialogue = Dialogue("messages")
    for message in request.objects("messages"):
        dialogue.add_message(message)
    include_usage = request.within("stream_options").boolean("include_usage")
    limits = ("max_tokens", "max_completion_tokens")
    return build_chat_request(
        request, dialogue.prompt(), limits=limits, include_usage=bool(include_usage)
    )
