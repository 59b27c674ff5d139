"""What images and documents take to read, in tokens, before anybody is asked."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from typing import Final

PATCH: Final = 28  # pixels of each side
LARGEST_IMAGE: Final = 4_784
USUAL_IMAGE: Final = 1_600
"""Tokens: Claude reads an image in patches of 28 × 28 pixels, about width × height / 750, and makes
a larger one smaller before (platform.claude.com, build-with-claude/vision). Where the size is not
known, an image has as many as most screenshots and photos."""
PAGE: Final = 2_500
UNKNOWN_PAGES: Final = 5
MOST_PAGES: Final = 600
BYTES_A_PAGE: Final = 50_000
"""A page of a PDF is read as its text and as an image: 1,500 to 3,000 tokens of text and 1,600
(platform.claude.com, build-with-claude/pdf-support); measured pages of text take 2,300."""
_PAGE: Final = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_HEAD: Final = 400_000  # characters of base64 in which an image says how large it is
_JPEG_SIZES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def image_tokens(data: str) -> int:
    """An estimate of the tokens of an image in base64; of one that is elsewhere the usual ones."""
    width, height = _size(_decoded(data[:_HEAD]))
    if not width or not height:
        return USUAL_IMAGE
    return min(-(-width // PATCH) * -(-height // PATCH), LARGEST_IMAGE)


def pdf_tokens(data: str) -> int:
    """The same of a PDF."""
    document = _decoded(data)
    listed = len(_PAGE.findall(document))  # those that stand in the clear
    by_length = -(-len(document) // BYTES_A_PAGE) if document else UNKNOWN_PAGES
    return PAGE * min(listed or by_length, MOST_PAGES)


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data[: len(data) // 4 * 4])
    except (binascii.Error, ValueError):
        return b""


def _size(head: bytes) -> tuple[int, int]:
    """Width and height of a PNG, GIF, WebP or JPEG in pixels; 0 where they are not found."""
    try:
        if head.startswith(b"\x89PNG"):
            return struct.unpack_from(">II", head, 16)
        if head.startswith(b"GIF8"):
            return struct.unpack_from("<HH", head, 6)
        if head[8:12] == b"WEBP":
            return _webp_size(head)
        if head.startswith(b"\xff\xd8"):
            return _jpeg_size(head)
    except (struct.error, IndexError):  # it is cut, or no such image
        pass
    return 0, 0


def _webp_size(head: bytes) -> tuple[int, int]:
    """https://developers.google.com/speed/webp/docs/riff_container."""
    match head[12:16]:
        case b"VP8X":
            bits = int.from_bytes(head[24:30], "little")
            return (bits & 0xFFFFFF) + 1, (bits >> 24) + 1
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", head, 26)
    return width & 0x3FFF, height & 0x3FFF


def _jpeg_size(head: bytes) -> tuple[int, int]:
    """The size stands in the first frame, behind segments of any length."""
    at = 2
    while head[at] == 0xFF:
        if head[at + 1] in _JPEG_SIZES:
            height, width = struct.unpack_from(">HH", head, at + 5)
            return width, height
        at += 2 + int(struct.unpack_from(">H", head, at + 2)[0])
    return 0, 0
