"""Read the fields of a request's JSON: each has the type and range it must have, or is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from deepreasoning_cli.text import well_formed
from deepreasoning_cli.wire.asked import BadRequest

LONGEST_NAME: Final = 256
"""Characters of a model's name; the longest of any vendor's has under a hundred."""


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object of a request, and where in it the object stands; null is not given."""

    values: Mapping[str, Any]
    path: str = ""

    @classmethod
    def of(cls, value: object, path: str = "") -> Fields:
        """The object's fields. Raises BadRequest for anything that is no object."""
        if not isinstance(value, dict):
            place = path or "the body"
            raise BadRequest(f"{place} must be a JSON object", path or None)
        return cls(value, path)

    def place(self, name: str) -> str:
        """Where the field `name` stands."""
        return f"{self.path}.{name}" if self.path else name

    def refuse(self, name: str, why: str) -> NoReturn:
        """Raise BadRequest: `why` goes on from the field's place."""
        raise BadRequest(f"{self.place(name)} {why}", self.place(name))

    def get(self, name: str) -> Any:
        """The value as it is, None where it is not given."""
        return self.values.get(name)

    def text(self, name: str) -> str | None:
        """A string, well-formed."""
        value = self.get(name)
        if isinstance(value, str):
            return well_formed(value)
        if value is not None:
            self.refuse(name, "must be a string")
        return None

    def name(self, name: str) -> str | None:
        """A string that names something."""
        value = self.text(name)
        if value is not None and not (value.strip() and value.isprintable()):
            self.refuse(name, "must be a name")
        if value is not None and len(value) > LONGEST_NAME:
            self.refuse(name, f"must not have more than {LONGEST_NAME} characters")
        return value

    def boolean(self, name: str) -> bool | None:
        """True or false."""
        value = self.get(name)
        if value is not None and not isinstance(value, bool):
            self.refuse(name, "must be true or false")
        return value

    def number(self, name: str, least: int, most: int) -> float | None:
        """A number within the range."""
        value = self.get(name)
        if _is_number(value) and least <= value <= most:
            return float(value)
        if value is not None:
            self.refuse(name, f"must be a number from {least} to {most}")
        return None

    def integer(self, name: str, least: int, most: int) -> int | None:
        """A whole number within the range; 1.0 is one."""
        value = self.get(name)
        if _is_number(value) and least <= value <= most and value == int(value):
            return int(value)
        if value is not None:
            self.refuse(name, f"must be a whole number from {least} to {most}")
        return None

    def within(self, name: str) -> Fields:
        """The fields of an object, none where it is not given."""
        value = self.get(name)
        return Fields.of({} if value is None else value, self.place(name))

    def objects(self, name: str) -> list[Fields]:
        """The objects of a list."""
        value = self.get(name)
        if not isinstance(value, list):
            self.refuse(name, "must be a list of JSON objects")
        place = self.place(name)
        return [Fields.of(item, f"{place}[{index}]") for index, item in enumerate(value)]

    def reject_unless(self, accepted: Mapping[str, tuple[object, ...]]) -> None:
        """Refuse each field named here whose value is given and is none of those accepted."""
        for name, values in accepted.items():
            value = self.get(name)
            if value is not None and not any(_is_equal(value, each) for each in values):
                words = " or ".join(json.dumps(each) for each in values)
                self.refuse(name, "is not supported" + (f", except as {words}" if values else ""))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_equal(value: object, other: object) -> bool:
    """Equal in JSON, where true is not 1."""
    return value == other and isinstance(value, bool) == isinstance(other, bool)
