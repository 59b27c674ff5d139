"""Events → files: the answer or the reasoning, written when it is whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from deepreasoning_cli.errors import WriteError
from deepreasoning_cli.files import format_size, write_atomically
from deepreasoning_cli.pipeline.events import Continued, Event, Stage, StageFinished, Text, Thought
from deepreasoning_cli.sanitize import Sanitiser, Sink, single_line
from deepreasoning_cli.views.plain import with_final_newline


class FileView:
    """The text of one kind, for FILE when its stage is whole, else for FILE.partial.

    A good file is never replaced by a half text, and a half text that was paid for is kept. The
    file holds what a pipe would get, or the exact characters where `raw` asks for them. `note`
    is told what was written. A file that cannot be written does not end the turn, which is being
    paid for: `close` raises the WriteError.
    """

    def __init__(
        self,
        kind: type[Text] | type[Thought],
        path: Path,
        *,
        raw: bool = False,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._kind = kind
        self._path = path
        self._raw = raw
        self._note = note
        self._pieces: list[str] = []
        self._written = False
        self._failure: WriteError | None = None
        self.escaped_count = 0  # control characters made visible

    def __call__(self, event: Event) -> None:
        """Take in a piece; write the reasoning as soon as its stage is whole."""
        match event:
            case Text(text) | Thought(text) if isinstance(event, self._kind):
                self._pieces.append(text)
            case Continued(text) if self._kind is Text:  # half an answer is no good file
                self._pieces.append(text)
            case StageFinished(Stage.REASON) if self._kind is Thought:
                self._write(whole=event.complete)

    def close(self, failure: BaseException | None) -> None:
        """Write what has not been written. Raises WriteError, of the reasoning too."""
        self._write(whole=failure is None)
        if self._failure:
            raise self._failure

    def _write(self, *, whole: bool) -> None:
        text = "".join(self._pieces)
        if not self._raw:
            sanitiser = Sanitiser(Sink.PIPE)
            text = with_final_newline(sanitiser.feed(text) + sanitiser.close())
            self.escaped_count = sanitiser.escaped_count
        if self._written or not text.strip():
            return
        self._written = True
        path = self._path if whole else self._path.with_name(self._path.name + ".partial")
        try:
            write_atomically(path, text, mode=None)
        except WriteError as failure:
            self._failure = failure
            return
        self._note(f"wrote {single_line(str(path), 500)} ({format_size(len(text.encode()))})")
