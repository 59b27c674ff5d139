"""An answer's code blocks, for programs that want only those."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deepreasoning_cli.errors import IncompleteError
from deepreasoning_cli.events import Event
from deepreasoning_cli.record import Record
from deepreasoning_cli.views.safe import Sink, safe


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


class CodeView:
    """The last code block of the answer, or all of them, when the answer is whole."""

    def __init__(
        self,
        record: Record,
        write: Callable[[str], None],
        language: str | None,
        *,
        every: bool,
        sink: Sink = Sink.PIPE,
    ) -> None:
        self._record = record
        self._write = write
        self._language = language.lower() if language else None
        self._every = every
        self._sink = sink

    def __call__(self, event: Event) -> None:
        """The record keeps it."""

    def close(self, failure: BaseException | None) -> None:
        """Print; raises IncompleteError where the answer has no such block."""
        if failure is not None:
            return
        found = [
            block
            for block in code_blocks(self._record.answer)
            if self._language in (None, block.language)
        ]
        if not found:
            what = f"no {self._language} code block" if self._language else "no code block"
            raise IncompleteError(
                f"the answer has {what}", kind="no_code", hint="see the answer without --extract"
            )
        chosen = found if self._every else found[-1:]
        self._write("\n".join(safe(block.text, self._sink) for block in chosen))
