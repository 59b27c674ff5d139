"""Take the expected shape out of decoded JSON; any other shape is empty, never an error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deepreasoning_cli.pipeline.events import Ending, ModelReported, ending_of
from deepreasoning_cli.pipeline.money import Usage

MOST_TOKENS = 1_000_000_000  # no model reads or writes this much in one reply


def as_dict(value: object) -> dict[str, Any]:
    """The object itself, or an empty one."""
    return value if isinstance(value, dict) else {}


def as_dicts(value: object) -> list[dict[str, Any]]:
    """The objects of a list; what else is in it is left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def first_dict(value: object) -> dict[str, Any]:
    """The first object of a list, or an empty one."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return value[0]
    return next(iter(as_dicts(value)), {})


def as_text(value: object) -> str:
    """The string itself, or an empty one."""
    return value if isinstance(value, str) else ""


def as_reason(value: object) -> str | None:
    """A stop reason; None for what states none, as for the text `null`."""
    reason = as_text(value)
    return None if ending_of(reason) is Ending.UNSTATED else reason


def as_count(value: object) -> int | None:
    """A believable number of tokens; None for anything else, as for -1, true, "7", NaN or 1e300."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= MOST_TOKENS or value != int(value):
        return None
    return int(value)


def build_usage(
    input_tokens: object,
    output_tokens: object,
    *,
    cached: object,
    written: object,
    reasoning: object,
) -> Usage | None:
    """The counts, if input and output are both given; two zeros mean that nobody counted.

    `cached` and `written` are parts of the input, `reasoning` of the output: none is more than
    what it is a part of.
    """
    read, output, thought = map(as_count, (input_tokens, output_tokens, reasoning))
    if read is None or output is None or not read + output:
        return None
    from_cache = min(as_count(cached) or 0, read)
    return Usage(
        input_tokens=read,
        output_tokens=output,
        reasoning_tokens=None if thought is None else min(thought, output),
        cached_tokens=from_cache,
        cache_write_tokens=min(as_count(written) or 0, read - from_cache),
    )


def as_usage(usage: object, read: str, written: str) -> Usage | None:
    """The counts in OpenAI's two formats; `read` and `written` are the words of each: `prompt` and
    `completion`, or `input` and `output`.

    The first includes cached tokens, the second the reasoning. DeepSeek has its own name for the
    cached ones (api-facts.md, section 2.6).
    """
    counts = as_dict(usage)
    details = as_dict(counts.get(f"{read}_tokens_details"))
    cached = as_count(details.get("cached_tokens"))
    return build_usage(
        counts.get(f"{read}_tokens"),
        counts.get(f"{written}_tokens"),
        cached=counts.get("prompt_cache_hit_tokens") if cached is None else cached,
        written=details.get("cache_write_tokens"),
        reasoning=as_dict(counts.get(f"{written}_tokens_details")).get("reasoning_tokens"),
    )


@dataclass(slots=True)
class ReplyReader:
    """What is known of a reply while it is read, in any format: the model that serves it."""

    model: str = ""

    def served_by(self, model: object) -> Iterator[ModelReported]:
        """The report of `model`, if it is the name of another one than before."""
        if isinstance(model, str) and model not in ("", self.model):
            self.model = model
            yield ModelReported(model)
