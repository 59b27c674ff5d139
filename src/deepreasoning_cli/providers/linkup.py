"""Linkup, which searches the web."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from deepreasoning_cli.errors import RefusedError, UnavailableError
from deepreasoning_cli.keys import Key
from deepreasoning_cli.pipeline.events import Payload, Source
from deepreasoning_cli.pipeline.search import SearchResult
from deepreasoning_cli.sanitize import repair_surrogates
from deepreasoning_cli.transport import DeferredTransport, Request, Transport
from deepreasoning_cli.wire.client.payload import as_dicts, as_text

MOST_RESULTS: Final = 10
READ_TIMEOUT: Final = 60.0  # seconds without a byte; a deep search takes thirty


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkupProvider:
    """Linkup ready to search; nothing is sent before `search` is called.

    https://docs.linkup.so, `POST /search`; `price` is USD for one search of this `depth`.
    """

    base_url: str
    key: Key
    transport: Transport | DeferredTransport
    depth: Literal["standard", "deep"] = "standard"
    price: Decimal | None = None
    top_up: str | None = None
    vendor: str | None = None
    name: str = "linkup"

    def request(self, query: str) -> Request:
        """The call that `search` makes."""
        return Request(
            f"{self.base_url.rstrip('/')}/search",
            body={
                "q": query,
                "depth": self.depth,
                "outputType": "searchResults",
                "maxResults": MOST_RESULTS,
            },
            key=self.key,
            top_up=self.top_up,
            vendor=self.vendor,
            read_timeout=READ_TIMEOUT,
        )

    def search(self, query: str) -> tuple[SearchResult, ...]:
        """The pages found, best first; none is no error. Raises what the transport raises."""
        try:
            payload = self.transport.fetch(self.request(query))
        except RefusedError as error:
            if error.kind == "no_result":
                return ()
            raise
        return tuple(_findings(payload))[:MOST_RESULTS]


def _findings(payload: Payload) -> Iterator[SearchResult]:
    """The pages of a reply; images and what has no address are left out."""
    results = payload.get("results")
    if not isinstance(results, list):
        raise UnavailableError(
            "Linkup sent no list of results", kind="bad_reply", hint="try again later"
        )
    for result in as_dicts(results):
        url = _string(result.get("url"))
        if url and result.get("type", "text") == "text":
            title = _string(result.get("name"))
            yield SearchResult(Source(title or url, url), _string(result.get("content")))


def _string(value: object) -> str:
    return repair_surrogates(as_text(value)).strip()
