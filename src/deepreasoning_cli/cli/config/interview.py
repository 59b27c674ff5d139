"""What `config init` asks on a terminal: keys first, then names, then whether to try the keys.

Each answer is checked where it is given, and nothing is written before the last one is there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG
from typing import Final, NamedTuple

import typer

from deepreasoning_cli import paths
from deepreasoning_cli.catalog.load import load_vendors
from deepreasoning_cli.catalog.models import ANTHROPIC, ClaudeModel, Lifecycle, Vendor
from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.cli.completion import destination_of, install, own_shell
from deepreasoning_cli.cli.config.questions import ask_choice, ask_key, ask_yes, unechoed
from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.settings import editor
from deepreasoning_cli.settings.editor import Answers
from deepreasoning_cli.settings.loaded import LoadedSettings, load_settings, merge_layers
from deepreasoning_cli.settings.models import Settings
from deepreasoning_cli.settings.sources import from_environment
from deepreasoning_cli.views.terminal import is_foreground, is_terminal
from deepreasoning_cli.wiring.backend import GATEWAY, GATEWAY_KEY, STARTS, model_at
from deepreasoning_cli.wiring.resources import current_catalog


class Way(NamedTuple):
    """A way to start: what is needed for it, what it means, and its settings."""

    needs: str
    meaning: str
    settings: Mapping[str, str]


WAYS: Final = (
    Way(
        "DeepSeek and Anthropic",
        "two keys: DeepSeek reasons, Claude answers",
        {"backend": "direct", "reasoner": "deepseek", "answerer": "anthropic"},
    ),
    Way(
        "OpenRouter",
        "one key: it hosts a reasoner and Claude",
        {"backend": "direct", "reasoner": "openrouter", "answerer": "openrouter"},
    ),
    Way("EmpirioLabs", "one key: the hosted DeepReasoning model", {"backend": "gateway"}),
    Way(
        "none, but Ollama",
        "both models run on this computer",
        {"backend": "direct", "reasoner": "ollama", "answerer": "ollama"},
    ),
    Way("none yet", "the demo: scripted replies, no model is called", {"backend": "demo"}),
)
FAMILIES: Final = ("sonnet", "opus", "haiku", "fable")  # Mythos answers verified organisations only
RIGHT_TO_LEFT: Final = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
PANELS: Final = {
    "rules": "rules above and below the text, which no terminal tears",
    "box": "a box around the text",
}


def offer(failure: DeepReasoningError, words: Sequence[str]) -> bool:
    """Offer to set the program up where the failure advises that; whether keys are there now.

    Only a person is asked: never in a pipe, a job in the background or CI, and not where `words`
    name a config file. Raises KeyboardInterrupt where the user leaves.
    """
    names_file = any(word.partition("=")[0] == "--config" for word in words)
    if names_file or STARTS[0] not in failure.hints or not _is_person_there():
        return False
    try:
        with unechoed():
            is_wanted = ask_yes("Set it up now?")
    except typer.Abort:
        raise KeyboardInterrupt from None
    if not is_wanted:
        return False
    write_stderr("")
    path = paths.config_file()
    return set_up(path, Answers(), overwrite=False, log=lambda _line: None) == 0


def _is_person_there() -> bool:
    """Whether somebody sees a question and can answer it; the answer may go into a file."""
    if os.environ.get("CI") or not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        return False
    try:
        is_file = S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    except (AttributeError, OSError, ValueError):  # there is no stdout, or it is closed
        return False
    return (is_file or is_terminal(sys.stdout)) and is_foreground(sys.stderr)


def set_up(path: Path, given: Answers, *, overwrite: bool, log: Callable[[str], None]) -> int:
    """Ask for what is not `given`, write the file, try the keys; the exit code of that.

    Where the file is there, and not to `overwrite`, the answers are put into it. Raises
    KeyboardInterrupt where the user leaves.
    """
    is_new = overwrite or not path.exists()
    does = "Writes" if is_new else "Changes"
    write_stderr(f"{does} {path}\nCtrl-C leaves everything as it is.\n", wrap=False)
    outcome = "nothing was written"
    try:
        with unechoed():
            answers = Interview(path, given, is_new=is_new).ask()
            if is_new:
                editor.create(path, answers, overwrite=overwrite)
            else:
                editor.update(path, answers)
            write_stderr(f"\nwrote {path}", wrap=False)
            outcome = "the file stays"
            with redirect_stdout(sys.stderr):  # stdout may be the file of the answer to come
                code = _offer_check(path, log) if answers.keys else 0
                _offer_completions()
    except typer.Abort:
        write_stderr(f"cancelled; {outcome}")
        raise KeyboardInterrupt from None
    return code


def _offer_check(path: Path, log: Callable[[str], None]) -> int:
    if not ask_yes("Try the keys now?"):
        return 0
    from deepreasoning_cli.cli.config import checks

    return checks.run(load_settings(path, {}), as_json=False, log=log)


def _offer_completions() -> None:
    shell = own_shell()
    if shell is None or any(place.exists() for place in destination_of(shell).paths):
        return
    if ask_yes(f"Install completions for {shell}?"):
        install(shell)


class Interview:
    """The questions about one file; what `given` has answered is not asked."""

    def __init__(self, path: Path, given: Answers, *, is_new: bool) -> None:
        self._settings, self._keys = dict(given.settings), dict(given.keys)
        if self._settings.get("backend") == "auto":  # the keys decide, and they are asked for
            del self._settings["backend"]
        self._vendors = {each.name: each for each in load_vendors(paths.catalog_override())}
        self._loaded = _in_force(path, list(self._vendors.values()), is_new=is_new)
        self._catalog = current_catalog(self._loaded)
        self._today = datetime.now(UTC).date()

    def ask(self) -> Answers:
        """All answers. Raises typer.Abort where the user leaves, ConfigError for a wrong name."""
        is_reasoner_given = "reasoner" in self._settings
        self._ask_way()
        match self._settings["backend"]:
            case "demo":
                pass
            case "gateway":
                self._ask_key(GATEWAY_KEY)
                self._ask_model()
            case _:
                self._ask_host_keys()
                self._ask_key("linkup", "for --web; ")
                if not is_reasoner_given:
                    self._ask_reasoner()
                self._ask_model()
        if _language() in RIGHT_TO_LEFT:
            question = "Your language is written from right to left. What shall panels have?"
            self._settings["panels"] = ask_choice(question, PANELS)
        return Answers(self._settings, self._keys)

    def _ask_way(self) -> None:
        given = self._settings
        if {"reasoner", "answerer"} & given.keys():
            own = {"backend": "direct", "reasoner": "deepseek", "answerer": ANTHROPIC}
            self._settings = {**own, **given}
            return
        backend = given.get("backend")
        able = [way for way in WAYS if backend in (None, way.settings["backend"])]
        ways = {way.needs: way for way in sorted(able, key=lambda way: not self._is_set(way))}
        needs = next(iter(ways))
        if len(ways) > 1:
            meanings = {way.needs: way.meaning for way in ways.values()}
            needs = ask_choice("Which keys do you have?", meanings)
        self._settings = {**ways[needs].settings, **given}

    def _is_set(self, way: Way) -> bool:
        """Whether the settings in force are those of the way."""
        settings = self._loaded.settings
        values: dict[str, tuple[str, ...]] = {
            "backend": (settings.backend,),
            "reasoner": settings.reasoner or (),
            "answerer": settings.answerer or (),
        }
        return all(values[name][:1] == (value,) for name, value in way.settings.items())

    def _ask_host_keys(self) -> None:
        reasoner = self._catalog.reasoner(self._settings["reasoner"])
        answerer = self._catalog.answerer(self._settings["answerer"])
        for name in filter(None, (reasoner.key, answerer.key)):
            self._ask_key(name)

    def _ask_key(self, name: str, purpose: str = "") -> None:
        if name in self._keys:
            return
        vendor = self._vendors.get(name)
        label = vendor.label if vendor else name
        if vendor and vendor.key_page:
            write_stderr(f"\nKeys for {label}: {vendor.key_page}")
        has_one = self._loaded.has_key(name)
        skip = f"Enter keeps the one of the {self._origin(name)}" if has_one else "Enter skips it"
        question = f"Key for {label} ({purpose}hidden as you type; {skip})"
        if key := ask_key(name, question, lambda value: self._belongs_elsewhere(vendor, value)):
            self._keys[name] = key

    def _origin(self, name: str) -> str:
        entry = f"keys.{name}."
        origins = self._loaded.origins.items()
        return next(o.split(" ")[0] for n, o in origins if f"{n}.".startswith(entry))

    def _belongs_elsewhere(self, vendor: Vendor | None, key: str) -> str | None:
        """Why that is no key of the vendor's: it begins as those of another do."""
        for other in self._vendors.values():
            if other is not vendor and other.key_start and key.startswith(other.key_start):
                return f"That looks like a key for {other.label}, and was dropped."
        return None

    def _ask_reasoner(self) -> None:
        """Ask which reasoner, where the keys allow more than one; then for its key."""
        chosen = self._settings["reasoner"]
        able = [
            row
            for row in self._catalog.reasoners
            if row.name == chosen or (row.key and self._has_key(row.key))
        ]
        if len(able) < 2:
            return
        first = next(iter(self._loaded.settings.reasoner or ()), chosen)
        options = {row.name: row.label for row in sorted(able, key=lambda row: row.name != first)}
        name = ask_choice("\nWho reasons?", options, self._check_reasoner)
        self._settings["reasoner"] = name
        if (key := self._catalog.reasoner(name).key) and not self._has_key(key):
            self._ask_key(key)

    def _check_reasoner(self, name: str) -> None:
        self._catalog.reasoner(name)

    def _has_key(self, name: str) -> bool:
        return name in self._keys or self._loaded.has_key(name)

    def _ask_model(self) -> None:
        """Ask which Claude model, where the host offers any."""
        if "model" in self._settings:
            return
        newest = (self._catalog.newest(family, self._place, self._today) for family in FAMILIES)
        models = [model for model in newest if model and self._is_current(model)]
        options = {model.family.lower(): self._describe(model) for model in models}
        if options:
            if own := self._loaded.settings.model:
                options = {own: options.get(own, "as it is set"), **options}
            question = "\nWhich Claude answers?"
            self._settings["model"] = ask_choice(question, options, self._check_model)

    @property
    def _place(self) -> str:
        if self._settings["backend"] == GATEWAY:
            return GATEWAY
        return self._catalog.answerer(self._settings["answerer"]).place

    def _describe(self, model: ClaudeModel) -> str:
        """Its name, and what it costs there."""
        if (card := model.rates.get(self._place)) is None:
            return model.name
        read, written = (f"${rate:.2f}" for rate in (card.base.input, card.base.output))
        return f"{model.name}: {read} in, {written} out per million tokens"

    def _is_current(self, model: ClaudeModel) -> bool:
        return model.lifecycle(self._today) in (Lifecycle.ACTIVE, Lifecycle.LEGACY)

    def _check_model(self, name: str) -> None:
        """Raise RefusedError for a name that means nothing where it would be asked."""
        if self._place == GATEWAY:
            self._catalog.claude(name, GATEWAY, self._today)
        else:
            answerer = self._catalog.answerer(self._settings["answerer"])
            model_at(answerer, self._catalog, name, self._today, typed=True)


def _in_force(path: Path, vendors: Sequence[Vendor], *, is_new: bool) -> LoadedSettings:
    """The settings without those of the file that is made anew. Raises ConfigError."""
    if not is_new:
        return load_settings(path, {})
    return merge_layers((from_environment(os.environ, Settings.model_fields, vendors),), path)


def _language() -> str:
    """The language of the user's locale, as `ar`; "" for none."""
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return next((name for name in names if name), "").partition("_")[0].partition(".")[0]
