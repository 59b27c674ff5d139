"""The config file, changed by `config set` and `config edit`, or made from flags by `config init`.

Keys are asked for without echo, or read from stdin; never taken from the command line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deepreasoning_cli import paths
from deepreasoning_cli.catalog.load import load_vendors
from deepreasoning_cli.catalog.models import ANTHROPIC
from deepreasoning_cli.cli.config.questions import ask_key
from deepreasoning_cli.cli.editor import run_editor
from deepreasoning_cli.errors import ConfigError, DeepReasoningError, UsageError
from deepreasoning_cli.keys import validate_and_remember
from deepreasoning_cli.settings import editor
from deepreasoning_cli.settings.editor import Answers
from deepreasoning_cli.settings.loaded import load_settings
from deepreasoning_cli.settings.models import Settings
from deepreasoning_cli.settings.sources import from_environment

NAMED = ("model", "reasoner", "answerer")  # settings that are names of the catalog
LONGEST_LINE = 100_000  # characters; no key is nearly as long


def is_interactive() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin is not None and sys.stdin.isatty()


def nobody_to_ask() -> UsageError:
    """What is wrong with `config init` in a script that answers nothing by flags."""
    return UsageError(
        "config init asks questions, and standard input is no terminal",
        hint=(
            "--keys-from-env stores the keys of the environment",
            "--no-input writes a file that changes nothing",
        ),
    )


def set_value(path: Path, name: str, value: str | None) -> None:
    """Set one value of the file; a key (`keys.VENDOR`) is read, not taken from `value`.

    Raises UsageError for a missing value, and as `read_key` does.
    """
    match name.split("."):
        case ["keys", vendor] if vendor:
            editor.set_secret(path, vendor, read_key(vendor, value))
        case ["keys"]:
            raise key_on_the_command_line("NAME")
        case _ if value is None:
            raise UsageError(
                f"the value for {name} is missing", hint=f"`deepreasoning config set {name} VALUE`"
            )
        case _:
            check_name(path, name, value)
            editor.set_value(path, name, value)


def check_name(path: Path, setting: str, text: str) -> None:
    """Raise UsageError where the setting is a model, a reasoner or an answerer, and `text` names
    none.

    The hosts of the file at `path` are known; what is wrong with the file, the editor says.
    """
    name = text.strip().strip("\"'")
    if setting not in NAMED or not name or name.startswith("["):
        return
    from deepreasoning_cli.wiring.backend import model_at
    from deepreasoning_cli.wiring.resources import current_catalog

    try:
        loaded = load_settings(path if path.exists() else None, {}, environ={})
        catalog = current_catalog(loaded)
        host = catalog.answerer((loaded.settings.answerer or (ANTHROPIC,))[0])
    except ConfigError:
        return
    try:
        if setting == "model":
            model_at(host, catalog, name, datetime.now(UTC).date(), typed=True)
        else:
            find = catalog.reasoner if setting == "reasoner" else catalog.answerer
            for each in filter(None, name.split(",")):
                find(each)
    except DeepReasoningError as error:
        unknown = ("model_unknown", "reasoner_unknown", "answerer_unknown")
        if error.kind in unknown:  # a retired one may serve elsewhere
            raise UsageError(error.message, hint=error.hints, kind=error.kind) from None


def key_on_the_command_line(vendor: str) -> UsageError:
    """What is wrong with that, and what to do instead."""
    return UsageError(
        "keys are not accepted on the command line, where other programs and the shell's history"
        " can read them; if this one is real, replace it",
        hint=(
            f"`deepreasoning config set keys.{vendor}` asks for it, or reads it from stdin",
            f"keys.{vendor}.command can name a program that prints it",
        ),
    )


def read_key(vendor: str, value: str | None) -> str:
    """A key, asked for without echo, or one line of stdin; `value` is one on the command line.

    Raises UsageError for that and for an empty answer, ConfigError for a malformed key.
    """
    if value is not None:
        raise key_on_the_command_line(vendor)
    if is_interactive():
        key = ask_key(vendor, f"Key for {vendor} (hidden as you type)")
    else:
        text = _line_of_stdin()
        key = validate_and_remember(vendor, text, "standard input").value if text.strip() else None
    if key is None:
        raise UsageError(f"no key for {vendor} was given", hint="nothing was changed")
    return key


def _line_of_stdin() -> str:
    if sys.stdin is None:
        return ""
    try:
        return sys.stdin.readline(LONGEST_LINE)
    except UnicodeDecodeError:
        raise UsageError("standard input is not text", hint="pass the key alone") from None


def parse_key_commands(pairs: Iterable[str]) -> dict[str, Any]:
    """`NAME=COMMAND` pairs as entries of [keys]. Raises UsageError."""
    commands: dict[str, Any] = {}
    for pair in pairs:
        name, equals, command = pair.partition("=")
        if not (name.isidentifier() and equals and command.strip()):
            raise UsageError(
                "--key-command takes NAME=COMMAND",
                hint="write --key-command 'anthropic=pass show anthropic'",
            )
        commands[name] = {"command": command}
    return commands


def keys_from_environment() -> dict[str, Any]:
    """The keys that the environment holds now. Raises UsageError for none."""
    vendors = load_vendors(paths.catalog_override())
    layer = from_environment(os.environ, Settings.model_fields, vendors)
    keys: dict[str, Any] = layer.values.get("keys", {})
    if not keys:
        names = ", ".join(vendor.key_env for vendor in vendors if vendor.key_env)
        raise UsageError("there is no key in the environment", hint=f"set one of {names}")
    for name, key in keys.items():
        if isinstance(key, str):
            validate_and_remember(name, key, "the environment")
    return keys


def check_names(path: Path, settings: Mapping[str, str]) -> None:
    """Raise UsageError for a model, reasoner or answerer among `settings` that does not exist."""
    for name in NAMED:
        check_name(path, name, settings.get(name, ""))


def edit(path: Path) -> list[str]:
    """Open the file, a new one with the template in it; return notes on what was repaired.

    Raises ConfigError if the editor fails or the file is wrong afterwards; what was written
    stays.
    """
    if not path.exists():
        editor.create(path, Answers())
    run_editor(path)
    return load_settings(path, {}, environ={}).notes
