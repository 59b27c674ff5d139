"""The vendors' own lists of models, as of a given day, applied to the catalog."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from deepreasoning_cli.catalog.models import (
    ANTHROPIC,
    DIRECT,
    Catalog,
    ClaudeModel,
    Lifecycle,
    normal_name,
)
from deepreasoning_cli.files import read_regular

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class LiveModel:
    """One Claude model as Anthropic lists it; limits in tokens, None where it states none.

    `lifecycle` is Anthropic's word: `active`, `deprecated` or `retired`. It has none for a model
    that has newer ones beside it, our `legacy`.
    """

    id: str
    name: str
    lifecycle: str
    retires: date | None = None
    context: int | None = None
    max_output: int | None = None


@dataclass(frozen=True, slots=True)
class LiveModels:
    """The lists: Anthropic's models, the ids at each host, those the gateway pairs with.

    A vendor without a list has no entry. `as_of` (aware) is the time of the requests.
    """

    as_of: datetime
    anthropic: tuple[LiveModel, ...] = ()
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gateway: tuple[str, ...] = ()

    def apply_to(self, catalog: Catalog) -> Catalog:
        """The catalog as the vendors have it; a model that it lacks is added, without a price.

        Such a model is selected by its id only, never by the name of a family.
        """
        listed = {model.id: model for model in self.anthropic}
        today = self.as_of.date()
        rows = {row.id: row for row in catalog.claude_models}
        for id_, model in listed.items():
            row = rows.get(id_) or ClaudeModel(id=id_, name=model.name, rates={"direct": None})
            rows[id_] = _updated(row, model, today)
        catalog = replace(catalog, claude_models=tuple(rows.values()))
        for answerer in catalog.answerers:
            if not answerer.model and (ids := self.hosts.get(answerer.key or answerer.name)):
                catalog = _as_listed(catalog, answerer.place, ids)
        return catalog

    def differences(self, catalog: Catalog) -> Iterator[str]:
        """What the catalog has otherwise, a line each."""
        before = {model.id: model for model in catalog.claude_models}
        for model in self.apply_to(catalog).claude_models:
            if model.id not in before:
                yield f"{model.id}: not in the catalog; {model.name}, {model.status}"
            else:
                yield from _changes(before[model.id], model)
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
        if self.gateway:
            offered, paired = {row.id for row in catalog.offered("gateway")}, set(self.gateway)
            for id_ in sorted(paired - offered):
                yield f"{id_}: paired by the gateway, which the catalog does not say"
            for id_ in sorted(offered - paired):
                yield f"{id_}: not listed by the gateway"

    def write(self) -> str:
        """The cache as text."""
        tree = {"version": VERSION, **asdict(self)}
        return json.dumps(tree, indent=1, default=lambda day: day.isoformat())


def _as_listed(catalog: Catalog, place: str, ids: Sequence[str]) -> Catalog:
    """The catalog with the ids at a host, of which `ids` are all; no rate is known of a new one.

    What the host lists as a variant, behind a colon, is another offer. A list without any Claude
    says nothing of them.
    """
    listed = {normal_name(id_): id_ for id_ in ids if id_.startswith(f"{ANTHROPIC}/")}
    if not listed or place == DIRECT:
        return catalog
    return replace(
        catalog,
        claude_models=tuple(_at_host(row, place, listed) for row in catalog.claude_models),
    )


def _at_host(row: ClaudeModel, place: str, listed: Mapping[str, str]) -> ClaudeModel:
    names = map(normal_name, (row.id, *row.aliases))
    id_ = next((listed[name] for name in names if name in listed), None)
    others = {name: card for name, card in row.rates.items() if name != place}
    if id_ is None:
        return replace(row, rates=others)
    rates = {**others, place: row.rates.get(place)}
    return replace(row, rates=rates, ids={**row.ids, place: id_})


def apply_cache(catalog: Catalog, path: Path) -> Catalog:
    """The catalog under the vendors' lists in the cache at `path`."""
    live = read(path)
    return live.apply_to(catalog) if live else catalog


def read(path: Path) -> LiveModels | None:
    """The cache; None where there is none, and where it is damaged or of another version."""
    try:
        fields = json.loads(read_regular(path))
        if fields["version"] != VERSION:
            return None
        return LiveModels(
            datetime.fromisoformat(fields["as_of"]),
            tuple(_model(each) for each in fields["anthropic"]),
            {str(name): tuple(map(str, ids)) for name, ids in fields["hosts"].items()},
            tuple(map(str, fields["gateway"])),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _model(fields: Mapping[str, Any]) -> LiveModel:
    """A model of the cache. Raises TypeError and ValueError for one of another shape."""
    model = LiveModel(**fields)
    texts = (model.id, model.name, model.lifecycle)
    limits = [limit for limit in (model.context, model.max_output) if limit is not None]
    if not all(isinstance(text, str) for text in texts) or not all(
        type(limit) is int and limit > 0 for limit in limits
    ):
        raise TypeError("not a model")
    retires = fields["retires"]
    return replace(model, retires=None if retires is None else date.fromisoformat(retires))


def _updated(row: ClaudeModel, listed: LiveModel, today: date) -> ClaudeModel:
    """The row as Anthropic lists it on `today`; what the list does not state stays.

    `lifecycle` is the sign of retirement: a day to retire that has passed while the model still
    answers means nothing.
    """
    row = replace(
        row,
        context=listed.context or row.context,
        max_output=listed.max_output or row.max_output,
    )
    ahead = listed.retires if listed.retires and listed.retires > today else None
    match listed.lifecycle:
        case Lifecycle.RETIRED:
            days = (row.retired, listed.retires, row.retires)
            ended = next((day for day in days if day and day <= today), None)
            return replace(row, status=Lifecycle.RETIRED, retired=ended, retires=None)
        case Lifecycle.DEPRECATED:
            return replace(row, status=Lifecycle.DEPRECATED, retires=ahead, retired=None)
        case Lifecycle.ACTIVE:
            status = row.status if row.status is Lifecycle.LEGACY else Lifecycle.ACTIVE
            return replace(row, status=status, deprecated=None, retires=ahead, retired=None)
        case _:
            return row


def _changes(before: ClaudeModel, after: ClaudeModel) -> Iterator[str]:
    for name in ("status", "ends", "context", "max_output"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield f"{after.id}: {name.removeprefix('max_')} {old or 'unknown'} → {new or 'unknown'}"
