"""`deepreasoning serve`: the same pipeline as a local HTTP API."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Annotated, Literal

import typer

from deepreasoning_cli.cli import options as o
from deepreasoning_cli.cli.messages import message, note
from deepreasoning_cli.errors import ConfigError

LIBRARIES = ("greenlet", "httptools", "starlette", "uvicorn")
MISSING = "pip install 'deepreasoning-cli[serve]'"
SETTINGS = {
    **o.SETTINGS,
    "token_command": "keys.serve.command",
    **{name: f"serve.{name}" for name in ("host", "port", "byok", "hosts", "origins")},
    **{name: f"serve.{name}" for name in ("workers", "streams", "drain", "log", "metrics")},
}
"""The parameters that override a setting, with the setting's name."""

address_option = partial(typer.Option, rich_help_panel="Address")
access_option = partial(typer.Option, rich_help_panel="Who may ask")
running_option = partial(typer.Option, rich_help_panel="Running")


def serve(
    context: typer.Context,
    host: Annotated[
        str | None,
        address_option(
            "--host",
            metavar="ADDRESS",
            help="Address (default 127.0.0.1); any other needs a token.",
        ),
    ] = None,
    port: Annotated[
        int | None,
        address_option("--port", min=0, max=65535, help="Port (default 1337; 0 picks a free one)."),
    ] = None,
    token_command: Annotated[
        str | None,
        access_option(
            "--token-command",
            metavar="COMMAND",
            help="Command that prints the token callers must send.",
        ),
    ] = None,
    byok: Annotated[
        bool | None,
        access_option(
            "--byok",
            help="Callers send their own keys in X-DeepSeek-API-Token and"
            " X-Anthropic-API-Token; yours are not used.",
        ),
    ] = None,
    hosts: Annotated[
        list[str] | None,
        access_option(
            "--allow-host", metavar="NAME", help="Also accept this Host name. Repeatable."
        ),
    ] = None,
    origins: Annotated[
        list[str] | None,
        access_option(
            "--cors", metavar="ORIGIN", help="Allow web pages of this origin. Repeatable."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        running_option("--workers", min=1, max=256, help="Worker processes (default 1)."),
    ] = None,
    streams: Annotated[
        int | None,
        running_option(
            "--streams",
            min=1,
            max=10000,
            help="Concurrent replies per worker (default 256).",
        ),
    ] = None,
    drain: Annotated[
        float | None,
        running_option(
            "--drain",
            min=0,
            metavar="SECONDS",
            help="Time for replies to finish at shutdown (default 30).",
        ),
    ] = None,
    log: Annotated[
        Literal["text", "json"] | None, running_option("--log", help="Log format on stderr.")
    ] = None,
    metrics: Annotated[
        bool | None, running_option("--metrics", help="Serve Prometheus metrics at /metrics.")
    ] = None,
    no_save: o.NoSaveOption = False,
    model: o.ModelOption = None,
    reasoner: o.ReasonerOption = None,
    answerer: o.AnswererOption = None,
    fallback: o.FallbackOption = None,
    backend: o.BackendOption = None,
    handoff: o.HandoffOption = None,
    max_cost: Annotated[
        str | None,
        o.limits_option("--max-cost", metavar="USD", help="Stop a reply at this cost."),
    ] = None,
    record: o.RecordOption = None,
    replay: o.ReplayOption = None,
    replay_pace: o.ReplayPaceOption = None,
) -> None:
    """Run a local HTTP API for OpenAI and Anthropic clients.

    Routes: /v1/chat/completions, /v1/responses and /v1/messages.

    Model names: deepreasoning, or deepreasoning/NAME for a given Claude model.

    GET /openapi.json describes the API.
    """
    flags = o.settings_from(context.params, SETTINGS)
    if no_save:
        flags["history"] = False
    _require_libraries(*LIBRARIES)
    from deepreasoning_cli.server.app import application
    from deepreasoning_cli.server.observe import log_to_stderr
    from deepreasoning_cli.server.run import bind, run, server_url, tune_process, worker_app
    from deepreasoning_cli.server.service import Service
    from deepreasoning_cli.settings.loaded import load_settings

    options = o.global_options_of(context)
    debug = options.debug
    loaded = load_settings(options.config, flags)
    settings = loaded.settings.serve
    if settings.metrics:
        _require_libraries("prometheus_client")
    with log_to_stderr(settings.log, debug=debug), Service(loaded, debug=debug) as service:
        service.prepare()  # reports wrong settings before the first request
        listening = bind(settings)
        for text in loaded.notes:
            note(options, text)
        if loaded.settings.backend == "demo":
            note(options, "this is the demo; no model is called, every reply is scripted")
        if loaded.settings.is_replay:
            note(options, "this is a replay; no model is called, every reply was recorded")
        message(options, "", f"serving on {server_url(listening)}")
        make_app = partial(worker_app, options.config, flags, debug=debug)
        if settings.workers == 1:
            tune_process()
            make_app = partial(application, service)
        run(listening, settings, make_app)


def _require_libraries(*names: str) -> None:
    try:
        for name in names:
            import_module(name)
    except ImportError as exc:
        message = f"serve needs a library that is not installed: {exc.name}"
        raise ConfigError(message, hint=MISSING, kind="not_installed") from exc
