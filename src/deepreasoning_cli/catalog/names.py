"""Names of Claude models as hosts, other tools and hands write them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from deepreasoning_cli.errors import RefusedError, alternatives, nearest

if TYPE_CHECKING:
    from deepreasoning_cli.catalog.models import Catalog, ClaudeModel

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


def find_model(catalog: Catalog, name: str, place: str, today: date) -> ClaudeModel | str:
    """The model that a name written as elsewhere means, or an id that could be the vendor's.

    Raises RefusedError for any other name, with the nearest of those that `place` offers.
    """
    bare, families = bare_name(name), catalog.families
    said = read_spelling(bare, families)
    if said is None:
        return _possible_id(catalog, name, bare, place, today)
    if not said.version and not said.date:
        if newest := catalog.newest(said.family, place, today):
            return newest
        from deepreasoning_cli.catalog.advice import not_offered

        raise not_offered(catalog, said.family, said.family, place, today)
    spellings = {
        read_spelling(known, families): model
        for model in sorted(catalog.claude_models, key=lambda model: model.released or date.min)
        for known in (model.id.lower(), *map(str.lower, model.aliases))
    }
    if said in spellings:
        return spellings[said]
    same = [model for each, model in spellings.items() if each and each[:2] == said[:2]]
    if same and not said.date:
        return same[-1]
    if same:  # a date that no model has
        raise _no_such_model(catalog, name, list(dict.fromkeys(model.id for model in same)))
    return _possible_id(catalog, name, bare, place, today)


def _possible_id(catalog: Catalog, name: str, bare: str, place: str, today: date) -> str:
    """The id of a model that the catalog lacks; raises RefusedError for what is a slip."""
    every = [
        known.lower()
        for model in catalog.claude_models
        for known in (model.id, *model.aliases, model.family)
        if known
    ]
    id_ = vendors_id(bare)
    if id_ is not None and not is_misspelled(id_, every, catalog.families):
        return id_
    alive = catalog.alive(place, today)
    offered = [name for model in alive for name in (model.family, model.id, *model.aliases)]
    offered = list(dict.fromkeys(filter(None, offered)))
    raise _no_such_model(catalog, name, nearest(_as_id(bare), offered, most=2))


def _no_such_model(catalog: Catalog, name: str, close: Sequence[str]) -> RefusedError:
    reasoner = next((row.name for row in catalog.reasoners if row.name == _as_id(name)), None)
    families = dict.fromkeys(model.family for model in catalog.claude_models if model.family)
    hints = [f"did you mean {alternatives(close)}?" if close else f"try {', '.join(families)}"]
    if reasoner:
        hints = [f"{reasoner} is a reasoner: -r {reasoner}"]
    elif close and name.lower().startswith("claude-"):
        hints.append("`deepreasoning models --live` learns of new ones")
    return RefusedError(
        f"there is no Claude model {name!r}", hint=hints, kind="model_unknown", stage="answer"
    )


def _as_id(name: str) -> str:
    return re.sub(r"[\s._]+", "-", name.strip().lower())


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
    text = _as_id(bare)
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
