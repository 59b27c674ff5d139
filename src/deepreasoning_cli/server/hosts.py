"""Which `Host` a request may name, so that no foreign page gets in by a DNS name of its own.

A page can let its own name point to 127.0.0.1 (DNS rebinding); the browser then takes the server
for the page's, but still sends the page's name in `Host`.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final

from deepreasoning_cli.settings.parts import ServeSettings

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
ANY: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 (compared with, not bound to)
HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[0-9a-z._~-]+)(?::[0-9]{0,5})?", re.IGNORECASE)


def allowed(serve: ServeSettings) -> frozenset[str]:
    """The names that the settings let in: this machine's, the address served on, their own."""
    names = {_plain(name) for name in (serve.host, *serve.hosts)}
    return LOOPBACK | (names - ANY)


def host_of(value: str) -> str | None:
    """The name or address in a `Host` header, without its port; None where it is malformed."""
    found = HOST.fullmatch(value)
    return _plain(found[1]) if found else None


def _plain(name: str) -> str:
    """A name as names are compared, whatever its case, and an address in its shortest form."""
    bare = name.strip().lower()
    if found := HOST.fullmatch(bare):
        bare = found[1]
    try:
        return str(ip_address(bare.strip("[]")))
    except ValueError:
        return bare.removesuffix(".")
