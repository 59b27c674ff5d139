"""Chat Completions as a server hears it: read a request."""

from __future__ import annotations

from typing import Final

from deepreasoning_cli.wire.asked import Asked
from deepreasoning_cli.wire.dialogue import Dialogue
from deepreasoning_cli.wire.fields import Fields
from deepreasoning_cli.wire.request import NO_TOOLS, asked

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


def read(body: object) -> Asked:
    """What the decoded JSON of a request asks. Raises BadRequest, naming the field."""
    request = Fields.of(body)
    request.only(ACCEPTED)
    dialogue = Dialogue("messages")
    for message in request.objects("messages"):
        dialogue.take(message)
    wanted = request.within("stream_options").switch("include_usage")
    limits = ("max_tokens", "max_completion_tokens")
    return asked(request, dialogue.prompt(), limits=limits, include_usage=bool(wanted))
