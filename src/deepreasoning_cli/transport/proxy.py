"""Proxies and the CA bundle, as the environment names them, and which variable is wrong."""

from __future__ import annotations

import ipaddress
import os
import re
import urllib.request
from contextlib import suppress
from pathlib import Path

from deepreasoning_cli.errors import ConfigError


def proxy_patterns() -> dict[str, str | None]:
    """The proxy for each pattern of addresses, in httpx's notation; None to go without one.

    Reads what httpx itself reads: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, or the system's
    settings on macOS and Windows.
    """
    settings = urllib.request.getproxies()
    exceptions = [host.strip() for host in settings.get("no", "").split(",")]
    patterns: dict[str, str | None] = {
        f"{kind}://": settings[kind] if "://" in settings[kind] else f"http://{settings[kind]}"
        for kind in ("http", "https", "all")
        if settings.get(kind)
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
        hint="a proxy is written as http://host:port or socks5://host:port",
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
    return re.sub(r"^([^/@]*//)?.*@", r"\1…@", proxy)
