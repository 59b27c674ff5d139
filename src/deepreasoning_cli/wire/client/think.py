"""Tell inline `<think>…</think>` from the answer, wherever the stream is cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.pipeline.events import Chunk, End, Text, Thought

OPENING = "<think>"
CLOSING = "</think>"

Piece = Thought | Text


class ThinkSplitter:
    """Splits `content` into reasoning and answer; every cutting of a text gives the same two.

    The opening tag counts at the very start only, after optional white space; the first closing
    tag ends the reasoning; without one, all of it is reasoning. White space that follows a tag is
    dropped. With `opens_thinking` the reasoning begins at once, with or without its opening tag:
    some hosts of R1 omit it (api-facts.md, section 2.8).
    """

    def __init__(self, opens_thinking: bool = False) -> None:
        self._opens_thinking = opens_thinking
        self._kind: type[Piece] | None = None  # None until something else than white space came
        self._held = ""  # could still turn out to be a tag
        self._after_tag = False  # white space is dropped until something else comes

    def feed(self, text: str) -> list[Piece]:
        """What the next piece of `content` settles; the rest is held back."""
        if self._kind is Text and not self._after_tag:
            return _as_pieces(text, Text)
        rest, self._held = self._held + text, ""
        pieces: list[Piece] = []
        if self._kind is None:
            rest = self._decide(rest)
        if self._kind is Thought:
            thought, rest = self._thought(rest)
            pieces += _as_pieces(thought, Thought)
        if self._kind is Text:
            pieces += _as_pieces(self._trimmed(rest), Text)
        return pieces

    def close(self) -> list[Piece]:
        """What was held back when the reply ended."""
        held, self._held = self._held, ""
        kind = self._kind or self._settle()
        return _as_pieces(self._trimmed(held), kind)

    def separate(self) -> list[Piece]:
        """The reasoning comes in a field of its own: `content` is answer, unless a tag was read.

        White space held back is dropped: it is no answer, and must not end the reasoning.
        """
        if self._kind is not None:
            return []
        held, self._held = self._held, ""
        self._kind = Text
        return _as_pieces(held if held.strip() else "", Text)

    def _decide(self, rest: str) -> str:
        start = rest.lstrip()
        if start.startswith(OPENING):
            self._kind, self._after_tag = Thought, True
            return start[len(OPENING) :]
        if OPENING.startswith(start):
            self._held = rest
            return ""
        self._settle()
        return rest

    def _settle(self) -> type[Piece]:
        """Decide without a tag."""
        self._kind = Thought if self._opens_thinking else Text
        self._after_tag = self._opens_thinking
        return self._kind

    def _thought(self, rest: str) -> tuple[str, str]:
        """The reasoning that is certain, and what follows its closing tag."""
        thought, tag, answer = self._trimmed(rest).partition(CLOSING)
        if tag:
            self._kind, self._after_tag = Text, True
            return thought, answer
        certain = len(thought) - _partial_tag_length(thought, CLOSING)
        self._held = thought[certain:]
        return thought[:certain], ""

    def _trimmed(self, rest: str) -> str:
        if self._after_tag:
            rest = rest.lstrip()
            self._after_tag = not rest
        return rest


def _as_pieces(text: str, kind: type[Piece]) -> list[Piece]:
    return [kind(text)] if text else []


def split_thinking(chunks: Iterable[Chunk], *, opens_thinking: bool = False) -> Iterator[Chunk]:
    """The chunks, with reasoning that stands inline in the text told apart from the answer.

    What was held back comes before the error that ends the chunks, too.
    """
    splitter = ThinkSplitter(opens_thinking)
    try:
        for chunk in chunks:
            if isinstance(chunk, Text):
                yield from splitter.feed(chunk.text)
                continue
            if isinstance(chunk, Thought):
                yield from splitter.separate()
            elif isinstance(chunk, End):
                yield from splitter.close()
            yield chunk
    except DeepReasoningError:
        yield from splitter.close()
        raise
    yield from splitter.close()


def _partial_tag_length(text: str, tag: str) -> int:
    """How many characters at the end of `text` could be the start of `tag`."""
    longest = min(len(text), len(tag) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(tag[:size])), 0)
