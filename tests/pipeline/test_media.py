"""Images and documents count in estimates, and so under caps and in what a model can read."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.pipeline.events import Message, Prompt, ToolCall
from deepreasoning_cli.pipeline.media import (
    LARGEST_IMAGE,
    MOST_PAGES,
    PAGE,
    UNKNOWN_PAGES,
    USUAL_IMAGE,
)
from deepreasoning_cli.pipeline.tools import Document, Image, MessagePart, ToolResult

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 1000, 750)
GIF = b"GIF89a" + struct.pack("<HH", 280, 28)
JPEG = (
    b"\xff\xd8\xff\xe1" + struct.pack(">H", 30_000) + bytes(29_998)  # a preview comes first
    + b"\xff\xc2\0\x11\x08" + struct.pack(">HH", 560, 1400)
)  # fmt: skip
WEBP_LOSSY = b"RIFF\0\0\0\0WEBPVP8 " + bytes(10) + struct.pack("<HH", 56, 84)
WEBP_PLAIN = b"RIFF\0\0\0\0WEBPVP8L" + bytes(5) + (55 | 83 << 14).to_bytes(4, "little")
WEBP_LONG = (
    b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + (55).to_bytes(3, "little") + (83).to_bytes(3, "little")
)
PDF = b"%PDF-1.7 /Type /Pages /Kids /Type /Page /Type/Page\n"


def media_tokens(*parts: MessagePart) -> int:
    """What the parts take beside their text."""
    return Prompt((Message("user", "", parts),)).tokens - Prompt((Message("user", ""),)).tokens


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("data", "tokens"),
    [
        (PNG, 36 * 27),
        (GIF, 10),
        (JPEG, 50 * 20),
        (WEBP_LOSSY, 2 * 3),
        (WEBP_PLAIN, 2 * 3),
        (WEBP_LONG, 2 * 3),
        (PNG[:16] + struct.pack(">II", 8000, 8000), LARGEST_IMAGE),
        (PNG[:18], USUAL_IMAGE),
        (JPEG[:20], USUAL_IMAGE),
        (b"\xff\xd8\0", USUAL_IMAGE),
        (b"BM", USUAL_IMAGE),
        (b"", USUAL_IMAGE),
    ],
)
def test_an_image_takes_tokens_by_its_size(data: bytes, tokens: int) -> None:
    image = Image("image/png", encoded(data))
    assert media_tokens("What?", image) == tokens
    result = ToolResult("c1", ("seen", image, image))
    assert media_tokens(ToolCall("c1", "look", "{}"), result) == 2 * tokens


@pytest.mark.parametrize(
    ("document", "pages"),
    [
        (Document("application/pdf", encoded(PDF)), 2),
        (Document("application/pdf", encoded(bytes(120_000))), 3),
        (Document("application/pdf", encoded(b"/Type/Page " * 1000)), MOST_PAGES),
        (Document("", url="https://a.example/x.pdf"), UNKNOWN_PAGES),
        (Document("text/plain", "so it is"), 0),
    ],
)
def test_a_document_takes_tokens_by_its_pages(document: Document, pages: int) -> None:
    assert media_tokens(document) == pages * PAGE


@given(data=st.binary() | st.binary().map(PNG.__add__) | st.binary().map(JPEG[:4].__add__))
def test_whatever_an_image_is_it_takes_some_tokens(data: bytes) -> None:
    tokens = media_tokens(Image("image/jpeg", encoded(data)))
    assert 0 < tokens <= LARGEST_IMAGE


def test_a_prompt_takes_the_tokens_of_its_text_and_its_images() -> None:
    text = Message("user", "What is it?")
    image = Message("user", "What is it?", ("What is it?", Image("image/png", encoded(PNG))))
    assert Prompt((image,)).tokens == Prompt((text,)).tokens + 36 * 27
