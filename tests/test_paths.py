from __future__ import annotations

import sys
from pathlib import Path

import pytest

from deepreasoning_cli import paths

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the platform's own folders")


@linux_only
def test_without_variables_files_live_in_the_platforms_folders() -> None:
    home = Path.home()
    assert (paths.config_file(), paths.data_dir()) == (
        home / ".config/deepreasoning/config.toml",
        home / ".local/share/deepreasoning",
    )


def test_variables_move_the_config_file_and_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPREASONING_CONFIG", "/etc/dr/own.toml")
    monkeypatch.setenv("DEEPREASONING_DATA_DIR", "/var/dr")
    assert (paths.config_file(), paths.data_dir()) == (Path("/etc/dr/own.toml"), Path("/var/dr"))


@linux_only
def test_a_blank_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPREASONING_CONFIG", "")
    monkeypatch.setenv("DEEPREASONING_DATA_DIR", "")
    assert paths.config_file().name == "config.toml"
    assert paths.data_dir().name == "deepreasoning"


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPREASONING_CONFIG", "~/own.toml")
    assert paths.config_file() == Path.home() / "own.toml"


def test_a_tilde_of_nobody_is_a_name_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPREASONING_DATA_DIR", "~nobody-of-this-name/x")
    assert paths.data_dir() == Path("~nobody-of-this-name/x")


def test_the_users_catalog_lies_beside_the_config_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPREASONING_CONFIG", "/etc/dr/own.toml")
    assert paths.catalog_override() == Path("/etc/dr/catalog.toml")
