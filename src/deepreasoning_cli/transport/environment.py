"""What the environment says about proxies and the CA bundle, and which variable is wrong."""

from __future__ import annotations

import os
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from deepreasoning_cli.errors import ConfigError

KINDS = ("http", "https", "all")  # the proxies that httpx looks for


def proxied() -> bool:
    """Whether any request may go through a proxy."""
    return any(kind in urllib.request.getproxies() for kind in KINDS)


def proxy_of(url: str) -> str | None:
    """The proxy that a request to `url` goes through, without its login; None where there is none.

    Serves messages only: what is really used is httpx's business.
    """
    parts = urlsplit(url)
    found = urllib.request.getproxies()
    proxy = found.get(parts.scheme) or found.get("all")
    if not proxy or urllib.request.proxy_bypass(parts.netloc):
        return None
    return _without_login(proxy)


@contextmanager
def worded() -> Iterator[None]:
    """Say which variable of the environment is wrong; httpx says it in many ways."""
    try:
        yield
    except OSError as exc:
        raise _bad_bundle() from exc
    except (ValueError, ImportError, httpx.InvalidURL):
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
