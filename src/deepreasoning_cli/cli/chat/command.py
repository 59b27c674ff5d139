"""What a slash command is."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from deepreasoning_cli.chat.talk import Talk

Word = TypeVar("Word", bound=str)


class MisuseError(Exception):
    """A command was given what it does not take; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Command:
    """A name, what may follow it, one line of help, and what it does with the rest of the line.

    `run` raises MisuseError for wrong arguments and DeepReasoningError for what fails. `choices`
    are the words that may come next, for completion; `takes` says what else completes it.
    """

    name: str
    arguments: str
    help: str
    run: Callable[[Talk, str], None]
    choices: tuple[str, ...] = ()
    takes: str = ""

    @property
    def usage(self) -> str:
        """`/retry [answer|all]`."""
        return f"/{self.name} {self.arguments}".rstrip()


def one_of(rest: str, choices: Sequence[Word], default: Word | None = None) -> Word:
    """The choice that `rest` names; `default` for an empty one. Raises MisuseError."""
    if not rest and default is not None:
        return default
    for choice in choices:
        if choice == rest.lower():
            return choice
    raise MisuseError(
        f"{rest!r} is none of {', '.join(choices)}" if rest else "something is missing"
    )


def words(rest: str) -> list[str]:
    """The words of `rest`, as a shell reads quotation marks. Raises MisuseError."""
    try:
        return shlex.split(rest, posix=os.name == "posix")
    except ValueError as exc:
        raise MisuseError(str(exc).lower()) from exc


def number(word: str, most: int, what: str) -> int:
    """A number from 1 to `most`, by which things are counted. Raises MisuseError."""
    if word.isascii() and word.isdigit() and 1 <= int(word[:9]) <= most:
        return int(word)
    raise MisuseError(
        f"there is no {what} {word}; the last one is {most}" if most else f"no {what}"
    )


def nothing(rest: str) -> None:
    """Raise MisuseError where anything follows."""
    if rest:
        raise MisuseError(f"it takes nothing, not {rest!r}")
