"""Where settings come from: flags, environment, file; each value keeps its origin."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from deepreasoning_cli.catalog.models import Vendor
from deepreasoning_cli.errors import ConfigError, nearest

PREFIX = "DEEPREASONING_"
PLACES = ("DEEPREASONING_CONFIG", "DEEPREASONING_DATA_DIR")  # read by paths.py
SERVE_KEY = "serve"  # the token of the API's callers has no vendor
FLAGS = {
    "web_search_linkup": "--web",
    "disable_formatting": "--no-sources",
    "history": "--no-save",
    "cassette": "--record or --replay",
    "serve.hosts": "--allow-host",
    "serve.origins": "--cors",
    "keys.serve.command": "--token-command",
}

Tree = dict[str, Any]


class Layer(NamedTuple):
    """One source: a tree of values, and for each dotted name its origin.

    Origins also hold the tables of a file, so that what is missing in one has a place.
    `writable` is a file or a folder that others can write, where that is the source's own.
    """

    values: Tree
    origins: Mapping[str, str]
    writable: Path | None = None


def from_flags(flags: Mapping[str, Any]) -> Layer:
    """The settings of the command line; None is a flag that is not there."""
    values: Tree = {}
    for name, value in flags.items():
        if value is not None:
            _set(values, name, value, flag_of(name))
    return Layer(values, {name: f"flag {flag_of(name)}" for name in dotted_names(values)})


def flag_of(name: str) -> str:
    """The flag that sets `name`; what is in a table has a flag by its own last name."""
    return FLAGS.get(name, "--" + name.rpartition(".")[2].replace("_", "-"))


def from_environment(
    environ: Mapping[str, str], names: Iterable[str], vendors: Iterable[Vendor]
) -> Layer:
    """Our own variables and the vendors'; ours win, and what is set but blank is not set.

    Raises ConfigError for a variable of ours whose first part is not in `names`.
    """
    values: Tree = {}
    origins: dict[str, str] = {}
    own = list(_own_variables(environ, tuple(names)))
    own_names = {".".join(name.split(".")[:2]) for _, name in own}
    others = [pair for pair in _vendor_variables(vendors) if pair[1] not in own_names]
    for variable, name in others + own:
        if text := environ.get(variable, "").strip():
            _set(values, name, text, variable)
            origins[name] = f"environment {variable}"
    return Layer(values, origins)


def _vendor_variables(vendors: Iterable[Vendor]) -> Iterator[tuple[str, str]]:
    for vendor in vendors:
        if vendor.token_env:  # first: what comes later wins
            yield vendor.token_env, f"keys.{vendor.name}"
        if vendor.key_env:
            yield vendor.key_env, f"keys.{vendor.name}"
        if vendor.base_url_env:
            yield vendor.base_url_env, f"base_urls.{vendor.name}"


def key_names(vendors: Iterable[Vendor]) -> tuple[str, ...]:
    """The names that [keys] takes: those of vendors with a key, and that of our own server."""
    return (*(vendor.name for vendor in vendors if vendor.key_env), SERVE_KEY)


def _own_variables(
    environ: Mapping[str, str], settings: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in PLACES or not environ[variable].strip():
            continue
        name = variable.removeprefix(PREFIX).lower().replace("__", ".")
        if name.partition(".")[0] not in settings:
            raise ConfigError(
                f"unknown setting in the environment: {variable}",
                hint=_nearest_variable(variable, settings) or "unset it",
                kind="setting_unknown",
            )
        yield variable, name


def _nearest_variable(variable: str, settings: Iterable[str]) -> str | None:
    """Advice by what follows the prefix, which would make all names alike."""
    names = [*(name.upper() for name in settings), *(name.removeprefix(PREFIX) for name in PLACES)]
    close = nearest(variable.removeprefix(PREFIX), names)
    return f"did you mean {PREFIX}{close[0]}?" if close else None


def _set(tree: Tree, name: str, value: object, variable: str) -> None:
    """Set `value` under the dotted name."""
    *tables, last = name.split(".")
    for table in tables:
        if not isinstance(tree.get(table, {}), dict):
            whole = variable[: variable.lower().index(f"__{table}") + len(table) + 2]
            raise ConfigError(
                f"{variable} contradicts {whole}",
                hint="unset one of the two",
                kind="setting_wrong",
            )
        tree = tree.setdefault(table, {})
    tree[last] = value


def from_file(path: Path, text: str) -> Layer:
    """The settings in a TOML text, each with the line it stands on.

    Raises ConfigError with line and column where it is not TOML.
    """
    try:
        values = tomllib.loads(text)
        places = {name: f"file {path}:{line}" for name, line in lines_of(text).items()}
    except tomllib.TOMLDecodeError as exc:
        raise _not_toml(path, text, exc) from None  # the cause holds the whole text
    except (ValueError, RecursionError):  # the parser has no words and no line for these
        raise ConfigError(
            f"{path}: a number is too long, or too much is nested",
            hint="`deepreasoning config edit` opens the file",
            kind="config_broken",
        ) from None
    return Layer(values, places)


def _not_toml(path: Path, text: str, exc: tomllib.TOMLDecodeError) -> ConfigError:
    reason, _, place = str(exc).rpartition(" (at ")
    numbers = [int(part) for part in place.replace(",", " ").rstrip(")").split() if part.isdigit()]
    line, column = numbers or (text.count("\n") + 1, len(text) - text.rfind("\n"))
    from deepreasoning_cli.settings.errors import toml_advice  # most files are TOML

    advice = toml_advice(reason, text.split("\n")[line - 1])
    return ConfigError(
        f"{path}:{line}:{column}: not TOML: {reason[:1].lower()}{reason[1:]}",
        hint=f"{advice}; `deepreasoning config edit` opens the file",
        kind="config_broken",
    )


def lines_of(text: str) -> dict[str, int]:
    """The line of every dotted name and table in a valid TOML text.

    Each statement is the shortest run of lines that is TOML by itself, so that the parser, and
    not a second grammar of ours, decides what a name is.
    """
    lines: dict[str, int] = {}
    table, pending, start = "", "", 1
    for number, line in enumerate(text.split("\n"), start=1):
        pending += line + "\n"
        try:
            statement = tomllib.loads(pending)
        except tomllib.TOMLDecodeError:
            continue
        names = list(dotted_names(statement, tables=True))
        if pending.lstrip().startswith("["):
            table = names[-1] + "."
            lines.setdefault(names[-1], start)
        else:
            lines.update((table + name, start) for name in names)
        pending, start = "", number + 1
    return lines


def dotted_names(
    tree: Mapping[str, Any], prefix: str = "", *, tables: bool = False
) -> Iterator[str]:
    """Dotted names of the values in a tree; with `tables` those of tables before what they hold."""
    for name, value in tree.items():
        is_table = isinstance(value, dict)
        if tables or not is_table:
            yield prefix + name
        if is_table:
            yield from dotted_names(value, f"{prefix}{name}.", tables=tables)
