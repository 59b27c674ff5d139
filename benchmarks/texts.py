"""Answers to stream: mixed Markdown, or one block without an end; in pieces like tokens."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice

SECTION = """## Part {n}

Streams are **finished** once their last block is; until then `tail` may change. See the
[notes](https://example.org/{n}) for how *{n}* rows were counted, and why none was lost.

- first item of part {n}, with a few words more than fit on one row of a narrow terminal
- second item, `code` inside
- third item

```python
def part_{n}(rows: list[str]) -> int:
    # how many rows part {n} has
    return sum(len(row) for row in rows if row.strip())
```

| name | rows | share |
|------|-----:|-------|
| one | {n} | a half |
| two | {n} | the rest |

> What is printed once need not be printed twice, said part {n}.

"""


def mixed(tokens: int) -> list[str]:
    """About an answer's mix: headings, prose, lists, code, tables, quotations."""
    return pieces((SECTION.format(n=n) for n in count(1)), tokens)


def endless(kind: str, tokens: int) -> list[str]:
    """One list, table, paragraph, quotation or code block that never ends."""
    sentence = "the {n}th line has some words and a **bold** one, then a few more. "
    line, head = {
        "list": ("- " + sentence + "\n", ""),
        "table": ("| {n} | some words | `code` and more |\n", "| a | b | c |\n|---|---|---|\n"),
        "paragraph": (sentence, ""),
        "quotation": ("> " + sentence + "\n", ""),
        "code": ("    value_{n} = compute({n}, 'text')  # note {n}\n", "```python\n"),
    }[kind]
    lines = (head if n == 0 else line.format(n=n) for n in count(0))
    return pieces(lines, tokens)


def pieces(parts: Iterator[str], tokens: int) -> list[str]:
    """The first `tokens` pieces of four characters."""
    return list(islice(_cut(parts), tokens))


def _cut(parts: Iterator[str]) -> Iterator[str]:
    held = ""
    for part in parts:
        held += part
        while len(held) >= 4:
            yield held[:4]
            held = held[4:]
