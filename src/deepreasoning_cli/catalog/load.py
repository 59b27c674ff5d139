"""The tables of the catalog's file → rows, checked against each other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import time
from pathlib import Path
from typing import Any

from deepreasoning_cli.catalog.fields import (
    Place,
    Reader,
    Table,
    array_of,
    one_of,
    read_address,
    read_body,
    read_clock,
    read_count,
    read_day,
    read_dollars,
    read_flag,
    read_iso_day,
    read_path,
    read_table,
    read_tables,
    read_text,
    read_unit,
    read_variable,
    table_of,
)
from deepreasoning_cli.catalog.models import (
    Catalog,
    ClaudeModel,
    Lifecycle,
    Reasoner,
    Samplers,
    SearchPrices,
    Vendor,
)
from deepreasoning_cli.errors import ConfigError
from deepreasoning_cli.pipeline.money import MILLION, Hours, RateCard, Rates

BACKENDS = ("direct", "gateway")
VENDOR_NAME = re.compile("[a-z0-9][a-z0-9_-]*")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def catalog_fields(tables: Table, place: Place) -> Table:
    """The fields of a Catalog; raises ConfigError that names table, key and nearest valid name."""
    top = FILE(tables, place)
    hours = dict(_each_row(top.get("hours", {}), place.inside("hours"), _hours))
    card = _card_reader(hours)
    models = _claude_models(top["claude"], place.inside("claude"), card)
    default, offered = top["gateway_default"], {m.id for m in models if "gateway" in m.rates}
    if default not in offered:
        raise place.unknown(default, sorted(offered), "model of the gateway")
    return {
        "claude_models": models,
        "reasoners": _reasoners(top["reasoners"], place.inside("reasoners"), card),
        "vendors": vendor_rows(top["vendors"], place.inside("vendors")),
        "search": SearchPrices(**SEARCH(top["search"], place.inside("search"))),
        "as_of": top["as_of"],
        "gateway_default": default,
    }


def _weekday(value: Any, place: Place) -> int:
    if value in WEEKDAYS:
        return WEEKDAYS.index(value)
    raise place.wrong(f"weekdays out of {', '.join(WEEKDAYS)}", value)


def _span(value: Any, place: Place) -> tuple[time, time]:
    match array_of(read_clock)(value, place):
        case (start, end) if start < end:
            return start, end
        case _:
            raise place.wrong("spans of two times, the earlier one first", value)


RATES: Mapping[str, Reader] = {
    "input": read_dollars,
    "output": read_dollars,
    "cache_read": read_dollars,
    "cache_write": read_dollars,
}
DATED: Mapping[str, Reader] = {"as_of": read_iso_day, "source": read_text}
CARD = table_of(
    {
        **RATES,
        **DATED,
        "per": read_unit,
        "bands": array_of(table_of({**RATES, "above": read_count}, "above", "input", "output")),
        "peak": table_of(RATES, "input", "output"),
        "peak_hours": read_text,
    }
)
SEARCH = table_of(
    {"standard": read_dollars, "deep": read_dollars, "gateway": read_dollars, **DATED},
    *("standard", "deep", "gateway"),
)
HOURS = table_of(
    {
        "weekdays": array_of(_weekday),
        "spans": array_of(_span),
        "holidays": array_of(read_day),
    },
    *("weekdays", "spans"),
)
VENDOR = table_of(
    {
        "label": read_text,
        "base_url": read_address,
        "key_env": read_variable,
        "base_url_env": read_variable,
        "page": read_address,
        "key_check": read_path,
        "lists_models": read_flag,
    },
    "base_url",
)
CLAUDE: Mapping[str, Reader] = {
    "name": read_text,
    "aliases": array_of(read_text),
    "family": read_text,
    "context": read_count,
    "max_output": read_count,
    "cache_minimum": read_count,
    "released": read_day,
    "status": one_of(Lifecycle),
    "deprecated": read_day,
    "retires": read_day,
    "retired": read_day,
    "successor": read_text,
    "samplers": one_of(Samplers),
}
REASONER: Mapping[str, Reader] = {
    "label": read_text,
    "base_url": read_address,
    "model": read_text,
    "key": read_text,
    "context": read_count,
    "max_output": read_count,
    "samplers": one_of(Samplers),
    "body": read_body,
    "opens_thinking": read_flag,
    "builtin": read_flag,
}
FILE = table_of(
    {
        "as_of": read_iso_day,
        "gateway_default": read_text,
        **dict.fromkeys(("search", "hours", "vendors", "reasoners", "claude"), read_table),
    },
    *("as_of", "gateway_default", "search", "vendors", "reasoners", "claude"),
)


def _each_row(value: Any, place: Place, reader: Reader) -> Iterable[tuple[str, Any]]:
    for name, fields in value.items():
        yield name, reader(fields, place.inside(name))


def _hours(value: Any, place: Place) -> Hours:
    fields = HOURS(value, place)
    holidays = frozenset(fields.get("holidays", ()))
    return Hours(frozenset(fields["weekdays"]), fields["spans"], holidays)


def _card_reader(hours: Mapping[str, Hours]) -> Reader:
    """Make a reader of rate cards; a table that states no rate is None: offered, price unknown."""

    def card(value: Any, place: Place) -> RateCard | None:
        fields = CARD(value, place)
        if fields.keys() <= DATED.keys():
            return None
        _check_card(fields, place, hours)
        per = fields.get("per", MILLION)
        bands = sorted(fields.get("bands", ()), key=lambda band: band["above"])
        return RateCard(
            base=_rates(fields, per),
            bands=tuple((band["above"], _rates(band, per)) for band in bands),
            peak=_rates(fields["peak"], per) if "peak" in fields else None,
            peak_hours=hours[fields["peak_hours"]] if "peak" in fields else None,
            as_of=fields.get("as_of", ""),
            source=fields.get("source", ""),
        )

    return card


def _check_card(fields: Table, place: Place, hours: Mapping[str, Hours]) -> None:
    together = ("peak", "peak_hours")
    wanted = ("input", "output", *(together if any(key in fields for key in together) else ()))
    for key in wanted:
        if key not in fields:
            raise place.missing(key)
    if "peak" in fields and fields["peak_hours"] not in hours:
        raise place.unknown(fields["peak_hours"], hours, "table of hours")


def _rates(fields: Table, per: int) -> Rates:
    return Rates(**{key: fields[key] * (MILLION // per) for key in RATES if key in fields})


def _claude_models(value: Table, place: Place, card: Reader) -> tuple[ClaudeModel, ...]:
    reader = table_of({**CLAUDE, **dict.fromkeys(BACKENDS, card)})
    models = tuple(_claude(id_, fields) for id_, fields in _each_row(value, place, reader))
    _check_names(models, place)
    for model in models:
        if model.successor and model.successor not in value:
            raise (
                place.inside(model.id)
                .inside("successor")
                .wrong("the id of a model", model.successor)
            )
    return models


def _claude(id_: str, fields: Table) -> ClaudeModel:
    rates = {backend: fields.pop(backend) for backend in BACKENDS if backend in fields}
    return ClaudeModel(**{"id": id_, "name": id_, **fields, "rates": rates or {"direct": None}})


def _check_names(models: Iterable[ClaudeModel], place: Place) -> None:
    owners: dict[str, str] = {}
    for model in models:
        for name in (model.id.lower(), *(alias.lower() for alias in model.aliases)):
            owner = owners.setdefault(name, model.id)
            if owner != model.id:
                raise (
                    place.inside(model.id)
                    .inside("aliases")
                    .wrong(f"names that no other model has ({owner} has one)", name)
                )


def _reasoners(value: Table, place: Place, card: Reader) -> tuple[Reasoner, ...]:
    reader = table_of({**REASONER, "rates": card}, "base_url", "model")
    return tuple(
        Reasoner(**{"name": name, "label": name, **fields})
        for name, fields in _each_row(value, place, reader)
    )


def vendor_rows(value: Any, place: Place) -> tuple[Vendor, ...]:
    """The vendors in that table; raises ConfigError. Their names stand in settings and flags."""
    rows = read_table(value, place)
    for name in rows:
        if not VENDOR_NAME.fullmatch(name):
            raise place.wrong("tables with names of a-z, 0-9, - and _", name)
    return tuple(
        Vendor(**{"name": name, "label": name, **fields})
        for name, fields in _each_row(rows, place, VENDOR)
    )


def load_catalog(override: Path | None = None) -> Catalog:
    """The packaged catalog, with the user's file laid over it if there is one.

    Raises ConfigError (kind `catalog`) that names file, table, key and the nearest valid name.
    """
    return Catalog(**catalog_fields(*read_tables(override)))


def load_vendors(override: Path) -> tuple[Vendor, ...]:
    """The vendors alone, the user's among them: what settings need to read the environment.

    A file of the user's that cannot be used is left out here; whoever loads the catalog says so.
    """
    try:
        tables, place = read_tables(override)
        return vendor_rows(tables.get("vendors"), place.inside("vendors"))
    except ConfigError:
        tables, place = read_tables(None)
        return vendor_rows(tables["vendors"], place.inside("vendors"))
