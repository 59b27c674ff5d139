"""Every error says what to do."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import deepreasoning_cli

ROOT: Final = Path(deepreasoning_cli.__file__).parent
ERRORS: Final = {
    *("UsageError", "ConfigError", "RefusedError", "UnavailableError", "IncompleteError"),
    "WriteError",
}
WITHOUT: Final = ("server/", "cli/chat/commands.py")
"""Replies of an API, and a slash command's misuse, which shows its usage."""


def calls_without_a_hint() -> Iterator[str]:
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(WITHOUT):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                given = {keyword.arg for keyword in node.keywords}
                if node.func.id in ERRORS and not given & {"hint", "hints", None}:
                    yield f"{name}:{node.lineno}"


def test_every_error_has_a_hint() -> None:
    assert list(calls_without_a_hint()) == []
