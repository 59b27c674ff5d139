"""Ollama's chat on the server's side: read a request, write lines of JSON; its lists of models.

Facts: docs/api.md and api/types.go of ollama/ollama, `_types.py` of its Python client.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from deepreasoning_cli.pipeline.events import Payload, Text, Thought, ToolCallStarted
from deepreasoning_cli.wire.server import chat_completions
from deepreasoning_cli.wire.server.errors import ApiError
from deepreasoning_cli.wire.server.model_list import OWNER, ModelListing
from deepreasoning_cli.wire.server.request import EFFORTS, ChatRequest, Fields
from deepreasoning_cli.wire.server.tool_definitions import read_tool_input
from deepreasoning_cli.wire.server.writer import Part, ReplyWriter, encode_json, to_done_reason

OLLAMA_VERSION: Final = "0.13.0"
"""The version of Ollama whose API this is; clients refuse to speak with an older one."""
LATEST: Final = ":latest"
"""What Ollama's own tools put behind a name without a tag."""
NANOSECONDS: Final = 1_000_000_000


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


class OllamaWriter(ReplyWriter):
    """Writes a line of JSON for each piece; a call of a tool is one, with all of its arguments."""

    repeats_texts = True

    def frames(self, part: Part) -> bytes:
        """The bytes of `feed(part)`."""
        return b"".join(f"{encode_json(line)}\n".encode("ascii") for line in self.feed(part))

    def whole(self) -> Payload:
        """The object of a reply that is not streamed."""
        message: Payload = {"role": "assistant", "content": self.reply.text_of(Text)}
        if thoughts := self.reply.text_of(Thought):
            message["thinking"] = thoughts
        runs = range(len(self.reply.runs))
        if calls := [call for place in runs for call in self._calls_at(place)]:
            message["tool_calls"] = calls
        return self._last(message)

    def _complete(self, events: Iterable[Payload]) -> list[Payload]:
        return [event for event in events if event]

    def _start_reply(self) -> Iterable[Payload]:
        return ()

    def _start_block(self) -> Iterable[Payload]:
        return ()

    def _delta(self, text: str) -> Payload:
        """A piece of text; nothing for one of a call's arguments."""
        if isinstance(self.reply.kind, ToolCallStarted):
            return {}
        if self.reply.kind is Thought:
            return self._line({"role": "assistant", "content": "", "thinking": text})
        return self._line({"role": "assistant", "content": text})

    def _end_block(self) -> Iterable[Payload]:
        for call in self._calls_at(-1) if self.reply.runs else ():
            yield self._line({"role": "assistant", "content": "", "tool_calls": [call]})

    def _calls_at(self, place: int) -> list[Payload]:
        """The call that the run is, with its arguments as an object; none where they were cut."""
        kind, texts = self.reply.runs[place]
        if not isinstance(kind, ToolCallStarted):
            return []
        try:
            arguments = json.loads(str(texts) or "{}")
        except ValueError:
            return []
        return [{"id": kind.id, "function": {"name": kind.name, "arguments": arguments}}]

    def _end_reply(self) -> Iterable[Payload]:
        yield self._last({"role": "assistant", "content": ""})

    def _fail_reply(self, failure: ApiError) -> Iterable[Payload]:
        yield ollama_envelope(failure)

    def _line(self, message: Payload) -> Payload:
        created = _time(self.head.created)
        model = self.reply.model
        return {"model": model, "created_at": created, "message": message, "done": False}

    def _last(self, message: Payload) -> Payload:
        """The object with the counts; nothing is loaded here, and the parts are not timed."""
        passed = max(time.time() - self.head.created, 0)
        usage = self.reply.usage
        counts: Payload = {"prompt_eval_count": usage.input_tokens} if usage else {}
        counts |= {"eval_count": usage.output_tokens} if usage else {}
        return self._line(message) | {
            "done": True,
            "done_reason": to_done_reason(*self.reply.ending_words),
            "total_duration": int(passed * NANOSECONDS),
            "load_duration": 0,
            "prompt_eval_duration": 0,
            "eval_duration": int(passed * NANOSECONDS),
            **counts,
            **self.reply.cost_fields,
        }


SILENT_LINE: Final = encode_json(
    {
        "model": OWNER,
        "created_at": _time(0),
        "message": {"role": "assistant", "content": ""},
        "done": False,
    }
)
"""What keeps a connection open: lines of JSON have no comments."""


def ollama_envelope(failure: ApiError) -> Payload:
    """The object of a failure, and the last line of a stream that has failed."""
    return {"error": failure.safe_message}


OPTIONS: Final = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop": "stop",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "repeat_penalty": "repetition_penalty",
}
"""Those of Ollama's options that mean something here, by their names in Chat Completions."""
BEGINNINGS: Final = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
}
"""How images of each type begin in base64: Ollama's clients send the data alone."""


def read_request(body: object) -> ChatRequest:
    """The request in the decoded JSON. Raises BadRequest, which names the field."""
    request = Fields.of(body)
    options = request.within("options")
    limit = options.number("num_predict", -2, 10_000_000, whole=True)  # below 1: no limit
    wanted: Payload = {
        "model": (request.name("model") or "").removesuffix(LATEST),
        "messages": list(_messages(request)),
        "stream": request.boolean("stream") is not False,
        "stream_options": {"include_usage": True},
        "max_tokens": int(limit) if limit and limit > 0 else None,
        "tools": request.get("tools"),
        "response_format": _output_format(request),
        **{name: options.get(given) for given, name in OPTIONS.items()},
        **{name: request.get(name) for name in OWN_PARAMETERS},
        **_thinking(request),
    }
    return chat_completions.read_request(wanted)


OWN_PARAMETERS: Final = ("anthropic_model", "web_search_linkup", "disable_formatting", "reason")


def _thinking(request: Fields) -> Payload:
    """How much is to be thought: not at all, as ever, or as a level says."""
    think = request.get("think")
    if think is None or isinstance(think, bool):
        return {"think": think}
    if request.text("think") not in EFFORTS:
        request.refuse("think", f"must be true, false or one of {', '.join(EFFORTS)}")
    return {"reasoning_effort": think}


def _output_format(request: Fields) -> Payload | None:
    """`json`, or a schema."""
    match request.get("format"):
        case None | "":
            return None
        case "json":
            return {"type": "json_object"}
        case dict(schema):
            return {"type": "json_schema", "json_schema": {"schema": schema}}
    return request.refuse("format", "must be json or a schema", "unsupported_value")


def _messages(request: Fields) -> Iterator[Payload]:
    """The messages as Chat Completions has them. Ollama's calls and results have no ids: results
    follow in the order of the calls.
    """
    numbers = itertools.count(1)
    waiting: list[str] = []
    for message in request.objects("messages"):
        role = message.text("role")
        said: Payload = {"role": role, "content": message.get("content")}
        if role == "assistant":
            waiting = []
            if message.get("tool_calls") is not None:
                said["tool_calls"] = [
                    _call(call, f"call_{next(numbers)}") for call in message.objects("tool_calls")
                ]
                waiting = [call["id"] for call in said["tool_calls"]]
        elif role == "tool":
            call_id = message.text("tool_call_id") or next(iter(waiting), "")
            if not call_id:
                message.refuse("role", "is of no call in the message before")
            waiting = [each for each in waiting if each != call_id]
            said["tool_call_id"] = call_id
        if message.get("images") is not None and message.get("images") != []:
            text = [{"type": "text", "text": message.text("content") or ""}]
            said["content"] = [*(part for part in text if part["text"]), *_images(message)]
        yield said


def _call(call: Fields, call_id: str) -> Payload:
    """A call, whose arguments are an object here; some clients send them as text all the same."""
    function = call.within("function")
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        arguments = read_tool_input(function, "arguments")
    given = {"name": function.get("name"), "arguments": arguments}
    return {"id": call.text("id") or call_id, "type": "function", "function": given}


def _images(message: Fields) -> Iterator[Payload]:
    images = message.get("images")
    if not isinstance(images, list):
        message.refuse("images", "must be a list")
    for place, data in enumerate(images):
        found = next(
            (kind for begin, kind in BEGINNINGS.items() if str(data).startswith(begin)), None
        )
        if found is None:
            known = ", ".join(BEGINNINGS.values())
            message.refuse(
                f"images[{place}]", f"must be one of {known}, in base64", "unsupported_value"
            )
        yield {"type": "image_url", "image_url": {"url": f"data:{found};base64,{data}"}}


NO_FILE: Final[Payload] = {
    "parent_model": "",
    "format": "",
    "family": OWNER,
    "families": [OWNER],
    "parameter_size": "",
    "quantization_level": "",
}
"""What Ollama says of a model's file; here is none."""


def read_shown_model(body: object) -> str:
    """The name of the model that a request wants to see; it has had two names itself."""
    request = Fields.of(body)
    name = request.name("model") or request.name("name") or request.refuse("model", "is required")
    return name.removesuffix(LATEST)


def tags_object(models: Sequence[ModelListing]) -> Payload:
    """The list of all models."""
    return {
        "models": [
            {
                "name": model.id,
                "model": model.id,
                "modified_at": _time(model.created),
                "size": 0,
                "digest": hashlib.sha256(model.id.encode()).hexdigest(),
                "details": NO_FILE,
            }
            for model in models
        ]
    }


def show_object(model: ModelListing) -> Payload:
    """What one model is, and can do."""
    return {
        "modelfile": "",
        "parameters": "",
        "template": "",
        "license": "",
        "modified_at": _time(model.created),
        "details": NO_FILE,
        "model_info": {
            "general.architecture": OWNER,
            "general.basename": model.name,
            f"{OWNER}.context_length": model.context,
        },
        "capabilities": ["completion", "tools", "vision", "thinking"],
    }
