"""Responses as a server speaks it: write a streamed or a whole reply."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from deepreasoning_cli.pipeline.events import Chunk, Payload, Text, Thought
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.wire.server.errors import ApiError
from deepreasoning_cli.wire.server.request import (
    NO_TOOLS,
    ChatRequest,
    Dialogue,
    Fields,
    build_chat_request,
)
from deepreasoning_cli.wire.server.writer import (
    Cost,
    Head,
    ReplyAccumulator,
    ReplyWriter,
    to_incomplete_reason,
)

SEQUENCE_NUMBER: Final = "sequence_number"
ERROR_CODES: Final[Mapping[str, str]] = {
    "rate_limit_error": "rate_limit_exceeded",
    "server_error": "server_error",
}
"""The codes of a failed response: a closed list in the vendor's types, so that ours has to fit."""


class ResponsesWriter(ReplyWriter):
    """Writes numbered events: reasoning and message items, a new one wherever the kind changes.

    The chain of thought is written as raw `reasoning_text`.
    """

    def __init__(self, head: Head) -> None:
        super().__init__(head)
        self._number = 0

    def _complete(self, events: Iterable[Payload]) -> list[Payload]:
        numbers = itertools.count(self._number)
        numbered = [event | {SEQUENCE_NUMBER: next(numbers)} for event in events]
        self._number += len(numbered)
        return numbered

    def _repeat_frame(self, text: str, before: str, after: str) -> str:
        end = after.replace("}\n", f',"{SEQUENCE_NUMBER}":{self._number}}}\n')
        self._number += 1
        return super()._repeat_frame(text, before, end)

    def _start_reply(self) -> Iterable[Payload]:
        response = _base_response(self.head, self.reply.model, "in_progress")
        yield {"type": "response.created", "response": response}
        yield {"type": "response.in_progress", "response": response}

    def _start_block(self) -> Iterable[Payload]:
        return self._item.start_events()

    def _delta(self, text: str) -> Payload:
        return self._item.delta(text)

    def _end_block(self) -> Iterable[Payload]:
        return self._item.end_events() if self.reply.runs else ()

    def _end_reply(self) -> Iterable[Payload]:
        finished = _finished_response(self.reply, self.head)
        yield {"type": f"response.{finished['status']}", "response": finished}

    def _fail_reply(self, failure: ApiError) -> Iterable[Payload]:
        response = _failed_response(self.reply, self.head, failure)
        yield {"type": "response.failed", "response": response}

    @property
    def _item(self) -> _OutputItem:
        """The open item."""
        return _OutputItem(len(self.reply.runs) - 1, *self.reply.runs[-1], self.head.id)


def response_object(chunks: Iterable[Chunk | Cost], head: Head) -> Payload:
    """The `response` object of a whole reply."""
    return _finished_response(ReplyAccumulator.of(chunks, head), head)


@dataclass(frozen=True, slots=True)
class _OutputItem:
    """One piece of the output: a chain of thought or a message, with its one part."""

    index: int
    kind: type[Thought | Text]
    texts: list[str]
    reply_id: str

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def id(self) -> str:
        return f"{'rs' if self.kind is Thought else 'msg'}_{self.reply_id}_{self.index}"

    @property
    def _name(self) -> str:
        return "reasoning_text" if self.kind is Thought else "output_text"

    @property
    def _place(self) -> Payload:
        return {"item_id": self.id, "output_index": self.index, "content_index": 0}

    @property
    def _logprobs(self) -> Payload:
        return {} if self.kind is Thought else {"logprobs": []}

    def to_object(self, status: str = "completed") -> Payload:
        """The item with what is known of its text."""
        content = [self._part(self.text)] if status == "completed" else []
        if self.kind is Thought:
            payload: Payload = {"type": "reasoning", "summary": []}
        else:
            payload = {"type": "message", "role": "assistant"}
        return {"id": self.id, "status": status, **payload, "content": content}

    def _part(self, text: str) -> Payload:
        if self.kind is Thought:
            return {"type": self._name, "text": text}
        return {"type": self._name, "text": text, "annotations": [], "logprobs": []}

    def start_events(self) -> Iterator[Payload]:
        yield {
            "type": "response.output_item.added",
            "output_index": self.index,
            "item": self.to_object("in_progress"),
        }
        yield {"type": "response.content_part.added", **self._place, "part": self._part("")}

    def delta(self, text: str) -> Payload:
        kind = f"response.{self._name}.delta"
        return {"type": kind, **self._place, "delta": text, **self._logprobs}

    def end_events(self) -> Iterator[Payload]:
        done = {"type": f"response.{self._name}.done", **self._place, "text": self.text}
        yield done | self._logprobs
        part = self._part(self.text)
        yield {"type": "response.content_part.done", **self._place, "part": part}
        yield {
            "type": "response.output_item.done",
            "output_index": self.index,
            "item": self.to_object(),
        }


def _base_response(head: Head, model: str, status: str) -> Payload:
    """The object with everything that clients expect in it, used or not."""
    return {
        "id": f"resp_{head.id}",
        "object": "response",
        "created_at": head.created,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": model,
        "output": [],
        "parallel_tool_calls": False,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "temperature": None,
        "top_p": None,
        "tool_choice": "none",
        "tools": [],
        "metadata": {},
        "text": {"format": {"type": "text"}},
        "truncation": "disabled",
        "usage": None,
    }


def _finished_response(reply: ReplyAccumulator, head: Head) -> Payload:
    reason = to_incomplete_reason(reply.reason)
    status = "completed" if reason == "completed" else "incomplete"
    return _base_response(head, reply.model, status) | {
        "incomplete_details": None if status == "completed" else {"reason": reason},
        "output": _output(reply, head),
        "usage": _usage_object(reply.usage) | reply.cost_fields if reply.usage else None,
    }


def _failed_response(reply: ReplyAccumulator, head: Head, failure: ApiError) -> Payload:
    """The object with what came until it broke off; of the last item, more would have come."""
    code = ERROR_CODES.get(failure.openai_type, "invalid_prompt")
    error = {"code": code, "message": failure.safe_message, "type": failure.openai_type}
    output = _output(reply, head)
    if output:
        output[-1]["status"] = "incomplete"
    return _base_response(head, reply.model, "failed") | {
        "error": error,
        "output": output,
        "usage": _usage_object(reply.usage) | reply.cost_fields if reply.usage else None,
    }


def _output(reply: ReplyAccumulator, head: Head) -> list[Payload]:
    return [_OutputItem(index, *run, head.id).to_object() for index, run in enumerate(reply.runs)]


def _usage_object(usage: Usage) -> Payload:
    """The counts; the format demands both details, so that an unknown one is 0."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


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
