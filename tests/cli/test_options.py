"""Options: shown whole in the help, and taken from the parameters of a command by name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import pytest
from typer.testing import CliRunner

from deepreasoning_cli.cli.app import app
from deepreasoning_cli.cli.options import build_options, settings_from


@pytest.mark.parametrize("command", ["ask", "chat", "resume", "serve"])
def test_the_help_cuts_no_option_at_80_columns(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "80"})
    assert re.findall(r"--[a-z-]+…", result.stdout) == []


def test_parameters_override_settings_unless_they_are_absent() -> None:
    class Backend(StrEnum):
        DEMO = "demo"

    params = {"model": None, "backend": Backend.DEMO, "web": False, "temperature": 0.0, "raw": True}
    assert settings_from(params) == {
        "backend": "demo",
        "web_search_linkup": False,
        "temperature": 0.0,
    }
    assert settings_from({"port": 0, "hosts": ()}, {"port": "p", "hosts": "h"}) == {"p": 0}


def test_options_take_the_parameters_of_their_names_and_what_stands_beside_them() -> None:
    @dataclass
    class Size:
        width: int
        height: int = 1

    assert build_options(Size, {"width": 2, "depth": 3}) == Size(2, 1)
    assert build_options(Size, {"width": 2, "height": 3}, height=4) == Size(2, 4)
