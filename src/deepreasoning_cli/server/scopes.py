"""What the ASGI scope of a request says: headers, the path, the address it came in on."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from starlette.types import Scope


def header(scope: Scope, name: str) -> str | None:
    """The value of a header; None where it is missing, or given twice with different values."""
    wanted = name.lower().encode("latin-1")
    values = {value for key, value in scope["headers"] if key == wanted}
    return values.pop().decode("latin-1") if len(values) == 1 else None


def path_of(scope: Scope) -> str:
    """The path below where the app is mounted, percent signs decoded."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


def is_from_here(scope: Scope) -> bool:
    """Whether only this machine can have sent it: it came in on a loopback address or no address.

    A unix socket has a path and no port, and what is called without a server has nothing.
    """
    match scope.get("server"):
        case [str(host), int()]:
            return is_loopback(host)
        case _:
            return True


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
