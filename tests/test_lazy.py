"""What is deferred is loaded when it is used, and never before."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from deepreasoning_cli.lazy import deferred_imports, without_imports, without_plugins

NAME = "a_slow_library"


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that takes notice of being loaded."""
    tmp_path.joinpath(f"{NAME}.py").write_text("answer = 42\nimport sys\nsys.slow_loads += 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "slow_loads", 0, raising=False)
    monkeypatch.delitem(sys.modules, NAME, raising=False)


def loads() -> int:
    return int(vars(sys)["slow_loads"])


def test_an_import_alone_loads_nothing() -> None:
    with deferred_imports(NAME):
        import_module(NAME)
    assert loads() == 0


def test_the_first_use_loads_it() -> None:
    with deferred_imports(NAME):
        library = import_module(NAME)
        assert library.answer == 42
    assert loads() == 1


def test_importing_a_name_from_it_is_a_use() -> None:
    with deferred_imports(NAME):
        namespace: dict[str, object] = {}
        exec(f"from {NAME} import answer", namespace)
    assert (namespace["answer"], loads()) == (42, 1)


def test_it_can_be_used_after_the_with_and_is_loaded_once() -> None:
    with deferred_imports(NAME):
        library = import_module(NAME)
    assert (library.answer, library.answer, loads()) == (42, 42, 1)


def test_who_imports_it_later_gets_the_module_itself() -> None:
    with deferred_imports(NAME):
        stand_in = import_module(NAME)
    library = import_module(NAME)
    assert library is not stand_in
    assert (library.answer, library.__file__ is not None, loads()) == (42, True, 1)


def test_what_it_lacks_is_an_attribute_error() -> None:
    with deferred_imports(NAME):
        library = import_module(NAME)
        with pytest.raises(AttributeError, match="question"):
            _ = library.question


def test_what_is_loaded_already_stays() -> None:
    library = import_module(NAME)
    with deferred_imports(NAME):
        assert import_module(NAME) is library
    assert sys.modules[NAME] is library


def test_a_failure_inside_leaves_no_stand_in_behind() -> None:
    with pytest.raises(ZeroDivisionError), deferred_imports(NAME):
        _ = 1 / 0
    assert NAME not in sys.modules


def test_what_is_left_out_cannot_be_imported_from_until_the_end_of_the_with() -> None:
    namespace: dict[str, object] = {}
    with without_imports(NAME), pytest.raises(ImportError, match="answer"):
        exec(f"from {NAME} import answer", namespace)
    assert loads() == 0
    exec(f"from {NAME} import answer", namespace)
    assert (namespace["answer"], loads()) == (42, 1)


def test_what_is_loaded_already_is_not_left_out() -> None:
    library = import_module(NAME)
    with without_imports(NAME):
        assert import_module(NAME) is library
    assert sys.modules[NAME] is library


def test_httpx_works_without_its_command_line_and_with_socks() -> None:
    code = (
        "import sys\n"
        "from deepreasoning_cli.lazy import DEFERRED, LEFT_OUT, deferred_imports, without_imports\n"
        "with deferred_imports(*DEFERRED), without_imports(*LEFT_OUT):\n"
        "    import httpx\n"
        "    client = httpx.Client(proxy='socks5://127.0.0.1:9')\n"
        "    host = httpx.URL('http://b\u00fccher.example').raw_host\n"
        "    print(host.decode(), 'rich' in sys.modules)\n"
        "    try: client.get('http://127.0.0.1:9')\n"
        "    except httpx.ConnectError: print('refused')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("xn--bcher-kva.example False\nrefused\n", "")


def test_asyncio_and_what_the_program_defers_work_when_they_are_needed() -> None:
    code = (
        "from deepreasoning_cli.lazy import DEFERRED, deferred_imports\n"
        "with deferred_imports('asyncio', *DEFERRED):\n"
        "    import asyncio, importlib.metadata, secrets\n"
        "    async def nothing(): return len(secrets.token_hex(4))\n"
        "    found = importlib.metadata.metadata('pydantic')['Name']\n"
        "    print(asyncio.run(nothing()), found)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("8 pydantic\n", "")


WITHOUT_PLUGINS = """
import sys
from importlib import metadata
from deepreasoning_cli.lazy import without_plugins
def looked_for(**_): raise AssertionError("plugins were looked for")
metadata.entry_points = looked_for
with without_plugins():
    import pydantic
    assert pydantic.TypeAdapter(int).validate_python("42") == 42
assert "pydantic.plugin._loader" not in sys.modules
"""


def test_pydantic_looks_for_no_plugins() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_PLUGINS], check=True)


def test_plugins_that_are_loaded_already_stay() -> None:
    loader = import_module("pydantic.plugin._loader")
    found = loader.get_plugins
    with without_plugins():
        assert import_module("pydantic.plugin._loader").get_plugins is found
    assert not hasattr(loader, "__path__")
