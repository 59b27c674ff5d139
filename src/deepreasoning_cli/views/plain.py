"""Events → text on a stream: the answer as the model sent it, one newline at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from deepreasoning_cli.pipeline.events import Event, Stage, StageFinished, Text, Thought
from deepreasoning_cli.sanitize import Sanitiser, Sink

Write = Callable[[str], None]
LINE_END = "\r\n"


def stream_writer(stream: TextIO) -> Write:
    """A function that writes to `stream` and flushes."""

    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return write


def with_final_newline(text: str) -> str:
    """`text` with exactly one line end, of the kind it has."""
    body = text.rstrip(LINE_END)
    return body + _line_end(text[len(body) :])


def _line_end(held: str) -> str:
    return "\r\n" if held.startswith("\r\n") else "\n"


class _LineEndBuffer:
    """Text passed on with its line ends held back, so that exactly one can end it."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._held = ""
        self.any = False

    def feed(self, text: str) -> None:
        body = text.rstrip(LINE_END)
        line_ends = text[len(body) :]
        if not body:
            self._held += line_ends
            return
        ready, self._held, self.any = self._held + body, line_ends, True
        self._write(ready)  # last: a signal may end it

    def close(self) -> None:
        if self.any:
            self._write(_line_end(self._held))


class TextView:
    """The pieces of one kind, made harmless for `sink`; `neutralised` counts what was changed."""

    def __init__(self, kind: type[Text] | type[Thought], write: Write, sink: Sink) -> None:
        self._kind = kind
        self._sanitiser = Sanitiser(sink)
        self._out = _LineEndBuffer(write)
        self._closed = False

    @property
    def neutralised(self) -> int:
        """How many control characters were made visible."""
        return self._sanitiser.neutralised

    def __call__(self, event: Event) -> None:
        """Pass on a piece; the reasoning's last line ends with its stage."""
        if isinstance(event, self._kind):
            self._out.feed(self._sanitiser.feed(event.text))
        elif isinstance(event, StageFinished) and self._ends_with(event.stage):
            self.close(None)

    def _ends_with(self, stage: Stage) -> bool:
        return self._kind is Thought and stage is Stage.REASON

    def close(self, failure: BaseException | None) -> None:
        """End the text with one newline, also where it was cut."""
        if self._closed:
            return
        self._closed = True
        if not isinstance(failure, BrokenPipeError):
            self._out.feed(self._sanitiser.close())
            self._out.close()


class RawView:
    """The answer's exact characters in UTF-8, nothing added."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write

    def __call__(self, event: Event) -> None:
        """Pass on a piece of the answer."""
        if isinstance(event, Text):
            self._write(event.text.encode("utf-8", "replace"))

    def close(self, failure: BaseException | None) -> None:
        """There is nothing to end."""
