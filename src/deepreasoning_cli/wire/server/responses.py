"""Responses on the server's side: read a request, write a streamed or a whole reply."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from deepreasoning_cli.pipeline.events import (
    Payload,
    Prompt,
    Thought,
    ToolCallStarted,
)
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.record import GrowingText
from deepreasoning_cli.pipeline.tools import Tool
from deepreasoning_cli.wire.server.answer_options import read_options, read_output_format
from deepreasoning_cli.wire.server.conversation import (
    Conversation,
    Places,
    read_call,
    required_id,
    tool_result,
)
from deepreasoning_cli.wire.server.errors import ApiError
from deepreasoning_cli.wire.server.request import (
    NO_FUNCTIONS,
    ChatRequest,
    Fields,
    build_chat_request,
    read_effort,
)
from deepreasoning_cli.wire.server.tool_definitions import NAMESPACE, joined_name
from deepreasoning_cli.wire.server.writer import (
    ReplyWriter,
    RunKind,
    openai_usage,
    to_incomplete_reason,
)

SEQUENCE_NUMBER: Final = "sequence_number"
ERROR_CODES: Final[Mapping[str, str]] = {
    "rate_limit_error": "rate_limit_exceeded",
    "server_error": "server_error",
}
"""The codes of a failed response: the vendor's types allow no others."""


REPEATED: Final[Payload] = {
    "background": False,
    "frequency_penalty": 0,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "presence_penalty": 0,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": False,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
}
"""What a response object has of its request, for one that does not say (the SDK's `Response`, and
the Open Responses specification, which requires all of it)."""


class ResponsesWriter(ReplyWriter):
    """Writes numbered events: reasoning and message items, a new one wherever the kind changes.

    The chain of thought is streamed as the summary of a reasoning item: the form that clients show
    (Codex, the Vercel AI SDK) and the only one whose events both the SDKs' types and the Open
    Responses specification have. The whole item has it as raw `reasoning_text`, too.
    """

    repeats_texts = True
    _number = 0

    def _complete(self, events: Iterable[Payload]) -> list[Payload]:
        numbers = itertools.count(self._number)
        numbered = [event | {SEQUENCE_NUMBER: next(numbers)} for event in events]
        self._number += len(numbered)
        return numbered

    def _repeat_frame(self, text: str, before: str, after: str) -> str:
        end = after.replace("}\n", f',"{SEQUENCE_NUMBER}":{self._number}}}\n')
        self._number += 1
        return super()._repeat_frame(text, before, end)

    def whole(self) -> Payload:
        """The `response` object of a reply that has ended."""
        if self._last_status == "completed":
            return self._response("completed")
        reason = to_incomplete_reason(*self.reply.ending_words)
        return self._response("incomplete", incomplete_details={"reason": reason})

    @property
    def _last_status(self) -> str:
        """The status of the last item: one that was cut makes the reply incomplete."""
        reason = to_incomplete_reason(*self.reply.ending_words)
        return "completed" if reason == "completed" else "incomplete"

    def _start_reply(self) -> Iterable[Payload]:
        response = self._response("in_progress", output=[], usage=None)
        yield {"type": "response.created", "response": response}
        yield {"type": "response.in_progress", "response": response}

    def _start_block(self) -> Iterable[Payload]:
        return self._item.start_events()

    def _delta(self, text: str) -> Payload:
        return self._item.delta(text)

    def _end_block(self) -> Iterable[Payload]:
        return self._item.end_events(self._last_status) if self.reply.runs else ()

    def _end_reply(self) -> Iterable[Payload]:
        response = self.whole()
        yield {"type": f"response.{response['status']}", "response": response}

    def _fail_reply(self, failure: ApiError) -> Iterable[Payload]:
        """The object with what came before the failure; its last item is incomplete."""
        code = ERROR_CODES.get(failure.openai_type, "invalid_prompt")
        error = {"code": code, "message": failure.safe_message, "type": failure.openai_type}
        yield {"type": "response.failed", "response": self._response("failed", error=error)}

    @property
    def _item(self) -> _OutputItem:
        """The open item."""
        return self._output_item(len(self.reply.runs) - 1)

    def _output_item(self, index: int) -> _OutputItem:
        return _OutputItem(index, *self.reply.runs[index], self.head.id, self._namespaces)

    @cached_property
    def _namespaces(self) -> Mapping[str, Payload]:
        """The functions of namespaces: what their calls are named, by the names Claude knows."""
        groups = [tool for tool in self.head.request.get("tools", ()) if "tools" in tool]
        return {
            joined_name(group["name"], tool["name"]): {
                "name": tool["name"],
                "namespace": group["name"],
            }
            for group in groups
            for tool in group["tools"]
        }

    def _response(self, status: str, **fields: object) -> Payload:
        """The object with every field that clients expect."""
        usage = self.reply.usage
        output = [self._output_item(index).to_object() for index in range(len(self.reply.runs))]
        if output and status in ("incomplete", "failed"):
            output[-1]["status"] = "incomplete"
        return {
            **REPEATED,
            **self.head.request,
            "id": f"resp_{self.head.id}",
            "object": "response",
            "created_at": self.head.created,
            "completed_at": int(time.time()) if status == "completed" else None,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": self.reply.model,
            "output": output,
            "usage": usage and _usage_object(usage) | self.reply.cost_fields,
            **fields,
        }


@dataclass(frozen=True, slots=True)
class _OutputItem:
    """One piece of the output: a call, or a chain of thought or a message with its one part."""

    index: int
    kind: RunKind
    texts: GrowingText
    reply_id: str
    namespaces: Mapping[str, Payload]

    @property
    def text(self) -> str:
        return str(self.texts)

    @property
    def id(self) -> str:
        prefix = "fc" if isinstance(self.kind, ToolCallStarted) else "msg"
        return f"{'rs' if self.kind is Thought else prefix}_{self.reply_id}_{self.index}"

    @property
    def _function(self) -> Payload:
        """What a call is of, as the client named it."""
        called = self.kind.name if isinstance(self.kind, ToolCallStarted) else ""
        return dict(self.namespaces.get(called, {"name": called}))

    @property
    def _name(self) -> str:
        return "reasoning_summary_text" if self.kind is Thought else "output_text"

    @property
    def _part_name(self) -> str:
        return "reasoning_summary_part" if self.kind is Thought else "content_part"

    @property
    def _logprobs(self) -> Payload:
        return {} if self.kind is Thought else {"logprobs": []}

    def to_object(self, status: str = "completed") -> Payload:
        """The item; its text is in it once it is over."""
        fields: Payload = {"id": self.id, "status": status}
        over = status != "in_progress"
        if isinstance(self.kind, ToolCallStarted):
            return fields | {
                "type": "function_call",
                "call_id": self.kind.id,
                **self._function,
                "arguments": self.text if over else "",
            }
        parts = [self._part(self.text)] if over else []
        if self.kind is not Thought:
            return fields | {"type": "message", "role": "assistant", "content": parts}
        raw = [{"type": "reasoning_text", "text": self.text}] if over else []
        return fields | {"type": "reasoning", "summary": parts, "content": raw}

    def _part(self, text: str) -> Payload:
        if self.kind is Thought:
            return {"type": "summary_text", "text": text}
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}

    def start_events(self) -> Iterator[Payload]:
        yield self._item_event("added", "in_progress")
        if not isinstance(self.kind, ToolCallStarted):
            yield self._event(f"{self._part_name}.added", part=self._part(""))

    def delta(self, text: str) -> Payload:
        if isinstance(self.kind, ToolCallStarted):
            return self._call_event("delta", delta=text)
        return self._event(f"{self._name}.delta", delta=text, **self._logprobs)

    def end_events(self, status: str) -> Iterator[Payload]:
        if isinstance(self.kind, ToolCallStarted):
            yield self._call_event("done", **self._function, arguments=self.text)
        else:
            yield self._event(f"{self._name}.done", text=self.text, **self._logprobs)
            yield self._event(f"{self._part_name}.done", part=self._part(self.text))
        yield self._item_event("done", status)

    def _event(self, name: str, **fields: Payload | str) -> Payload:
        """An event of the item's one part."""
        index = "summary_index" if self.kind is Thought else "content_index"
        place = {"item_id": self.id, "output_index": self.index, index: 0}
        return {"type": f"response.{name}", **place, **fields}

    def _call_event(self, event: str, **fields: str) -> Payload:
        """An event of a call's arguments."""
        place = {"item_id": self.id, "output_index": self.index}
        return {"type": f"response.function_call_arguments.{event}", **place, **fields}

    def _item_event(self, name: str, status: str) -> Payload:
        item = self.to_object(status)
        return {"type": f"response.output_item.{name}", "output_index": self.index, "item": item}


def _usage_object(usage: Usage) -> Payload:
    """The counts; the format requires both details, so an unknown one is 0."""
    details = {"reasoning_tokens": usage.reasoning_tokens or 0}
    return openai_usage(usage, "input", "output") | {"output_tokens_details": details}


ACCEPTED: Final = NO_FUNCTIONS | {
    "background": (False,),
    "conversation": (),
    "prompt": (),  # a template that is stored at the vendor's
    "top_logprobs": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
}


def read_request(body: object) -> ChatRequest:
    """The request in the decoded JSON. Raises BadRequest, which names the field."""
    request = Fields.of(body)
    request.reject_unless(ACCEPTED)
    prompt = _read_input(request)
    output_format = read_output_format(request.within("text"), "format")
    chat_request = build_chat_request(
        request,
        replace(prompt, options=read_options(request, prompt, output_format)),
        limits=("max_tokens", "max_output_tokens"),
        effort=read_effort(request.within("reasoning"), "effort"),
    )
    return replace(chat_request, repeated=_repeated(request, chat_request))


def _repeated(request: Fields, read: ChatRequest) -> Payload:
    """What the reply says of its request: the fields as they were sent, the tools as Claude got
    them. Those with a shape that the SDKs would not read are left out.
    """
    sent: Payload = {
        "instructions": request.text("instructions"),
        "max_output_tokens": read.parameters.max_tokens,
        "temperature": read.parameters.temperature,
        "top_p": read.parameters.top_p,
        "parallel_tool_calls": request.boolean("parallel_tool_calls"),
        "tool_choice": request.get("tool_choice"),
    }
    for name in ("prompt_cache_key", "safety_identifier", "user"):
        sent[name] = request.get(name) if isinstance(request.get(name), str) else None
    for name in ("metadata", "reasoning", "text"):
        if isinstance(request.get(name), dict) and request.get(name):
            sent[name] = {**REPEATED[name], **request.get(name)}
    options = read.prompt.options
    if options and request.get("tools"):
        groups = [each for each in request.get("tools") if each.get("type") == NAMESPACE]
        grouped = {joined_name(g["name"], each["name"]) for g in groups for each in g["tools"]}
        plain = [_tool_object(tool) for tool in options.tools if tool.name not in grouped]
        sent["tools"] = [*plain, *groups]
    return {name: value for name, value in sent.items() if value is not None}


def _tool_object(tool: Tool) -> Payload:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description or None,
        "parameters": tool.schema,
        "strict": tool.strict,
    }


def _read_input(request: Fields) -> Prompt:
    """The items in `input`, or its text; reasoning of earlier replies is left out."""
    conversation = Conversation("input")
    if instructions := request.text("instructions"):
        conversation.systems.append(instructions)
    if isinstance(request.get("input"), str):
        conversation.add("user", [request.text("input") or ""])
        return conversation.prompt()
    for item in request.objects("input"):
        places: Places = {}
        match item.text("type"):
            case None | "message":
                conversation.add_message(item)
            case "function_call":
                call = read_call(item, required_id(item, "call_id", places))
                conversation.add("assistant", [call], places)
            case "function_call_output":
                call_id = required_id(item, "call_id", places)
                conversation.add("user", [tool_result(item, call_id, "output")], places)
            case "reasoning":
                continue
            case kind:
                item.refuse("type", f"is not supported: {kind}", "unsupported_value")
    return conversation.prompt()
