"""What the vendors themselves said of their models, on a given day, laid over the catalog."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from deepreasoning_cli.catalog.models import Catalog, ClaudeModel, Lifecycle

NAME: Final = "models.json"
"""The cache's file in the data folder."""
VERSION: Final = 1
SAID: Final = {
    "active": Lifecycle.ACTIVE,
    "deprecated": Lifecycle.DEPRECATED,
    "retired": Lifecycle.RETIRED,
}
"""Anthropic's words; it has none for a model that has newer ones beside it, our `legacy`."""


@dataclass(frozen=True, slots=True)
class LiveModel:
    """One Claude model as Anthropic lists it; limits in tokens, None for what was not said."""

    id: str
    name: str
    lifecycle: str
    retires: date | None = None
    context: int | None = None
    max_output: int | None = None


@dataclass(frozen=True, slots=True)
class Live:
    """The answers: Anthropic's models, the ids that a host lists, those the gateway pairs with.

    A vendor that was not asked or did not answer has no entry. `as_of` (aware) is when they were
    asked.
    """

    as_of: datetime
    anthropic: tuple[LiveModel, ...] = ()
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gateway: tuple[str, ...] = ()

    def over(self, catalog: Catalog) -> Catalog:
        """The catalog with what was said; a model that it lacks is added, without a price.

        Such a model is asked for by its id only: a family's name never means it.
        """
        said = {model.id: model for model in self.anthropic}
        today = self.as_of.date()
        known = {model.id for model in catalog.claude_models}
        rows = [_told(row, said.get(row.id), today) for row in catalog.claude_models]
        rows += [_new(model, today) for model in self.anthropic if model.id not in known]
        return replace(catalog, claude_models=tuple(rows))

    def differences(self, catalog: Catalog) -> Iterator[str]:
        """What the catalog says otherwise, a line each."""
        after = {model.id: model for model in self.over(catalog).claude_models}
        before = {model.id: model for model in catalog.claude_models}
        for id_, model in after.items():
            if id_ not in before:
                yield f"{id_}: not in the catalog; {model.name}, {model.status}"
            else:
                yield from _changes(before[id_], model)
        yield from self._unlisted(catalog)

    def _unlisted(self, catalog: Catalog) -> Iterator[str]:
        listed = {model.id for model in self.anthropic}
        today = self.as_of.date()
        for model in catalog.offered("direct") if listed else ():
            if model.id not in listed and model.lifecycle(today) is not Lifecycle.RETIRED:
                yield f"{model.id}: not listed by Anthropic"
        for row in catalog.reasoners:
            ids = self.hosts.get(row.key or row.name)
            if ids and row.model not in ids:
                yield f"{row.name}: {row.model} is not listed by its host"
        offered = {model.id for model in catalog.offered("gateway")}
        if self.gateway:
            for id_ in sorted(set(self.gateway) - offered):
                yield f"{id_}: paired by the gateway, which the catalog does not say"
            for id_ in sorted(offered - set(self.gateway)):
                yield f"{id_}: not listed by the gateway"

    def write(self) -> str:
        """The cache as text."""
        return json.dumps(
            {
                "version": VERSION,
                "as_of": self.as_of.isoformat(),
                "anthropic": [
                    asdict(model) | {"retires": model.retires and model.retires.isoformat()}
                    for model in self.anthropic
                ],
                "hosts": {name: list(ids) for name, ids in self.hosts.items()},
                "gateway": list(self.gateway),
            },
            indent=1,
        )


def laid_over(catalog: Catalog, folder: Path) -> Catalog:
    """The catalog with what is kept in the data folder of the vendors' answers."""
    said = read(folder / NAME)
    return said.over(catalog) if said else catalog


def read(path: Path) -> Live | None:
    """The cache; None where there is none, and where it is damaged or of another version."""
    try:
        fields = json.loads(path.read_text("utf-8"))
        if fields["version"] != VERSION:
            return None
        return Live(
            datetime.fromisoformat(fields["as_of"]),
            tuple(_model(each) for each in fields["anthropic"]),
            {str(name): tuple(map(str, ids)) for name, ids in fields["hosts"].items()},
            tuple(map(str, fields["gateway"])),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _model(fields: Mapping[str, Any]) -> LiveModel:
    """A model of the cache. Raises TypeError, ValueError and KeyError for one of another shape."""
    limits = (fields["context"], fields["max_output"])
    texts = (fields["id"], fields["name"], fields["lifecycle"])
    if not (
        all(isinstance(text, str) for text in texts)
        and all(limit is None or (type(limit) is int and limit > 0) for limit in limits)
    ):
        raise TypeError("not a model")
    retires = fields["retires"]
    return LiveModel(
        **{**fields, "retires": date.fromisoformat(retires) if retires is not None else None}
    )


def _told(row: ClaudeModel, said: LiveModel | None, today: date) -> ClaudeModel:
    """The row with what was said of it on `today`; what was not said stays.

    `lifecycle` is the sign of retirement: a day to retire that has passed while the model still
    answers means nothing.
    """
    if said is None:
        return row
    row = replace(
        row,
        context=said.context or row.context,
        max_output=said.max_output or row.max_output,
    )
    ahead = said.retires if said.retires and said.retires > today else None
    match SAID.get(said.lifecycle):
        case Lifecycle.RETIRED:
            days = (row.retired, said.retires, row.retires)
            ended = next((day for day in days if day and day <= today), None)
            return replace(row, status=Lifecycle.RETIRED, retired=ended, retires=None)
        case Lifecycle.DEPRECATED:
            return replace(row, status=Lifecycle.DEPRECATED, retires=ahead, retired=None)
        case Lifecycle.ACTIVE:
            kept = row.status if row.status is Lifecycle.LEGACY else Lifecycle.ACTIVE
            return replace(row, status=kept, deprecated=None, retires=ahead, retired=None)
        case _:
            return row


def _new(said: LiveModel, today: date) -> ClaudeModel:
    bare = ClaudeModel(id=said.id, name=said.name, rates={"direct": None})
    return _told(bare, said, today)


def _changes(before: ClaudeModel, after: ClaudeModel) -> Iterator[str]:
    facts = (
        ("status", before.status, after.status),
        ("ends", before.ends, after.ends),
        ("context", before.context, after.context),
        ("output", before.max_output, after.max_output),
    )
    for name, was, is_ in facts:
        if was != is_:
            yield f"{after.id}: {name} {was or 'unknown'} → {is_ or 'unknown'}"
