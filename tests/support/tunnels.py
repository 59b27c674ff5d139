"""Proxies on this machine that open tunnels: by CONNECT, by CONNECT inside TLS, by SOCKS 5."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from pathlib import Path
from typing import Literal, Self

Kind = Literal["http", "https", "socks5"]


class Tunnels:
    """A proxy at `url`; `opened` holds the addresses that tunnels were asked for."""

    url: str

    def __init__(self, kind: Kind = "http", folder: Path | None = None) -> None:
        self.start: list[str] = []
        self._kind = kind
        self._context = _certified(folder) if folder else None
        self._open = contextlib.ExitStack()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._listener = self._open.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.url = f"{self._kind}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a tunnel is still open"
        self._open.close()

    def _start(self, work: object, *given: object) -> None:
        thread = threading.Thread(target=work, args=given, daemon=True)  # type: ignore[arg-type] # callable
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._start(self._serve, self._listener.accept()[0])

    def _serve(self, accepted: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as open_:
            peer = open_.enter_context(accepted)
            if self._context:
                peer = open_.enter_context(self._context.wrap_socket(peer, server_side=True))
            host, port = self._asked_by_socks(peer) if self._kind == "socks5" else _asked(peer)
            self.start.append(f"{host}:{port}")
            target = open_.enter_context(socket.create_connection((host, port)))
            peer.sendall(
                b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00"
                if self._kind == "socks5"
                else b"HTTP/1.1 200 Connection established\r\n\r\n"
            )
            back = threading.Thread(target=_relay, args=(target, peer), daemon=True)
            back.start()
            _relay(peer, target)
            back.join(60)

    def _asked_by_socks(self, peer: socket.socket) -> tuple[str, int]:
        assert peer.recv(2) == b"\x05\x01", "one way to log in"
        assert peer.recv(1) == b"\x00", "without a login"
        peer.sendall(b"\x05\x00")
        *_, kind = peer.recv(4)
        host = socket.inet_ntoa(peer.recv(4)) if kind == 1 else peer.recv(peer.recv(1)[0]).decode()
        return host, int.from_bytes(peer.recv(2), "big")


def _certified(folder: Path) -> ssl.SSLContext:
    """A context with a certificate; the authority behind it is in `folder`."""
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "proxy.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def _asked(peer: socket.socket) -> tuple[str, int]:
    head = b""
    while b"\r\n\r\n" not in head:
        head += peer.recv(1) or _left()
    method, target, _ = head.split(b" ", 2)
    assert method == b"CONNECT"
    host, _, port = target.decode().rpartition(":")
    return host, int(port)


def _left() -> bytes:
    raise ConnectionError("it left")


def _relay(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65_536):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
