"""Delay what libraries import for features that few commands use, until one uses it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

DEFERRED = (
    "importlib.metadata._adapters",  # by pydantic to look for plugins; it loads the email package
    "secrets",  # by pydantic to compare secrets; it loads OpenSSL
    "subprocess",  # by Typer to open a browser
    "bz2",  # by shutil for archives, as the next one
    "lzma",
    "anyio",  # by httpcore for event loops
    "idna",  # by httpx for host names outside ASCII
    "mimetypes",  # by httpx to upload files
    "socksio",  # by httpcore for SOCKS proxies
)
"""What is imported for something that a command seldom does, and takes long."""
LEFT_OUT = ("httpx._main",)
"""httpx's own command line, which this program has no use for: it loads Click, Rich and Pygments.

httpx does without it where those are not installed.
"""

PLUGINS = "pydantic.plugin._loader"
"""What finds plugins of pydantic's; it reads the metadata of every package that is installed."""


@contextmanager
def deferred_imports(*names: str) -> Iterator[None]:
    """Within the `with`, `import NAME` gets a stand-in that loads the module when it is used.

    A module that is loaded already stays. What got a stand-in may keep and use it afterwards;
    who imports the module later gets the module itself.
    """
    with ExitStack() as stack:
        for name in names:
            if name not in sys.modules:
                stand_in = _stand_in(name)
                sys.modules[name] = stand_in
                stack.callback(_withdraw, name, stand_in)
        yield


@contextmanager
def without_imports(*names: str) -> Iterator[None]:
    """Within the `with`, `from NAME import …` is an ImportError. What is loaded already stays."""
    with ExitStack() as stack:
        for name in names:
            if name not in sys.modules:
                sys.modules[name] = empty = ModuleType(name)
                stack.callback(_withdraw, name, empty)
        yield


@contextmanager
def without_plugins() -> Iterator[None]:
    """Within the `with`, pydantic finds no plugins, and looks for none. Once loaded it stays."""
    with deferred_imports(PLUGINS):
        found = sys.modules[PLUGINS]
        if found.__spec__ is None:  # the stand-in
            # `from … import` asks for `__path__` first, which would load the module
            vars(found).update(get_plugins=tuple, __path__=[])
        yield


def _stand_in(name: str) -> ModuleType:
    stand_in = ModuleType(name)

    def load(attribute: str) -> Any:
        _withdraw(name, stand_in)
        return getattr(import_module(name), attribute)

    vars(stand_in)["__getattr__"] = load
    return stand_in


def _withdraw(name: str, stand_in: ModuleType) -> None:
    if sys.modules.get(name) is stand_in:
        del sys.modules[name]
