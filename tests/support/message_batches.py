"""Anthropic's Message Batches, played: they take a while, and not every request has its answer.

Facts: api-facts 1.11.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from support.loopback import Received
from support.replies import Reply, error_reply_anthropic, json_reply
from support.row_vendors import answer_to, row_of, text_of

PATH: Final = "/v1/messages/batches"
USAGE: Final = {"input_tokens": 1_000, "output_tokens": 200}


@dataclass(slots=True)
class PlayedBatch:
    """One batch: its requests by their ids, and how often it was looked at."""

    id: str
    params: dict[str, Any]
    created: str
    looks: int = 0


@dataclass
class MessageBatchesVendor:
    """Answers the paths of Message Batches; all else is refused.

    A batch ends when it has been looked at `looks` times. `fails` says of a row what its result is
    in its first batch, `absent` that it has none; in a later one it has its answer.
    """

    looks: int = 1
    fails: Mapping[str, str] = field(default_factory=dict)
    batches: dict[str, PlayedBatch] = field(default_factory=dict)
    usage: Mapping[str, int] = field(default_factory=lambda: USAGE)
    asked: list[str] = field(default_factory=list)
    """The rows in the order in which they were sent."""
    after_create: Callable[[PlayedBatch], None] = lambda _: None

    def __call__(self, request: Received) -> Reply:
        """The reply to any request."""
        path = request.path.partition("?")[0]
        if request.method == "POST" and path == PATH:
            return self._create(request.body["requests"])
        parts = path.removeprefix(PATH).strip("/").split("/")
        if request.method != "GET" or not path.startswith(PATH):
            return error_reply_anthropic(400, "invalid_request_error", f"no {path} here")
        if parts == [""]:
            listed = [self._state(batch) for batch in reversed(self.batches.values())]
            return json_reply(200, {"data": listed, "has_more": False})
        batch = self.batches[parts[0]]
        if parts[1:] == ["results"]:
            return self._results(batch)
        batch.looks += 1
        return json_reply(200, self._state(batch))

    def _create(self, requests: list[dict[str, Any]]) -> Reply:
        params = {each["custom_id"]: each["params"] for each in requests}
        assert len(params) == len(requests)
        assert all("stream" not in each for each in params.values())
        batch = PlayedBatch(f"msgbatch_{len(self.batches)}", params, datetime.now(UTC).isoformat())
        self.batches[batch.id] = batch
        self.asked += [self.row_of(each) for each in params.values()]
        self.after_create(batch)
        return json_reply(200, self._state(batch))

    def _state(self, batch: PlayedBatch) -> dict[str, Any]:
        ended = batch.looks > self.looks
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        counts["succeeded" if ended else "processing"] = len(batch.params)
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "in_progress",
            "request_counts": counts,
            "created_at": batch.created,
            "results_url": f"https://elsewhere.invalid/{batch.id}" if ended else None,
        }

    def _results(self, batch: PlayedBatch) -> Reply:
        lines = [
            json.dumps({"custom_id": name, "result": self._result(params)})
            for name, params in reversed(batch.params.items())  # in any order
            if not self._is_absent(params)
        ]
        body = "".join(f"{line}\n" for line in lines).encode()
        return Reply(body=(body,), content_type="application/x-jsonl", framing="length")

    def _is_absent(self, params: dict[str, Any]) -> bool:
        row = self.row_of(params)
        return self.fails.get(row) == "absent" and self.asked.count(row) == 1

    def _result(self, params: dict[str, Any]) -> dict[str, Any]:
        row = self.row_of(params)
        failure = self.fails.get(row)
        if failure and self.asked.count(row) == 1:
            if failure == "errored":
                error = {"type": "invalid_request_error", "message": "not this one"}
                return {"type": "errored", "error": {"type": "error", "error": error}}
            return {"type": failure}
        return {
            "type": "succeeded",
            "message": {
                "id": f"msg_{row}",
                "type": "message",
                "role": "assistant",
                "model": params["model"],
                "content": [{"type": "text", "text": self.answer_to(row)}],
                "stop_reason": "end_turn",
                "usage": dict(self.usage),
            },
        }

    def is_looked_at(self) -> bool:
        """Whether somebody waits for a batch; from now on it is as if nobody had looked."""
        looks = sum(batch.looks for batch in self.batches.values())
        for batch in self.batches.values():
            batch.looks = 0
        return looks > 0

    def row_of(self, params: dict[str, Any]) -> str:
        """The row that a request asks about; it has that row's thoughts and no others."""
        asked = Received("POST", PATH, {}, params, b"", 0.0)
        row = row_of(asked)
        assert f"thoughts on row {row};" in text_of(asked)
        return row

    def answer_to(self, row: str) -> str:
        """What Claude answers to it."""
        return answer_to(row)
