"""Events → text on a stream: the answer as the model sent it, one newline at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from deepreasoning_cli.pipeline.events import Event, StageFinished, Text, Thought
from deepreasoning_cli.sanitize import Sanitiser, Sink

Write = Callable[[str], None]
LINE_ENDS = "\r\n"


def stream_writer(stream: TextIO) -> Write:
    """A function that writes to `stream` and flushes."""

    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return write


def with_final_newline(text: str) -> str:
    """`text` with exactly one line end, of the kind it has."""
    body = text.rstrip(LINE_ENDS)
    return body + _line_end(text[len(body) :])


def _line_end(line_ends: str) -> str:
    return "\r\n" if line_ends.startswith("\r\n") else "\n"


class TextView:
    """The pieces of one kind, made harmless for `sink`; exactly one line end ends them.

    The thoughts of each stage end so, and those of the next one are set off by an empty line.
    With `space_below` the empty line comes at once: the text of another view stands below.
    """

    def __init__(
        self,
        kind: type[Text] | type[Thought],
        write: Write,
        sink: Sink,
        *,
        space_below: bool = False,
    ) -> None:
        self._kind = kind
        self._write = write
        self._sanitiser = Sanitiser(sink)
        self._line_ends = ""  # held back: only the next text decides whether they are shown
        self._has_text = False
        self._closed = False
        self._gap = ""
        self._space_below = "\n" if space_below else ""

    @property
    def escaped_count(self) -> int:
        """How many control characters were made visible."""
        return self._sanitiser.escaped_count

    def __call__(self, event: Event) -> None:
        """Pass on a piece; the reasoning's last line ends with its stage, or where text begins."""
        if isinstance(event, self._kind):
            self._feed(self._sanitiser.feed(event.text))
            return
        match event:
            case StageFinished() | Text() if self._kind is Thought and self._has_text:
                self._end()
                self._has_text, self._line_ends = False, ""
                self._gap = "" if self._space_below else "\n"

    def close(self, failure: BaseException | None) -> None:
        """End the text with one newline, also where it was cut."""
        if self._closed:
            return
        self._closed = True
        if not isinstance(failure, BrokenPipeError):
            self._end()

    def _end(self) -> None:
        self._feed(self._sanitiser.close())
        if self._has_text:
            self._write(_line_end(self._line_ends) + self._space_below)

    def _feed(self, text: str) -> None:
        body = text.rstrip(LINE_ENDS)
        line_ends = text[len(body) :]
        if not body:
            self._line_ends += line_ends
            return
        ready, self._line_ends, self._has_text = self._line_ends + body, line_ends, True
        ready, self._gap = self._gap + ready, ""
        self._write(ready)  # last: a signal may end it


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
