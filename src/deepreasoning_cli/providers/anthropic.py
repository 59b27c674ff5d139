"""Claude and others that write answers, at the Messages API of Anthropic or of another host."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Literal, NamedTuple

from deepreasoning_cli.catalog.models import (
    Auth,
    ClaudeModel,
    Effort,
    Lifecycle,
    Thinking,
    ThinkingTokens,
)
from deepreasoning_cli.errors import RefusedError
from deepreasoning_cli.pipeline.events import Chunk, Payload, Prompt
from deepreasoning_cli.pipeline.money import RateCard
from deepreasoning_cli.providers.api import ApiProvider
from deepreasoning_cli.transport import Request
from deepreasoning_cli.wire.client import messages
from deepreasoning_cli.wire.client.errors import ApiAccount

VERSION = "2023-06-01"
"""The newest API version that still takes `temperature`; later ones refuse every sampler
(platform.claude.com, API versioning and the 2026-10-21 migration page)."""
claude_request = partial(Request, headers={"anthropic-version": VERSION}, key_header="x-api-key")


EffortSetting = Literal["auto", "none"] | Effort
"""The setting `effort`."""
LEVELS: Final = tuple(Effort)


class AcceptedEffort(NamedTuple):
    """What of the setting a model takes, None for its own default; and what the user is told."""

    value: EffortSetting | None
    warnings: tuple[str, ...] = ()


def accept_effort(wanted: EffortSetting, model: ClaudeModel, *, typed: bool) -> AcceptedEffort:
    """What `model` takes of the effort that is `wanted`; a typed one that is not leaves a warning.

    A model that cannot be kept from thinking thinks as little as it can. Of a model that the
    catalog lacks it is not known what it refuses: it is sent the effort as it is.
    """
    if wanted == "auto" or wanted in model.efforts or model.status is Lifecycle.UNKNOWN:
        return AcceptedEffort(wanted)
    if wanted != "none":
        takes = ", ".join(model.efforts) or "no effort"
        warning = f"--effort {wanted} is not sent: {model.id} takes {takes}"
        return AcceptedEffort(None, (warning,) if typed else ())
    if model.thinking is not Thinking.UNASKED or model.thinking_off:
        return AcceptedEffort(wanted)
    least = model.efforts[0]
    warning = f"{model.id} always thinks: --effort {least} is sent, not none"
    return AcceptedEffort(least, (warning,) if typed else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudeThinking:
    """How much a Claude model is let think before it answers, and whether that is seen.

    `effort` is what the model takes of the setting. `tokens` are those that thinking takes at each
    effort, `room` those that this turn is known to need. `alone` says that nobody thinks before
    the model: then its thinking is always shown.

    Thinking counts toward `max_tokens` and is billed as output also where nothing of it is seen
    (platform.claude.com, build-with-claude/thinking).
    """

    model: ClaudeModel
    effort: EffortSetting | None = "auto"
    tokens: Mapping[Effort, ThinkingTokens] = field(default_factory=dict)
    alone: bool = False
    room: int = 0
    forced: bool = False
    """Whether the model has to call a tool: then it must not think first, and what always thinks
    refuses to be forced (platform.claude.com, build-with-claude/extended-thinking)."""

    def check_choice(self) -> None:
        """Raise RefusedError where it has to call a tool and cannot be kept from thinking."""
        always = self.model.thinking is Thinking.UNASKED and self.model.thinking_off is None
        if self.forced and always:
            raise RefusedError(
                f"{self.model.id} always thinks, and then takes no forced tool_choice:"
                " ask with auto, or another model",
                hint="ask with tool_choice auto, or name another model",
                kind="unsupported_value",
            )

    def sent_effort(self, prompt: Prompt) -> Effort | None:
        """The effort in the request for `prompt`; None for the model's own default.

        Whole chains of thought transfer; a model that is handed a part of one has to go on
        thinking itself (arXiv 2605.28913), and one that answers from it at once stays anchored in
        the other's errors (2601.23163).
        """
        if isinstance(self.effort, Effort):
            return self.effort
        spares = self.effort == "auto" and prompt.has_reasoning
        return Effort.LOW if spares and Effort.LOW in self.model.efforts else None

    def named_effort(self, prompt: Prompt) -> str | None:
        """The same as a word; `none` where the model is kept from thinking."""
        return "none" if self._is_off else self.sent_effort(prompt)

    @property
    def is_asked(self) -> bool:
        """Whether a model that thinks only where it is asked to is asked."""
        asks = isinstance(self.effort, Effort) and self.effort is not Effort.LOW
        return asks and self.model.thinking is Thinking.ASKED and not self.forced

    @property
    def _is_off(self) -> bool:
        return (self.effort == "none" or self.forced) and self.model.thinking_off is not None

    @property
    def _thinks(self) -> bool:
        by_itself = self.model.thinking is Thinking.UNASKED and not self._is_off
        return by_itself or self.is_asked

    def room_beside(self, answer: int, prompt: Prompt) -> int:
        """The tokens for thinking beside an answer of so many: what the model writes at most."""
        room, most = self._headroom(prompt), self.model.max_output
        return room if most is None else max(min(room, most - answer), 0)

    def _headroom(self, prompt: Prompt) -> int:
        level = self.sent_effort(prompt) or self.model.default_effort
        if not self._thinks or level is None or level not in self.tokens:
            return 0
        return max(self.tokens[level].headroom, self.room)

    def expected_tokens(self, prompt: Prompt) -> tuple[int, ...]:
        """The tokens of thinking that a short, a usual and a hard question are taken to cost."""
        level = self.sent_effort(prompt) or self.model.default_effort
        if not self._thinks or level is None or level not in self.tokens:
            return (0, 0, 0)
        return self.tokens[level].thinks

    def fields(self, prompt: Prompt) -> Payload:
        """The fields of the request for `prompt` that say how to think.

        `between_tools` and `disabled` are refused beside the highest efforts: none is sent with
        them (platform.claude.com, what's new in Sonnet 5.5 and in Haiku 5.5).
        """
        effort = self.sent_effort(prompt)
        fields: Payload = {"output_config": {"effort": str(effort)}} if effort else {}
        if self._is_off:
            return {"thinking": {"type": str(self.model.thinking_off)}}
        level = effort or self.model.default_effort
        if self._thinks and (self.alone or level is not Effort.LOW):
            fields["thinking"] = {"type": "adaptive", "display": "summarized"}
        return fields


OPTIONAL_FIELDS: Final = ("output_config", "thinking", "temperature", "top_p")
"""Top-level fields that a reply can do without."""


def messages_url(base_url: str, path: str | None = None) -> str:
    """Where requests go below `base_url`, which may have the version in it that `path` has."""
    base, path = base_url.rstrip("/"), path or "/v1/messages"
    return (base.removesuffix("/v1") if "/v1/" in path else base) + path


def without_refused(request: Request, refusal: RefusedError) -> Request | None:
    """The request without what the refusal names; None where that is nothing we can do without.

    Each thing that is left out is one less, so that asking again and again comes to an end.
    """
    words, body = refusal.message, dict(request.body or {})
    if refusal.status not in (400, 422):
        return None
    if "anthropic-version" in words and request.headers:
        return replace(request, headers={})
    if "cache_control" in words and messages.is_marked(body):
        return replace(request, body=messages.unmarked(body))
    named = {name for name in OPTIONAL_FIELDS if name in words and name in body}
    if "format" in body.get("output_config", {}):  # the caller's, and not ours to leave out
        named.discard("output_config")
    if not named:
        return None
    return replace(request, body={name: body[name] for name in body if name not in named})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudeProvider(ApiProvider):
    """A model that writes answers; `path` is where requests go, below the base URL, and `auth` how
    the key is sent.

    `max_tokens` is the longest answer that is seen, in tokens, `cache_minimum` the shortest
    beginning of a prompt that its cache keeps. `adapts` is for hosts that may know less than
    Anthropic: what one refuses by name, and can be left out, is left out.
    """

    path: str | None = None
    auth: Auth = Auth.X_API_KEY
    adapts: bool = False
    model: str
    max_tokens: int
    samplers: Mapping[str, float]
    rates: RateCard | None = None
    context: int | None = None
    cache_minimum: int | None = None
    thinking: ClaudeThinking | None = None

    def request(self, prompt: Prompt) -> Request:
        """The call that `stream` makes."""
        return claude_request(
            messages_url(self.base_url, self.path),
            body=messages.request_body(
                prompt,
                model=self.model,
                max_tokens=self.max_tokens + self.thinking_room(prompt),
                samplers=self.samplers,
                extra=self.thinking.fields(prompt) if self.thinking else {},
                breakpoints=self._breakpoints(prompt),
            ),
            key=self.key,
            key_header="x-api-key" if self.auth is Auth.X_API_KEY else "authorization",
            top_up=self.top_up,
            vendor=self.vendor,
        )

    def stream(
        self, prompt: Prompt, when_sent: Callable[[], None] = lambda: None
    ) -> Generator[Chunk, None, None]:
        """Chunks as they come; closing the iterator closes the connection."""
        request = self.request(prompt)
        while True:
            try:
                yield from self._reply(request, when_sent)
            except RefusedError as refusal:  # nothing was billed, and nothing came
                simpler = without_refused(request, refusal) if self.adapts else None
                if simpler is None:
                    raise
                request = simpler
            else:
                return

    def read(self, payloads: Iterable[Payload], account: ApiAccount) -> Iterator[Chunk]:
        """The chunks of the reply to such a call."""
        return messages.read_reply(payloads, account)

    def call_settings(self, prompt: Prompt) -> Payload:
        """What besides the prompt decides the reply, in no vendor's words."""
        effort = self.thinking.named_effort(prompt) if self.thinking else None
        return {"effort": effort, "max_tokens": self.max_tokens, **self.samplers}

    def thinking_room(self, prompt: Prompt) -> int:
        """The tokens that the request has for thinking, on top of the answer's."""
        return self.thinking.room_beside(self.max_tokens, prompt) if self.thinking else 0

    def written_tokens(self, prompt: Prompt) -> int:
        """How many tokens of `prompt` may be billed as a write to the cache, by the estimate."""
        places = self._breakpoints(prompt)
        return messages.tokens_before(prompt, places[-1]) if places else 0

    def _breakpoints(self, prompt: Prompt) -> tuple[int, ...]:
        """Where the request is marked; nowhere if nobody knows what that costs and saves."""
        if self.rates is None or not self.rates.base.prices_caching:
            return ()
        return messages.cache_breakpoints(prompt, self.cache_minimum)
