"""Proxies and the CA bundle, as the environment names them, and which variable is wrong."""

from __future__ import annotations

import ipaddress
import os
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from deepreasoning_cli.errors import ConfigError

KINDS = ("http", "https", "all")  # of proxies


def proxies() -> dict[str, str | None]:
    """The proxy for each pattern of addresses, in httpx's notation; None to go without one.

    Reads what httpx itself reads: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, or the system's
    settings on macOS and Windows.
    """
    found = urllib.request.getproxies()
    exceptions = [host.strip() for host in found.get("no", "").split(",")]
    patterns: dict[str, str | None] = {
        f"{kind}://": found[kind] if "://" in found[kind] else f"http://{found[kind]}"
        for kind in KINDS
        if found.get(kind)
    }
    if not patterns or "*" in exceptions:
        return {}
    return patterns | {_pattern(host): None for host in exceptions if host}


def _pattern(host: str) -> str:
    """An entry of NO_PROXY as a pattern: a domain covers what is below it."""
    if "://" in host:
        return host
    with suppress(ValueError):
        is_v6 = ipaddress.ip_address(host.partition("/")[0]).version == 6
        return f"all://[{host}]" if is_v6 else f"all://{host}"
    return f"all://{host}" if host.lower() == "localhost" else f"all://*{host}"


def proxy_of(url: str) -> str | None:
    """The proxy that a request to `url` goes through, without its login; None where there is none.

    For messages only: `proxies` says what is used.
    """
    parts = urlsplit(url)
    found = urllib.request.getproxies()
    proxy = found.get(parts.scheme) or found.get("all")
    if not proxy or urllib.request.proxy_bypass(parts.netloc):
        return None
    return _without_login(proxy)


@contextmanager
def from_set_up_error() -> Iterator[None]:
    """Raises ConfigError that names the wrong variable of the environment."""
    try:
        yield
    except OSError as exc:
        raise _bad_bundle() from exc
    except (ValueError, RuntimeError, httpx.InvalidURL):
        # its cause would hold the proxy's password
        raise ConfigError(
            f"a proxy setting is wrong: look at {', '.join(_proxy_settings())}",
            kind="proxy",
            hint="a proxy is written as http://host:port or socks5://host:port",
        ) from None


def _bad_bundle() -> ConfigError:
    file = os.environ.get("SSL_CERT_FILE")
    if file is None:
        return ConfigError("the CA bundle cannot be read", kind="ca", hint="install certifi again")
    what = "cannot be read" if Path(file).exists() else "does not exist"
    return ConfigError(f"SSL_CERT_FILE={file} {what}", kind="ca", hint="correct or unset it")


def _proxy_settings() -> list[str]:
    return sorted(
        f"{name}={_without_login(value)}"
        for name, value in os.environ.items()
        if name.lower().endswith("_proxy") and value
    )


def _without_login(proxy: str) -> str:
    return re.sub(r"^([^/@]*//)?.*@", r"\1…@", proxy)
