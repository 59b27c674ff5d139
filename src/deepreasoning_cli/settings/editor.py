"""Change `config.toml` and keep its comments and order; what would not load is never written."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from deepreasoning_cli import files
from deepreasoning_cli.errors import ConfigError, DeepReasoningError, UsageError, did_you_mean
from deepreasoning_cli.settings.loaded import merge_layers
from deepreasoning_cli.settings.reader import read
from deepreasoning_cli.settings.sources import Layer, dotted_names, flag_of, from_file

Document = tomlkit.TOMLDocument
Table = MutableMapping[str, Any]
TEMPLATE = Path(__file__).with_name("template.toml")


@dataclass(frozen=True, slots=True)
class Answers:
    """What a new file begins with: settings, and keys as text or `{"command": …}`."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, Any] = field(default_factory=dict, repr=False)


UNCHANGED = "give it such a value; the file is as it was"


def create(path: Path, answers: Answers, *, overwrite: bool = False) -> None:
    """Write the commented file. Raises UsageError if it exists, or for a wrong answer."""
    refuse_existing(path, overwrite=overwrite)
    parts = (answers.settings, answers.keys)
    tree = {**answers.settings, "keys": {**answers.keys}}
    origins = {name: f"flag {_flag(name)}" for name in dotted_names(tree)}
    merge_layers((Layer(tree, origins),), path)
    written = ({name: _as_toml(value) for name, value in part.items()} for part in parts)
    files.write_atomically(path, render(*written))


def update(path: Path, answers: Answers) -> None:
    """Put the answers into the file that is there. Raises as `set_value` does."""

    def put_all(document: Document) -> None:
        for name, value in answers.settings.items():
            _put(document, [name], value)
        for name, value in answers.keys.items():
            _put(document, ["keys", name], value)

    _rewrite(path, put_all)


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Raise UsageError if the file is there and shall not be replaced."""
    if path.exists() and not overwrite:
        raise UsageError(
            f"{path} exists already",
            hint="change it with `deepreasoning config set` or `edit`; --force starts it anew",
        )


def _flag(name: str) -> str:
    return "--key-command" if name.startswith("keys.") else flag_of(name)


def set_value(path: Path, dotted: str, text: str) -> None:
    """Set a value: `text` as TOML if that is valid there, else as a plain text.

    Raises UsageError for a wrong name or value, ConfigError for a file that was broken before.
    """
    with contextlib.suppress(TOMLKitError, UsageError):
        _change(path, dotted, partial(_put, value=tomlkit.value(text)))
        return
    _change(path, dotted, partial(_put, value=text))


def set_secret(path: Path, name: str, value: str) -> None:
    """Set `keys.NAME` to exactly this text; raises as `set_value` does."""
    _change(path, f"keys.{name}", partial(_put, value=value))


def unset_value(path: Path, dotted: str) -> None:
    """Take a value or a table out, and the tables that it leaves empty; raises as `set_value`."""

    def remove(document: Document, names: list[str]) -> None:
        if not _remove(document, names):
            close = did_you_mean(dotted, dotted_names(document.unwrap()))
            hint = close or "`deepreasoning config show` lists what is set"
            raise UsageError(f"{dotted} is not set in {path}", hint=hint)

    _change(path, dotted, remove)


def _change(path: Path, dotted: str, edit: Callable[[Document, list[str]], None]) -> None:
    names = dotted.split(".")
    if not all(names):
        raise UsageError(f"{dotted} is not the name of a setting", hint="write names like keys.lab")
    _rewrite(path, lambda document: edit(document, names))


def _rewrite(path: Path, edit: Callable[[Document], None]) -> None:
    """Edit the file's document and write it, unless that would make it wrong."""
    try:
        before = read(path)
    except FileNotFoundError:
        before = ""
    from_file(path, before)  # a file that is not TOML is refused here, with line and column
    try:
        document = tomlkit.parse(before)
    except (TOMLKitError, RecursionError):  # it takes less than the parser of the settings
        raise ConfigError(
            f"{path}: too much is nested to be edited",
            hint="`deepreasoning config edit` opens the file",
            kind="config_broken",
        ) from None
    edit(document)
    after = tomlkit.dumps(document)
    if "\r\n" in before:  # a file of Windows: its new lines end alike
        after = re.sub("\r?\n", "\r\n", after)
    _refuse_new_problems(path, before, after)
    files.write_atomically(path, after)


def _refuse_new_problems(path: Path, before: str, after: str) -> None:
    """What was wrong already is the file's fault, what is new is the call's."""
    if problem := _problem(path, after):
        old = _problem(path, before)
        if old and old.message.partition(" ")[2] == problem.message.partition(" ")[2]:
            raise old  # it was wrong before, and at this line
        words = problem.message.partition(": ")[2] or problem.message
        raise UsageError(words, hint=UNCHANGED if " must be " in words else problem.hints)


def _problem(path: Path, text: str) -> DeepReasoningError | None:
    try:
        merge_layers((from_file(path, text),), path)
    except ConfigError as exc:
        return exc
    return None


def _as_toml(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{name} = {_as_toml(item)}" for name, item in value.items())
        return f"{{ {inner} }}"
    return str(tomlkit.item(value).as_string())


def _put(document: Document, names: list[str], value: Any) -> None:
    *tables, last = names
    here: Table = document
    for table in tables:
        if not isinstance(here.get(table), Mapping):
            here[table] = tomlkit.inline_table() if here is not document else tomlkit.table()
        here = here[table]
    here[last] = value


def _remove(table: Table, names: list[str]) -> bool:
    first, *rest = names
    if first not in table:
        return False
    if rest:
        inner = table[first]
        if not isinstance(inner, MutableMapping) or not _remove(inner, rest):
            return False
        if inner:
            return True
    del table[first]
    return True


def render(settings: Mapping[str, str], keys: Mapping[str, str]) -> str:
    """The whole file; both mappings hold values written as TOML. The rest stays a comment."""
    top, heading, rest = TEMPLATE.read_text("utf-8").partition("[keys]\n")
    names, blank, tables = rest.partition("\n\n")
    filled = (_fill(top, settings), heading, _fill(f"{names}\n", keys), blank[1:], tables)
    return "".join(filled)


def _fill(template: str, answers: Mapping[str, str]) -> str:
    """The lines with the answers in place of their defaults; other answers follow them."""
    rest = dict(answers)

    def fill(line: re.Match[str]) -> str:
        if (value := rest.pop(line["name"], None)) is None:
            return line[0]
        setting = f"{line['name']} = {value}"
        return f"{setting:<34} {line['comment']}" if line["comment"] else setting

    lines = re.sub(r"^# (?P<name>\w+) = .*?(?: +(?P<comment># .*))?$", fill, template, flags=re.M)
    return lines + "".join(f"{name} = {value}\n" for name, value in rest.items())
