"""`config init`: a few questions, or flags, and a commented file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepreasoning_cli.cli.config import setup
from deepreasoning_cli.errors import UsageError

WAYS = {
    "direct": "two keys: a reasoner thinks (DeepSeek), Claude answers (Anthropic)",
    "gateway": "one key: the hosted DeepReasoning model does both (EmpirioLabs)",
    "demo": "no key: scripted replies, to look around",
}
RIGHT_TO_LEFT = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
PANELS = "Your language is written from right to left. What shall panels have?"
PANEL_FORMS = ["rules above and below the text, which no terminal tears", "a box around the text"]


@dataclass(frozen=True, slots=True)
class Given:
    """What flags and environment answer already; keys are text or `{"command": …}`."""

    settings: Mapping[str, str]
    keys: Mapping[str, Any] = field(repr=False)


def commands(pairs: Iterable[str]) -> dict[str, Any]:
    """`NAME=COMMAND` pairs as entries of [keys]. Raises UsageError."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, command = pair.partition("=")
        if not (name.isidentifier() and equals and command.strip()):
            raise UsageError(
                "--key-command takes NAME=COMMAND",
                hint="for instance --key-command 'anthropic=pass show anthropic'",
            )
        found[name] = {"command": command}
    return found


def keys_of_environment(wanted: bool) -> dict[str, Any]:
    """The keys that the environment holds now, if they are `wanted`. Raises UsageError for none."""
    if not wanted:
        return {}
    from deepreasoning_cli.keys import checked
    from deepreasoning_cli.settings import Settings
    from deepreasoning_cli.settings.sources import KEYED, from_environment

    keys: dict[str, Any] = from_environment(os.environ, Settings.model_fields).values.get(
        "keys", {}
    )
    if not keys:
        names = ", ".join(f"{vendor.upper()}_API_KEY" for vendor in KEYED)
        raise UsageError("the environment holds no key", hint=f"looked for {names}")
    for name, key in keys.items():
        if isinstance(key, str):
            checked(name, key, "the environment")
    return keys


def start(path: Path, given: Given, *, overwrite: bool, ask: bool) -> None:
    """Write a new file from what is given and, if `ask`, from answers."""
    from deepreasoning_cli.settings import config_file

    config_file.refuse_existing(path, overwrite=overwrite)
    if ask:
        given = _asked(given)
    answers = config_file.Answers(given.settings, given.keys)
    config_file.create(path, answers, overwrite=overwrite)


def _asked(given: Given) -> Given:
    """Ask for what is not given yet."""
    settings, keys = dict(given.settings), dict(given.keys)
    if "backend" not in settings:
        number = setup.choice("How do you want to start?", list(WAYS.values()))
        settings["backend"] = list(WAYS)[number]
    backend = settings["backend"]
    if _language() in RIGHT_TO_LEFT:
        settings["panels"] = ("rules", "box")[setup.choice(PANELS, PANEL_FORMS)]
    if backend == "demo":
        return Given(settings, keys)
    if backend != "gateway" and "reasoner" not in settings:
        settings["reasoner"] = setup.text("Reasoner", "deepseek")
    if "model" not in settings:
        settings["model"] = setup.text("Claude model", "sonnet")
    for vendor in _vendors(backend, settings.get("reasoner", "deepseek")):
        if vendor not in keys and (key := _key(vendor)):
            keys[vendor] = key
    return Given(settings, keys)


def _language() -> str:
    """The language of the user's locale, as `ar`; "" for none."""
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return next((name for name in names if name), "").partition("_")[0].partition(".")[0]


def _vendors(backend: str, reasoner: str) -> list[str]:
    """Whose keys the chosen way needs. Raises ConfigError for an unknown reasoner."""
    from deepreasoning_cli import catalog, paths

    if backend == "gateway":
        return ["empiriolabs"]
    override = paths.catalog_override()
    host = catalog.load(override if override.exists() else None).reasoner(reasoner)
    return [host.key, "anthropic"] if host.key else ["anthropic"]


def _key(vendor: str) -> str:
    """A key that can be sent, or nothing. Raises ConfigError for a malformed one."""
    from deepreasoning_cli.keys import checked

    answer = setup.hidden(vendor, optional=True)
    return checked(vendor, answer, "your answer").value if answer.strip() else ""
