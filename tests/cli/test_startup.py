"""What is imported when: for `--help` and `--version`, for a list, before the first request."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Collection
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from support.runner import CompletedRun, PtyRun, environment, run, run_in_pty

HEAVY: Final = frozenset(
    {
        "httpcore",
        "httpx",
        "platformdirs",
        "prometheus_client",
        "prompt_toolkit",
        "pydantic",
        "pydantic_settings",
        "pyperclip",
        "sqlite3",
        "ssl",
        "starlette",
        "tomlkit",
        "tomllib",
    }
)
EMPTY: Final = """
import enum, sys, typer
from typer.testing import CliRunner
class Color(enum.StrEnum): AUTO = "auto"
app = typer.Typer()
@app.callback()
def options(color: Color = Color.AUTO): pass
@app.command()
def ask(): pass
assert CliRunner().invoke(app, sys.argv[1:]).exit_code == 0
print(*sys.modules)
"""
OURS: Final = """
import sys
from typer.testing import CliRunner
from deepreasoning_cli.cli.app import app
result = CliRunner().invoke(app, sys.argv[1:])
assert result.exit_code == 0, result.output
print(*sys.modules)
"""


def loaded_by(code: str, *words: str) -> frozenset[str]:
    """The modules that `code` prints, sub-modules by their whole names."""
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        check=True,
        env=environment({}),
    )
    return frozenset(done.stdout.split())


def modules(code: str, *words: str) -> frozenset[str]:
    """The names of what is imported, by package."""
    return frozenset(name.partition(".")[0] for name in loaded_by(code, *words))


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["ask", "--help"]])
def test_help_and_version_import_nothing_heavy(words: list[str]) -> None:
    ours = modules(OURS, *words)
    empty = modules(EMPTY, *(word for word in words if word != "--version"), "--help")
    assert {"typer", "deepreasoning_cli"} <= ours
    assert ours & HEAVY - empty == frozenset()


def test_the_version_alone_does_not_even_import_typer() -> None:
    code = "import sys; sys.argv = ['dr', '--version']; from deepreasoning_cli.__main__ import main"
    bare = modules("import sys; print(*sys.modules)")  # a measuring tool may have its own
    loaded = modules(f"{code}; main(); print(*sys.modules)") - bare
    assert loaded & (HEAVY | {"typer", "rich"}) == frozenset()


def imported_by(*words: str) -> frozenset[str]:
    """What a process of ours imports, sub-modules by their whole names."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *words],
        capture_output=True,
        text=True,
        check=True,
        env=environment({}),
    )
    return frozenset(line.rpartition("|")[2].strip() for line in done.stderr.splitlines())


COMMAND_LINE: Final = frozenset({"annotated_doc", "shellingham", "typer"})
SETTINGS_READER: Final = COMMAND_LINE | {
    *("annotated_types", "dotenv", "platformdirs", "pydantic", "pydantic_core"),
    *("pydantic_settings", "typing_extensions", "typing_inspection"),
}
HTTP: Final = SETTINGS_READER | {"certifi", "h11", "httpcore", "httpx"}
"""The packages of others that a command may import; `ask` before its first connection."""
LIST_ROOMS: Final = frozenset(
    {
        *("catalog", "cli", "errors", "files", "greenlets", "keys", "lazy", "paths", "pipeline"),
        *("sanitize", "settings", "views", "wiring"),
    }
)


def others(names: Collection[str]) -> set[str]:
    """The packages among the names that are neither Python's nor ours."""
    packages = {name.partition(".")[0] for name in names}
    return {
        name
        for name in packages - sys.stdlib_module_names - {"deepreasoning_cli"}
        if not name.startswith("_sysconfigdata") and find_spec(name)
    }


@pytest.mark.parametrize(
    ("words", "packages", "rooms"),
    [
        (["--version"], frozenset[str](), frozenset[str]()),
        (["--help"], COMMAND_LINE, frozenset({"cli", "errors", "lazy"})),
        (["models"], SETTINGS_READER, LIST_ROOMS),
    ],
    ids=["--version", "--help", "models"],
)
def test_a_command_imports_what_its_budget_names(
    words: list[str], packages: frozenset[str], rooms: frozenset[str]
) -> None:
    loaded = imported_by("-m", "deepreasoning_cli", *words) - imported_by("-c", "pass")
    assert others(loaded) <= packages
    ours = [name.split(".") for name in loaded if name.startswith("deepreasoning_cli.")]
    assert {name[1] for name in ours} <= rooms
    assert bool(ours) == bool(rooms)
    assert loaded & {"asyncio", "importlib.metadata", "sqlite3", "ssl", "zipfile"} == frozenset()


@pytest.mark.parametrize(
    "words", [["models"], ["price"], ["price", "--backend", "gateway"]], ids=" ".join
)
def test_a_list_imports_only_what_it_shows(words: list[str]) -> None:
    bare = imported_by("-c", "pass")  # a measuring tool may have its own
    unused = {
        *("_hashlib", "asyncio", "email.message", "httpx", "markdown_it", "prompt_toolkit", "rich"),
        *("secrets", "sqlite3", "ssl", "tomlkit"),
        *(f"deepreasoning_cli.{room}" for room in ("history", "pipeline.run", "providers")),
        *("deepreasoning_cli.transport", "deepreasoning_cli.cli.runner"),
    }
    loaded = imported_by("-m", "deepreasoning_cli", *words) - bare
    assert {"pydantic_settings", "deepreasoning_cli.catalog.models"} <= loaded
    assert loaded & unused == frozenset()


def test_a_command_imports_no_other_command() -> None:
    loaded = loaded_by(OURS, "ask", "--help")
    commands = ("ask", "chat", "config", "history", "models", "price", "resume", "serve")
    ours = {name for name in commands if f"deepreasoning_cli.cli.{name}" in loaded}
    assert ours == {"ask"}


AT_THE_FIRST_CONNECTION: Final = """
import os, sys
before = set(sys.modules)  # a measuring tool has modules of its own
def report(event, arguments):
    if event == "socket.connect":
        with open(os.environ["NAMES"], "w") as file:
            # one without a spec stands in for a module that is loaded when it is used
            loaded = [n for n, m in list(sys.modules.items()) if getattr(m, "__spec__", None)]
            print(*(name for name in loaded if name not in before), file=file)
        os._exit(0)
sys.addaudithook(report)
sys.argv = ["deepreasoning", "ask", "What is 6 times 7?"]
from deepreasoning_cli.__main__ import main
main()
"""
NOWHERE: Final = "http://127.0.0.1:9"  # the process ends before it gets there
SETTINGS: Final = {
    "DEEPSEEK_API_KEY": "sk-0123456789abcdef0123",
    "ANTHROPIC_API_KEY": "sk-ant-0123456789abcdef0123",
    "DEEPSEEK_BASE_URL": NOWHERE,
    "ANTHROPIC_BASE_URL": NOWHERE,
}
OURS_AT_MOST: Final = 65
ON_A_TERMINAL: Final = ("deepreasoning_cli.cli.enter_key", "deepreasoning_cli.views.status")
LATER_THAN_THE_REQUEST: Final = frozenset(
    {
        *("asyncio", "bz2", "click", "html", "httpx._main", "idna", "importlib.metadata", "lzma"),
        *("markdown_it", "mdurl", "mimetypes", "multiprocessing", "secrets", "subprocess"),
        *("pickle", "prometheus_client", "prompt_toolkit", "pygments", "rich"),
        *("socksio.socks5", "sqlite3", "starlette", "tomlkit", "uvicorn"),
        "deepreasoning_cli.history.store",
        "deepreasoning_cli.server",
        "deepreasoning_cli.views.markdown",
        "deepreasoning_cli.views.panels",
    }
)
"""What nobody needs before the first request is out; it is imported while the vendor works."""


@pytest.mark.parametrize("take", [run, run_in_pty])
def test_ask_imports_little_before_it_connects(
    take: Callable[..., CompletedRun | PtyRun], tmp_path: Path
) -> None:
    env = SETTINGS | {"NAMES": str(tmp_path / "names"), "DEEPREASONING_CONNECT_AHEAD": "false"}
    done = take(env=env, program=(sys.executable, "-c", AT_THE_FIRST_CONNECTION), timeout=60)
    names = (tmp_path / "names").read_text().split()
    assert "deepreasoning_cli.transport.client" in names, done
    assert LATER_THAN_THE_REQUEST.intersection(names) == frozenset()
    assert others(names) <= HTTP
    ours = sorted(name for name in names if name.partition(".")[0] == "deepreasoning_cli")
    ours = [name for name in ours if name not in ON_A_TERMINAL]
    assert len(ours) <= OURS_AT_MOST, f"{len(ours)} modules: {' '.join(ours)}"


WHEN_CONNECTING_BEGINS: Final = AT_THE_FIRST_CONNECTION.replace(
    "sys.addaudithook(report)",
    """
import threading
start = threading.Thread.start
def starting(thread):
    if thread.name == "early connection":
        report("socket.connect", ())
    start(thread)
threading.Thread.start = starting
""",
)
SENDS: Final = frozenset({"httpx", "httpcore", "h11", "deepreasoning_cli.transport.client"})


@pytest.mark.parametrize("is_known", [False, True], ids=["", "known from the last run"])
def test_the_connection_is_begun_before_what_sends_the_request_is_imported(
    tmp_path: Path, is_known: bool
) -> None:
    env = SETTINGS | {"NAMES": str(tmp_path / "names"), "DEEPREASONING_DATA_DIR": str(tmp_path)}
    if is_known:
        (tmp_path / "last-origin").write_text(f"{NOWHERE}\n")
    done = run(env=env, program=(sys.executable, "-c", WHEN_CONNECTING_BEGINS), timeout=60)
    names = frozenset((tmp_path / "names").read_text().split())
    later = SENDS | {"typer", "pydantic", "deepreasoning_cli.cli.app"} if is_known else SENDS
    assert "deepreasoning_cli.connect" in names, done
    assert names & later == frozenset()
