"""The demo: scripted replies, paced like the real thing. No model is called."""

from __future__ import annotations

import difflib
import re
import time
import tomllib
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Final, Literal

from deepreasoning_cli.pipeline.events import Chunk, End, ModelReported, Prompt, Text, Thought
from deepreasoning_cli.pipeline.money import RateCard, Rates, Usage, estimate_tokens

FREE: Final = RateCard(Rates(Decimal(0), Decimal(0)), source="the demo calls no model")
FIRST_WAIT: Final = 0.4  # seconds before the first piece
PER_SECOND: Final = 120  # pieces
MATCHED: Final = 2_000  # characters; in a longer text, words that fit are there by chance
WORDS_NEEDED: Final = 2
LIKENESS_NEEDED: Final = 0.6  # 1 is the same text
OPENING: Final = 40  # characters by which a script's own text is known again

PIECE: Final = re.compile(
    r"""[^\S\n]*                                # the space before a word belongs to it
        (?: [\u3040-\u30ff\u3400-\u9fff]{1,2}   # Chinese and Japanese go by one or two
          | (?:(?![\u3040-\u30ff\u3400-\u9fff])\w){1,8}
          | [^\w\s]{1,3} )
      | \n+ | [^\S\n]+""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Script:
    """A question and all that is said about it; `draft` is the reasoner's own answer."""

    name: str
    reasoning: str
    draft: str
    answer: str
    question: str = ""
    words: frozenset[str] = frozenset()
    stop_reason: str = "end_turn"

    def wrote(self, text: str) -> bool:
        """Whether `text` holds notes that this script's reasoner made."""
        return any(part[:OPENING] in text for part in (self.reasoning, self.draft))

    def fits(self, text: str) -> tuple[int, float]:
        """How many of its words `text` holds, and how like the question it is, from 0 to 1."""
        present = set(re.findall(r"\w+", text))
        hits = sum(word in present if word.isascii() else word in text for word in self.words)
        return hits, difflib.SequenceMatcher(None, self.question.casefold(), text).ratio()


@dataclass(frozen=True, slots=True)
class DemoProvider:
    """One of the two roles; both find the same script for the same question.

    `speed` 2 is twice as fast as the real thing, 0 does not wait at all.
    """

    role: Literal["reasoner", "answerer"]
    speed: float = 1.0
    sleep: Callable[[float], object] = field(default=time.sleep, repr=False)
    rates: RateCard | None = FREE
    context: int | None = None
    host: str | None = None

    @property
    def model(self) -> str:
        """A name that cannot be taken for a model's."""
        return f"demo-{self.role}"

    def preconnect(self, *, once: bool = False) -> None:
        """There is no connection to open."""

    def stream(
        self, prompt: Prompt, when_sent: Callable[[], None] = lambda: None
    ) -> Generator[Chunk, None, None]:
        """The script's pieces, waiting between them; its token counts are estimates."""
        script = choose_script(prompt.messages[-1].text)
        when_sent()
        self._wait(FIRST_WAIT)
        yield ModelReported(self.model)
        for chunk in self._chunks(script, prompt):
            yield chunk
            self._wait(1 / PER_SECOND)
        yield self._usage(script, prompt)
        yield End(script.stop_reason if self.role == "answerer" else "stop")

    def _chunks(self, script: Script, prompt: Prompt) -> list[Thought | Text]:
        if self.role == "answerer":
            return [*map(Text, pieces(rest_of(script.answer, prompt.text)))]
        return [*map(Thought, pieces(script.reasoning)), *map(Text, pieces(script.draft))]

    def _usage(self, script: Script, prompt: Prompt) -> Usage:
        read = estimate_tokens(prompt.text)
        if self.role == "answerer":
            return Usage(read, estimate_tokens(script.answer), estimated=True)
        thought = estimate_tokens(script.reasoning)
        written = thought + estimate_tokens(script.draft)
        return Usage(read, written, reasoning_tokens=thought, estimated=True)

    def _wait(self, seconds: float) -> None:
        if self.speed:
            self.sleep(seconds / self.speed)


def rest_of(answer: str, prompt: str) -> str:
    """What of `answer` does not stand in the prompt as the beginning of a cut one."""
    _, found, block = prompt.rpartition(" beginning begins]\n")
    kept = block.rpartition("\n[")[0]
    return answer.removeprefix(kept) if found else answer


def pieces(text: str) -> list[str]:
    """`text` cut up about as a model's tokens are; joined they are `text` again."""
    return PIECE.findall(text)


def choose_script(text: str) -> Script:
    """The script for the last message of a prompt.

    First the one whose reasoner wrote the notes in it; then the one whose question it holds;
    then the one with the most words in it, and among those the most alike, if at least two
    words fit or the question is nearly the same. Else the one for anything else.
    """
    folded = text.casefold()
    questions = [script for script in scripts() if script.question]
    certain = [script for script in scripts() if script.wrote(text)]
    certain += [script for script in questions if script.question.casefold() in folded]
    if certain:
        return certain[0]
    if len(text) <= MATCHED:
        scored = [(*script.fits(folded), script.name, script) for script in questions]
        near = [row for row in scored if row[0] >= WORDS_NEEDED or row[1] >= LIKENESS_NEEDED]
        if near:
            return max(near)[-1]
    return next(script for script in scripts() if not script.question)


@cache
def scripts() -> tuple[Script, ...]:
    """Every script in demo.toml."""
    source = resources.files("deepreasoning_cli.providers").joinpath("demo.toml")
    rows = tomllib.loads(source.read_text(encoding="utf-8"))["script"]
    questions = "\n".join(f"- {row['question']}" for row in rows if "question" in row)
    return tuple(_script(row, questions) for row in rows)


def _script(row: dict[str, str | list[str]], questions: str) -> Script:
    texts = {name: value.strip() for name, value in row.items() if isinstance(value, str)}
    texts["answer"] = texts["answer"].replace("{questions}", questions)
    words = frozenset(word.casefold() for word in row.get("words", ()))
    return Script(**texts, words=words)
