"""A vendor's key: checked before it is used, masked wherever it could be seen."""

from __future__ import annotations

import base64
import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from deepreasoning_cli.errors import ConfigError

SHORTEST_RECOGNISED = 8  # characters; a shorter piece of a key is not told from ordinary text

QUOTES = "\"'`"
NO_KEYS = {
    r"(?i)^(authorization:|x-api-key:|bearer\s|bearer$)": "begins like a header",
    r"^(export\s+)?[A-Z][A-Z0-9]*_[A-Z0-9_]*=.": "begins with the name of a variable",
    r"^(\$\{?[A-Z_]\w*\}?|\$\{.*\}|%\w+%|\{\{.*\}\})$": "is a variable that nothing has replaced",
    r"^<.*>$|(?i:^your[-_ ]?\w*key\w*$)|^(sk-)?(x{6,}|\.{3,}|…|\*{3,})$": "is a placeholder",
    r"^[\"'`<]|[\"'`>,]$": "has a quote or another sign around it",
    r"\\[nrt]$": "ends with an escaped line break",
}
"""What is put in the place of a key, and how an error calls it, which shows none of it."""

_loaded: set[str] = set()  # every key this process has seen, to redact the text of a crash


@dataclass(frozen=True, slots=True)
class Key:
    """A key and where it came from; `repr` never shows the value."""

    name: str
    value: str = field(repr=False)
    origin: str

    @property
    def is_token(self) -> bool:
        """Whether it is only ever sent as a bearer token: ANTHROPIC_AUTH_TOKEN holds such a one."""
        return self.origin.endswith("_AUTH_TOKEN")

    @property
    def masked(self) -> str:
        """The last four characters, as `…abcd`; `…` alone for a short key."""
        return f"…{self.value[-4:]}" if len(self.value) >= SHORTEST_RECOGNISED else "…"


def validate_and_remember(name: str, value: str, origin: str) -> Key:
    """A key of the user's that can stand in a header; raises as `validate` does."""
    key = validate(name, value, origin)
    _loaded.add(key.value)
    return key


def validate(name: str, value: str, origin: str) -> Key:
    """A key that can stand in a header; raises ConfigError, which shows no part of the value.

    It is not remembered: a server sees keys of others without end.
    """
    value = value.strip(" \t\r\n")
    if len(value) > 1 and value[0] == value[-1] and value[0] in QUOTES:
        value = value[1:-1].strip(" \t")  # docker --env-file and systemd keep them
    if not value:
        hint = f"`deepreasoning config set keys.{name}` sets it; a command has to print it"
        raise ConfigError(f"the key {name} from {origin} is empty", kind="key_missing", hint=hint)
    for pattern, what in NO_KEYS.items():
        if re.search(pattern, value):
            raise ConfigError(
                f"the key {name} from {origin} {what}",
                hint="set the key alone, as the vendor shows it",
                kind="key_malformed",
            )
    for position, character in enumerate(value, start=1):
        if not "\x21" <= character <= "\x7e":
            raise ConfigError(
                f"the key {name} from {origin} holds {_describe(character)} at position {position}",
                hint="copy the key again, without line breaks or typographic signs",
                kind="key_malformed",
            )
    return Key(name, value, origin)


def redact_known(text: str) -> str:
    """`text` with every key that was loaded in this process masked."""
    return redact(text, _loaded)


def redact_known_payload(value: Any) -> Any:
    """A value of JSON, every key that was loaded in this process masked in its strings."""
    return redact_payload(value, _loaded)


def _describe(character: str) -> str:
    if character in "\r\n":
        return "a line break"
    if character.isspace():
        return "a space"
    return f"the character U+{ord(character):04X}"


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret masked, however it is written.

    That is raw or in capitals, JSON-escaped, percent-encoded (twice, too), as HTML entities, with
    blanks, line breaks, tags or signs that nobody sees in it, in base64 (alone or behind other
    bytes, such as `Bearer `), in hexadecimal, backwards; or a piece of it: its first eight
    characters, or any twelve.
    """
    known = [secret for secret in secrets if len(secret) >= SHORTEST_RECOGNISED]
    if not known:
        return text
    plain = _Plain(text)
    spans = [plain.origin_of(*span) for secret in known for span in plain.find(secret)]
    spans += [span for secret in known for span in _beginnings(text, secret)]
    shown, end = [], 0
    for start, stop in sorted(spans):
        if start >= end:
            shown += [text[end:start], "[key]"]
        end = max(end, stop)
    return "".join((*shown, text[end:])) if shown else text


SHORTEST_PIECE = 12  # characters out of the middle of a key; fewer may be an ordinary word
STEP = SHORTEST_PIECE // 2  # any such piece holds a whole one of those that are looked for

ESCAPES = re.compile(
    r"[\s\x00-\x1a\x1c-\x20\x7f-\xa0\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]+"
    r"|\x1b(?:\[[\d;]{0,20}m)?|</?\w{1,10} ?/?>|\\+[nrt]|\\+u(?:20[0-6][0-9a-f]|feff)"
    r"|(?:\\{1,8}(?:u00|x)|%(?:25){0,4}|&\#x0{0,4})(?P<hex>[0-7][0-9a-f]);?"
    r"|&\#0{0,4}(?P<decimal>\d{2,3});|&(?P<name>amp|lt|gt|quot|apos);|\\+",
    re.IGNORECASE,
)
"""How a character is written where it cannot stand itself, and what breaks a text in two."""

SMALL = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}  # lower() makes some longer
NAMES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


def _meant(escape: re.Match[str]) -> str:
    if name := escape["name"]:
        return NAMES[name.lower()]
    digits, decimal = escape["hex"], escape["decimal"]
    if not (digits or decimal):
        return ""
    character = chr(int(digits, 16) if digits else int(decimal))
    return character if "!" <= character <= "~" and character != "\\" else ""


class _Plain:
    """A text in small letters, without escapes and what breaks it, and where each part stood."""

    def __init__(self, text: str) -> None:
        parts: list[str] = []
        self._at: list[int] = []  # in the plain text
        self._from: list[tuple[int, int]] = []  # start and end in the text
        size = end = 0
        for escape in (*ESCAPES.finditer(text), None):
            stop = escape.start() if escape else len(text)
            pieces = [(text[end:stop].translate(SMALL), end, stop)]
            if escape:
                end = escape.end()
                pieces.append((_meant(escape).translate(SMALL), stop, end))
            for piece, start, after in pieces:
                if piece:
                    parts.append(piece)
                    self._at.append(size)
                    self._from.append((start, after))
                    size += len(piece)
        self.text = "".join(parts)

    def find(self, secret: str) -> Iterator[tuple[int, int]]:
        """Where pieces of it stand in the plain text: start and end."""
        text = self.text
        for form, shortest in _forms(secret):
            for offset in range(0, len(form) - STEP + 1, STEP):
                at = text.find(form[offset : offset + STEP])
                while at >= 0:
                    first, start = offset, at
                    while first and start and form[first - 1] == text[start - 1]:
                        first, start = first - 1, start - 1
                    last, end = offset + STEP, at + STEP
                    while last < len(form) and end < len(text) and form[last] == text[end]:
                        last, end = last + 1, end + 1
                    if end - start >= (shortest if not first else SHORTEST_PIECE):
                        yield start, end
                    at = text.find(form[offset : offset + STEP], max(end, at + 1))

    def origin_of(self, start: int, end: int) -> tuple[int, int]:
        """Where a stretch of the plain text stands in the text itself."""
        return self._place(start)[0], self._place(end - 1)[1]

    def _place(self, at: int) -> tuple[int, int]:
        part = bisect_right(self._at, at) - 1
        start, end = self._from[part]
        size = (self._at[part + 1] if part + 1 < len(self._at) else len(self.text)) - self._at[part]
        if size != end - start:  # an escape
            return start, end
        start += at - self._at[part]
        return start, start + 1


def _beginnings(text: str, secret: str) -> Iterator[tuple[int, int]]:
    """Where its first characters stand as they are, whatever they would mean as an escape."""
    start = text.find(secret[:SHORTEST_RECOGNISED])
    while start >= 0:
        end = start + SHORTEST_RECOGNISED
        while end - start < len(secret) and text[end : end + 1] == secret[end - start]:
            end += 1
        yield start, end
        start = text.find(secret[:SHORTEST_RECOGNISED], end)


@lru_cache(maxsize=64)  # a server masks the same few again and again
def _forms(secret: str) -> tuple[tuple[str, int], ...]:
    """What is looked for, and how many of its first characters are enough."""
    plain = _Plain(secret).text
    coded = {form.lower() for form in (*_in_base64(secret), secret.encode().hex())}
    others = ((form, min(SHORTEST_PIECE, len(form))) for form in (plain[::-1], *coded))
    forms = ((plain, SHORTEST_RECOGNISED), *others)
    return tuple(each for each in forms if each[1] >= SHORTEST_RECOGNISED)


def _in_base64(secret: str) -> Iterator[str]:
    """Base64 of it alone; and what it gives away behind one, two or three other bytes."""
    data = secret.encode()
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + data).decode().rstrip("=")
        for form in {whole, whole.translate(URL_SAFE)}:
            if not shift:
                yield form
            yield form[4 if shift else 0 : len(form) - 4 if (shift + len(data)) % 3 else None]


URL_SAFE = str.maketrans("+/", "-_")


def redact_payload(value: Any, secrets: Collection[str]) -> Any:
    """A decoded JSON value of a vendor's, every string in it masked; itself where it holds none."""
    match value:
        case str():
            return redact(value, secrets)
        case list():
            return [redact_payload(item, secrets) for item in value]
        case dict():
            return {
                redact(name, secrets): redact_payload(item, secrets) for name, item in value.items()
            }
    return value


SHORTEST_HELD = 3  # characters of a key's beginning that are not shown before the next piece


class SplitKeyMask:
    """Masks a key that comes in pieces of a text; what may be its beginning waits for the next."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._open = ""  # the end of the text, if a key may have begun there
        self._shown = 0  # so many characters of that were handed on: `sk` gives nothing away

    def feed(self, piece: str) -> str:
        """Take the next piece; return what is decided by now."""
        text, shown = self._open + piece, self._shown
        if self._secret[0] not in text:
            return piece
        self._open = self._begun(text)
        decided = text[: len(text) - len(self._open)]
        ready = decided[shown:]
        if self._secret[:SHORTEST_RECOGNISED] in decided:
            ready = redact(decided, (self._secret,)).removeprefix(text[:shown])
        self._shown = max(0, shown - len(decided))
        if len(self._open) < SHORTEST_HELD:
            ready += self._open[self._shown :]
            self._shown = len(self._open)
        return ready

    def close(self) -> str:
        """Return what was held back: nothing more comes."""
        text, shown = self._open, self._shown
        self._open, self._shown = "", 0
        return "[key]" if len(text) >= SHORTEST_RECOGNISED else text[shown:]

    def _begun(self, text: str) -> str:
        """The longest end of the text that a key may begin with, if not the whole of it."""
        first = self._secret[0]
        at = text.find(first, max(0, len(text) - len(self._secret) + 1))
        while at >= 0:
            if self._secret.startswith(text[at:]):
                return text[at:]
            at = text.find(first, at + 1)
        return ""


def is_like_a_key(name: str) -> bool:
    """Whether a name is likely a key that was pasted in its place."""
    return name.startswith("sk-") or (len(name) >= 20 and any(map(str.isdigit, name)))
