"""Events → files: the answer or the reasoning, written when it is whole."""

from __future__ import annotations

from pathlib import Path

from deepreasoning_cli.events import Event, Finished, Stage, Text, Thought
from deepreasoning_cli.files import write_atomically
from deepreasoning_cli.views.plain import ended
from deepreasoning_cli.views.safe import Sanitiser, Sink


class FileView:
    """The text of one kind, for FILE when its stage is whole, else for FILE.partial.

    A good file is never replaced by a half text, and a half text that was paid for is kept. The
    file holds what a pipe would get, or the exact characters where `raw` asks for them.
    """

    def __init__(self, kind: type[Text] | type[Thought], path: Path, *, raw: bool = False) -> None:
        self._kind = kind
        self._stage = Stage.ANSWER if kind is Text else Stage.REASON
        self._path = path
        self._raw = raw
        self._sanitiser = Sanitiser(Sink.PIPE)
        self._pieces: list[str] = []
        self._written = False

    @property
    def neutralised(self) -> int:
        """How many control characters were made visible."""
        return self._sanitiser.neutralised

    def __call__(self, event: Event) -> None:
        """Take in a piece; write the reasoning as soon as its stage is whole."""
        if isinstance(event, self._kind):
            self._pieces.append(event.text if self._raw else self._sanitiser.feed(event.text))
        elif isinstance(event, Finished) and event.stage is self._stage is Stage.REASON:
            self._write(whole=event.complete)

    def close(self, failure: BaseException | None) -> None:
        """Write what has not been written."""
        self._write(whole=failure is None)

    def _write(self, *, whole: bool) -> None:
        text = "".join([*self._pieces, self._sanitiser.close()])
        if self._written or not text.strip():
            return
        self._written = True
        path = self._path if whole else self._path.with_name(self._path.name + ".partial")
        write_atomically(path, text if self._raw else ended(text), mode=None)
