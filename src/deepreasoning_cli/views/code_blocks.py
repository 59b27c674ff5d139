"""The code blocks of an answer, by language, and the view that writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from deepreasoning_cli.errors import IncompleteError
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.sanitize import Sink, sanitize
from deepreasoning_cli.views.base import RecordView
from deepreasoning_cli.views.plain import Write

MARKDOWN: Final = frozenset({"markdown", "md", "mdx"})
SAME: Final = {
    **dict.fromkeys(("bash session", "console", "terminal", "shell-session"), "bash"),
    **dict.fromkeys(("python 2.x", "python console session", "ipython"), "python"),
    **dict.fromkeys(("node", "nodejs", "mjs", "cjs", "jsx"), "javascript"),
    **dict.fromkeys(("jsonc", "json5"), "json"),
    **dict.fromkeys(("plaintext", "plain", "txt"), "text only"),
    **dict.fromkeys(("powershell session", "pwsh"), "powershell"),
    **dict.fromkeys(("mdx",), "markdown"),
}
"""What Pygments does not know, or takes for another language than a person who asks for code."""
FENCE: Final = re.compile(r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`\r\n]*)")
NAME: Final = re.compile(r"[^\s:,;={}()\[\]]+")


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A fenced or indented block; `language` is the fence's own word for it, in lower case."""

    language: str
    text: str


def code_blocks(markdown: str) -> list[CodeBlock]:
    """Every code block of a document, in order; those inside lists and quotations too.

    A block of Markdown ends where it is meant to, and not at the first fence inside it.
    """
    from markdown_it import MarkdownIt

    tokens = MarkdownIt().parse(_with_longer_fences(markdown))
    return [
        CodeBlock(fence_language(token.info), _whole_lines(token.content))
        for token in tokens
        if token.type in ("fence", "code_block")
    ]


def fence_language(info: str) -> str:
    """The language that an info string names: `py`, `{.python .x}`, `python:src/a.py`, `a.py`."""
    names = NAME.findall(info.strip().lower())
    first = names[0] if names and not re.match(r"\S+=", info.strip("{ ")) else ""
    name = first.removeprefix("language-").removeprefix("lang-").lstrip(".")
    is_path = "/" in name or ("." in name and name not in _aliases())
    return name.rpartition(".")[2] if is_path else name


@cache
def canonical_language(name: str) -> str:
    """One name for all names of a language: `py`, `python3` and `python` are one."""
    name = name.lower().lstrip(".")
    known = SAME.get(name) or _aliases().get(name, name)
    return SAME.get(known, known)


@cache
def _aliases() -> dict[str, str]:
    """Pygments' names, aliases and file extensions, and the language that each stands for."""
    from pygments.lexers import get_all_lexers  # type: ignore[import-untyped]

    found: dict[str, str] = {}
    lexers = list(get_all_lexers(plugins=False))
    for name, aliases, _, _ in lexers:
        found.update(dict.fromkeys((*aliases, name.lower()), name.lower()))
    for name, _, patterns, _ in lexers:
        for pattern in patterns:
            if pattern.startswith("*."):
                found.setdefault(pattern[2:].lower(), name.lower())
    return found


def _with_longer_fences(markdown: str) -> str:
    """The document, the fences of its Markdown blocks longer than any fence inside them."""
    lines = markdown.splitlines(keepends=True)
    at = 0
    while at < len(lines):
        opening = FENCE.match(lines[at])
        if not opening:
            at += 1
            continue
        nests = fence_language(opening["info"]) in MARKDOWN
        end = _end_of_block(lines, at, opening["fence"], nests=nests)
        if nests:
            fences = [found["fence"] for line in lines[at:end] if (found := FENCE.match(line))]
            longer = opening["fence"][0] * (max(map(len, fences)) + 1)
            for place in (at, end):
                if place < len(lines):
                    lines[place] = lines[place].replace(opening["fence"], longer, 1)
        at = end + 1
    return "".join(lines)


def _end_of_block(lines: list[str], start: int, fence: str, *, nests: bool) -> int:
    """The line that closes the block opened at `start`; behind the last line if none does."""
    open_fences = [fence]
    for at in range(start + 1, len(lines)):
        found = FENCE.match(lines[at])
        if not found:
            continue
        mark, info = found["fence"], found["info"].strip()
        is_same = mark[0] == open_fences[-1][0]
        may_open = nests and len(open_fences) == 1
        if may_open and (info or not is_same or _opens_a_block(lines, at, mark)):
            open_fences.append(mark)
        elif is_same and not info and len(mark) >= len(open_fences[-1]):
            open_fences.pop()
            if not open_fences:
                return at
    return len(lines)


def _opens_a_block(lines: list[str], at: int, fence: str) -> bool:
    """Whether a bare fence in Markdown opens a block: text follows it at once, and two more."""
    before = lines[at - 1].strip()
    after = lines[at + 1].strip() if at + 1 < len(lines) else ""
    bare = [line for line in lines[at + 1 :] if line.strip() == fence]
    return (not before or before.endswith(":")) and bool(after) and len(bare) > 1


SHOWN: Final = "`deepreasoning history show` prints the whole answer, if it was saved"


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
        matches = list(self._matches(self._record.answer))
        if not matches:
            what = f"no {self._language} code block" if self._language else "no code block"
            raise IncompleteError(f"the answer has {what}", kind="no_code", hint=SHOWN)
        chosen = matches if self._every else matches[-1:]
        self._write("\n".join(sanitize(block.text, self._sink) for block in chosen))

    def _matches(self, markdown: str) -> Iterator[CodeBlock]:
        """The blocks in the language that have text; of Markdown, else those inside it."""
        blocks = [block for block in code_blocks(markdown) if block.text.strip()]
        wanted = canonical_language(self._language) if self._language else None
        found = [
            block for block in blocks if not wanted or canonical_language(block.language) == wanted
        ]
        if not found:
            for block in blocks:
                if block.language in MARKDOWN:
                    yield from self._matches(block.text)
        yield from found
