"""Images go to a reasoner that sees them, from every format; others are told that there is one."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from typing import Any, Final

import httpx2
import pytest

from support.replies import claude_stream, error_reply_openai, reasoner_stream
from support.runner import homes
from support.serve_process import MODEL, PATIENCE, Server, serving, serving_at
from support.vendors import ANSWER, TEXTS, THOUGHTS, Vendors

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
PNG: Final = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 280, 280)
URL: Final = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
IMAGE: Final = {"type": "image_url", "image_url": {"url": URL}}
SEEN: Final = [{"type": "text", "text": "What is it?"}, IMAGE]
TOLD: Final = "What is it?\n\n[an image, image/png]"
OVERLOADED: Final = error_reply_openai(503, "busy", headers={"retry-after-ms": "1"})


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving_at(tmp_path_factory.mktemp("images")) as server:
        yield server


@pytest.fixture
def server(house: Server) -> Server:
    house.forget()
    return house


def asked(server: Server, path: str, *earlier: Any, **more: Any) -> httpx2.Response:
    """The reply to a question with an image."""
    place = "input" if path == RESPONSES else "messages"
    limit = {"max_tokens": 999} if path == MESSAGES else {}
    conversation = [*earlier, {"role": "user", "content": SEEN}]
    fields = {"model": MODEL, place: conversation, **limit, **more}
    return httpx2.post(f"{server.url}{path}", json=fields, timeout=PATIENCE)


@pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
def test_a_reasoner_that_sees_gets_the_images_of_the_conversation(
    server: Server, path: str
) -> None:
    server.vendors.reply(reasoner_stream(THOUGHTS), TEXTS)
    first = ({"role": "user", "content": SEEN}, {"role": "assistant", "content": "A cat."})
    assert asked(server, path, *first).status_code == 200
    (thinker,), (claude,) = server.vendors.requests()
    assert [message["content"] for message in thinker.body["messages"]] == [SEEN, "A cat.", SEEN]
    kinds = [[block["type"] for block in each["content"]] for each in claude.body["messages"][::2]]
    assert kinds[0] == ["text", "image"]
    assert kinds[1][:2] == ["text", "image"]


def own(vendors: Vendors, **fields: str) -> dict[str, str]:
    """The environment of a user with a reasoner of their own, for which Novita's steps in."""
    fields = {"BASE_URL": f"{vendors.reasoner.url}/v1", "MODEL": "sees", **fields}
    return {
        **homes(vendors.home),
        **{f"DEEPREASONING_REASONERS__LAB__{name}": value for name, value in fields.items()},
        "DEEPREASONING_REASONER": "lab,novita",
        "NOVITA_API_KEY": "nk-0123456789abcdef",
        "NOVITA_BASE_URL": vendors.novita.url,
    }


def test_a_blind_host_that_steps_in_is_told_that_there_is_one(vendors: Vendors) -> None:
    vendors.reasoner.reply(OVERLOADED)
    vendors.novita.reply(reasoner_stream(THOUGHTS))
    vendors.claude.reply(claude_stream(TEXTS))
    with serving(vendors, env=own(vendors, IMAGES="true")) as server:
        reply = asked(server, CHAT)
    assert reply.json()["choices"][0]["message"]["content"] == ANSWER
    assert [each.body["messages"][0]["content"] for each in vendors.reasoner.requests] == [SEEN] * 3
    (blind,) = vendors.novita.requests
    assert [message["content"] for message in blind.body["messages"]] == [TOLD]


def test_a_host_of_ones_own_is_blind_until_it_is_said_to_see(vendors: Vendors) -> None:
    vendors.reply(reasoner_stream(THOUGHTS), TEXTS)
    with serving(vendors, env=own(vendors)) as server:
        assert asked(server, CHAT).status_code == 200
    (told,), _ = vendors.requests()
    assert [message["content"] for message in told.body["messages"]] == [TOLD]
