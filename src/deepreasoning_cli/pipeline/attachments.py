"""What of a prompt was typed, and what went with it: files and piped text, in blocks before it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from deepreasoning_cli.sanitize import single_line

OPENING: Final = re.compile(r'<((?:file|stdin)(?:-\d+)?)(?: name="([^"\n]*)")?>\n')
"""The first line of a block, as `prompt.py` writes it."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file or piped text in a prompt: its name, and its size in bytes."""

    name: str
    size: int

    @property
    def words(self) -> str:
        """`stdin, 2.0 kB`, `notes.md, 512 B`."""
        size, unit = float(self.size), "B"
        for larger in ("kB", "MB"):
            if size < 1000:
                break
            size, unit = size / 1000, larger
        return f"{self.name}, {size:.0f} B" if unit == "B" else f"{self.name}, {size:.1f} {unit}"


def split_prompt(prompt: str) -> tuple[str, list[Attachment]]:
    """What was typed of a prompt that `read_prompt` made, and what it was put behind."""
    attachments = []
    at = 0
    while match := OPENING.match(prompt, at):
        tag, name = match[1], match[2]
        closing = f"\n</{tag}>"
        end = prompt.find(closing, match.end() - 1)
        behind = end + len(closing)
        if end < 0 or (behind < len(prompt) and not prompt.startswith("\n\n", behind)):
            break
        size = len(prompt[match.end() : end].encode("utf-8", "replace")) + 1
        attachments.append(Attachment(name or "stdin", size))
        at = behind + 2
    return prompt[at:], attachments


def summarize_prompt(prompt: str, longest: int = 200) -> str:
    """What was typed, on one line of at most `longest` characters, and what went with it.

    `Review this change (+ stdin, 2.0 kB)`, `What licence? (+ 2 files)`.
    """
    typed, attachments = split_prompt(prompt)
    typed = single_line(typed, longest)
    if not attachments:
        return typed
    files = [each for each in attachments if each.name != "stdin"]
    parts = [f"{len(files)} files"] if len(files) > 1 else [each.words for each in files]
    parts += [each.words for each in attachments if each not in files]
    words = " + ".join(single_line(part) for part in parts)
    return f"{typed} (+ {words})" if typed else f"({words})"
