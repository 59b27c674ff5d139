"""Who may import whom: only downwards, or within a room."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import deepreasoning_cli

ROOT: Final = Path(deepreasoning_cli.__file__).parent
PACKAGE: Final = "deepreasoning_cli"

RANKS: Final[tuple[tuple[str, ...], ...]] = (
    ("version", "errors", "greenlets", "lazy", "paths", "sanitize", "wire"),
    ("files", "keys", "pipeline"),
    ("catalog", "connect", "history", "prompt", "views", "wire.client", "wire.server"),
    ("settings", "transport"),
    ("providers",),
    ("wiring",),
    ("library", "server"),
    ("evaluation",),
    ("cli",),
    ("main",),
)
"""Rooms from the ground up; those of one row do not know each other."""

RANK: Final = {room: rank for rank, row in enumerate(RANKS) for room in row}
NAMED: Final = {"": "version", "__main__": "main"}
"""Modules whose room is not their package's."""
SIDES: Final = ("wire.client", "wire.server")
"""Packages inside a room that are rooms of their own."""
MOST_ROOMS: Final = 26


def room_of(module: str) -> str:
    """The room of a module, named without the package: `views.json` lives in `views`."""
    side = next((side for side in SIDES if f"{module}.".startswith(f"{side}.")), None)
    return NAMED.get(module) or side or module.partition(".")[0]


def modules() -> dict[str, Path]:
    """Every module under src by its name without the package."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES: Final = modules()


def imported(tree: ast.AST) -> Iterator[str]:
    """Our own modules that run when this one does, also those named inside functions."""
    nodes: list[ast.AST] = []
    match tree:
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=other):
            nodes += other
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(level=0, module=str(module), names=names):
            yield from (resolved(module, alias.name) for alias in names)
        case ast.ImportFrom():
            raise AssertionError("imports are absolute")
        case _:
            nodes += ast.iter_child_nodes(tree)
    for node in nodes:
        yield from imported(node)


def resolved(module: str, name: str) -> str:
    """`from deepreasoning_cli import wiring` imports a module, `from … import __version__` none."""
    whole = f"{module}.{name}"
    return whole if whole.removeprefix(f"{PACKAGE}.") in MODULES else module


def modules_below(source: str) -> set[str]:
    """Our modules that a module imports, by their names without the package."""
    names = (name for name in imported(ast.parse(source)) if name.partition(".")[0] == PACKAGE)
    return {name.removeprefix(PACKAGE).removeprefix(".") for name in names}


def rooms_below(source: str) -> set[str]:
    """The rooms that a module imports from."""
    return {room_of(name) for name in modules_below(source)}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_below_or_its_own_room(module: str) -> None:
    room = room_of(module)
    wrong = {
        below
        for below in rooms_below(MODULES[module].read_text(encoding="utf-8"))
        if below != room and RANK[below] >= RANK[room]
    }
    assert wrong == set(), f"{module} (in {room}) imports upwards or sideways"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from deepreasoning_cli.views.json import JsonView", {"views"}),
        ("from deepreasoning_cli.wire.client.errors import read_error", {"wire.client"}),
        ("from deepreasoning_cli.wire.server import writer, errors", {"wire.server"}),
        ("import deepreasoning_cli.settings.models", {"settings"}),
        ("from deepreasoning_cli import catalog as rows, __version__", {"catalog", "version"}),
        (
            "def f():\n    if x:\n        from deepreasoning_cli.wiring import PlanBuilder",
            {"wiring"},
        ),
        ("if TYPE_CHECKING:\n    from deepreasoning_cli.wiring import PlanBuilder", set()),
        ("if TYPE_CHECKING:\n    x\nelse:\n    import deepreasoning_cli.keys", {"keys"}),
        ("import json\nfrom httpx import Client", set()),
    ],
)
def test_imports_are_found_wherever_they_stand(source: str, expected: set[str]) -> None:
    assert rooms_below(source) == expected


def test_no_module_imports_itself_through_others() -> None:
    below = {
        name: modules_below(path.read_text(encoding="utf-8")) & MODULES.keys()
        for name, path in MODULES.items()
    }
    while free := {name for name, imports in below.items() if not imports & below.keys()}:
        below = {name: imports for name, imports in below.items() if name not in free}
    assert below == {}


def test_there_are_few_rooms() -> None:
    rooms = {room_of(module) for module in MODULES}
    assert rooms == set(RANK)
    assert len(rooms) <= MOST_ROOMS


def test_relative_imports_are_refused() -> None:
    with pytest.raises(AssertionError, match="absolute"):
        rooms_below("from . import errors")


def test_heavy_libraries_belong_to_their_rooms() -> None:
    homes = {
        "httpx": {"transport"},
        "httpcore": {"transport"},
        "rich": {"views"},
        "pydantic": {"settings", "cli"},  # cli asks whether a setting is a SecretStr
        "pydantic_settings": {"settings"},
        "tomlkit": {"settings"},
        "sqlite3": {"history"},
        "prompt_toolkit": {"cli"},
        "starlette": {"server"},
        "uvicorn": {"server", "cli"},
        "greenlet": {"greenlets"},
        "prometheus_client": {"server"},
        "typer": {"cli"},
    }
    strays = {
        (module, name)
        for module, path in MODULES.items()
        for name in imported(ast.parse(path.read_text(encoding="utf-8")))
        if (home := homes.get(name.partition(".")[0])) and room_of(module) not in home
    }
    assert strays == set()
