"""The payloads that a writer sends, read back from its bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial

from deepreasoning_cli.pipeline.events import DONE, Chunk, Payload
from deepreasoning_cli.wire.server.chat_completions import ChatCompletionsWriter
from deepreasoning_cli.wire.server.messages import MessagesWriter
from deepreasoning_cli.wire.server.responses import ResponsesWriter
from deepreasoning_cli.wire.server.writer import Cost, Head, Part, ReplyWriter


def _whole(writer_type: type[ReplyWriter], chunks: Iterable[Chunk | Cost], head: Head) -> Payload:
    """The object of the reply that these chunks make."""
    writer = writer_type(head)
    for chunk in chunks:
        writer.reply.add(chunk)
    return writer.whole()


completion_object = partial(_whole, ChatCompletionsWriter)
message_object = partial(_whole, MessagesWriter)
response_object = partial(_whole, ResponsesWriter)


def written(writer: ReplyWriter, parts: Iterable[Part]) -> Iterator[Payload]:
    """The payloads for all of `parts`, each as soon as its part is there."""
    for part in parts:
        yield from payloads_of(writer.frames(part))


def payloads_of(frames: bytes) -> Iterator[Payload]:
    """The payloads of server-sent events with one line of data each."""
    for line in frames.decode("ascii").split("\n"):
        if line.startswith("data: "):
            data = line.removeprefix("data: ")
            yield DONE if data == "[DONE]" else json.loads(data)
