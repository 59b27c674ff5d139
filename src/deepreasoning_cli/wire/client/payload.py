"""Take the expected shape out of decoded JSON; any other shape is empty, never an error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from deepreasoning_cli.pipeline.events import ModelReported
from deepreasoning_cli.pipeline.money import Usage

MOST_TOKENS = 1_000_000_000  # no model reads or writes this much in one reply

# The names of the counts, OpenAI's first; then those of Messages, DeepSeek, Moonshot, Gemini,
# Bedrock, Ollama and the gateways in front of them (api-facts.md, sections 1.4, 2.6 and 5).
INPUT: Final = (
    *("prompt_tokens", "input_tokens", "promptTokens", "inputTokens"),
    *("promptTokenCount", "prompt_eval_count"),
)
OUTPUT: Final = (
    *("completion_tokens", "output_tokens", "completionTokens", "outputTokens"),
    *("candidatesTokenCount", "eval_count"),
)
CACHED: Final = (
    *("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens", "cache_read_tokens"),
    *("cached_prompt_tokens", "cached_input_tokens", "prompt_cached_tokens", "num_cached_tokens"),
    *("cachedContentTokenCount", "cacheReadInputTokens", "cachedInputTokens", "cachedTokens"),
)
CACHE_WRITTEN: Final = (
    *("cache_write_tokens", "cache_creation_input_tokens", "cache_creation_tokens"),
    *("cache_write_input_tokens", "cacheWriteInputTokens"),
)
REASONED: Final = (
    *("reasoning_tokens", "thinking_tokens", "reasoningTokens", "thoughtsTokenCount"),
    *("thoughts_tokens", "reasoning_output_tokens"),
)
TOTAL: Final = ("total_tokens", "totalTokens", "totalTokenCount")
DETAILS: Final = (
    *("prompt_tokens_details", "input_tokens_details"),
    *("completion_tokens_details", "output_tokens_details"),
)


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
    from deepreasoning_cli.pipeline.stop_reasons import Ending, ending_of

    return None if ending_of(reason) is Ending.UNSTATED else reason


def as_count(value: object) -> int | None:
    """A believable number of tokens; None for anything else, as for -1, true, "7", NaN or 1e300."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= MOST_TOKENS or value != int(value):
        return None
    return int(value)


def merge_usage(known: dict[str, Any], later: object) -> dict[str, Any]:
    """`known`, and over it what `later` counts; nothing and a 0 take no count back."""
    for name, value in as_dict(later).items():
        if isinstance(value, dict):
            known[name] = merge_usage(dict(as_dict(known.get(name))), value)
        elif as_count(value) or name not in known:
            known[name] = value
    return known


def as_usage(usage: object, *, cached_apart: bool = False, at_end: bool = True) -> Usage | None:
    """The counts of any format, if input and output are both given; two zeros count nothing.

    In OpenAI's formats the input includes what was cached; with `cached_apart`, as in Messages, it
    does not. The output includes the reasoning, save where it cannot or the total says otherwise,
    as at xAI. Counts that contradict each other, or are not those `at_end`, are an estimate.
    """
    counts = as_dict(usage)
    inner = [as_dict(counts.get(name)) for name in DETAILS]
    read, output = _first_count(INPUT, counts), _first_count(OUTPUT, counts)
    if read is None or output is None:
        return None
    cached = _first_count(CACHED, *inner[:2], counts) or 0
    written = _first_count(CACHE_WRITTEN, *inner[:2], counts) or 0
    thought = _first_count(REASONED, *inner[2:], counts)
    total = _first_count(TOTAL, counts)
    if cached_apart or (cached + written > read and total == read + cached + written + output):
        read += cached + written
    if not read + output:
        return None
    doubtful = cached + written > read
    if thought and (thought > output or total == read + output + thought):
        doubtful = doubtful or total != read + output + thought
        output += thought
    cached = min(cached, read)
    return Usage(
        input_tokens=read,
        output_tokens=output,
        reasoning_tokens=thought,
        cached_tokens=cached,
        cache_write_tokens=min(written, read - cached),
        estimated=doubtful or not at_end,
    )


def _first_count(names: Iterable[str], *sources: Mapping[str, object]) -> int | None:
    """The first of the counts that is more than 0, else 0 if one is; None where none is given."""
    given = [as_count(source.get(name)) for source in sources for name in names]
    return next(filter(None, given), 0 if 0 in given else None)


@dataclass(slots=True)
class ReplyReader:
    """What is known of a reply while it is read, in any format: the model that serves it."""

    model: str = ""

    def served_by(self, model: object) -> Iterator[ModelReported]:
        """The report of `model`, if it is the name of another one than before."""
        if isinstance(model, str) and model not in ("", self.model):
            self.model = model
            yield ModelReported(model)
