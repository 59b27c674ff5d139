"""Claude asked by Message Batches: what sends and collects them, and the reply to one request."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final

from deepreasoning_cli.errors import RefusedError, UnavailableError
from deepreasoning_cli.pipeline.events import Chunk, Message, Payload, Prompt
from deepreasoning_cli.pipeline.money import RateCard
from deepreasoning_cli.providers.anthropic import ClaudeProvider, messages_url
from deepreasoning_cli.transport import Request, Transport
from deepreasoning_cli.wire.client.errors import read_error, to_exception
from deepreasoning_cli.wire.client.message_batches import (
    PATH,
    SHARE,
    BatchState,
    batch_body,
    read_results,
    read_state,
)
from deepreasoning_cli.wire.client.payload import as_dict, as_dicts, as_text

ABSENT: Final[Payload] = {"type": "absent"}
"""The result of a request that is not among the results."""
UNTRIED: Final = {
    "expired": "the batch expired before this request was answered",
    "canceled": "the batch was canceled before this request was answered",
}
NO_BATCHES: Final = (404, 405, 501)


class MessageBatches:
    """The batches of the account that `claude` is asked with. Raises what the transport raises."""

    def __init__(self, claude: ClaudeProvider, transport: Transport) -> None:
        self._claude = claude
        self._transport = transport

    def create(self, requests: Mapping[str, Payload]) -> BatchState:
        """Send these requests, each with an id of ours; RefusedError where there are no batches.

        After an UnavailableError the batch may be there all the same: `recent` lists it then.
        """
        request = replace(self._request(body=batch_body(requests)), creates=True)
        try:
            return self._state(request)
        except RefusedError as error:
            if error.status in NO_BATCHES:
                hint = "run it again without --cheap: the reasoning is kept"
                raise RefusedError(
                    f"{self._claude.vendor or self._claude.base_url} takes no Message Batches",
                    kind="no_batches",
                    status=error.status,
                    hint=hint,
                ) from error
            raise

    def state(self, batch: str) -> BatchState:
        """How far the batch is."""
        return self._state(self._request(f"/{batch}"))

    def results(self, batch: str) -> dict[str, Payload]:
        """The results of a batch that has ended, by our ids."""
        with closing(self._transport.stream(self._request(f"/{batch}/results"))) as payloads:
            return read_results(payloads)

    def recent(self) -> list[BatchState]:
        """The newest batches of the account."""
        page = self._transport.fetch(self._request("?limit=100"))
        return [state for item in as_dicts(page.get("data")) if (state := read_state(item))]

    def _state(self, request: Request) -> BatchState:
        state = read_state(self._transport.fetch(request))
        if state is None:
            raise UnavailableError(
                f"{request.host} sent no batch", kind="wrong_shape", hint="run it again later"
            )
        return state

    def _request(self, path: str = "", body: Payload | None = None) -> Request:
        """A call with the key and the headers of a question to Claude."""
        usual = self._claude.request(Prompt((Message("user", "?"),)))
        url = messages_url(self._claude.base_url, PATH) + path
        return replace(usual, url=url, body=body, method="GET" if body is None else "POST")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchedReply:
    """Stands in the place of `claude` in a turn whose request went out in a batch.

    `result` is what the batch has for it. It costs what a batch does.
    """

    claude: ClaudeProvider
    result: Payload

    @property
    def model(self) -> str:
        """The id in the request."""
        return self.claude.model

    @property
    def host(self) -> str | None:
        """The name of its host in the settings."""
        return self.claude.host

    @property
    def rates(self) -> RateCard | None:
        """Half of what Claude costs otherwise."""
        rates = self.claude.rates
        return rates and rates.times(SHARE, f"{rates.source}; Message Batches cost half")

    @property
    def context(self) -> int | None:
        """How many tokens it reads."""
        return self.claude.context

    def preconnect(self, *, once: bool = False) -> None:
        """Nobody is called."""

    def stream(
        self, prompt: Prompt, when_sent: Callable[[], None] = lambda: None
    ) -> Generator[Chunk, None, None]:
        """The chunks of the reply; raises the error that the batch has in its place."""
        when_sent()
        account = self.claude.request(prompt).account
        kind = as_text(self.result.get("type"))
        if kind == "succeeded":
            yield from self.claude.read([as_dict(self.result.get("message"))], account)
            return
        if kind == "errored":
            error = as_dict(self.result.get("error"))
            raise to_exception(read_error(error.get("error") or error), account)
        raise UnavailableError(
            UNTRIED.get(kind, "the batch has no result for this request"),
            kind="batch_expired",
            hint="run it again: nothing was paid for it",
        )
