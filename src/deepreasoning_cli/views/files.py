"""Events → files: the answer or the reasoning, written when it is whole."""

from __future__ import annotations

from pathlib import Path

from deepreasoning_cli.events import Event, Finished, Stage, Text, Thought
from deepreasoning_cli.files import write_atomically


class FileView:
    """The text of one kind, for FILE when its stage is whole, else for FILE.partial.

    A good file is never replaced by a half text, and a half text that was paid for is kept.
    """

    def __init__(self, kind: type[Text] | type[Thought], path: Path) -> None:
        self._kind = kind
        self._stage = Stage.ANSWER if kind is Text else Stage.REASON
        self._path = path
        self._pieces: list[str] = []
        self._written = False

    def __call__(self, event: Event) -> None:
        """Take in a piece; write the reasoning as soon as its stage is whole."""
        if isinstance(event, self._kind):
            self._pieces.append(event.text)
        elif isinstance(event, Finished) and event.stage is self._stage is Stage.REASON:
            self._write(self._path)

    def close(self, failure: BaseException | None) -> None:
        """Write what has not been written."""
        if self._written or not self._pieces:
            return
        whole = failure is None
        self._write(self._path if whole else self._path.with_name(self._path.name + ".partial"))

    def _write(self, path: Path) -> None:
        self._written = True
        text = "".join(self._pieces).rstrip("\n") + "\n"
        write_atomically(path, text, mode=None)
