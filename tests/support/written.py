"""The payloads that a writer sends, read back from its bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from deepreasoning_cli.pipeline.events import DONE, Payload
from deepreasoning_cli.wire.server.writer import Part, ReplyWriter


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
