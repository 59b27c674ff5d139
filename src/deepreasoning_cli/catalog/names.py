"""Names of Claude models as hosts, other tools and hands write them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

QUOTES = "\"'`“”‘’"
DASHES = str.maketrans(dict.fromkeys("‐‑‒–—−", "-"))
FILLERS = frozenset({"claude", "latest", "v"})
"""Words of a name that tell nothing of which model is meant."""
VENDOR_PREFIX = re.compile(
    r"(.*[/:])?([a-z-]+\.)?(anthropic[.:/])?(?=claude)|(.*/)?~?anthropic[/:.]"
)
"""`us.anthropic.` (Bedrock), `openrouter/anthropic/`, `vertex_ai/`, an ARN, a path at Vertex."""
VERTEX_VERSION = re.compile(r"(-v\d+)?@(?=\d{8}$|default$|latest$)")
TAIL = re.compile(r"(\[1m\]|:latest|:beta|[-@]default|-v\d+(:\d+){0,2}k?)$")
"""What hosts and tools put behind a name: Claude Code, OpenRouter, Vertex, Bedrock."""
VENDORS_ID = re.compile(r"claude(-[a-z0-9]+)+")
DATE = re.compile(r"20\d{6}")


class Spelling(NamedTuple):
    """What a name says, whatever the order of its parts: `4.5 sonnet` is sonnet, 4 and 5."""

    family: str
    version: tuple[str, ...] = ()
    date: str = ""


def bare_name(name: str) -> str:
    """The name in lower case, without quotes and what vendors and hosts put around it."""
    text = unicodedata.normalize("NFKC", name.translate(DASHES)).casefold().strip()
    text = text.strip(QUOTES).strip()
    if prefix := VENDOR_PREFIX.match(text):
        text = text[prefix.end() :]
    text = VERTEX_VERSION.sub("-", text)
    return TAIL.sub("", text)


def read_spelling(bare: str, families: Iterable[str]) -> Spelling | None:
    """What a bare name says; None where it says nothing clear.

    Every part has to be understood. Parts may be written without a sign between them only where
    there is no dash at all, as in `sonnet4.5`: a dash that is missing elsewhere is a slip.
    """
    parts = re.split(r"[\s._-]", re.sub(r"\s+", " ", bare))
    if "-" not in bare:
        parts = [piece for part in parts for piece in re.findall(r"[a-z]+|\d+|.+", part) or [""]]
    words = [part for part in parts if not part.isdecimal() and part not in FILLERS]
    if len(words) != 1 or words[0] not in families:
        return None
    numbers = [part for part in parts if part.isdecimal()]
    dates = [number for number in numbers if DATE.fullmatch(number)]
    version = tuple(number for number in numbers if number not in dates)
    if len(dates) > 1 or any(len(number) > 1 for number in version):
        return None
    return Spelling(words[0], version, "".join(dates))


def vendors_id(bare: str) -> str | None:
    """The name as Anthropic writes ids, if it could be one; None for anything else."""
    text = re.sub(r"[\s._]+", "-", bare)
    return text if VENDORS_ID.fullmatch(text) else None


def is_misspelled(id_: str, names: Iterable[str], families: Iterable[str]) -> bool:
    """Whether an id that could be the vendor's is rather a slip in one of `names`.

    One edit away from a name is a slip, and so is a word that is nearly one of ours. What other
    tools put behind a name, as `-thinking`, is no part of it either.
    """
    for name in names:
        if edits(id_, name, most=1) <= 1 or re.fullmatch(rf"{re.escape(name)}-(\d+k|[a-z].*)", id_):
            return True
    ours = {"claude", "latest", *families}
    words = [word for word in id_.split("-") if word.isalpha() and len(word) > 3]
    return any(
        word not in ours and any(edits(word, own, most=2) <= 2 - (len(own) < 5) for own in ours)
        for word in words
    )


def edits(one: str, other: str, *, most: int) -> int:
    """How many letters must be changed, put in, taken out or swapped with the next to make `other`
    of `one`; some number above `most` where it is more than that.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        older, before, row = before, row, [i]
        for j, wanted in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and (letter, one[i - 2]) == (other[j - 2], wanted):
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return row[-1]
