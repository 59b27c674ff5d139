"""What the requests of all formats share: their fields, the model and the parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, NoReturn

from deepreasoning_cli.pipeline.events import Prompt
from deepreasoning_cli.sanitize import repair_surrogates

TEMPERATURE: Final = (0, 2)
TOP_P: Final = (0, 1)
MAX_TOKENS: Final = (1, 65_536)
"""The ranges of api-facts.md, section 4.3."""
MOST_ASKED: Final = 10_000_000
"""The largest `max_tokens` that is taken for a number of tokens."""


@dataclass(frozen=True, slots=True)
class RequestParameters:
    """The six parameters of the product (api-facts.md, section 4.3); None means absent.

    `max_tokens` is the answer's limit in tokens, `effort` how much Claude is to think, whatever
    the format calls them.
    """

    anthropic_model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    web_search_linkup: bool | None = None
    disable_formatting: bool | None = None
    effort: str | None = None

    def to_dict(self) -> dict[str, object]:
        """The parameters that are set, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A valid request; `model` is as the caller wrote it.

    `include_usage` says whether a stream ends with its usage; Chat Completions can turn it off.
    `reason` says when the reasoner thinks, in place of the setting of that name. `repeated` are
    the fields that a reply of Responses has of its request.
    """

    model: str
    prompt: Prompt
    parameters: RequestParameters
    stream: bool
    include_usage: bool = True
    reason: str | None = None
    repeated: Mapping[str, Any] = field(default_factory=dict, compare=False)


class BadRequest(ValueError):  # noqa: N818 - the name of the status it becomes
    """A request that is refused; `field` is the place that is wrong, as `messages[2].role`.

    `kind` is the code for programs, in OpenAI's words. `status` is 404 where the request names
    what is not here.
    """

    def __init__(
        self,
        message: str,
        field: str | None = None,
        kind: str = "invalid_request",
        status: int = 400,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.kind = kind
        self.status = status


DEEPEST: Final = 200
"""Objects and lists within one another; schemas of real tools have a tenth of that. What is read,
copied and written again by recursion must not fail after a reasoner has been paid."""


def is_too_deep(value: object) -> bool:
    """Whether JSON is nested deeper than anything that is meant."""
    level = [value]
    for _ in range(DEEPEST):
        inner: list[object] = []
        for each in level:
            if isinstance(each, dict):
                inner += each.values()
            elif isinstance(each, list):
                inner += each
        if not inner:
            return False
        level = inner
    return True


LONGEST_NAME: Final = 256
"""Characters of a model's name; the longest of any vendor's has under a hundred."""


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object of a request, and its `path` in it; null counts as absent."""

    values: Mapping[str, Any]
    path: str = ""

    @classmethod
    def of(cls, value: object, path: str = "") -> Fields:
        """The object's fields. Raises BadRequest for a value that is not an object."""
        if not isinstance(value, dict):
            place = path or "the body"
            raise BadRequest(f"{place} must be a JSON object", path or None)
        return cls(value, path)

    def place(self, name: str) -> str:
        """The path of the field `name`."""
        return f"{self.path}.{name}" if self.path else name

    def refuse(self, name: str, why: str, kind: str = "invalid_request") -> NoReturn:
        """Raise BadRequest: `why` follows the field's path in the message."""
        raise BadRequest(f"{self.place(name)} {why}", self.place(name), kind)

    def get(self, name: str) -> Any:
        """The value as it is, None if it is absent."""
        return self.values.get(name)

    def text(self, name: str) -> str | None:
        """A string, well-formed."""
        value = self.get(name)
        if isinstance(value, str):
            return repair_surrogates(value)
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

    def number(self, name: str, least: int, most: int, *, whole: bool = False) -> float | None:
        """A number within the range; a `whole` one has no fraction, and 1.0 is one."""
        value = self.get(name)
        if value is None:
            return None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not least <= value <= most or (whole and value != int(value)):
            kind = "whole number" if whole else "number"
            self.refuse(name, f"must be a {kind} from {least} to {most}")
        return float(value)

    def within(self, name: str) -> Fields:
        """The fields of an object; no fields if it is absent."""
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
        """Refuse a field of `accepted` that has another value than those."""
        for name, values in accepted.items():
            value = self.get(name)
            if value is not None and not any(_is_equal(value, each) for each in values):
                words = " or ".join(json.dumps(each) for each in values)
                but = f", except as {words}" if values else ""
                kind = "unsupported_value" if values else "unsupported_parameter"
                advice = ADVICE.get(name, "leave it out")
                self.refuse(name, f"is not supported{but}: in the client, {advice}", kind)


ADVICE: Final[Mapping[str, str]] = {
    "n": "ask for one answer at a time",
    "functions": "switch tools and functions off",
    "web_search_options": "set web_search_linkup to true instead, or switch web search off",
    "audio": "switch voice off",
    "modalities": "switch voice off",
    "conversation": "send the whole conversation",
    "background": "switch background mode off",
    **dict.fromkeys(("presence_penalty", "frequency_penalty"), "set it to 0"),
    "repetition_penalty": "set it to 1",
}
"""What to do in a client that sends such a field; chat pages show the message to their users."""


def _is_equal(value: object, other: object) -> bool:
    """Equal in JSON, where true is not 1."""
    return value == other and isinstance(value, bool) == isinstance(other, bool)


NO_FUNCTIONS: Final[dict[str, tuple[object, ...]]] = {
    "functions": ([],),
    "function_call": ("none", "auto"),
}
"""What came before tools; accepted only with these values."""


def build_chat_request(
    request: Fields,
    prompt: Prompt,
    *,
    limits: tuple[str, ...],
    include_usage: bool = True,
    effort: str | None = None,
) -> ChatRequest:
    """The request for `prompt`.

    `limits` are the format's names for `max_tokens`; `effort` is what its own field says.
    """
    return ChatRequest(
        model=request.name("model") or request.refuse("model", "is required"),
        prompt=prompt,
        parameters=RequestParameters(
            anthropic_model=request.name("anthropic_model"),
            temperature=request.number("temperature", *TEMPERATURE),
            top_p=request.number("top_p", *TOP_P),
            max_tokens=_max_tokens(request, limits),
            web_search_linkup=request.boolean("web_search_linkup"),
            disable_formatting=request.boolean("disable_formatting"),
            effort="none" if _declines_reasoning(request) else effort,
        ),
        stream=request.boolean("stream") or False,
        include_usage=include_usage,
        reason=_read_reason(request),
    )


REASON: Final = ("question", "always", "never")
"""When the reasoner thinks: for each new message of the user's, for each request, or never."""


def _read_reason(request: Fields) -> str | None:
    reason = request.text("reason")
    if reason is not None and reason not in REASON:
        request.refuse("reason", f"must be one of {', '.join(REASON)}")
    return reason


EFFORTS: Final = {
    "minimal": "low",
    **{level: level for level in ("none", "low", "medium", "high", "xhigh", "max")},
}
"""How much Claude is to think, by the words of all formats (openai and anthropic SDKs)."""


def read_effort(fields: Fields, name: str) -> str | None:
    """The effort in the field `name`. Raises BadRequest for a word that is none."""
    value = fields.text(name)
    if value is not None and value not in EFFORTS:
        fields.refuse(name, f"must be one of {', '.join(EFFORTS)}")
    return EFFORTS[value] if value else None


def _declines_reasoning(request: Fields) -> bool:
    """Whether nobody is to reason, in the words of Anthropic and DeepSeek, OpenRouter, Qwen or
    Ollama; OpenAI's own word is an effort of `none`.
    """
    match request.values:
        case (
            {"thinking": {"type": "disabled"}}
            | {"reasoning": {"enabled": False}}
            | {"enable_thinking": False}
            | {"think": False}
        ):
            return True
    return False


def _max_tokens(request: Fields, names: tuple[str, ...]) -> int | None:
    """The limit, under any of its names; what is above ours, as clients have it that know models
    with longer answers, counts as ours.
    """
    first: float | None = None
    for name in names:
        value = request.number(name, MAX_TOKENS[0], MOST_ASKED, whole=True)
        if None not in (first, value) and first != value:
            request.refuse(name, f"must not differ from {names[0]}")
        first = first if value is None else value
    return None if first is None else int(min(first, MAX_TOKENS[1]))
