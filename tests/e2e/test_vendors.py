"""The watch for keys sees what it is there to see."""

from __future__ import annotations

import base64
import urllib.parse
from collections.abc import Callable

import pytest

from support.runner import CompletedRun
from support.vendors import STARTS, Vendors

LEAKS: dict[str, Callable[[str], str]] = {
    "raw": lambda key: key,
    "eight letters": lambda key: key[-12:-4],
    "percent-encoded": lambda key: urllib.parse.quote(key, safe=""),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 of a header": lambda key: base64.b64encode(f"Bearer {key}".encode()).decode(),
    "cut off": lambda key: key[: len(key) - 20],
}


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize("leak", LEAKS.values(), ids=list(LEAKS))
def test_a_leaked_key_is_found_wherever_it_is(
    vendors: Vendors, name: str, leak: Callable[[str], str]
) -> None:
    output = f"error: {leak(vendors.keys[name])} is wrong\n".encode()
    for result in (CompletedRun(0, output, b""), CompletedRun(0, b"", output)):
        with pytest.raises(AssertionError, match="a piece of"):
            vendors.check_for_keys(result)
    (vendors.home / "cache").write_bytes(output)
    with pytest.raises(AssertionError, match="a piece of"):
        vendors.check_for_keys(CompletedRun(0, b"", b""))


def test_the_last_four_letters_are_no_leak(vendors: Vendors) -> None:
    output = " ".join(f"…{key[-4:]}" for key in vendors.keys.values()).encode()
    assert vendors.check_for_keys(CompletedRun(0, output, b"")) == CompletedRun(0, output, b"")


def test_a_file_that_may_hold_a_key_is_left_alone(vendors: Vendors) -> None:
    vendors.config(f'[keys]\ndeepseek = "{vendors.keys["DEEPSEEK_API_KEY"]}"\n', holds_keys=True)
    assert vendors.check_for_keys(CompletedRun(0, b"", b"")) == CompletedRun(0, b"", b"")
