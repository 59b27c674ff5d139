"""`deepreasoning serve`: the same pipeline as a local HTTP API."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from deepreasoning_cli.cli import options as o
from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.errors import ConfigError

if TYPE_CHECKING:
    from deepreasoning_cli.settings.loaded import LoadedSettings

ADDRESS, ACCESS, RUNNING = "Address", "Who may ask", "Running"
LIBRARIES = ("greenlet", "httptools", "starlette", "uvicorn")
MISSING = "pip install 'deepreasoning-cli[serve]'"


class LogStyle(StrEnum):
    """How a request is logged."""

    TEXT = "text"
    JSON = "json"


def serve(
    context: typer.Context,
    host: Annotated[
        str | None,
        typer.Option(
            "--host",
            metavar="ADDRESS",
            help="Listen here and not on 127.0.0.1; what others can reach needs a token.",
            rich_help_panel=ADDRESS,
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            min=0,
            max=65535,
            help="1337 if not given; 0 takes any that is free.",
            rich_help_panel=ADDRESS,
        ),
    ] = None,
    token_command: Annotated[
        str | None,
        typer.Option(
            "--token-command",
            metavar="COMMAND",
            help="Program that prints the token which callers have to show.",
            rich_help_panel=ACCESS,
        ),
    ] = None,
    byok: Annotated[
        bool,
        typer.Option(
            "--byok",
            help="Callers bring keys of their own, in X-DeepSeek-API-Token and"
            " X-Anthropic-API-Token; yours are not used.",
            rich_help_panel=ACCESS,
        ),
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="Answer under this Host name too. Repeatable.",
            rich_help_panel=ACCESS,
        ),
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option(
            "--cors",
            metavar="ORIGIN",
            help="Let web pages of this origin ask. Repeatable.",
            rich_help_panel=ACCESS,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            max=256,
            help="So many processes; 1 if not given.",
            rich_help_panel=RUNNING,
        ),
    ] = None,
    streams: Annotated[
        int | None,
        typer.Option(
            "--streams",
            min=1,
            max=10000,
            help="At most so many replies at once in each process; 256 if not given.",
            rich_help_panel=RUNNING,
        ),
    ] = None,
    drain: Annotated[
        float | None,
        typer.Option(
            "--drain",
            min=0,
            metavar="SECONDS",
            help="Let replies finish for so long when told to stop; 30 if not given.",
            rich_help_panel=RUNNING,
        ),
    ] = None,
    log: Annotated[
        LogStyle | None,
        typer.Option("--log", help="The log's form, on stderr.", rich_help_panel=RUNNING),
    ] = None,
    metrics: Annotated[
        bool,
        typer.Option("--metrics", help="Answer /metrics, for Prometheus.", rich_help_panel=RUNNING),
    ] = False,
    no_save: o.NoSaveOption = False,
    model: o.ModelOption = None,
    reasoner: o.ReasonerOption = None,
    backend: o.BackendOption = None,
    handoff: o.HandoffOption = None,
    max_cost: Annotated[
        str | None,
        typer.Option(
            "--max-cost",
            metavar="USD",
            help="Stop a reply when it has cost so much.",
            rich_help_panel=o.LIMITS,
        ),
    ] = None,
) -> None:
    """Serve the pipeline as an HTTP API for OpenAI's and Anthropic's clients.

    It answers /v1/chat/completions, /v1/responses and /v1/messages.

    The model is called deepreasoning, or deepreasoning/NAME for one of Claude's.

    GET /openapi.json describes all of it.
    """
    flags: dict[str, object] = {
        "serve.host": host,
        "serve.port": port,
        "serve.byok": byok or None,
        "serve.hosts": allow_host,
        "serve.origins": cors,
        "serve.workers": workers,
        "serve.streams": streams,
        "serve.drain": drain,
        "serve.log": log and log.value,
        "serve.metrics": metrics or None,
        "keys.serve.command": token_command,
        "history": False if no_save else None,
        "model": model,
        "reasoner": reasoner,
        "backend": backend and backend.value,
        "handoff": handoff and handoff.value,
        "max_cost": max_cost,
    }
    _require_libraries(*LIBRARIES)
    from deepreasoning_cli.server.app import application
    from deepreasoning_cli.server.observe import log_to_stderr
    from deepreasoning_cli.server.run import bind, run, server_url, tune_process, worker_app
    from deepreasoning_cli.server.service import Service
    from deepreasoning_cli.settings.loaded import load_settings

    given = o.globals_of(context)
    loaded = load_settings(given.config, flags)
    settings = loaded.settings.serve
    if settings.metrics:
        _require_libraries("prometheus_client")
    with (
        log_to_stderr(settings.log, debug=given.debug),
        Service(loaded, debug=given.debug) as service,
    ):
        service.prepare()  # what is wrong with the settings is said before anybody is let in
        listening = bind(settings)
        if not given.quiet:
            for line in (*_notes(loaded), f"serving on {server_url(listening)}"):
                write_stderr(line)
        if settings.workers == 1:
            tune_process()
            run(listening, settings, partial(application, service))
        else:
            run(listening, settings, partial(worker_app, given.config, flags, debug=given.debug))


def _require_libraries(*names: str) -> None:
    try:
        for name in names:
            import_module(name)
    except ImportError as exc:
        raise ConfigError(
            f"serve needs a library that is not installed: {exc.name}",
            hint=MISSING,
            kind="not_installed",
        ) from exc


def _notes(loaded: LoadedSettings) -> list[str]:
    notes = [f"note: {note}" for note in loaded.notes]
    if loaded.settings.backend == "demo":
        notes.append("note: this is the demo; no model is called, every reply is scripted")
    return notes
