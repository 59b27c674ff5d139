"""A format has a client's side and a server's; no client waits for the server's to be imported."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

SERVER: Final = frozenset({"Writer", "envelope", "whole", "write"})


def server_side(package: str) -> Callable[[str], Any]:
    """The `__getattr__` of a format's package: its server's side is there once it is asked for."""

    def find(name: str) -> Any:
        if name in SERVER:
            return getattr(import_module(f"{package}.server"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find
