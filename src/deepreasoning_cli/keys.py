"""A vendor's key: checked before it is used, masked wherever it could be seen."""

from __future__ import annotations

import base64
import re
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

    That is raw, JSON-escaped, percent-encoded, with blanks or line breaks in it, in base64 (alone
    or behind other bytes, such as `Bearer `), or cut off: then it is known by its first eight
    characters on.
    """
    for secret in secrets:
        if len(secret) < SHORTEST_RECOGNISED:
            continue
        text = _forms(secret).sub("[key]", text)
        text = _redact_cut_off(text, secret)
    return text


@lru_cache(maxsize=64)  # a server masks the same few again and again
def _forms(secret: str) -> re.Pattern[str]:
    spelled = BETWEEN.join(map(_spellings, secret))
    return re.compile("|".join((spelled, *map(re.escape, _in_base64(secret)))))


BETWEEN = r"(?:\s|\\[nrt]|\\u000[adAD]|%0[adAD]|%20)*"
"""What breaks a key in two where a vendor or a proxy wraps its lines."""


def _spellings(character: str) -> str:
    """A pattern for one character: itself, as JSON escapes it, or as addresses do."""
    code = ord(character)
    either = "".join(
        f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in f"{code:02x}"
    )
    return rf"(?:\\?{re.escape(character)}|\\u00{either}|%{either})"


def _in_base64(secret: str) -> Iterator[str]:
    """Base64 of it alone; and what it gives away behind one, two or three other bytes."""
    data = secret.encode()
    yield base64.b64encode(data).decode().rstrip("=")
    yield base64.urlsafe_b64encode(data).decode().rstrip("=")
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + data).decode().rstrip("=")
        for form in {whole, whole.translate(URL_SAFE)}:
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


def _redact_cut_off(text: str, secret: str) -> str:
    start = text.find(secret[:SHORTEST_RECOGNISED])
    while start >= 0:
        end = start
        while end < len(text) and end - start < len(secret) and text[end] == secret[end - start]:
            end += 1
        text = text[:start] + "[key]" + text[end:]
        start = text.find(secret[:SHORTEST_RECOGNISED], start)
    return text
