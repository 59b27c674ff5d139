"""The settings in force, the origin of each, and the keys behind them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError

from deepreasoning_cli import paths
from deepreasoning_cli.catalog.load import load_vendors
from deepreasoning_cli.catalog.models import Vendor
from deepreasoning_cli.errors import ConfigError, did_you_mean
from deepreasoning_cli.keys import Key, validate_and_remember
from deepreasoning_cli.settings.models import Settings
from deepreasoning_cli.settings.reader import file_layer, how_to_close, run_key_command
from deepreasoning_cli.settings.sources import (
    Layer,
    dotted_names,
    from_environment,
    from_flags,
    key_names,
)


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings with where they came from.

    `origins` maps dotted names to `flag --model`, `environment DEEPREASONING_MODEL`,
    `file PATH:LINE` or `default`; `notes` are messages for the user; `path` is the config
    file, whether it exists or not.
    """

    settings: Settings
    origins: Mapping[str, str]
    notes: list[str]
    path: Path
    writable: Path | None = None
    """The config file or a folder that others can write; the file's key commands are not run."""
    _fetched: dict[str, Key] = field(default_factory=dict, repr=False, compare=False)

    def is_typed(self, name: str) -> bool:
        """Whether `name` comes from a flag of this call."""
        return self.origins.get(name, "").startswith("flag ")

    def has_key(self, name: str) -> bool:
        """Whether a key is set; a key's command is not run for that."""
        entry = self.settings.keys.get(name)
        if isinstance(entry, SecretStr):
            return bool(entry.get_secret_value().strip())
        return entry is not None

    def key(self, name: str) -> Key | None:
        """The key, fit for a header; its command runs once. Raises ConfigError."""
        if not self.has_key(name):
            return None
        if name not in self._fetched:
            self._fetched[name] = self._fetch(name)
        return self._fetched[name]

    def with_values(
        self, values: Mapping[str, object], origin: str, keys: Mapping[str, Key] | None = None
    ) -> LoadedSettings:
        """The settings with these valid `values`, as if typed; with `keys` and no others.

        The origin of each is `flag {origin}`.
        """
        origins = dict(self.origins) | dict.fromkeys(values, f"flag {origin}")
        update, fetched = dict(values), self._fetched
        if keys is not None:
            update["keys"] = {name: SecretStr(key.value) for name, key in keys.items()}
            fetched = dict(keys)
        settings = self.settings.model_copy(update=update)
        return replace(self, settings=settings, origins=origins, _fetched=fetched)

    def _fetch(self, name: str) -> Key:
        entry = self.settings.keys[name]
        if isinstance(entry, SecretStr):
            return validate_and_remember(name, entry.get_secret_value(), self._origin_of_key(name))
        if self.writable and self._is_from_file(name):
            raise ConfigError(
                f"the command of keys.{name} is not run: others can write {self.writable}",
                hint=how_to_close(self.path, self.writable),
                kind="config_not_safe",
            )
        return validate_and_remember(
            name, run_key_command(entry.arguments, f"keys.{name}"), f"the command of keys.{name}"
        )

    def _is_from_file(self, key: str) -> bool:
        entry = f"keys.{key}."
        return any(
            f"{name}.".startswith(entry) and origin.startswith("file ")
            for name, origin in self.origins.items()
        )

    def _origin_of_key(self, name: str) -> str:
        origin = self.origins[f"keys.{name}"]
        return self.path.name if origin.startswith("file ") else origin


def load_settings(
    path: Path | None, flags: Mapping[str, Any], environ: Mapping[str, str] | None = None
) -> LoadedSettings:
    """The settings in force: flag > environment > file > default.

    `path` is the file of `--config`, which then has to exist; `flags` maps settings to the
    values of flags, None for none. Raises UsageError for a wrong flag, else ConfigError.
    """
    file = path or paths.config_file()
    notes: list[str] = []
    vendors = load_vendors(paths.catalog_override())
    layers = (
        from_flags(flags),
        from_environment(
            os.environ if environ is None else environ, Settings.model_fields, vendors
        ),
        file_layer(file, notes, required=path is not None),
    )
    loaded = _with_whole_addresses(merge_layers(layers, file, notes), vendors)
    loaded.notes.extend(_shadowed_tokens(os.environ if environ is None else environ, vendors))
    loaded.notes.extend(typo_notes(loaded.settings, loaded.origins, vendors))
    return loaded


def _shadowed_tokens(environ: Mapping[str, str], vendors: Sequence[Vendor]) -> Iterator[str]:
    """Notes on tokens that are not used beside a key; so it is in Anthropic's own clients too."""
    for vendor in vendors:
        names = [name for name in (vendor.key_env, vendor.token_env) if name]
        if len(names) == 2 and all(environ.get(name, "").strip() for name in names):
            yield f"{names[0]} and {names[1]} are both set: the key is used"


def merge_layers(
    layers: tuple[Layer, ...], file: Path, notes: list[str] | None = None
) -> LoadedSettings:
    """Settings from `layers`, strongest first; raises as `load_settings` does."""
    origins = _origins(layers)
    try:
        settings = Settings.model_validate({"layers": layers})
    except ValidationError as exc:
        from deepreasoning_cli.settings.errors import settings_error

        tables = {name: place for layer in layers for name, place in layer.origins.items()}
        raise settings_error(exc, Settings, tables | origins) from None  # it holds the values
    if (place := origins.get("cassette", "")).startswith("file "):
        raise ConfigError(
            f"{place.removeprefix('file ')}: cassette is not for the file",
            hint="use --record, --replay or DEEPREASONING_CASSETTE",
            kind="setting_wrong",
        )  # a connection is begun ahead before the file is read
    defaults = dict.fromkeys(dotted_names(settings.model_dump(exclude={"keys"})), "default")
    writable = next((layer.writable for layer in layers if layer.writable), None)
    return LoadedSettings(settings, defaults | origins, list(notes or ()), file, writable)


def _with_whole_addresses(loaded: LoadedSettings, vendors: Sequence[Vendor]) -> LoadedSettings:
    """The settings, each vendor's address with the version path that it needs and no other."""
    given = loaded.settings.base_urls
    own = {vendor.name: vendor.base_url for vendor in vendors}
    urls = {name: whole_address(url, name, own.get(name, "")) for name, url in given.items()}
    if urls == given:
        return loaded
    return replace(loaded, settings=loaded.settings.model_copy(update={"base_urls": urls}))


def whole_address(url: str, vendor: str, own: str) -> str:
    """`url` with the path of `own`, the vendor's address, where it is a beginning of that.

    Other tools want Anthropic's address with `/v1`, and that of Ollama or OpenRouter without.
    """
    if vendor == "anthropic":
        return url.removesuffix("/v1").rstrip("/")
    given, whole = urlsplit(url), urlsplit(own)
    is_vendors = given.hostname == whole.hostname
    if vendor == "ollama" and given.path in ("", "/api"):
        return f"{given.scheme}://{given.netloc}{whole.path}"
    if is_vendors and given.path != whole.path and f"{whole.path}/".startswith(f"{given.path}/"):
        return f"{given.scheme}://{given.netloc}{whole.path}"
    return url


def _origins(layers: tuple[Layer, ...]) -> dict[str, str]:
    """The origin of every value in force: a stronger layer's, above or below, hides it."""
    origins: dict[str, str] = {}
    for layer in layers:
        origins |= {
            name: layer.origins[name]
            for name in dotted_names(layer.values)
            if not any(_overlap(name, stronger) for stronger in origins)
        }
    return origins


def _overlap(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def typo_notes(
    settings: Settings, origins: Mapping[str, str], vendors: Sequence[Vendor]
) -> Iterator[str]:
    """Notes on names that nothing uses and that look like typing errors."""
    used = {name for host, own in settings.reasoners.items() for name in (host, own.key) if name}
    for table, entries, names in (
        ("keys", settings.keys, key_names(vendors)),
        ("base_urls", settings.base_urls, [vendor.name for vendor in vendors]),
    ):
        for name in set(entries) - used - set(names):
            if advice := did_you_mean(name, names):
                entry = f"{table}.{name}"
                origin = next(o for n, o in origins.items() if f"{n}.".startswith(f"{entry}."))
                yield f"{origin.partition(' ')[2]}: nothing asks for {entry}; {advice}"
