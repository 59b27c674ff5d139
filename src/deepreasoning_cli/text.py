"""Text that every encoding can hold: no half of a surrogate pair is left alone."""

from __future__ import annotations


def well_formed(text: str) -> str:
    """`text` with the halves of surrogate pairs joined; a lone half becomes U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()  # the cheapest way to ask whether there are any
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def cut_before_half(text: str) -> tuple[str, str]:
    """`text`, and the first half of a surrogate pair that it ends with, whose second may follow."""
    half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
    return text[: len(text) - len(half)], half
