"""A vendor's key: checked before it is used, masked wherever it could be seen."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass, field

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
        raise ConfigError(f"the key {name} from {origin} is empty", kind="key_missing")
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


def _describe(character: str) -> str:
    if character in "\r\n":
        return "a line break"
    if character.isspace():
        return "a space"
    return f"the character U+{ord(character):04X}"


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret masked: raw, JSON-escaped, percent-encoded, in base64, or cut off.

    A cut-off key is known by its first eight characters on.
    """
    for secret in secrets:
        if len(secret) < SHORTEST_RECOGNISED:
            continue
        escaped, quoted = json.dumps(secret)[1:-1], urllib.parse.quote(secret, safe="")
        encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
        for form in (secret, escaped, quoted, encoded):
            text = text.replace(form, "[key]")
        text = _redact_cut_off(text, secret)
    return text


def _redact_cut_off(text: str, secret: str) -> str:
    start = text.find(secret[:SHORTEST_RECOGNISED])
    while start >= 0:
        end = start
        while end < len(text) and end - start < len(secret) and text[end] == secret[end - start]:
            end += 1
        text = text[:start] + "[key]" + text[end:]
        start = text.find(secret[:SHORTEST_RECOGNISED], start)
    return text
