"""The catalog on one backend and day, seen with the user's settings, and as JSON.

In JSON money is decimal strings, and None stands where nobody says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from deepreasoning_cli import paths
from deepreasoning_cli.catalog import live as vendor_answers
from deepreasoning_cli.catalog.models import Catalog, Choice, ClaudeModel, Lifecycle, Reasoner
from deepreasoning_cli.errors import ConfigError, RefusedError, UsageError, did_you_mean
from deepreasoning_cli.pipeline.money import RateCard
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.wiring.resources import written_catalog

T = TypeVar("T")
LIST = "`deepreasoning models --all` lists what the catalog knows"


@dataclass(frozen=True, slots=True)
class NewDefault:
    """What goes into the config file, how to say it, and what the user should hear."""

    stored: str
    described: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelView:
    """Models, reasoners and defaults as they stand `now` (aware) on `backend`, direct or gateway.

    `problems` says in words why a default that the settings name is no default. `live_date` is
    the day on which the vendors were asked last, if they were.
    """

    loaded: LoadedSettings
    catalog: Catalog
    backend: str
    now: datetime
    default: ClaudeModel | None
    default_reasoner: Reasoner | None
    problems: list[str]
    live_date: date | None

    @classmethod
    def of(
        cls,
        loaded: LoadedSettings,
        backend: str | None,
        live: vendor_answers.Live | None = None,
    ) -> ModelView:
        """The catalog as these settings have it; raises ConfigError if it cannot be read.

        `live` is what the vendors say now, by default what they said last.
        """
        live = live or vendor_answers.read(paths.data_dir() / vendor_answers.NAME)
        catalog = written_catalog(loaded)
        catalog = live.over(catalog) if live else catalog
        backend = backend or _backend_in_use(loaded, catalog)
        now, problems = datetime.now(UTC), list[str]()
        name = loaded.settings.model or (
            catalog.gateway_default if backend == "gateway" else "sonnet"
        )
        model = _default("model", lambda: catalog.claude(name, backend, now.date()).model, problems)
        reasoner = None
        if backend == "direct":
            reasoner = _default("reasoner", lambda: _reasoner_in_use(loaded, catalog), problems)
        return cls(
            loaded=loaded,
            catalog=catalog,
            backend=backend,
            now=now,
            default=model,
            default_reasoner=reasoner,
            problems=problems,
            live_date=live.as_of.date() if live else None,
        )

    @property
    def today(self) -> date:
        """The day on which the models' life cycles are judged."""
        return self.now.date()

    def is_default(self, row: ClaudeModel | Reasoner) -> bool:
        """Whether it is used where nothing else is named."""
        return row in (self.default, self.default_reasoner)

    def card(self, row: ClaudeModel | Reasoner) -> RateCard | None:
        """What it costs on this backend; None where that is unknown."""
        return rate_cards(row).get(self.backend)

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

    def rows(self, *, retired: bool) -> list[ClaudeModel | Reasoner]:
        """Both, the models first."""
        return [*self.models(retired=retired), *self.reasoners()]

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
        model = self.catalog.claude(name, self.backend, self.today).model
        if model.status is Lifecycle.UNKNOWN:
            raise UsageError(
                f"the catalog has no model or reasoner {name!r}",
                hint=did_you_mean(written, dict.fromkeys(self._all_names()), most=2) or LIST,
                kind="model_unknown",
            )
        return model

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
        if name.strip().lower() in {reasoner.name.lower() for reasoner in self.catalog.reasoners}:
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


def _reasoner_in_use(loaded: LoadedSettings, catalog: Catalog) -> Reasoner | None:
    """The settings' reasoner, else the first whose key is set. Raises ConfigError."""
    name = loaded.settings.reasoner
    return catalog.reasoner(name) if name else catalog.default_reasoner(loaded.has_key)


def _default(role: str, find: Callable[[], T], problems: list[str]) -> T | None:
    """What `find` returns; where there is no such row, `problems` gets the reason."""
    try:
        return find()
    except (ConfigError, RefusedError) as error:
        problems.append(f"no default {role}: {error.message}; {error.hint}")
        return None


def rate_cards(row: ClaudeModel | Reasoner) -> Mapping[str, RateCard | None]:
    """The rates by backend; a reasoner is called directly only."""
    return row.rates if isinstance(row, ClaudeModel) else {"direct": row.rates}


def row_as_json(view: ModelView, row: ClaudeModel | Reasoner) -> dict[str, Any]:
    """The object of one model or reasoner."""
    return {
        **(
            _claude_fields(view, row)
            if isinstance(row, ClaudeModel)
            else _reasoner_fields(view, row)
        ),
        "context": row.context,
        "max_output": row.max_output,
        "samplers": row.samplers.value,
        "default": view.is_default(row),
        "rates": {name: card and card.as_json() for name, card in rate_cards(row).items()},
    }


def _claude_fields(view: ModelView, model: ClaudeModel) -> dict[str, Any]:
    return {
        "kind": "claude",
        "id": model.id,
        "name": model.name,
        "family": model.family or None,
        "aliases": list(view.names(model)),
        "status": model.lifecycle(view.today).value,
        "released": model.released and model.released.isoformat(),
        "ends": model.ends and model.ends.isoformat(),
        "successor": model.successor,
    }


def _reasoner_fields(view: ModelView, reasoner: Reasoner) -> dict[str, Any]:
    key = reasoner.key
    return {
        "kind": "reasoner",
        "id": reasoner.name,
        "name": reasoner.label,
        "model": reasoner.model,
        "base_url": view.base_url(reasoner),
        "key": key and {"name": key, "set": view.loaded.has_key(key)},
    }
