"""Addresses that do harm in some way: hosts and proxies that a row's `env` names in braces."""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self

from support.loopback import Loopback
from support.replies import Cut, Pause, Reply, Reset, Stall, Step
from support.vendors import refusing

HEAD: Final = b"HTTP/1.1 200 OK\r\nx: " + b"y" * 400
SLOWLY: Final[list[bytes | Step]] = [
    part for letter in HEAD for part in (bytes([letter]), Pause(0.05))
]
GREETINGS: Final[dict[str, list[bytes | Step]]] = {
    "silent": [Stall()],
    "hangs-up": [Cut()],
    "resets": [Reset()],
    "garbage": [b"\x00\xff\x15\x03" * 64],
    "speaks-http": [b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"],
    "dribbles": SLOWLY,
    "banner": [b"SSH-2.0-OpenSSH_9.2p1\r\n"],
    "endless-head": [b"HTTP/1.1 200 OK\r\n", *[b"x: " + b"y" * 1000 + b"\r\n"] * 400, Stall()],
    "bad-status": [b"HTTP/1.1 9999999999999999999 OK\r\n\r\n"],
    "socks-refuses": [b"\x05\xff"],
    "socks-garbage": [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
    "socks-cut": [b"\x05", Cut()],
    "socks-unreachable": [b"\x05\x00\x05\x03\x00\x01\x7f\x00\x00\x01\x00\x00"],
}
REPLIES: Final = {
    "proxy-407": Reply(407, {"proxy-authenticate": "Basic"}, [b"login"], "text/plain", "length"),
    "proxy-403": Reply(403, {}, [b"no"], "text/plain", "length"),
    "proxy-502": Reply(502, {}, [b"<title>Squid \x1b[2J</title>"], "text/html", "length"),
}
CERTIFICATES: Final[dict[str, dict[str, object]]] = {
    "untrusted": {},
    "trusted": {},
    "expired": {"valid": (-2, -1)},
    "early": {"valid": (1, 2)},
    "other-name": {"names": ("other.example",)},
}


class Places:
    """Opens what is named, and closes it all in the end."""

    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._open.close()

    def filled(self, text: str) -> str:
        """The text with an address for each name in braces."""
        return re.sub(r"\{([a-z0-9-]+)\}", lambda found: self._address(found[1]), text)

    def _address(self, name: str) -> str:
        if name not in self.addresses:
            self._add(name)
        return self.addresses[name]

    def _add(self, name: str) -> None:
        if name == "refusing":
            self.addresses[name] = self._open.enter_context(refusing())
        elif name == "full":
            self.addresses[name] = self._full()
        elif name.startswith("ca-of-"):
            self._address(name[6:])
        elif name in CERTIFICATES:
            vendor = self._vendor(Loopback(tls=True, **CERTIFICATES[name]), name)  # type: ignore[arg-type] # by name
            self.addresses[f"ca-of-{name}"] = str(vendor.ca_file)
        elif name in GREETINGS:
            self._vendor(Loopback(greeting=GREETINGS[name]), name)
        else:
            self._vendor(Loopback(REPLIES[name]), name)

    def _vendor(self, vendor: Loopback, name: str) -> Loopback:
        self._open.enter_context(vendor)
        self.addresses[name] = vendor.url.partition("//")[2]
        return vendor

    def _full(self) -> str:
        """Where connections are neither taken nor refused: the queue is full."""
        listener = self._open.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = self._open.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        return f"127.0.0.1:{listener.getsockname()[1]}"
