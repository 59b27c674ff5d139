"""Make text from outside safe to show: control and invisible characters become visible text.

Every character is judged by itself, so no cut of a stream can hide a sequence; only what the next
piece decides is held back: a CR, half a surrogate pair, a flag that has begun.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Sink(StrEnum):
    """Where text goes: to a terminal's screen, or through a pipe or into a file."""

    TERMINAL = "terminal"
    PIPE = "pipe"


_Translation = Mapping[int, str | None]

_LINE_ENDS: Final = frozenset((0x0D, 0x85, 0x2028, 0x2029))
_ZERO_WIDTH: Final = frozenset((0x200B, 0x2060, 0xFEFF))
_SOFT_HYPHEN: Final = 0xAD
# Letters and marks that show nothing: Hangul fillers, the selectors of variants 17 to 256.
_BLANK: Final = frozenset((0x3164, 0xFFA0, *range(0xE0100, 0xE01F0)))
_HAS_BLANK: Final = re.compile("[\u3164\uffa0\U000e0100-\U000e01ef]")
_CONTROLS: Final = frozenset((*range(0x20), *range(0x7F, 0xA0))) - {0x09, 0x0A, 0x0D, 0x85}
_INVISIBLE: Final = _BLANK | frozenset(
    (
        *range(0x202A, 0x202F),  # bidi embeddings and overrides
        *range(0x2066, 0x2070),  # bidi isolates, deprecated format characters
        *range(0x2061, 0x2065),  # invisible operators
        *range(0xFFF9, 0xFFFC),  # interlinear annotation
        *range(0xE0000, 0xE0080),  # tags
    )
)

# A flag of a region is this emoji, its code in tag letters and digits, and an end tag. The code is
# a country's two letters and one to four characters of a subdivision (Unicode TS #51 and #35):
# https://unicode.org/reports/tr51/#valid-emoji-tag-sequences
_FLAG: Final = "\U0001f3f4"
_TAG: Final = "[\U000e0030-\U000e0039\U000e0061-\U000e007a]"
_WHOLE_FLAG: Final = re.compile(f"({_FLAG}{_TAG}{{3,6}}\U000e007f)")
_OPEN_FLAG: Final = re.compile(f"{_FLAG}{_TAG}{{0,6}}\\Z")


def _picture(code: int) -> str:
    """How a terminal shows the character: `␛`, `␡`, `⟨9B⟩`, `⟨U+202E⟩`."""
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"⟨{_name(code)}⟩"


def _caret(code: int) -> str:
    """How an ASCII terminal shows the character: `^[`, `^?`, `<9B>`, `<U+202E>`."""
    return f"^{chr(code ^ 0x40)}" if code < 0x80 else f"<{_name(code)}>"


def _name(code: int) -> str:
    return f"{code:02X}" if code < 0x100 else f"U+{code:04X}"


_CHANGED: Final[_Translation] = {
    **dict.fromkeys(_LINE_ENDS, "\n"),
    **dict.fromkeys((*_ZERO_WIDTH, _SOFT_HYPHEN), None),
}
_SHOWN: Final = _CONTROLS | _INVISIBLE
_PICTURES: Final[_Translation] = {**_CHANGED, **{code: _picture(code) for code in _SHOWN}}
_CARETS: Final[_Translation] = {**_CHANGED, **{code: _caret(code) for code in _SHOWN}}
_ESCAPES: Final[_Translation] = {code: f"\\x{code:02x}" for code in _CONTROLS}
# What is made visible, taken out: the text gets shorter by their number.
_ERASED: Final[Mapping[Sink, _Translation]] = {
    Sink.TERMINAL: dict.fromkeys(_SHOWN),
    Sink.PIPE: dict.fromkeys(_CONTROLS),
}
# Rich gives a soft hyphen one cell, and none to the rest of what a terminal must not see.
_LAID_OUT: Final[_Translation] = {
    **dict.fromkeys((0x09, 0x0A, *_LINE_ENDS, *_ZERO_WIDTH, *_SHOWN)),
    _SOFT_HYPHEN: "�",
}
# U+2028 and U+2029 end a line for the line readers of some languages, as U+0085 does.
_JSON: Final[_Translation] = {
    code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)
}


class Sanitiser:
    """Makes a stream of pieces safe; however it is cut, the result is that of the whole.

    `escaped_count` counts the control and invisible characters made visible so far; dropped ones,
    line ends and surrogates are not among them.
    """

    def __init__(self, sink: Sink, *, ascii_only: bool = False) -> None:
        self.escaped_count = 0
        self._terminal = sink is Sink.TERMINAL
        self._table = (_CARETS if ascii_only else _PICTURES) if self._terminal else _ESCAPES
        self._erased = _ERASED[sink]
        self._held = ""

    def feed(self, piece: str) -> str:
        """Take the next piece; return what is decided by now."""
        if not self._held and piece.isascii() and piece.isprintable():
            return piece  # as most are
        text = self._held + piece
        text, half = split_trailing_surrogate(text)
        text = repair_surrogates(text)
        ready = _ready(text) if self._terminal else len(text)
        self._held = text[ready:] + half
        return self._escape(text[:ready])

    def close(self) -> str:
        """Return what was held back: nothing more comes."""
        text, self._held = repair_surrogates(self._held), ""
        return self._escape(text)

    def _escape(self, text: str) -> str:
        if _is_harmless(text.replace("\n", "").replace("\t", "")):
            return text
        if self._terminal:
            text = text.replace("\r\n", "\n")
        shown = _translated(text, self._table)
        if shown != text:
            self.escaped_count += len(text) - len(_translated(text, self._erased))
        return shown


def sanitize(text: str, sink: Sink = Sink.TERMINAL, *, ascii_only: bool = False) -> str:
    r"""Return a whole text as `sink` may have it.

    A terminal gets control characters as pictures (`^[` with `ascii_only`), a pipe as `\x1b`.
    """
    sanitiser = Sanitiser(sink, ascii_only=ascii_only)
    return sanitiser.feed(text) + sanitiser.close()


def strip_controls(text: str) -> str:
    """Return a piece of a laid-out line without what Markdown entities brought back.

    The line keeps the width Rich gave it: what has no cell is taken out, what has one becomes `�`.
    Line ends and tabs go too; they belong to the layout, never to its pieces.
    """
    return text if _is_harmless(text) else _translated(repair_surrogates(text), _LAID_OUT)


def dump_json(value: object) -> str:
    """Return `value` as one line of JSON that is safe to show and loads to the same value.

    It is one line for every reader: U+0085, U+2028 and U+2029 are escaped as all controls are.
    Only lone surrogates, which no file can hold, come back as U+FFFD. Raises ValueError for NaN
    and infinity, TypeError for what JSON cannot say.
    """
    import json

    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text if text.isprintable() else repair_surrogates(text).translate(_JSON)


def single_line(text: str, limit: int = 80) -> str:
    """Return `text` safe and on one line, as a title: at most `limit` (≥ 1) characters, `…` if cut.

    Line ends, tabs and runs of blanks become one space.
    """
    line = " ".join(sanitize(text).split())
    if len(line) <= limit:
        return line
    head = line[: limit - 1]
    return head[: _ready(head)].rstrip() + "…"  # half a flag would be a loose tag


def safe_file_name(text: str) -> str:
    """Return a name for a file made of `A-Z a-z 0-9 . _ -` and spaces, never empty or hidden.

    It has no leading dot or dash, no dot or space at its end, and at most 80 characters.
    """
    words = re.sub(r"[^A-Za-z0-9._-]", " ", text).split()
    name = " ".join(words).lstrip(" .-")[:80]
    return name.rstrip(" .") or "untitled"


def _ready(text: str) -> int:
    """Say how much of `text` is decided: all but a last CR, or a flag that has begun."""
    if text.endswith("\r"):
        return len(text) - 1
    flag = _OPEN_FLAG.search(text, len(text) - 7)  # the emoji and six tags at most
    return flag.start() if flag else len(text)


def _is_harmless(text: str) -> bool:
    """Whether no table changes anything in it. What shows nothing may count as printable."""
    return text.isprintable() and (text.isascii() or not _HAS_BLANK.search(text))


def _translated(text: str, table: _Translation) -> str:
    """Translate by `table` all but the flags of regions."""
    parts = _WHOLE_FLAG.split(text)
    parts[::2] = [part.translate(table) for part in parts[::2]]
    return "".join(parts)


def repair_surrogates(text: str) -> str:
    """`text` with the halves of surrogate pairs joined; a lone half becomes U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()  # the cheapest way to ask whether there are any
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def split_trailing_surrogate(text: str) -> tuple[str, str]:
    """`text`, and the first half of a surrogate pair that it ends with, whose second may follow."""
    half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
    return text[: len(text) - len(half)], half
