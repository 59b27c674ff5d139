"""What the requests of all formats share: the model, the six parameters, no tools."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any, Final, NoReturn

from deepreasoning_cli.pipeline.events import Message, Prompt
from deepreasoning_cli.sanitize import repair_surrogates

TEMPERATURE: Final = (0, 2)
TOP_P: Final = (0, 1)
MAX_TOKENS: Final = (1, 65_536)
"""The ranges of api-facts.md, section 4.3."""


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
    """

    model: str
    prompt: Prompt
    parameters: RequestParameters
    stream: bool
    include_usage: bool = True


class BadRequest(ValueError):  # noqa: N818 - the name of the status it becomes
    """A request that is refused; `field` is the place that is wrong, as `messages[2].role`.

    `kind` is the code for programs, in OpenAI's words.
    """

    def __init__(
        self, message: str, field: str | None = None, kind: str = "invalid_request"
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.kind = kind


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
    "tools": "switch tools and functions off",
    "functions": "switch tools and functions off",
    "web_search_options": "set web_search_linkup to true instead, or switch web search off",
    "audio": "switch voice off",
    "modalities": "switch voice off",
    "previous_response_id": "send the whole conversation",
    "conversation": "send the whole conversation",
    "background": "switch background mode off",
}
"""What to do in a client that sends such a field; chat pages show the message to their users."""


def _is_equal(value: object, other: object) -> bool:
    """Equal in JSON, where true is not 1."""
    return value == other and isinstance(value, bool) == isinstance(other, bool)


NO_TOOLS: Final[dict[str, tuple[object, ...]]] = {
    "tools": ([],),
    "tool_choice": ("none", "auto", {"type": "none"}, {"type": "auto"}),
    "functions": ([],),
    "function_call": ("none", "auto"),
}
"""Fields of every format that are accepted only with these values."""


def build_chat_request(
    request: Fields,
    place: str,
    messages: Iterable[Fields],
    *,
    limits: tuple[str, ...],
    system: str = "",
    include_usage: bool = True,
    effort: str | None = None,
) -> ChatRequest:
    """The request for `messages`, which are in the field `place`.

    `limits` are the format's names for `max_tokens`; `effort` is what its own field says.
    """
    prompt = _read_prompt(place, messages, system)
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
    )


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
    """The limit, under any of its names."""
    first: float | None = None
    for name in names:
        value = request.number(name, *MAX_TOKENS, whole=True)
        if None not in (first, value) and first != value:
            request.refuse(name, f"must not differ from {names[0]}")
        first = first if value is None else value
    return None if first is None else int(first)


TEXTS: Final = frozenset({"text", "input_text", "output_text"})
"""The types of text parts, in all three formats."""
THOUGHTS: Final = frozenset({"thinking", "redacted_thinking", "reasoning", "reasoning_text"})
"""Types of parts that are left out: a model does not get earlier reasoning again."""
ONLY_TEXT: Final[dict[str, tuple[object, ...]]] = {
    "tool_calls": ([],),
    "function_call": (),
    "audio": (),
    "prefix": (False,),
}
"""Fields of a message that are accepted only with these values."""


def _read_prompt(place: str, messages: Iterable[Fields], system: str) -> Prompt:
    """The conversation: a user's message first and last, and neither side twice in a row.

    `place` is the field that holds the messages. Several system prompts become one. Raises
    BadRequest for a role or content that is not text, and for a conversation of another shape.
    Claude 4.6 and newer refuse a last message of the assistant's (api-facts.md, section 1.8).
    """
    systems = [system]
    turns: list[Message] = []
    for message in messages:
        message.reject_unless(ONLY_TEXT)
        match message.text("role"):
            case "system" | "developer":
                systems.append(message_text(message))
            case "user":
                turns.append(Message("user", message_text(message)))
            case "assistant":
                # a reply of reasoning alone, or an empty one, leaves no turn
                if (reply := message_text(message, reply=True)).strip():
                    turns.append(Message("assistant", reply))
            case _:
                message.refuse("role", "must be system, developer, user or assistant")
    sides = groupby(turns, key=lambda turn: turn.role)
    merged = tuple(Message(role, _join(turn.text for turn in side)) for role, side in sides)
    if fault := _fault_of(merged):
        raise BadRequest(f"{place} {fault}", place)
    return Prompt(merged, _join(systems) or None)


def _fault_of(turns: tuple[Message, ...]) -> str | None:
    """Why these turns are not a conversation that can be answered; None where they are."""
    if not all(turn.text for turn in turns):
        return "has a message of the user's without text"
    match [turn.role for turn in turns]:
        case []:
            return "must have a message of the user's"
        case ["assistant", *_]:
            return "must begin with a message of the user's"
        case [*_, "assistant"]:
            return (
                "must end with a message of the user's: "
                "beginning the answer for the model (prefill) is not supported"
            )
    return None


def message_text(message: Fields, name: str = "content", *, reply: bool = False) -> str:
    """The text of a message: a string, or parts that are text.

    A `reply` of an earlier turn may be empty or a refusal; its reasoning is left out.
    """
    value = message.get(name)
    if reply and value is None:
        return message.text("refusal") or ""
    if isinstance(value, str):
        return repair_surrogates(value)
    if not isinstance(value, list):
        message.refuse(name, "must be a string or a list of parts")
    parts = [_part_text(part, reply=reply) for part in message.objects(name)]
    # a user's parts are separate texts; a reply's parts are pieces of one text
    return "".join(parts) if reply else _join(parts)


def _part_text(part: Fields, *, reply: bool) -> str:
    kind = part.text("type")
    if reply and kind in THOUGHTS:
        return ""
    name = "refusal" if reply and kind == "refusal" else "text"
    if kind not in TEXTS and name == "text":
        part.refuse("type", "is not supported: only text is", "unsupported_value")
    text = part.text(name)
    return part.refuse(name, "must be a string") if text is None else text


def _join(texts: Iterable[str]) -> str:
    return "\n\n".join(text for text in texts if text.strip())
