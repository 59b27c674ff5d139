"""The pipeline as an HTTP API: an ASGI app that speaks the formats of OpenAI, Anthropic and Ollama.

It may import every room but `cli`. `app` puts it together and is the file to open first; a request
passes `guard` → `handler` → `turn` → `response`; `run` is our own `serve` on uvicorn.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp


def create_app(
    config: Path | None = None, flags: Mapping[str, object] | None = None, *, debug: bool = False
) -> ASGIApp:
    """The app for any ASGI server, as `uvicorn --factory deepreasoning_cli.server:create_app`.

    `config` is a config file that must exist, else the usual one counts; `flags` are settings
    that win over it and over the environment. Raises ConfigError where they are wrong. It changes
    nothing that belongs to the process, and adds no handler to its loggers.
    """
    from deepreasoning_cli.server.app import application
    from deepreasoning_cli.server.service import Service
    from deepreasoning_cli.settings.loaded import load_settings

    return application(Service(load_settings(config, flags or {}), debug=debug))
