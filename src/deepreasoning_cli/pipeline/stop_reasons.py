"""What a vendor's stop reason means for the text that it ended."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, auto
from functools import cache
from typing import Final


class Ending(Enum):
    """What a vendor's stop reason means for the text."""

    UNSTATED = auto()  # there is none; `null` and the like are none either
    WHOLE = auto()
    TRUNCATED = auto()  # it ran into a limit
    REFUSED = auto()  # the model or a filter would not give it
    PAUSED = auto()  # the model waits for something that nobody will send
    BROKEN = auto()  # the host failed
    UNKNOWN = auto()  # a word that no vendor is known to use

    @property
    def is_good(self) -> bool:
        """Whether a reply that ended so is taken to be whole."""
        return self in (Ending.WHOLE, Ending.UNSTATED, Ending.UNKNOWN)


_ENDING_WORDS: Final[Mapping[Ending, frozenset[str]]] = {
    meaning: frozenset(words.split())
    for meaning, words in {
        Ending.BROKEN: "error errored exception fail failed failure fault internal abort aborted"
        " cancel cancelled canceled timeout timedout deadline expired stalled network connection"
        " disconnect disconnected lost closed resource exhausted oom overload overloaded throttled"
        " unavailable interrupt interrupted shutdown terminated unload malformed crash crashed"
        " killed preempted evicted repetition loop incomplete partial",
        Ending.REFUSED: "refusal refuse refused decline declined denied rejected forbidden filter"
        " filtered contentfilter sensitive safety unsafe harm harmful toxic block blocked blocklist"
        " prohibited recitation spii guardrail guardrails moderation flagged policy violation"
        " censored language",
        Ending.TRUNCATED: "length limit max maxtokens maximum window context exceeded overflow"
        " truncated truncation cutoff budget quota",
        Ending.PAUSED: "tool tools toolcalls function functions pause paused action",
        Ending.WHOLE: "stop stopped end ended endturn eos eot eom endoftext complete completed"
        " completion finish finished done normal success succeeded word",
    }.items()
}
"""The words of which stop reasons are made, by what they mean; the worst meaning comes first."""
_NO_ENDING: Final = frozenset({"null", "none", "unspecified"})
_WORD_STARTS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")


@cache
def ending_of(reason: str | None) -> Ending:
    """What a stop reason means, in any vendor's spelling: `MAX_TOKENS`, `contentFilter`, `eos`.

    The words are those of api-facts.md, 1.5, 2.5 and 5, of vLLM, SGLang, TGI, llama.cpp, Gemini,
    Bedrock, Cohere, Mistral and GLM.
    """
    words = set(_WORD_STARTS.sub(" ", reason or "null").lower().split())
    if words & _NO_ENDING:
        return Ending.UNSTATED
    return next((each for each, known in _ENDING_WORDS.items() if words & known), Ending.UNKNOWN)
