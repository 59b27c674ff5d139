"""A plain ASGI callable where Starlette would take a function for one of its own kind."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class Plain:
    """Passes everything on."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call it."""
        await self.app(scope, receive, send)
