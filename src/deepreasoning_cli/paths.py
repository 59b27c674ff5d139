"""Where files live."""

from __future__ import annotations

import os
from pathlib import Path

APP = "deepreasoning"


def config_file() -> Path:
    """The settings: `DEEPREASONING_CONFIG`, or `config.toml` in the platform's config folder."""
    if override := os.environ.get("DEEPREASONING_CONFIG"):
        return _expanded(override)
    from platformdirs import user_config_path

    return user_config_path(APP, appauthor=False) / "config.toml"


def data_dir() -> Path:
    """Journal and database: `DEEPREASONING_DATA_DIR`, or the platform's data folder."""
    if override := os.environ.get("DEEPREASONING_DATA_DIR"):
        return _expanded(override)
    from platformdirs import user_data_path

    return user_data_path(APP, appauthor=False)


def live_models() -> Path:
    """The vendors' own lists of models, as they last gave them."""
    return data_dir() / "models.json"


def catalog_override() -> Path:
    """The user's own rows of the catalog, beside the settings."""
    return config_file().with_name("catalog.toml")


def _expanded(text: str) -> Path:
    """A leading `~` is replaced here too: service managers do not do it as shells do."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # a `~name` that nobody here bears is an ordinary folder's name
        return Path(text)
