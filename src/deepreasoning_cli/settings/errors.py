"""What is wrong with a setting, in our own words: pydantic's texts may hold the value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import UnionType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from deepreasoning_cli.errors import (
    ConfigError,
    DeepReasoningError,
    UsageError,
    alternatives,
    did_you_mean,
)
from deepreasoning_cli.settings.models import ADDRESS

ENTRIES = {
    "keys": 'the key in quotes, or { command = "…" }',
    "reasoners": "a table with base_url and model",
    "answerers": "a table with base_url, and with key exactly where auth sends one",
    "base_urls": ADDRESS,
}
"""What an entry of these tables must be, whatever its name."""


TOML_ADVICE = {
    r"table declaration|Expected '\]": "write the name of a table in brackets: [keys]",
    r"Expected '='|Invalid statement": "write a setting as name = value",
    r"twice|overwrite a value \[": "merge the two tables of this name",
    r"overwrite": "keep one of the two settings of this name",
    r"hex|Unescaped": r"put a text with \ in single quotes, as 'C:\Users\me', or double each",
    r"Illegal character '\\n'|Expected [\"']": "close the string with a quote",
    r"Unclosed array": "close the list with ]",
    r"Unclosed inline": "write { … } on one line, with commas between its parts",
}
"""What to do about a file that is no TOML, by a pattern in the parser's reason."""
OTHERWISE = {
    "file": "`deepreasoning config edit` opens the file",
    "environment": "change the variable, or unset it",
}
"""What to do about a wrong value, by where it stands."""
TRUTH = re.compile(r"=\s*(true|false|yes|no|on|off|none|null)\b", re.IGNORECASE)


def toml_advice(reason: str, line: str) -> str:
    """What to do where the parser stopped in `line` for this `reason`."""
    if re.search("[“”„‘’«»]", line):
        return "write straight quotes, not typographic ones"
    for pattern, advice in TOML_ADVICE.items():
        if re.search(pattern, f"{reason} {line[:1]}" if line.startswith("[") else reason):
            return advice
    if TRUTH.search(line):
        return "write true or false, lowercase and without quotes"
    if re.search(r"=\s*[\d.]+,\d", line):
        return "write numbers with a decimal point: 0.7"
    return "strings need quotes"


def settings_error(
    error: ValidationError, top: type[BaseModel], origins: Mapping[str, str]
) -> DeepReasoningError:
    """The error to report first, at the origin of its value; a flag's is a usage error.

    An unknown name comes before the gap that it leaves.
    """
    details = error.errors(include_url=False, include_context=False, include_input=False)
    detail = min(details, key=lambda one: one["type"] != "extra_forbidden")
    path, table, expected = _locate(detail["loc"], top)
    name, problem, hint = ".".join(path), f"must be {expected}", None
    if detail["type"] == "extra_forbidden":
        problem, hint = "is not a setting", _advice(path[-1], table, top)
    elif detail["type"] == "missing":
        problem = "is missing"
    kind, _, place = _origin(name, origins).partition(" ")
    own = name in origins and kind != "file"  # a flag or variable names the setting
    message = f"{place} {problem}" if own else f"{place}: {name} {problem}"
    if kind == "flag":
        return UsageError(message, hint=hint or "give it such a value, or leave it out")
    return ConfigError(message, hint=hint or OTHERWISE.get(kind), kind="setting_wrong")


def _origin(name: str, origins: Mapping[str, str]) -> str:
    """The origin of `name`; else of something inside it, else of the table around it."""
    prefix = f"{name}." if name else ""
    inside = [other for other in origins if f"{other}.".startswith(prefix)]
    if inside:
        return origins[min(inside, key=len)]
    return _origin(name.rpartition(".")[0], origins)


def _locate(
    loc: tuple[int | str, ...], top: type[BaseModel]
) -> tuple[list[str], type[BaseModel], str]:
    """The parts of the dotted name, the model of the table around it, what its value must be.

    pydantic's `loc` has more: the member of a union, the number in a list.
    """
    path: list[str] = []
    table, expected = top, ""
    model: type[BaseModel] | None = top
    parts = map(str, loc)
    while model and (part := next(parts, None)):
        table, field = model, model.model_fields.get(part)
        path.append(part)
        if field is None:
            break
        kind, expected = field.annotation, _expected(field)
        if get_origin(kind) is dict and (name := next(parts, None)):
            path.append(name)
            kind, expected = get_args(kind)[1], ENTRIES[part]
            if get_origin(kind) is UnionType:
                next(parts, None)
        model = _model_in(kind)
    return path, table, expected


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a type holds, such as `SecretStr | KeyCommand`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _expected(field: FieldInfo) -> str:
    """What the value of a field must be: its description, or what follows from its type."""
    if field.annotation is bool:
        return "true or false"
    if get_origin(field.annotation) is Literal:
        return alternatives(f'"{word}"' for word in get_args(field.annotation))
    return str(field.description)


def _advice(last: str, table: type[BaseModel], top: type[BaseModel]) -> str:
    if table is not top and last in top.model_fields:
        return f"{last} belongs at the top of the file, above the first [table]"
    advice = did_you_mean(last, table.model_fields)
    return advice or "`deepreasoning config show` lists the settings"
