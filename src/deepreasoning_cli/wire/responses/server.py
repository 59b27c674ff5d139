"""Responses as a server speaks it: write a streamed or a whole reply."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from deepreasoning_cli.events import Chunk, End, Payload, Text, Thought
from deepreasoning_cli.money import Usage
from deepreasoning_cli.wire.reasons import for_responses
from deepreasoning_cli.wire.reply import Gathered, Head


def write(chunks: Iterable[Chunk], head: Head) -> Iterator[Payload]:
    """The events of a reply, numbered: reasoning and message items, a new one at each change.

    The chain of thought is written as raw `reasoning_text`. Without `End` there is no last event:
    the reply was cut.
    """
    for number, event in enumerate(_events(chunks, head)):
        yield event | {"sequence_number": number}


def whole(chunks: Iterable[Chunk], head: Head) -> Payload:
    """The `response` object of a whole reply."""
    return _finished(Gathered.of(chunks, head), head)


def _events(chunks: Iterable[Chunk], head: Head) -> Iterator[Payload]:
    reply = Gathered(head.model)
    item: _Item | None = None
    started = False
    for chunk in chunks:
        reply.take(chunk)
        if not started:
            started = True
            response = _response(head, reply.model, "in_progress")
            yield {"type": "response.created", "response": response}
            yield {"type": "response.in_progress", "response": response}
        match chunk:
            case Thought(text) | Text(text):
                if item is None or item.kind is not type(chunk):
                    yield from item.closed() if item else ()
                    item = _Item(len(reply.runs) - 1, *reply.runs[-1], head.id)
                    yield from item.opened()
                yield item.delta(text)
            case End():
                yield from item.closed() if item else ()
                finished = _finished(reply, head)
                yield {"type": f"response.{finished['status']}", "response": finished}


@dataclass(frozen=True, slots=True)
class _Item:
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

    def whole(self, status: str = "completed") -> Payload:
        """The item with what is known of its text."""
        content = [self._part(self.text)] if status == "completed" else []
        if self.kind is Thought:
            said: Payload = {"type": "reasoning", "summary": []}
        else:
            said = {"type": "message", "role": "assistant"}
        return {"id": self.id, "status": status, **said, "content": content}

    def _part(self, text: str) -> Payload:
        if self.kind is Thought:
            return {"type": self._name, "text": text}
        return {"type": self._name, "text": text, "annotations": [], "logprobs": []}

    def opened(self) -> Iterator[Payload]:
        yield {
            "type": "response.output_item.added",
            "output_index": self.index,
            "item": self.whole("in_progress"),
        }
        yield {"type": "response.content_part.added", **self._place, "part": self._part("")}

    def delta(self, text: str) -> Payload:
        kind = f"response.{self._name}.delta"
        return {"type": kind, **self._place, "delta": text, **self._logprobs}

    def closed(self) -> Iterator[Payload]:
        done = {"type": f"response.{self._name}.done", **self._place, "text": self.text}
        yield done | self._logprobs
        part = self._part(self.text)
        yield {"type": "response.content_part.done", **self._place, "part": part}
        yield {
            "type": "response.output_item.done",
            "output_index": self.index,
            "item": self.whole(),
        }


def _response(head: Head, model: str, status: str) -> Payload:
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


def _finished(reply: Gathered, head: Head) -> Payload:
    reason = for_responses(reply.reason)
    status = "completed" if reason == "completed" else "incomplete"
    items = [_Item(index, *run, head.id) for index, run in enumerate(reply.runs)]
    return _response(head, reply.model, status) | {
        "incomplete_details": None if status == "completed" else {"reason": reason},
        "output": [item.whole() for item in items],
        "usage": _usage(reply.usage) if reply.usage else None,
    }


def _usage(usage: Usage) -> Payload:
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
