"""The catalog on one backend and day, joined with the user's settings, and its rows as JSON.

In JSON money is decimal strings, and None stands for what is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

from deepreasoning_cli import paths
from deepreasoning_cli.catalog import live
from deepreasoning_cli.catalog.models import (
    ANTHROPIC,
    Answerer,
    Catalog,
    Choice,
    ClaudeModel,
    Lifecycle,
    Reasoner,
)
from deepreasoning_cli.errors import ConfigError, RefusedError, UsageError, did_you_mean
from deepreasoning_cli.pipeline.money import RateCard
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.wiring.backend import (
    answerers_in_order,
    model_at,
    reasoners_in_order,
    with_keys,
)
from deepreasoning_cli.wiring.resources import written_catalog

UNKNOWN = "model_unknown"
LIST = "`deepreasoning models --all` lists what the catalog knows"


@dataclass(frozen=True, slots=True)
class NewDefault:
    """What goes into the config file, its description, and warnings for the user."""

    stored: str
    described: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ModelView:
    """Models, reasoners and defaults as they stand `now` (aware) on `backend`, direct or gateway.

    `live_date` is the day on which the vendors were asked last, if they were.
    """

    loaded: LoadedSettings
    catalog: Catalog
    backend: str
    now: datetime
    live_date: date | None

    @classmethod
    def of(
        cls, loaded: LoadedSettings, backend: str | None, answers: live.LiveModels | None = None
    ) -> ModelView:
        """The catalog under these settings; raises ConfigError if it cannot be read.

        `answers` is what the vendors say now, by default what they said last.
        """
        answers = answers or live.read(paths.live_models())
        catalog = written_catalog(loaded)
        catalog = answers.apply_to(catalog) if answers else catalog
        return cls(
            loaded=loaded,
            catalog=catalog,
            backend=backend or _backend_in_use(loaded, catalog),
            now=datetime.now(UTC),
            live_date=answers.as_of.date() if answers else None,
        )

    @cached_property
    def default_answerer(self) -> Answerer | None:
        """The host that answers, None where there is none."""
        with suppress(ConfigError):
            hosts = with_keys(self.loaded, answerers_in_order(self.loaded, self.catalog))
            return next(iter(hosts), None)
        return None

    @property
    def answerer(self) -> Answerer:
        """The host whose models and rates are meant: the default one, or Anthropic."""
        return self.default_answerer or self.catalog.answerer(ANTHROPIC)

    @property
    def place(self) -> str:
        """Whose models and rates are meant: the gateway's, Anthropic's or another host's."""
        return self.backend if self.backend == "gateway" else self.answerer.place

    def model_in_use(self) -> ClaudeModel:
        """The Claude model that the settings mean. Raises RefusedError for a retired one."""
        own = self.loaded.settings.model
        if self.backend == "gateway":
            return self._resolve(own or self.catalog.gateway_default).model
        typed = self.loaded.is_typed("model")
        return model_at(self.answerer, self.catalog, own, self.today, typed=typed).model

    def reasoner_in_use(self) -> Reasoner | None:
        """The reasoner that the settings mean, if any. Raises ConfigError for an unknown one."""
        if self.backend != "direct":
            return None
        return next(iter(reasoners_in_order(self.loaded, self.catalog)), None)

    @cached_property
    def default(self) -> ClaudeModel | None:
        """The model in use, None where there is none."""
        with suppress(RefusedError):
            return self.model_in_use()
        return None

    @cached_property
    def default_reasoner(self) -> Reasoner | None:
        """The reasoner in use, None where there is none."""
        with suppress(ConfigError):
            return self.reasoner_in_use()
        return None

    def problems(self) -> Iterator[str]:
        """Why a model or reasoner that the settings name cannot be the default."""
        for role, find in (("model", self.model_in_use), ("reasoner", self.reasoner_in_use)):
            try:
                find()
            except (ConfigError, RefusedError) as error:
                yield f"no default {role}: {error.message}; {error.hint}"

    @property
    def today(self) -> date:
        """The day on which the models' life cycles are judged."""
        return self.now.date()

    def is_default(self, row: ClaudeModel | Reasoner) -> bool:
        """Whether it is used where no flag names another."""
        here = self._here(row) if isinstance(row, ClaudeModel) else row
        return here in (self.default, self.default_reasoner)

    def card(self, row: ClaudeModel | Reasoner) -> RateCard | None:
        """What it costs here; None where that is unknown."""
        place = self.place if isinstance(row, ClaudeModel) else self.backend
        return rate_cards(row).get(place)

    def models(self, *, retired: bool) -> list[ClaudeModel]:
        """What is offered here, by family, the newest first; the default is always there."""
        offered = list(map(self._here, self.catalog.offered(self.place)))
        if self.default and self.default not in offered:
            offered.insert(0, self.default)
        families = list(dict.fromkeys(model.family for model in offered))
        return sorted(
            (m for m in offered if retired or m == self.default or not self.is_retired(m)),
            key=lambda m: (families.index(m.family), -(m.released or date.min).toordinal()),
        )

    def newest_models(self) -> list[ClaudeModel]:
        """The newest model of each family that is served, and the default."""
        models, newest = self.models(retired=False), dict[str, ClaudeModel]()
        for model in models:
            newest.setdefault(model.family or model.id, model)
        return [model for model in models if model in (*newest.values(), self.default)]

    def can_be_asked(self, host: Reasoner | Answerer) -> bool:
        """Whether its key is set, or it needs none."""
        return host.key is None or self.loaded.has_key(host.key)

    def reasoners(self) -> tuple[Reasoner, ...]:
        """Every reasoner of the direct backend; the gateway has its own."""
        return self.catalog.reasoners if self.backend == "direct" else ()

    def answerers(self) -> tuple[Answerer, ...]:
        """Every answerer of the direct backend; the gateway has its own."""
        return self.catalog.answerers if self.backend == "direct" else ()

    def rows(self, *, retired: bool) -> list[ClaudeModel | Reasoner]:
        """The models, then the reasoners."""
        return [*self.models(retired=retired), *self.reasoners()]

    def is_retired(self, model: ClaudeModel) -> bool:
        """Whether Anthropic no longer serves it."""
        return model.lifecycle(self.today) is Lifecycle.RETIRED

    def names(self, model: ClaudeModel) -> tuple[str, ...]:
        """Its other names on this backend: that of its family, its aliases."""
        with suppress(RefusedError):  # every model of the family is retired
            if model.family and self._resolve(model.family).model == model:
                return (model.family, *model.aliases)
        return model.aliases

    def short_name(self, model: ClaudeModel) -> str:
        """What one types for it: `sonnet`, `sonnet-4.5`; else its first alias, or its id."""
        names = self.names(model)
        if model.family in names:
            return model.family
        words = model.name.lower().partition(" (")[0].split()
        numbers = [word for word in words if word.replace(".", "").isdigit()]
        if model.family and sorted(words) == sorted(["claude", model.family, *numbers]):
            return "-".join([model.family, *numbers])
        return next(iter(names), model.id)

    def base_url(self, row: Reasoner | Answerer) -> str:
        """Where it would be called: the user's address for its host, else the catalog's."""
        return self.loaded.settings.base_urls.get(row.key or row.name, row.base_url)

    def find(self, name: str) -> ClaudeModel | Reasoner:
        """The model or reasoner of that name, retired or not.

        Raises UsageError that names the nearest, RefusedError for a family that the backend lacks.
        """
        written = name.strip().lower()
        for model in self.catalog.claude_models:
            names = (model.id, model.name, self.short_name(model), *model.aliases)
            if written in map(str.lower, names):
                return model
        for reasoner in self.catalog.reasoners:
            if written in (reasoner.name.lower(), *reasoner.aliases):
                return reasoner
        try:
            model = self._resolve(name).model
        except RefusedError as error:
            if error.kind != UNKNOWN:
                raise
        else:
            if model.status is not Lifecycle.UNKNOWN:
                return model
        raise UsageError(
            f"the catalog has no model or reasoner {name!r}",
            hint=did_you_mean(written, dict.fromkeys(self._all_names()), most=2) or LIST,
            kind=UNKNOWN,
        )

    def as_default(self, name: str) -> NewDefault:
        """What to write so that `name` is the Claude model from now on.

        A family's name is kept, so that it goes on to mean the newest. Raises RefusedError for a
        model that is retired or not offered, UsageError for one that the catalog lacks.
        """
        try:
            choice = self._resolve(name)
        except RefusedError as error:
            if error.kind != UNKNOWN:
                raise
            raise UsageError(
                error.message, hint=self._instead(name) or error.hints, kind=UNKNOWN
            ) from None
        model = choice.model
        if model.status is Lifecycle.UNKNOWN:
            raise UsageError(choice.warning or name, hint=LIST, kind=UNKNOWN)
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

    def _instead(self, name: str) -> str | None:
        if name.strip().lower() in {reasoner.name.lower() for reasoner in self.catalog.reasoners}:
            return f"it is a reasoner: `deepreasoning config set reasoner {name.strip()}`"
        return None

    def _all_names(self) -> Iterator[str]:
        for model in self.catalog.claude_models:
            yield from filter(None, (model.id, *model.aliases, model.family.lower()))
        yield from (reasoner.name for reasoner in self.catalog.reasoners)

    def _resolve(self, name: str) -> Choice:
        if self.backend == "gateway":
            return self.catalog.claude(name, self.backend, self.today)
        return model_at(self.answerer, self.catalog, name, self.today, typed=True)

    def _here(self, model: ClaudeModel) -> ClaudeModel:
        """The model under the id that it has here."""
        return replace(model, id=model.ids.get(self.place, model.id))


def _backend_in_use(loaded: LoadedSettings, catalog: Catalog) -> str:
    """The backend that would be billed: the one that is set, else the one whose keys are set."""
    named = loaded.settings.backend
    if named in ("direct", "gateway"):
        return named
    with suppress(ConfigError):  # a name that the catalog lacks: `problems` says so
        if reasoners_in_order(loaded, catalog) and answerers_in_order(loaded, catalog):
            return "direct"
    return "gateway" if loaded.has_key("empiriolabs") else "direct"


def rate_cards(row: ClaudeModel | Reasoner) -> Mapping[str, RateCard | None]:
    """The rates by backend; a reasoner is called directly only."""
    return row.rates if isinstance(row, ClaudeModel) else {"direct": row.rates}


def row_as_json(view: ModelView, row: ClaudeModel | Reasoner) -> dict[str, Any]:
    """The object of one model or reasoner."""
    own = _claude_fields(view, row) if isinstance(row, ClaudeModel) else _reasoner_fields(view, row)
    return own | {
        "context": row.context,
        "max_output": row.max_output,
        "samplers": row.samplers.value,
        "efforts": list(row.efforts),
        "default": view.is_default(row),
        "rates": {name: card and card.as_json() for name, card in rate_cards(row).items()},
    }


def answerer_as_json(view: ModelView, row: Answerer) -> dict[str, Any]:
    """The object of one answerer; `model` is null where it offers Claude's."""
    return {
        "kind": "answerer",
        "id": row.name,
        "name": row.label,
        "model": row.model,
        "base_url": view.base_url(row),
        "format": row.format.value,
        "auth": row.auth.value,
        "key": row.key and {"name": row.key, "set": view.loaded.has_key(row.key)},
        "default": row == view.default_answerer,
        "rates": row.rates and row.rates.as_json(),
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
        "thinking": model.thinking.value,
        "default_effort": model.default_effort,
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
        "images": reasoner.images,
        "doubt": reasoner.doubt,
    }
