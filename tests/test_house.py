"""How the code is laid out and what things are called: sizes, names, and words that are gone."""

from __future__ import annotations

import ast
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator, Set
from pathlib import Path
from typing import Final

import pytest

import deepreasoning_cli

ROOT: Final = Path(deepreasoning_cli.__file__).parent
PROJECT: Final = Path(__file__).parents[1]
ARCHITECTURE: Final = PROJECT / "docs" / "architecture.md"


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


MODULES: Final = 252  # at most
FILES_AT_THE_ROOT: Final = 12  # at most
SHORTEST, LONGEST = 40, 400  # lines of a module

SHORT: Final = {
    "__init__.py": "the version, and names that are imported when asked for",
    "server/__init__.py": "`create_app`, where every ASGI server looks for it",
    "transport/__init__.py": "the names that other rooms use; they need no module of the room",
}
"""Modules that may have fewer lines, and why. A package's `__init__` that defines nothing may."""

OLD_WORDS: Final = words(
    """
    put_off UNUSED BRIDGED bridged to_its_end Waits mark_for briefed informed Heard _stopped
    demand_whole Meter demand_room demand_more watched Record Opened Started Finished Served Warned
    CUT DECLINED fitted steady Wanted Asked Wiring planned capped Look Views Question Turns Talk
    Tally Desk Voice Streamed Whole Beat Offers Observed Teller Gone Why deaf Watched Clocks
    Patience Failed Waiting Gathered suspicious Archive heir scrub Loaded without_keys Wish Outlook
    through
    """
)
"""Identifiers that nothing has any more: not in the program, its tests or its documentation."""

OLD_DEFINITIONS: Final = words(
    """
    apart pause in_thread settle chosen connected enough stopping nothing broke spans lost silence
    instruct switch leftovers adopt fold ending Known Scope
    """
)
"""Plain words, which the program defines nothing as; locally, or in a test, they are words."""

OLD_IN_ROOMS: Final = {
    "conversation": {"messages"},
    "keys": {"checked", "fit"},
    "wire": {"mapping", "words", "only"},
    "history": {"place", "words", "lines", "rows"},
    "cli": {"say"},
}
"""Plain words that are bad names in one room alone."""

OLD_MODULES: Final = words(
    """
    bridge waits put_off marks findings caps look one_turn saying enough stopping talk tally keeping
    choices asking desk voice beat offers scopes hosts unrouted warm patience asked shape dialogue
    refusal reasons sides adopt ending lines rows erase parts config_file counted kept known outlook
    capped
    """
)
"""Files that have another name now."""


def paths(*folders: str) -> list[Path]:
    """The Python files below these folders of the project, this one left out."""
    found = (path for folder in folders for path in PROJECT.joinpath(folder).rglob("*.py"))
    return sorted(path for path in found if path != Path(__file__))


SOURCES: Final = {path.relative_to(ROOT).as_posix(): path for path in paths("src")}
TREES: Final = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


def room_of(name: str) -> str:
    """The folder at the root that a module is in; `wire` has two: a client's side, a server's."""
    first, *rest = name.removesuffix(".py").split("/")
    return "/".join([first, *rest[:1]]) if first == "wire" and len(rest) > 1 else first


def definitions(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The classes, functions and methods of a module: each one's line and name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name


def identifiers(path: Path) -> Iterator[tuple[int, str]]:
    """The identifiers of a Python file, each with its line."""
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.NAME:
                yield token.start[0], token.string


def quoted(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The identifiers between backticks, in prose and docstrings, each with its line."""
    for number, line in enumerate(lines, 1):
        for code in re.findall(r"`([^`\n]+)`", line):
            yield from ((number, name) for name in re.findall(r"[A-Za-z_]\w*", code))


def places(path: Path, found: Iterable[tuple[int, str]], unwanted: Set[str]) -> list[str]:
    """`FILE:LINE: WORD` for each of `found` that is one of `words`."""
    name = path.relative_to(PROJECT).as_posix()
    return [f"{name}:{line}: {word}" for line, word in found if word in unwanted]


def test_the_program_and_its_tests_have_no_old_identifier() -> None:
    strays: list[str] = []
    for path in paths("src", "tests", "tools", "benchmarks", "examples"):
        strays += places(path, identifiers(path), OLD_WORDS)
        strays += places(path, quoted(path.read_text(encoding="utf-8").splitlines()), OLD_WORDS)
    assert strays == [], "\n".join(strays)


def test_the_documentation_quotes_no_old_identifier() -> None:
    strays: list[str] = []
    for path in (*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md"), *PROJECT.glob("*/README.md")):
        strays += places(path, quoted(path.read_text(encoding="utf-8").splitlines()), OLD_WORDS)
    assert strays == [], "\n".join(strays)


def test_nothing_is_defined_under_an_old_name() -> None:
    strays: list[str] = []
    for name, tree in TREES.items():
        room = name.removesuffix(".py").partition("/")[0]
        old = OLD_DEFINITIONS | OLD_IN_ROOMS.get(room, set())
        strays += places(SOURCES[name], definitions(tree), old)
    assert strays == [], "\n".join(strays)


def test_no_module_has_an_old_name() -> None:
    parts = {name: set(name.removesuffix(".py").split("/")) for name in SOURCES}
    assert [name for name, words in parts.items() if words & OLD_MODULES] == []


def test_no_class_name_is_used_twice() -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(f"{name}:{node.lineno}")
    assert {word: where for word, where in found.items() if len(where) > 1} == {}


def test_no_file_name_is_used_twice_in_one_room() -> None:
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in SOURCES:
        if "/" in name and not name.endswith("/__init__.py"):
            found[room_of(name), name.rpartition("/")[2]].append(name)
    assert [names for names in found.values() if len(names) > 1] == []


def sizes() -> dict[str, int]:
    """The lines of each module, those of packages that define nothing left out."""
    lines = {}
    for name, path in SOURCES.items():
        defines = any(
            not isinstance(node, ast.Expr | ast.Import | ast.ImportFrom)
            for node in TREES[name].body
        )
        if defines or not name.endswith("/__init__.py"):
            lines[name] = len(path.read_text(encoding="utf-8").splitlines())
    return lines


def test_no_module_is_longer_than_one_can_survey() -> None:
    assert {name: size for name, size in sizes().items() if size > LONGEST} == {}


def test_a_short_module_has_a_reason() -> None:
    short = {name for name, size in sizes().items() if size < SHORTEST}
    assert sorted(short - SHORT.keys()) == [], "give a reason in SHORT, or merge them"
    assert sorted(SHORT.keys() - short) == [], "these need no reason any more"


def test_there_are_no_more_modules_than_one_can_find_one_s_way_in() -> None:
    assert len(SOURCES) <= MODULES


def test_the_root_has_few_files() -> None:
    files = sorted(path.name for path in ROOT.iterdir() if path.is_file())
    assert len(files) <= FILES_AT_THE_ROOT, files


def named_paths(text: str) -> set[str]:
    """What a page names as a path: between backticks or as a link, with a slash or a suffix."""
    named = re.findall(r"`([^`\s]+)`", text) + re.findall(r"\]\(([^)\s#]+)", text)
    return {
        name
        for name in named
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", name)
        and re.search(r"/|\.(py|md|toml|json|svg)$", name)
    }


def test_every_path_in_the_architecture_page_exists() -> None:
    named = named_paths(ARCHITECTURE.read_text(encoding="utf-8"))
    roots = (PROJECT, ROOT, ARCHITECTURE.parent)
    assert named, "the page names no path"
    assert sorted(name for name in named if not any((r / name).exists() for r in roots)) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("`bridged` runs it, `Waits.apart` waits", ["bridged", "Waits", "apart"]),
        ("it was bridged", []),
        ("`greenlet_spawn(action)`", ["greenlet_spawn", "action"]),
    ],
)
def test_identifiers_are_found_between_backticks(line: str, expected: list[str]) -> None:
    assert [name for _, name in quoted([line])] == expected


def test_identifiers_are_found_in_code_and_not_in_its_texts(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('"""Opened once."""\n\nOpened = unopened("Opened")  # Opened\n')
    assert [place for place in identifiers(module) if "pened" in place[1]] == [
        (3, "Opened"),
        (3, "unopened"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see `pipeline/run.py` and `errors.py`", {"pipeline/run.py", "errors.py"}),
        ("[serve](docs/serve.md#keys), <https://a.b/c>, [x](https://a.b/c.md)", {"docs/serve.md"}),
        (
            "`views/markdown/`, `Plan`, `a / b`, `application/json`",
            {"views/markdown/", "application/json"},
        ),
    ],
)
def test_paths_are_told_from_other_words(text: str, expected: set[str]) -> None:
    assert named_paths(text) == expected
