"""A connection that is opened by sockets alone, while all that sends a request is imported.

It leads to the host of the run's first request: that of the last run, which a file beside the
history names, or the one that the settings name. Nothing is sent on it.
"""

from __future__ import annotations

import _thread
import os
import re
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

from deepreasoning_cli.errors import WriteError

if TYPE_CHECKING:
    import ssl

T = TypeVar("T")
SOCKET_KEEP_ALIVE = (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
CONNECT_TIMEOUT = 10.0  # seconds, for TCP and for TLS each
NEXT_ADDRESS_AFTER = 0.25
"""Seconds that an address of a host has before the next one is tried beside it.

The connection attempt delay of RFC 8305, section 5.
"""
IDLE_SECONDS = 60.0
"""How long an open connection waits for its request."""
RECENT_SECONDS = 1.0
"""How long a failure to connect stands for the request's own attempt."""
FILE_NAME = "last-origin"
"""The file in the data folder: one line, such as `https://api.deepseek.com:443`."""
LONGEST_LINE = 300  # bytes
LINE = re.compile(r"(https?)://([a-z0-9._:-]{1,253}):([0-9]{1,5})\n")
OFF = ("0", "false", "f", "no", "n", "off")  # as the settings read it
READ = os.O_RDONLY
for _flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):  # not every system has them
    READ |= getattr(os, _flag, 0)


class HttpOrigin(NamedTuple):
    """What a connection leads to; `host` is lower-case ASCII, an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self | None:
        """The origin of an http or https address; None for anything else."""
        with suppress(ValueError):
            parts = urlsplit(url)
            if parts.scheme in ("http", "https") and parts.hostname:
                port = parts.port or {"http": 80, "https": 443}[parts.scheme]
                return cls(parts.scheme, parts.hostname, port)
        return None


class TlsContext:
    """The TLS context of a run, made by the thread that first needs it: that takes 13 to 56 ms."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: ssl.SSLContext | None = None

    def get(self) -> ssl.SSLContext:
        """The context. Raises OSError where the CA bundle cannot be read."""
        with self._lock:
            if self._made is None:
                self._made = create_context()
            return self._made


def create_context() -> ssl.SSLContext:
    """One that trusts whom httpx's own would trust, and speaks HTTP/1.1 as httpcore does.

    That is the bundle SSL_CERT_FILE, else the folder SSL_CERT_DIR, else what certifi brings
    (`httpx.create_ssl_context`, version 0.28). Raises OSError where it cannot be read.
    """
    import ssl

    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if not (file or folder):
        import certifi

        file = certifi.where()
    context = ssl.create_default_context(cafile=file or None, capath=None if file else folder)
    context.set_alpn_protocols(["http/1.1"])
    return context


def check_ca_bundle() -> None:
    """Raise OSError where SSL_CERT_FILE names no file that can be read; what is in it comes later.

    A plain connection does not need it, but a wrong path is said at once.
    """
    if bundle := os.environ.get("SSL_CERT_FILE"):
        Path(bundle).open("rb").close()


PROXIES = ("http", "https", "all")


def is_proxied() -> bool:
    """Whether a proxy is set for any host, as `urllib.request.getproxies` finds it.

    That module takes 20 ms to import, and has to be only where a system keeps proxies elsewhere.
    """
    if sys.platform in ("darwin", "win32"):
        from urllib.request import getproxies

        proxies = getproxies()
        return any(proxies.get(kind) for kind in PROXIES)
    names = [f"{kind}_proxy" for kind in PROXIES]
    return any(value and name.lower() in names for name, value in os.environ.items())


def find_addresses(host: str, port: int, timeout: float | None) -> list[str]:
    """The numeric addresses of a host, IPv6 and IPv4 in turn, the preferred one first.

    `timeout` is in seconds: the system's own wait for a name server is a matter of minutes. Raises
    OSError, socket.gaierror where there is no such host or nobody who knows, and UnicodeError.
    """
    if _is_numeric(host):
        return [host]
    found: list[list[str]] = []
    failed: list[Exception] = []

    def look_up() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.append([_numeric(*row[4]) for row in rows])
        except Exception as failure:  # noqa: BLE001 (raised again where it is waited for)
            failed.append(failure)

    thread = threading.Thread(target=look_up, name="name lookup", daemon=True)
    thread.start()
    thread.join(timeout)
    if failed:
        raise failed[0]
    if not found:
        raise socket.gaierror(socket.EAI_AGAIN, "the name server does not answer")
    return _by_turns(found[0])


def _is_numeric(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError, ValueError):
            socket.inet_pton(family, host)
            return True
    return False


def _numeric(host: object, _port: object, _flow: int = 0, scope: int = 0) -> str:
    """The host in an address of a socket; one of a link has that link's number behind it."""
    return f"{host}%{scope}" if scope else str(host)


def _by_turns(addresses: Sequence[str]) -> list[str]:
    """The addresses, each once; the two families take turns as long as both have any."""
    families: dict[bool, list[str]] = {}
    for each in dict.fromkeys(addresses):
        families.setdefault(":" in each, []).append(each)
    places = {each: at for own in families.values() for at, each in enumerate(own)}
    return sorted(places, key=places.__getitem__)  # of one place the preferred family comes first


def first_to_connect(attempts: Sequence[Callable[[], T]], close: Callable[[T], None]) -> T:
    """What the first attempt returns that succeeds; `close` is for what comes too late.

    Each attempt begins when all before it have failed, or a little after the one before: an address
    that swallows what is sent to it holds nobody up (RFC 8305). Raises what the last one raised.
    """
    if len(attempts) == 1:
        return attempts[0]()
    changed = threading.Condition()
    open_, failed = list[T](), list[Exception]()
    is_over = False

    def run(attempt: Callable[[], T]) -> None:
        try:
            opened = attempt()
        except Exception as failure:  # noqa: BLE001 (raised again where it is waited for)
            with changed:
                failed.append(failure)
                changed.notify()
            return
        with changed:
            if not (is_over or open_):
                open_.append(opened)
                changed.notify()
                return
        close(opened)

    try:
        for begun, attempt in enumerate(attempts, 1):
            threading.Thread(target=run, args=(attempt,), name="connect", daemon=True).start()
            wait = NEXT_ADDRESS_AFTER if begun < len(attempts) else None
            with changed:
                changed.wait_for(partial(_is_decided, open_, failed, begun), wait)
                if open_:
                    return open_[0]
        raise failed[-1]
    finally:
        with changed:
            is_over = True


def _is_decided(opened: Sequence[object], failed: Sequence[Exception], begun: int) -> bool:
    return bool(opened) or len(failed) == begun


class EarlyConnection:
    """A connection to `origin` that a thread opens at once; TLS is on it where the origin has it.

    None is opened where a proxy is set. What nobody has taken after a minute is closed.
    """

    def __init__(self, origin: HttpOrigin, timeout: float | None = None) -> None:
        """Begin; `timeout` is in seconds, for TCP and for TLS each, where ours is not shorter."""
        self.origin = origin
        self.tls = TlsContext()
        self._timeout = min(timeout or CONNECT_TIMEOUT, CONNECT_TIMEOUT)
        self._lock = threading.Lock()
        self._has_tcp, self._is_done, self._is_over = (threading.Event() for _ in range(3))
        self._socket: socket.socket | None = None
        self._failure: OSError | None = None
        self._failed_at = 0.0
        threading.Thread(target=self._run, name="early connection", daemon=True).start()

    @property
    def is_open(self) -> bool:
        """Whether it waits to be taken."""
        return self._socket is not None

    def take(self, timeout: float | None) -> socket.socket | None:
        """The connection, once it is open; None where there is none, and the caller opens one.

        Waits `timeout` seconds at most, for TCP and for TLS each. Raises the OSError that has just
        kept it from being opened, or TimeoutError: what the caller's own attempt would meet.
        """
        limit = timeout if timeout is not None and timeout < self._timeout else None
        in_time = self._has_tcp.wait(limit) and self._is_done.wait(limit)
        sock = self._withdraw()
        if not in_time:
            raise TimeoutError("timed out")
        if self._failure and time.monotonic() - self._failed_at < RECENT_SECONDS:
            raise self._failure
        return sock

    def close(self) -> None:
        """Close it, now or as soon as it is open."""
        if sock := self._withdraw():
            sock.close()

    def _withdraw(self) -> socket.socket | None:
        with self._lock:
            self._is_over.set()
            sock, self._socket = self._socket, None
            return sock

    def _run(self) -> None:
        sock = None
        try:
            sock = self._open()
        except OSError as failure:
            self._failure, self._failed_at = failure, time.monotonic()
        except ValueError:  # no name of a host: the request meets the same fault, and words it
            pass
        with self._lock:
            is_late = self._is_over.is_set()
            self._socket = None if is_late else sock
        self._has_tcp.set()
        self._is_done.set()
        if sock and is_late:  # whoever waited has given up
            sock.close()
        elif sock and not self._is_over.wait(IDLE_SECONDS):
            self.close()

    def _open(self) -> socket.socket | None:
        if is_proxied():
            return None
        try:
            check_ca_bundle()
        except OSError:  # the request meets the same fault, and words it
            return None
        is_plain = self.origin.scheme == "http"
        if not is_plain:  # the context is made while the host is looked up and answers
            _thread.start_new_thread(self._tls_context, ())  # `Thread.start` would wait for it
        port, seconds = self.origin.port, self._timeout
        addresses = find_addresses(self.origin.host, port, seconds)
        attempts = [partial(socket.create_connection, (each, port), seconds) for each in addresses]
        sock = first_to_connect(attempts, socket.socket.close)
        self._has_tcp.set()
        try:
            sock.setsockopt(*SOCKET_KEEP_ALIVE)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if is_plain or self._is_over.is_set():
                return sock
            if context := self._tls_context():
                return context.wrap_socket(sock, server_hostname=self.origin.host)
        except BaseException:
            sock.close()
            raise
        sock.close()
        return None

    def _tls_context(self) -> ssl.SSLContext | None:
        try:
            return self.tls.get()
        except OSError:  # the request meets the same fault, and words it
            return None


def connect_to_last(*, remembers: bool = True) -> LastOrigin:
    """The last run's origin; a connection to it is begun unless the environment says otherwise.

    One that does not remember this run's leaves no trace.
    """
    from deepreasoning_cli import paths

    switch = os.environ.get("DEEPREASONING_CONNECT_AHEAD", "").strip().lower()
    elsewhere = ("DEEPREASONING_BACKEND", "DEEPREASONING_CASSETTE")
    is_off = switch in OFF or any(name in os.environ for name in elsewhere)
    return LastOrigin(paths.data_dir() / FILE_NAME, connects=not is_off, remembers=remembers)


class LastOrigin:
    """The origin of the last run's first request, and a connection to it that is being opened.

    It is in `file`, which is the user's own; one that somebody else may have written is ignored.
    """

    def __init__(self, file: Path, *, connects: bool = True, remembers: bool = True) -> None:
        """Begin to connect, where there is such a file and unless `connects` is false."""
        self._file, self._remembers = file, remembers
        self._known = _read(file) if connects else None
        self.connection = EarlyConnection(self._known) if self._known else None

    def expect(self, origin: HttpOrigin, timeout: float | None) -> None:
        """Lead the connection to `origin`, which the settings name; `timeout` is in seconds."""
        if self.connection and self.connection.origin == origin:
            return
        if self.connection:
            self.connection.close()
        self.connection = EarlyConnection(origin, timeout)

    def remember(self, origin: HttpOrigin | None) -> None:
        """Write down the origin of this run; None removes the file. What goes wrong is ignored."""
        if not self._remembers or (origin is not None and origin == self._known):
            return
        from deepreasoning_cli.files import write_atomically

        with suppress(OSError, WriteError):
            if origin is None:
                self._file.unlink(missing_ok=True)
            else:
                write_atomically(self._file, "{}://{}:{}\n".format(*origin))
            self._known = origin


def _read(file: Path) -> HttpOrigin | None:
    """The origin in the file; None where there is none that can be trusted."""
    try:
        descriptor = os.open(file, READ)
    except (OSError, ValueError):
        return None
    try:
        status = os.fstat(descriptor)
        is_ours = os.name != "posix" or (
            status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        )
        if not (stat.S_ISREG(status.st_mode) and is_ours):
            return None
        line = LINE.fullmatch(os.read(descriptor, LONGEST_LINE).decode("latin-1"))
    except OSError:
        return None
    finally:
        os.close(descriptor)
    if line is None or not 0 < int(line[3]) < 1 << 16:
        return None
    return HttpOrigin(line[1], line[2], int(line[3]))
