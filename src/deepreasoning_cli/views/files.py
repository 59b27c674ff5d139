"""Events → files: the answer or the reasoning, written when it is whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deepreasoning_cli.errors import IncompleteError
from deepreasoning_cli.files import write_atomically
from deepreasoning_cli.pipeline.events import Continued, Event, Stage, StageFinished, Text, Thought
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.sanitize import Sanitiser, Sink, sanitize
from deepreasoning_cli.views.base import RecordView
from deepreasoning_cli.views.plain import Write, with_final_newline


class FileView:
    """The text of one kind, for FILE when its stage is whole, else for FILE.partial.

    A good file is never replaced by a half text, and a half text that was paid for is kept. The
    file holds what a pipe would get, or the exact characters where `raw` asks for them.
    """

    def __init__(self, kind: type[Text] | type[Thought], path: Path, *, raw: bool = False) -> None:
        self._kind = kind
        self._path = path
        self._raw = raw
        self._pieces: list[str] = []
        self._written = False
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
        """Write what has not been written."""
        self._write(whole=failure is None)

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
        write_atomically(path, text, mode=None)


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A fenced or indented block; `language` is the fence's first word, in lower case."""

    language: str
    text: str


def code_blocks(markdown: str) -> list[CodeBlock]:
    """Every code block of a document, in order; those inside lists and quotations too."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt().parse(markdown)
    return [
        CodeBlock(next(iter(token.info.lower().split()), ""), _whole_lines(token.content))
        for token in tokens
        if token.type in ("fence", "code_block")
    ]


def _whole_lines(text: str) -> str:
    """A fence that was never closed may end in the middle of a line."""
    return text if text.endswith("\n") or not text else f"{text}\n"


class CodeView(RecordView):
    """The last code block of the answer, or all of them, when the answer is whole."""

    def __init__(
        self, record: TurnRecord, write: Write, sink: Sink, language: str | None, *, every: bool
    ) -> None:
        super().__init__(record, write)
        self._language = language.lower() if language else None
        self._every = every
        self._sink = sink

    def close(self, failure: BaseException | None) -> None:
        """Print; raises IncompleteError where the answer has no such block."""
        if failure is not None:
            return
        blocks = code_blocks(self._record.answer)
        matches = [block for block in blocks if self._language in (None, block.language)]
        if not matches:
            what = f"no {self._language} code block" if self._language else "no code block"
            raise IncompleteError(
                f"the answer has {what}", kind="no_code", hint="see the answer without --extract"
            )
        chosen = matches if self._every else matches[-1:]
        self._write("\n".join(sanitize(block.text, self._sink) for block in chosen))
