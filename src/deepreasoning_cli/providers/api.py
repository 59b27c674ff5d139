"""What the providers of models share: the call, and its connection opened ahead."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from deepreasoning_cli.catalog.models import Samplers
from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.keys import SHORTEST_RECOGNISED, Key, SplitKeyMask
from deepreasoning_cli.pipeline.events import Chunk, Payload, Prompt, Text, Thought
from deepreasoning_cli.pipeline.money import Usage

if TYPE_CHECKING:
    from deepreasoning_cli.transport import DeferredTransport, Request, Transport
    from deepreasoning_cli.wire.client.errors import ApiAccount

SHORT_PATIENCE: Final = 20.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiProvider(ABC):
    """A model ready to be asked; nothing is sent before `stream` is iterated."""

    base_url: str
    key: Key | None
    transport: Transport | DeferredTransport
    top_up: str | None = None
    vendor: str | None = None
    """What a person calls who answers there; None where it is known by its address alone."""
    host: str | None = None
    """The name of the reasoner or answerer that it is in the settings."""
    is_optional: bool = False
    """Whether nobody waits for its reply: a call is made once, and given up soon."""

    def check_route(self) -> None:
        """Raise ConfigError where the way there is known to be closed, before anything is paid."""
        self.transport.check_route(self.base_url)

    @abstractmethod
    def request(self, prompt: Prompt) -> Request:
        """The call that `stream` makes."""

    @abstractmethod
    def read(self, payloads: Iterable[Payload], account: ApiAccount) -> Iterator[Chunk]:
        """The chunks of the reply to such a call."""

    def preconnect(self, *, once: bool = False) -> None:
        """Open the connection ahead."""
        self.transport.preconnect(self.base_url, once=once)

    def stream(
        self, prompt: Prompt, when_sent: Callable[[], None] = lambda: None
    ) -> Generator[Chunk, None, None]:
        """Chunks as they come; closing the iterator closes the connection."""
        yield from self._reply(self.request(prompt), when_sent)

    def _reply(
        self, request: Request, when_sent: Callable[[], None]
    ) -> Generator[Chunk, None, None]:
        if self.is_optional:
            request = replace(request, is_retried=False, read_timeout=SHORT_PATIENCE)
        with closing(self.transport.stream(request, when_sent)) as payloads:
            chunks = self.read(payloads, request.account)
            if self.key and len(self.key.value) >= SHORTEST_RECOGNISED:
                chunks = _without_split_key(chunks, self.key)
            yield from chunks


def _without_split_key(chunks: Iterator[Chunk], key: Key) -> Iterator[Chunk]:
    """The chunks, the key masked where a vendor sends it back in pieces; no text is lost."""
    mask = SplitKeyMask(key.value)
    kind: type[Thought | Text] | None = None
    try:
        for chunk in chunks:
            if not isinstance(chunk, Thought | Text):
                if kind and not isinstance(chunk, Usage):  # which may come with each piece
                    yield from _held(kind, mask)
                yield chunk
                continue
            if kind and type(chunk) is not kind:
                yield from _held(kind, mask)
            kind = type(chunk)
            text = mask.feed(chunk.text)
            if text or not chunk.text:
                yield chunk if text == chunk.text else kind(text)
    except DeepReasoningError:
        if kind:
            yield from _held(kind, mask)
        raise
    if kind:
        yield from _held(kind, mask)


def _held(kind: type[Thought | Text], mask: SplitKeyMask) -> Iterator[Chunk]:
    if text := mask.close():
        yield kind(text)


HOTTEST_CLAUDE = 1.0  # the Messages API takes 0 to 1


class SamplerRequest(NamedTuple):
    """What the user wants: `typed` names the parameters given on the command line.

    `top_k` is a client's of `serve`, for the answer; there is no default for it.
    """

    temperature: float
    top_p: float
    typed: frozenset[str] = frozenset()
    top_k: int | None = None

    def for_answer(self, top_k: int | None) -> SamplerRequest:
        """The same with what a client wants for the answer alone."""
        return self if top_k is None else self._replace(typed=self.typed | {"top_k"}, top_k=top_k)


class IgnoredSamplers(NamedTuple):
    """Flags of the call that a model does not take; with `takes_one` it takes one of the two."""

    flags: tuple[str, ...]
    model: str
    takes_one: bool = False


@dataclass(frozen=True, slots=True)
class AcceptedSamplers:
    """What is sent, and what the user is told of the rest."""

    values: dict[str, float]
    ignored: tuple[IgnoredSamplers, ...] = ()
    warnings: tuple[str, ...] = ()


def accept_samplers(request: SamplerRequest, accepts: Samplers, model: str) -> AcceptedSamplers:
    """The parameters `model` takes; of those that it ignores the typed ones are noted.

    Where a model takes one of them, `temperature` is kept, unless only another was typed.
    """
    values = {"temperature": request.temperature, "top_p": request.top_p}
    values |= {} if request.top_k is None else {"top_k": request.top_k}
    names: tuple[str, ...] = tuple(values) if accepts is Samplers.BOTH else ()
    if accepts is Samplers.ONE:
        names = tuple(request.typed) if len(request.typed) == 1 else ("temperature",)
    lost = sorted(request.typed.difference(names))
    flags = tuple(f"--{name.replace('_', '-')}" for name in lost)
    return AcceptedSamplers(
        {name: values[name] for name in names},
        (IgnoredSamplers(flags, model, accepts is Samplers.ONE),) if flags else (),
    )


def limit_temperature(
    samplers: AcceptedSamplers, model: str, typed: frozenset[str]
) -> AcceptedSamplers:
    """The same for Claude, whose temperature ends at 1 where the reasoner's ends at 2."""
    temperature = samplers.values.get("temperature", 0.0)
    if temperature <= HOTTEST_CLAUDE:
        return samplers
    warning = f"{model} takes at most temperature {HOTTEST_CLAUDE}; {temperature} was lowered"
    return AcceptedSamplers(
        {**samplers.values, "temperature": HOTTEST_CLAUDE},
        samplers.ignored,
        (warning,) if "temperature" in typed else (),
    )


def sampler_warnings(ignored: Iterable[IgnoredSamplers]) -> Iterator[str]:
    """What to say of flags that have no effect, once for all models that ignore the same."""
    models: dict[tuple[tuple[str, ...], bool], dict[str, None]] = {}
    for flags, model, takes_one in ignored:
        models.setdefault((flags, takes_one), {})[model] = None
    for (flags, takes_one), names in models.items():
        have, them = ("has", "it") if len(flags) == 1 else ("have", "them")
        why = f" on {' and '.join(names)}"
        if takes_one:
            why += ", which takes only one of the two"
        elif len(names) > 1:
            why = f": neither {' nor '.join(names)} takes {them}"
        yield f"{' and '.join(flags)} {have} no effect{why}"
