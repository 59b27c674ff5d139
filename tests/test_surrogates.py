from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.sanitize import repair_surrogates, split_trailing_surrogate

any_text = st.text(st.characters(codec=None) | st.characters(categories=["Cs"]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("é 中 \U0001f600", "é 中 \U0001f600"),
        ("\ud83d\ude00", "\U0001f600"),
        ("a\ud83db\ude00", "a\ufffdb\ufffd"),
        ("a\ud83d", "a\ufffd"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
    ],
)
def test_halves_are_joined_or_replaced(text: str, expected: str) -> None:
    assert repair_surrogates(text) == expected


@given(any_text)
def test_every_text_becomes_one_that_can_be_encoded_and_stays_that_way(text: str) -> None:
    once = repair_surrogates(text)
    assert (once.encode().decode(), repair_surrogates(once)) == (once, once)


@given(st.text())
def test_a_sound_text_is_not_touched(text: str) -> None:
    assert repair_surrogates(text) == text


@given(any_text, st.integers(min_value=0, max_value=8))
def test_text_mended_piece_by_piece_is_the_text_mended_whole(text: str, at: int) -> None:
    ready, half = split_trailing_surrogate(text[:at])
    assert repair_surrogates(ready) + repair_surrogates(half + text[at:]) == repair_surrogates(text)
    assert ready + half == text[:at]
