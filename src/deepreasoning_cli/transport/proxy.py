"""Proxies and the CA bundle, as the environment names them, and which variable is wrong."""

from __future__ import annotations

import fnmatch
import ipaddress
import os
import re
import threading
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from deepreasoning_cli.errors import ConfigError

SOCKS = re.compile(r"^socks://", re.IGNORECASE)
"""GNOME, Clash and V2RayN write it so; what listens there speaks SOCKS 5."""
EXCEPTION = re.compile(
    r"(?:(?P<scheme>\w+)://)?\[?(?P<host>.*?)\]?(?:(?<!:):(?P<port>[0-9]{1,5}))?/?"
)


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """The proxies by `http`, `https` and `all`, and the hosts that are called without one."""

    proxies: Mapping[str, str]
    exceptions: tuple[str, ...] = ()

    @classmethod
    def read(cls) -> ProxySettings:
        """What HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY say, in small letters too.

        On macOS and Windows the system's own settings where none of them is set.
        """
        settings = urllib.request.getproxies()
        proxies = {
            kind: _address(settings[kind])
            for kind in ("http", "https", "all")
            if settings.get(kind, "").strip()
        }
        exceptions = re.split(r"[,\s]+", settings.get("no", ""))
        return cls(proxies, tuple(filter(None, exceptions)))

    def proxy_for(self, url: httpx.URL) -> str | None:
        """The proxy for this address; None to go without one."""
        proxy = self.proxies.get(url.scheme) or self.proxies.get("all")
        if proxy and any(is_exception(entry, url) for entry in self.exceptions):
            return None
        return proxy


def _address(proxy: str) -> str:
    """A proxy's address as httpx takes it; one without a scheme speaks HTTP."""
    proxy = SOCKS.sub("socks5://", proxy.strip().strip("\"'"))
    return proxy if "://" in proxy else f"http://{proxy}"


def is_exception(entry: str, url: httpx.URL) -> bool:
    """Whether an entry of NO_PROXY is about this address.

    A domain covers what is below it, as curl has it; `.domain` and `*.domain` only that. An
    address may be in brackets, be a range, or have a port; `<local>` is every name without a dot.
    """
    host = url.raw_host.decode("ascii").rstrip(".").lower()
    if "/" in entry and "://" not in entry:
        return _is_in_range(host, entry)
    is_v6 = "[" not in entry and "://" not in entry and entry.count(":") > 1
    parts = EXCEPTION.fullmatch(f"[{entry}]" if is_v6 else entry)
    if entry == "*" or parts is None:
        return entry == "*"
    if parts["scheme"] not in (None, "all", url.scheme):
        return False
    if parts["port"] and int(parts["port"]) != (url.port or {"http": 80}.get(url.scheme, 443)):
        return False
    name = parts["host"].rstrip(".").lower()
    with suppress(ValueError):
        return _ip(host) == _ip(name)
    if not name.isascii():
        with suppress(UnicodeError):
            name = name.encode("idna").decode("ascii")  # as it is in the address
    if name == "<local>":
        return "." not in host
    if name == "localhost":
        return host == name
    if "*" in name:
        return fnmatch.fnmatchcase(host, name)
    return host.endswith(f".{name.removeprefix('.')}") or host == name


def _is_in_range(host: str, entry: str) -> bool:
    with suppress(ValueError):
        network = ipaddress.ip_network(entry.replace("[", "").replace("]", ""), strict=False)
        return _ip(host) in network
    return False


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address; one of IPv4 that is written as one of IPv6 is that of IPv4."""
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


class ProxyRoutes(httpx.BaseTransport):
    """Sends each request directly or through the proxy for its address.

    `connect` makes the transport through a proxy, once it is needed: a wrong setting matters only
    for the hosts it is for.
    """

    def __init__(
        self,
        settings: ProxySettings,
        direct: httpx.BaseTransport,
        connect: Callable[[str], httpx.BaseTransport],
    ) -> None:
        self._settings = settings
        self._direct = direct
        self._connect = connect
        self._opened: dict[str, httpx.BaseTransport] = {}
        self._lock = threading.Lock()

    def is_proxied(self, url: str) -> bool:
        """Whether there is a proxy for this address."""
        return self._settings.proxy_for(httpx.URL(url)) is not None

    def route(self, url: httpx.URL) -> httpx.BaseTransport:
        """What reaches this address. Raises ConfigError where its proxy is no proxy's address."""
        proxy = self._settings.proxy_for(url)
        if proxy is None:
            return self._direct
        with self._lock:
            if proxy not in self._opened:
                try:
                    self._opened[proxy] = self._connect(proxy)
                except (ValueError, RuntimeError, httpx.InvalidURL):
                    raise proxy_error() from None  # its cause would hold the proxy's password
            return self._opened[proxy]

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The response's head, by the route for its address."""
        return self.route(request.url).handle_request(request)

    def close(self) -> None:
        """Close every connection."""
        for transport in (self._direct, *self._opened.values()):
            transport.close()


def proxy_error() -> ConfigError:
    """The error for a wrong proxy setting: names the variables of the environment."""
    settings = sorted(
        f"{name}={without_login(value)}"
        for name, value in os.environ.items()
        if name.lower().endswith("_proxy") and value
    )
    return ConfigError(
        f"a proxy setting is wrong: look at {', '.join(settings)}",
        kind="proxy",
        hint="write it as http://host:port or socks5://host:port",
    )


def ca_error() -> ConfigError:
    """The error for a CA bundle that cannot be read."""
    file = os.environ.get("SSL_CERT_FILE")
    if file is None:
        return ConfigError("the CA bundle cannot be read", kind="ca", hint="install certifi again")
    what = "cannot be read" if Path(file).exists() else "does not exist"
    return ConfigError(f"SSL_CERT_FILE={file} {what}", kind="ca", hint="correct or unset it")


def without_login(proxy: str) -> str:
    """A proxy's address as a message may show it."""
    return re.sub(r"^([^/@]*//)?.*@", r"\1…@", proxy, flags=re.DOTALL)  # a line break hides nothing
