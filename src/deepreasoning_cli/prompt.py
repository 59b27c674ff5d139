"""Arguments, files and piped text → one prompt."""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Callable, Sequence
from io import BufferedReader
from pathlib import Path
from typing import cast

from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.pipeline.money import estimate_tokens
from deepreasoning_cli.sanitize import repair_surrogates, single_line

LARGEST_INPUT = 8_000_000  # bytes; two million tokens, more than any model here reads
BINARY_WITHIN = 8192  # bytes searched for a NUL
LONGEST_NAME = 300  # characters of a file's name that are shown to the model


def read_prompt(
    words: Sequence[str],
    files: Sequence[str] = (),
    *,
    use_stdin: bool = True,
    announce: Callable[[str], None] = lambda _: None,
    announce_after: float = 2.0,
) -> str:
    """The words joined by a space, with files and piped text in blocks in front of them.

    Piped text alone is the prompt itself; `-` as the only word or as a file stands for it. Bytes
    that are no UTF-8 become U+FFFD, in words as in files. A pipe without text for `announce_after`
    seconds is announced. Raises UsageError for an empty prompt, binary or oversized input and
    unreadable files.
    """
    dash = list(words) == ["-"]
    typed = "" if dash else repair_surrogates(" ".join(words))
    piped = ""
    if dash or "-" in files or (use_stdin and is_piped()):
        piped = _text(_read_stdin(announce, announce_after), "stdin")
    blocks = [_block("file", _read_file(name), name) for name in files if name != "-"]
    if piped.strip() and (typed.strip() or blocks):
        blocks.append(_block("stdin", piped))
        piped = ""
    prompt = "\n\n".join(part for part in [*blocks, piped, typed] if part.strip())
    if not prompt:
        raise UsageError(
            "the prompt is empty", kind="empty_prompt", hint='deepreasoning ask "your question"'
        )
    return prompt


def check_fits(prompt: str, context: int | None, model: str) -> None:
    """Raise UsageError where `prompt` cannot fit into `context` tokens of `model`."""
    tokens = estimate_tokens(prompt)
    if context is not None and tokens > context:
        raise UsageError(
            f"the input is about {tokens:,} tokens; {model} reads {context:,}",
            kind="too_long",
            hint="shorten it, or choose a model with a larger context",
        )


def _block(tag: str, text: str, name: str = "") -> str:
    """`text` between tags of its own: neither it nor a file's name can close the block."""
    label = single_line(name, LONGEST_NAME).replace('"', "'")
    number = 0
    unique = tag
    while f"</{unique}>" in text + label:
        number += 1
        unique = f"{tag}-{number}"
    attribute = f' name="{label}"' if name else ""
    ending = "" if text.endswith("\n") else "\n"
    return f"<{unique}{attribute}>\n{text}{ending}</{unique}>"


def _read_file(name: str) -> str:
    try:
        with Path(name).open("rb") as file:
            return _text(file.read(LARGEST_INPUT + 1), name)
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the name
        raise _unreadable(name, exc) from exc


def _unreadable(name: str, exc: OSError | ValueError) -> UsageError:
    reason = getattr(exc, "strerror", None) or "the name is not usable"
    return UsageError(
        f"cannot read {name}: {reason}", kind="unreadable_file", hint="only text files can be sent"
    )


def _text(data: bytes, name: str) -> str:
    if len(data) > LARGEST_INPUT:
        raise UsageError(
            f"{name} is larger than {LARGEST_INPUT // 1_000_000} MB",
            kind="too_long",
            hint="cut it down to what the question needs",
        )
    if b"\0" in data[:BINARY_WITHIN]:
        raise UsageError(f"{name} looks binary", kind="binary", hint="only text can be sent")
    return data.decode("utf-8-sig", "replace")


def is_piped() -> bool:
    """Whether stdin is a pipe, a file or a socket: no terminal, no /dev/null, not closed."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode if sys.stdin else 0
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def _read_stdin(announce: Callable[[str], None], announce_after: float) -> bytes:
    """Everything that stdin holds, at least a byte more than is allowed where it holds so much."""
    if not sys.stdin:
        return b""
    line = "waiting for stdin; --no-stdin goes on without it"
    timer = threading.Timer(announce_after, announce, [line])
    timer.daemon = True
    timer.start()
    try:
        stream = cast(BufferedReader, sys.stdin.buffer)
        first = stream.read1(65536)
        timer.cancel()
        return first + stream.read(LARGEST_INPUT) if first else b""
    except OSError as exc:  # a folder, or a terminal that is in another's hands
        raise _unreadable("stdin", exc) from exc
    finally:
        timer.cancel()
