"""The config file, made by `config init` and changed by `config edit`.

Keys are asked for without echo, or read from stdin; never taken from the command line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from deepreasoning_cli import paths
from deepreasoning_cli.catalog.load import load_catalog, load_vendors
from deepreasoning_cli.catalog.models import ANTHROPIC
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
BACKENDS = {
    "direct": "two keys: a reasoner thinks (DeepSeek), Claude answers (Anthropic)",
    "gateway": "one key: the hosted DeepReasoning model does both (EmpirioLabs)",
    "demo": "no key: scripted replies, to look around",
}
RIGHT_TO_LEFT = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
PANELS = {
    "rules": "rules above and below the text, which no terminal tears",
    "box": "a box around the text",
}


def is_interactive() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin is not None and sys.stdin.isatty()


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
                f"the value for {name} is missing", hint=f"deepreasoning config set {name} VALUE"
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
        "a key is not taken from the command line: other programs and the shell's history"
        " can read it; replace this one if it is real",
        hint=f"`deepreasoning config set keys.{vendor}` asks for it or reads one line of stdin;"
        f" keys.{vendor}.command names a program that prints it",
    )


def read_key(vendor: str, value: str | None) -> str:
    """A key, asked for without echo, or one line of stdin; `value` is one on the command line.

    Raises UsageError for that and for an empty answer, ConfigError for a malformed key.
    """
    if value is not None:
        raise key_on_the_command_line(vendor)
    text = ask_key(vendor) if is_interactive() else _line_of_stdin()
    if not text.strip():
        raise UsageError(f"no key for {vendor} was given", hint="nothing was changed")
    origin = "your answer" if is_interactive() else "standard input"
    return validate_and_remember(vendor, text, origin).value


def ask_key(vendor: str, *, optional: bool = False) -> str:
    """Ask for a key without echo; an empty answer is possible where it is `optional`."""
    question = f"Key for {vendor}" + (" (Enter to leave it out)" if optional else "")
    answer: str = typer.prompt(question, default="", show_default=False, hide_input=True, err=True)
    return answer


def ask_choice(question: str, options: Mapping[str, str]) -> str:
    """Ask for one of `options`, which are described by their values. The first is the default."""
    typer.echo(question, err=True)
    for number, description in enumerate(options.values(), start=1):
        typer.echo(f"  {number}. {description}", err=True)
    while True:
        answer: str = typer.prompt("Number", default="1", err=True)
        if answer.strip() in {str(number + 1) for number in range(len(options))}:
            return list(options)[int(answer) - 1]
        typer.echo(f"1 to {len(options)}, please", err=True)


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
                hint="for instance --key-command 'anthropic=pass show anthropic'",
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
        raise UsageError("the environment holds no key", hint=f"looked for {names}")
    for name, key in keys.items():
        if isinstance(key, str):
            validate_and_remember(name, key, "the environment")
    return keys


def create(path: Path, answers: Answers, *, overwrite: bool, ask: bool) -> None:
    """Write a new file from `answers` and, if `ask`, from what the user says to the rest."""
    editor.refuse_existing(path, overwrite=overwrite)
    answers = _complete(answers) if ask else answers
    for name in NAMED:
        check_name(path, name, answers.settings.get(name, ""))
    editor.create(path, answers, overwrite=overwrite)


def _complete(answers: Answers) -> Answers:
    """Ask for what is not answered yet. Raises ConfigError for a malformed key."""
    settings, keys = dict(answers.settings), dict(answers.keys)
    if "backend" not in settings:
        settings["backend"] = ask_choice("How do you want to start?", BACKENDS)
    backend = settings["backend"]
    if _language() in RIGHT_TO_LEFT:
        question = "Your language is written from right to left. What shall panels have?"
        settings["panels"] = ask_choice(question, PANELS)
    if backend == "demo":
        return Answers(settings, keys)
    if backend != "gateway" and "reasoner" not in settings:
        settings["reasoner"] = typer.prompt("Reasoner", default="deepseek", err=True).strip()
    if "model" not in settings:
        settings["model"] = typer.prompt("Claude model", default="sonnet", err=True).strip()
    hosts = settings.get("reasoner", "deepseek"), settings.get("answerer", ANTHROPIC)
    for vendor in _vendors(backend, *hosts):
        if vendor not in keys and (answer := ask_key(vendor, optional=True)).strip():
            keys[vendor] = validate_and_remember(vendor, answer, "your answer").value
    return Answers(settings, keys)


def _language() -> str:
    """The language of the user's locale, as `ar`; "" for none."""
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return next((name for name in names if name), "").partition("_")[0].partition(".")[0]


def _vendors(backend: str, reasoner: str, answerer: str) -> list[str]:
    """The vendors whose keys the backend needs. Raises ConfigError for an unknown host."""
    if backend == "gateway":
        return ["empiriolabs"]
    override = paths.catalog_override()
    catalog = load_catalog(override if override.exists() else None)
    keys = (catalog.reasoner(reasoner).key, catalog.answerer(answerer).key)
    return list(dict.fromkeys(key for key in keys if key))


def edit(path: Path) -> list[str]:
    """Open the file, a new one with the template in it; return notes on what was repaired.

    Raises ConfigError if the editor fails or the file is wrong afterwards; what was written
    stays.
    """
    if not path.exists():
        editor.create(path, Answers())
    run_editor(path)
    return load_settings(path, {}, environ={}).notes
