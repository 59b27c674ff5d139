"""The tables of the catalog's file → rows, checked against each other."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepreasoning_cli.catalog import fields
from deepreasoning_cli.catalog.models import (
    ANTHROPIC,
    DIRECT,
    Answerer,
    AnswererFormat,
    Auth,
    Catalog,
    ClaudeModel,
    Effort,
    Lifecycle,
    Reasoner,
    Samplers,
    SearchPrices,
    Thinking,
    ThinkingOff,
    ThinkingTokens,
    Vendor,
)
from deepreasoning_cli.errors import ConfigError
from deepreasoning_cli.pipeline.money import MILLION, WEEKDAYS, Hours, RateCard, Rates

BACKENDS = (DIRECT, "gateway")
CLAUDE_FIELDS = frozenset(each.name for each in dataclasses.fields(ClaudeModel))
DAYS = tuple(day.lower() for day in WEEKDAYS)


def load_catalog(override: Path | None = None) -> Catalog:
    """The packaged catalog, with the user's file laid over it if there is one.

    Raises ConfigError (kind `catalog`) that names file, table, key and the nearest valid name.
    """
    tables, place = fields.read_tables(override)
    top = FILE(tables, place)
    hours_place = place.inside("hours")
    hours = {name: HOURS(value, hours_place.inside(name)) for name, value in top["hours"].items()}
    card, samplers = _card_reader(hours), fields.one_of(Samplers)
    hosts = [name for name in top["answerers"] if name != ANTHROPIC]
    read_models = fields.rows_of(
        ClaudeModel,
        "id",
        "name",
        _claude,
        status=fields.one_of(Lifecycle),
        samplers=samplers,
        thinking=fields.one_of(Thinking),
        thinking_off=fields.one_of(ThinkingOff),
        efforts=EFFORTS,
        default_effort=fields.one_of(Effort),
        **dict.fromkeys(BACKENDS, card),
        **dict.fromkeys(hosts, _host_reader(card)),
    )
    models = read_models(top["claude"], place.inside("claude"))
    _check_models(models, place.inside("claude"))
    default, offered = top["gateway_default"], {m.id for m in models if "gateway" in m.rates}
    if default not in offered:
        raise place.unknown(default, sorted(offered), "model of the gateway")
    read_reasoners = fields.rows_of(
        Reasoner, "name", "label", samplers=samplers, rates=card, efforts=EFFORTS
    )
    read_answerers = fields.rows_of(
        Answerer,
        "name",
        "label",
        samplers=samplers,
        rates=card,
        efforts=EFFORTS,
        format=fields.one_of(AnswererFormat),
        auth=fields.one_of(Auth),
    )
    return Catalog(
        claude_models=models,
        reasoners=read_reasoners(top["reasoners"], place.inside("reasoners")),
        answerers=read_answerers(top["answerers"], place.inside("answerers")),
        vendors=_vendors(top, place),
        search=SEARCH(top["search"], place.inside("search")),
        as_of=top["as_of"],
        gateway_default=default,
        efforts=_efforts(top["efforts"], place.inside("efforts")),
    )


def load_vendors(override: Path) -> tuple[Vendor, ...]:
    """The vendors alone, the user's among them: what settings need to read the environment.

    A file of the user's that cannot be used is left out here; whoever loads the catalog says so.
    """
    try:
        return _vendors(*fields.read_tables(override))
    except ConfigError:
        return _vendors(*fields.read_tables(None))


def _vendors(tables: fields.Table, place: fields.Place) -> tuple[Vendor, ...]:
    """The vendors; raises ConfigError. Their names stand in settings and flags."""
    place = place.inside("vendors")
    for name in fields.read_table(tables.get("vendors"), place):
        if not re.fullmatch("[a-z0-9][a-z0-9_-]*", name):
            raise place.wrong("tables with names of a-z, 0-9, - and _", name)
    return VENDORS(tables["vendors"], place)


def _span(value: Any, place: fields.Place) -> tuple[Any, ...]:
    span: tuple[Any, ...] = fields.array_of(fields.read_time)(value, place)
    if len(span) == 2 and span[0] < span[1]:
        return span
    raise place.wrong("spans of two times, the earlier one first", value)


DATED: Mapping[str, fields.Reader] = {"as_of": fields.read_iso_day, "source": fields.read_text}
RATES = fields.readers_of(Rates)
BAND = fields.table_of({**RATES, "above": fields.read_count}, "above", "input", "output")
CARD = fields.table_of(
    {
        **RATES,
        **DATED,
        "per": fields.read_unit,
        "bands": fields.array_of(BAND),
        "peak": fields.table_of(RATES, "input", "output"),
        "peak_hours": fields.read_text,
    }
)
SEARCH = fields.row_of(SearchPrices, **DATED)
VENDORS = fields.rows_of(Vendor, "name", "label")
HOURS = fields.row_of(
    Hours,
    weekdays=fields.array_of(
        fields.reader(f"weekdays out of {', '.join(DAYS)}", DAYS.__contains__, DAYS.index),
        frozenset,
    ),
    spans=fields.array_of(_span),
    holidays=fields.array_of(fields.read_day, frozenset),
)
EFFORTS = fields.array_of(
    fields.one_of(Effort), lambda given: tuple(sorted(given, key=list(Effort).index))
)
TOKENS = fields.row_of(ThinkingTokens, thinks=fields.array_of(fields.read_number))
TABLES = ("search", "vendors", "reasoners", "answerers", "claude", "hours", "efforts")
FILE = fields.table_of(
    {
        "as_of": fields.read_iso_day,
        "gateway_default": fields.read_text,
        **dict.fromkeys(TABLES, fields.read_table),
    },
    *("as_of", "gateway_default", *TABLES),
)


def _efforts(tables: fields.Table, place: fields.Place) -> Mapping[Effort, ThinkingTokens]:
    """What thinking takes, for every effort."""
    for name in tables:
        if name not in list(Effort):
            raise place.unknown(name, Effort, "effort")
    return {effort: TOKENS(tables[effort], place.inside(effort)) for effort in Effort}


def _card_reader(hours: Mapping[str, Hours]) -> fields.Reader:
    """Make a reader of rate cards; a table that states no rate is None: offered, price unknown."""

    def card(value: Any, place: fields.Place) -> RateCard | None:
        table = CARD(value, place)
        if table.keys() <= DATED.keys():
            return None
        _check_card(table, place, hours)
        per = table.get("per", MILLION)
        bands = sorted(table.get("bands", ()), key=lambda band: band["above"])
        return RateCard(
            base=_rates(table, per),
            bands=tuple((band["above"], _rates(band, per)) for band in bands),
            peak=_rates(table["peak"], per) if "peak" in table else None,
            peak_hours=hours[table["peak_hours"]] if "peak" in table else None,
            **{key: table[key] for key in DATED if key in table},
        )

    return card


def _host_reader(card: fields.Reader) -> fields.Reader:
    """Make a reader of a table with the host's own `id` of a model, and its rates."""

    def read(value: Any, place: fields.Place) -> tuple[str, RateCard | None]:
        table = fields.read_table(value, place)
        if "id" not in table:
            raise place.missing("id")
        rates = {name: item for name, item in table.items() if name != "id"}
        return fields.read_text(table["id"], place.inside("id")), card(rates, place)

    return read


def _check_card(table: fields.Table, place: fields.Place, hours: Mapping[str, Hours]) -> None:
    peak = ("peak", "peak_hours")
    for key in ("input", "output", *(peak if any(key in table for key in peak) else ())):
        if key not in table:
            raise place.missing(key)
    if "peak" in table and table["peak_hours"] not in hours:
        raise place.unknown(table["peak_hours"], hours, "table of hours")


def _rates(table: fields.Table, per: int) -> Rates:
    return Rates(**{key: table[key] * (MILLION // per) for key in RATES if key in table})


def _claude(**table: Any) -> ClaudeModel:
    """A model of its fields; what is none of its own is a host's: an id, and the rates there."""
    rates = {backend: table.pop(backend) for backend in BACKENDS if backend in table}
    rates = rates or {DIRECT: None}
    hosts = {name: table.pop(name) for name in list(table) if name not in CLAUDE_FIELDS}
    rates |= {name: card for name, (_, card) in hosts.items()}
    return ClaudeModel(**table, rates=rates, ids={name: id_ for name, (id_, _) in hosts.items()})


def _check_models(models: tuple[ClaudeModel, ...], place: fields.Place) -> None:
    """Each name belongs to one model, each successor is one."""
    owners: dict[str, str] = {}
    for model in models:
        for name in (model.id.lower(), *(alias.lower() for alias in model.aliases)):
            if (owner := owners.setdefault(name, model.id)) != model.id:
                aliases = place.inside(model.id).inside("aliases")
                raise aliases.wrong(f"names that no other model has ({owner} has one)", name)
    for model in models:
        if model.successor and all(model.successor != other.id for other in models):
            successor = place.inside(model.id).inside("successor")
            raise successor.wrong("the id of a model", model.successor)
