"""Pages that may call the API: only those whose origins the settings name."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

METHODS: Final = ("GET", "POST")
HEADERS: Final = (
    "anthropic-beta",
    "anthropic-dangerous-direct-browser-access",
    "anthropic-version",
    "authorization",
    "openai-organization",
    "openai-project",
    "x-anthropic-api-token",
    "x-api-key",
    "x-deepseek-api-token",
    "x-stainless-arch",
    "x-stainless-helper-method",
    "x-stainless-lang",
    "x-stainless-os",
    "x-stainless-package-version",
    "x-stainless-retry-count",
    "x-stainless-runtime",
    "x-stainless-runtime-version",
    "x-stainless-timeout",
)
"""What the official JavaScript clients send, and the headers of our own."""
EXPOSED: Final = ("request-id", "retry-after", "x-request-id")


def cross_origin(app: ASGIApp, origins: Collection[str]) -> ASGIApp:
    """`app` for pages from `origins`, exactly as browsers write them; `*` is any page.

    Without origins it is `app` itself: no header of the kind, and each preflight is refused.
    """
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=METHODS,
        allow_headers=HEADERS,
        expose_headers=EXPOSED,
    )
