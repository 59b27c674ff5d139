"""The catalog on one backend and day, seen with the user's settings, and as JSON.

In JSON money is decimal strings, and None stands where nobody says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from deepreasoning_cli import paths
from deepreasoning_cli.catalog import live
from deepreasoning_cli.catalog.models import Catalog, Choice, ClaudeModel, Lifecycle, Reasoner
from deepreasoning_cli.errors import ConfigError, RefusedError, UsageError, did_you_mean
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.wiring.resources import written_catalog

LIST = "`deepreasoning models --all` lists what the catalog knows"


@dataclass(frozen=True, slots=True)
class NewDefault:
    """What goes into the config file, how to say it, and what the user should hear."""

    stored: str
    described: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelView:
    """Models, reasoners and defaults as they stand on `today` for `backend`, direct or gateway.

    `problems` says in words why a default that the settings name is no default.
    """

    loaded: LoadedSettings
    catalog: Catalog
    backend: str
    today: date
    default: ClaudeModel | None = None
    default_reasoner: Reasoner | None = None
    problems: tuple[str, ...] = ()
    asked: date | None = None
    """The day on which the vendors were asked last, if they were."""

    @classmethod
    def of(
        cls, loaded: LoadedSettings, backend: str | None, said: live.Live | None = None
    ) -> ModelView:
        """The catalog as these settings have it; raises ConfigError if it cannot be read.

        `said` is what the vendors say now, by default what they said last.
        """
        said = said or live.read(paths.live_models())
        catalog = written_catalog(loaded)
        catalog = said.over(catalog) if said else catalog
        chosen = backend or _backend_in_use(loaded, catalog)
        today = datetime.now(UTC).date()
        problems: list[str] = []
        model = _default_model(loaded, catalog, chosen, today, problems)
        reasoner = _default_reasoner(loaded, catalog, problems) if chosen == "direct" else None
        asked = said.as_of.date() if said else None
        return cls(
            loaded=loaded,
            catalog=catalog,
            backend=chosen,
            today=today,
            default=model,
            default_reasoner=reasoner,
            problems=tuple(problems),
            asked=asked,
        )

    def models(self, *, retired: bool) -> list[ClaudeModel]:
        """What the backend offers, by family, the newest first; the default is always there."""
        offered = list(self.catalog.offered(self.backend))
        if self.default and self.default not in offered:
            offered.insert(0, self.default)
        families = list(dict.fromkeys(model.family for model in offered))
        return sorted(
            (m for m in offered if retired or m == self.default or not self.is_retired(m)),
            key=lambda m: (families.index(m.family), -(m.released or date.min).toordinal()),
        )

    def reasoners(self) -> tuple[Reasoner, ...]:
        """All that can be named; the gateway brings its own."""
        return self.catalog.reasoners if self.backend == "direct" else ()

    def is_retired(self, model: ClaudeModel) -> bool:
        """Whether Anthropic no longer serves it."""
        return model.lifecycle(self.today) is Lifecycle.RETIRED

    def names(self, model: ClaudeModel) -> tuple[str, ...]:
        """What else may be typed for it on this backend: its family's name, its aliases."""
        family = (model.family,) if model.family and self._stands_for(model) else ()
        return (*family, *model.aliases)

    def base_url(self, reasoner: Reasoner) -> str:
        """Where it would be called: the user's address for its host, else the catalog's."""
        host = reasoner.key or reasoner.name
        return self.loaded.settings.base_urls.get(host, reasoner.base_url)

    def find(self, name: str) -> ClaudeModel | Reasoner:
        """The model or reasoner of that name, retired or not.

        Raises UsageError that names the nearest, RefusedError for a family that the backend lacks.
        """
        written = name.strip().lower()
        for model in self.catalog.claude_models:
            if written in map(str.lower, (model.id, model.name, *model.aliases)):
                return model
        for reasoner in self.catalog.reasoners:
            if written == reasoner.name.lower():
                return reasoner
        found = self.catalog.claude(name, self.backend, self.today)
        if found.model.status is Lifecycle.UNKNOWN:
            raise UsageError(
                f"the catalog has no model or reasoner {name!r}",
                hint=did_you_mean(written, dict.fromkeys(self._all_names()), most=2) or LIST,
                kind="model_unknown",
            )
        return found.model

    def as_default(self, name: str) -> NewDefault:
        """What to write so that `name` is the Claude model from now on.

        A family's name is kept, so that it goes on to mean the newest. Raises RefusedError for a
        model that is retired or not offered, UsageError for one that the catalog lacks.
        """
        choice = self.catalog.claude(name, self.backend, self.today)
        model = choice.model
        if model.status is Lifecycle.UNKNOWN:
            raise UsageError(
                choice.warning or f"unknown model {name!r}",
                hint=self._instead(name),
                kind="model_unknown",
            )
        written = name.strip().lower().removeprefix("claude-")
        is_family = written == model.family.lower()
        stored = model.family if is_family else model.id
        described = f"{stored}, which is {model.id} today," if is_family else stored
        return NewDefault(stored, described, tuple(self._warnings(choice)))

    def _warnings(self, choice: Choice) -> Iterator[str]:
        if choice.warning:
            yield choice.warning
        origin = self.loaded.origins.get("model", "")
        if origin.startswith("environment "):
            yield f"{origin.removeprefix('environment ')} is set and wins over the file"

    def _instead(self, name: str) -> str:
        if any(
            name.strip().lower() == reasoner.name.lower() for reasoner in self.catalog.reasoners
        ):
            return f"it is a reasoner: `deepreasoning config set reasoner {name.strip()}`"
        return f"{LIST}; `deepreasoning config set model NAME` stores any name"

    def _all_names(self) -> Iterator[str]:
        for model in self.catalog.claude_models:
            yield from filter(None, (model.id, *model.aliases, model.family.lower()))
        yield from (reasoner.name for reasoner in self.catalog.reasoners)

    def _stands_for(self, model: ClaudeModel) -> bool:
        try:
            return self.catalog.claude(model.family, self.backend, self.today).model == model
        except RefusedError:
            return False  # every model of the family is retired


def _backend_in_use(loaded: LoadedSettings, catalog: Catalog) -> str:
    """The one that would be billed: the settings' word, else the one whose keys are there."""
    named = loaded.settings.backend
    if named in ("direct", "gateway"):
        return named
    thinks = loaded.settings.reasoner or catalog.default_reasoner(loaded.has_key)
    both = thinks and loaded.has_key("anthropic")
    return "gateway" if loaded.has_key("empiriolabs") and not both else "direct"


def _default_model(
    loaded: LoadedSettings, catalog: Catalog, backend: str, today: date, problems: list[str]
) -> ClaudeModel | None:
    fallback = catalog.gateway_default if backend == "gateway" else "sonnet"
    try:
        return catalog.claude(loaded.settings.model or fallback, backend, today).model
    except RefusedError as refused:
        problems.append(f"no default model: {refused.message}; {refused.hint}")
        return None


def _default_reasoner(
    loaded: LoadedSettings, catalog: Catalog, problems: list[str]
) -> Reasoner | None:
    if not (name := loaded.settings.reasoner):
        return catalog.default_reasoner(loaded.has_key)
    try:
        return catalog.reasoner(name)
    except ConfigError as unknown:
        problems.append(f"no default reasoner: {unknown.message}; {unknown.hint}")
        return None


def list_as_json(view: ModelView, *, retired: bool) -> list[dict[str, Any]]:
    """One array: the Claude models of the backend, then the reasoners; `kind` tells them apart."""
    rows: list[ClaudeModel | Reasoner] = [*view.models(retired=retired), *view.reasoners()]
    return [row_as_json(view, row) for row in rows]


def row_as_json(view: ModelView, row: ClaudeModel | Reasoner) -> dict[str, Any]:
    """The object of one model or reasoner."""
    return (
        _claude_as_json(view, row) if isinstance(row, ClaudeModel) else _reasoner_as_json(view, row)
    )


def _claude_as_json(view: ModelView, model: ClaudeModel) -> dict[str, Any]:
    return {
        "kind": "claude",
        "id": model.id,
        "name": model.name,
        "family": model.family or None,
        "aliases": list(view.names(model)),
        "status": model.lifecycle(view.today).value,
        "released": _iso(model.released),
        "ends": _iso(model.ends),
        "successor": model.successor,
        "context": model.context,
        "max_output": model.max_output,
        "samplers": model.samplers.value,
        "default": model == view.default,
        "rates": {b: card.as_json() if card else None for b, card in model.rates.items()},
    }


def _reasoner_as_json(view: ModelView, reasoner: Reasoner) -> dict[str, Any]:
    has_key = view.loaded.has_key
    return {
        "kind": "reasoner",
        "id": reasoner.name,
        "name": reasoner.label,
        "model": reasoner.model,
        "base_url": view.base_url(reasoner),
        "key": reasoner.key and {"name": reasoner.key, "set": has_key(reasoner.key)},
        "context": reasoner.context,
        "max_output": reasoner.max_output,
        "samplers": reasoner.samplers.value,
        "default": reasoner == view.default_reasoner,
        "rates": {"direct": reasoner.rates.as_json() if reasoner.rates else None},
    }


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
