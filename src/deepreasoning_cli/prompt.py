"""Arguments, files and piped text → one prompt."""

from __future__ import annotations

import codecs
import os
import re
import stat
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import cast

from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.sanitize import repair_surrogates, single_line

LARGEST_INPUT = 8_000_000  # bytes; two million tokens, more than any model here reads
BINARY_WITHIN = 8192  # bytes searched for a NUL
LONGEST_NAME = 300  # characters of a file's name that are shown to the model
STDIN = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""How a text begins that says what it is; the longest first, since one begins like another."""
ENCODINGS = {
    **{"cp1252": "Windows-1252", "cp1250": "Windows-1250", "cp1251": "Windows-1251"},
    **{"koi8_r": "KOI8-R", "gb18030": "GBK", "big5": "Big5", "cp932": "Shift-JIS"},
    **{"euc_jp": "EUC-JP", "cp949": "EUC-KR"},
}
"""What old files and consoles write that do not write UTF-8, and how it is called."""
SURE = 0.3  # of charset-normalizer's coherence: how much like a language a text is


def read_prompt(
    words: Sequence[str],
    files: Sequence[str] = (),
    *,
    use_stdin: bool = True,
    announce: Callable[[str], None] = lambda _: None,
    announce_after: float = 2.0,
) -> str:
    """The words joined by a space, with files and piped text in blocks in front of them.

    Piped text alone is the prompt itself; `-` as the only word or as a file stands for it. A pipe
    without text for `announce_after` seconds is announced, and so is text that is no UTF-8; see
    `decode`. Raises UsageError for an empty prompt, binary or oversized input, text of which nobody
    knows how it is written, and unreadable files.
    """
    dash = list(words) == ["-"]
    typed = "" if dash else repair_surrogates(" ".join(words))
    piped = ""
    if dash or not set(files).isdisjoint(STDIN) or (use_stdin and is_piped()):
        piped = _text(_read_stdin(announce, announce_after), "stdin", announce)
    named = [name for name in files if name not in STDIN]
    blocks = [_block("file", read_file(name, announce), name) for name in named]
    if piped.strip() and (typed.strip() or blocks):
        blocks.append(_block("stdin", piped))
        piped = ""
    prompt = "\n\n".join(part for part in [*blocks, piped, typed] if part.strip())
    if not prompt:
        raise UsageError(
            "the prompt is empty", kind="empty_prompt", hint='`deepreasoning ask "your question"`'
        )
    return prompt


def check_fits(tokens: int, context: int | None, model: str) -> None:
    """Raise UsageError where so many cannot fit into `context` tokens of `model`."""
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


def read_file(name: str, announce: Callable[[str], None]) -> str:
    """The text of a file; raises UsageError as `read_prompt` does."""
    try:
        with Path(name).open("rb") as file:
            return _text(file.read(LARGEST_INPUT + 1), name, announce)
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the name
        raise _unreadable(name, exc) from exc


def _unreadable(name: str, exc: OSError | ValueError) -> UsageError:
    reason = getattr(exc, "strerror", None) or "the name is not usable"
    return UsageError(
        f"cannot read {name}: {reason}",
        kind="unreadable_file",
        hint="check the name; only text files can be sent",
    )


def _text(data: bytes, name: str, announce: Callable[[str], None]) -> str:
    if len(data) > LARGEST_INPUT:
        raise UsageError(
            f"{name} is larger than {LARGEST_INPUT // 1_000_000} MB",
            kind="too_long",
            hint="cut it down to what the question needs",
        )
    return decode(data, name, announce)


def decode(data: bytes, name: str, announce: Callable[[str], None]) -> str:
    """The text that these bytes are: UTF-8, or what else they certainly are, which is announced.

    Raises UsageError for what is binary, and where several encodings are as likely.
    """
    if encoding := _marked(data):
        with suppress(UnicodeDecodeError):
            text = data.decode(encoding).removeprefix("\ufeff")
            announce(f"note: {name} was read as {encoding[:6].upper()}")
            return text
    if b"\0" in data[:BINARY_WITHIN]:
        raise UsageError(f"{name} looks binary", kind="binary", hint="only text can be sent")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    with suppress(UnicodeDecodeError):  # each half of a pair written as a character of its own
        text = repair_surrogates(data.decode("utf-8", "surrogatepass"))
        announce(f"note: halves of characters in {name} were joined, or became U+FFFD")
        return text
    text = data.decode("utf-8-sig", "replace")
    faults = text.count("\ufffd")
    if sum(letter > "\x7f" for letter in text) > 2 * faults:  # it is UTF-8, with faults
        announce(f"note: {faults} characters of {name} are not UTF-8 and became U+FFFD")
        return text
    encoding = _guess(data)
    if encoding is None:
        raise UsageError(
            f"{name} is not UTF-8, and its encoding is unclear",
            kind="encoding",
            hint="save it as UTF-8, or convert it: iconv -f WINDOWS-1252 -t UTF-8",
        )
    announce(f"note: {name} is not UTF-8; read as {ENCODINGS[encoding]}")
    return data.decode(encoding)


def _marked(data: bytes) -> str | None:
    """The encoding that a mark of byte order names, or that the zeros of UTF-16 give away."""
    for mark, encoding in MARKS.items():
        if data.startswith(mark):
            return encoding
    head = data[: BINARY_WITHIN // 2 * 2]
    even, odd = head[::2], head[1::2]
    if len(data) % 2 == 0 and len(data) > len(codecs.BOM_UTF32_LE):
        for zeros, others, encoding in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
            if 2 * zeros.count(0) > len(zeros) and not others.count(0):
                return encoding
    return None


def _guess(data: bytes) -> str | None:
    """What a text that is no UTF-8 certainly is; None where that is not certain."""
    with suppress(UnicodeDecodeError):
        if _is_western(data.decode("cp1252")):
            return "cp1252"
    from charset_normalizer import from_bytes  # few texts need it

    found = list(from_bytes(data, cp_isolation=list(ENCODINGS)))
    texts = {str(match): match for match in reversed(found)}
    likely = [match for match in texts.values() if match.chaos < 0.1]
    if len(likely) == 1:
        return likely[0].encoding
    coherent = [match for match in likely if match.coherence > SURE]
    best = max(coherent, key=lambda match: match.coherence, default=None)
    rivals = [match for match in coherent if match is not best]
    if best and all(best.coherence > 1.5 * match.coherence for match in rivals):
        return best.encoding
    return None


def _is_western(text: str) -> bool:
    """Whether a text reads as one of Western Europe: its accents stand alone between letters."""
    for run in re.finditer(r"[\u0080-\uffff]+", text):
        around = text[run.start() - 1 : run.start()] + text[run.end() : run.end() + 1]
        is_word = re.fullmatch("[À-ÖØ-öø-ÿŠšŽžŒœŸ]{1,2}", run[0]) and re.search("[A-Za-z]", around)
        if not is_word and not re.fullmatch("[–—‘’“”„•…€£°§©®™«»¿¡·\u00a0]{1,2}", run[0]):
            return False
    return True


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
