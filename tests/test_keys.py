from __future__ import annotations

import base64
import html
import json
import re
import string
import urllib.parse
from collections.abc import Callable, Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deepreasoning_cli.errors import ConfigError
from deepreasoning_cli.keys import (
    Key,
    SplitKeyMask,
    is_like_a_key,
    redact,
    redact_known,
    redact_payload,
    validate_and_remember,
)

SECRET = 'sk-test-"a\\b/c+d=e'
IN_BASE64 = base64.b64encode(SECRET.encode()).decode().rstrip("=")
ENV = "DEEPSEEK_API_KEY"
HEADERS = ("Bearer ", "bearer ", "Authorization: Bearer ", "x-api-key: ")
SET = ("ANTHROPIC_API_KEY=", "export DEEPSEEK_API_KEY=")


def test_white_space_around_a_key_is_not_part_of_it() -> None:
    assert validate_and_remember("deepseek", " \tsk-1234567890\r\n", ENV) == Key(
        "deepseek", "sk-1234567890", ENV
    )


@pytest.mark.parametrize("quote", ['"', "'", "`"])
def test_quotes_around_a_key_are_not_part_of_it(quote: str) -> None:
    quoted = f" {quote}sk-1234567890{quote}\n"
    assert validate_and_remember("deepseek", quoted, ENV).value == "sk-1234567890"


@pytest.mark.parametrize(
    ("value", "what"),
    [
        *((f"{start}sk-secret-0123456789", "begins like a header") for start in HEADERS),
        *((f"{start}sk-secret-0123456789", "begins with the name of a variable") for start in SET),
        *((value, "is a variable that nothing has replaced") for value in ("$KEY", "%KEY%")),
        ("${DEEPSEEK_API_KEY}", "is a variable that nothing has replaced"),
        ("{{ secrets.KEY }}", "is a variable that nothing has replaced"),
        ("<your key>", "is a placeholder"),
        ("<sk-secret-0123456789>", "is a placeholder"),
        ("YOUR_API_KEY", "is a placeholder"),
        ("sk-xxxxxxxxxxxx", "is a placeholder"),
        ("sk-...", "is a placeholder"),
        ('"sk-secret-0123456789', "has a quote or another sign around it"),
        ("sk-secret-0123456789',", "has a quote or another sign around it"),
        ("sk-secret-0123456789\\n", "ends with an escaped line break"),
    ],
)
def test_what_cannot_be_a_key_is_refused_unseen(value: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate_and_remember("deepseek", value, ENV)
    error = caught.value
    assert error.message == f"the key deepseek from DEEPSEEK_API_KEY {what}"
    assert (error.kind, error.hint) == (
        "key_malformed",
        "set the key alone, as the vendor shows it",
    )
    assert "secret" not in f"{error!r}{error.as_json()}{error.__context__}"


@pytest.mark.parametrize("value", ["my-own-token", "a=b", "PASS=", "$ecret", "0", "a'b"])
def test_a_token_of_ones_own_server_may_look_like_anything(value: str) -> None:
    assert validate_and_remember("lab", value, "config.toml").value == value


@pytest.mark.parametrize("value", ["", " ", "\r\n\t", '""', "' '"])
def test_an_empty_key_is_missing(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate_and_remember("deepseek", value, ENV)
    error = caught.value
    message = "the key deepseek from DEEPSEEK_API_KEY is empty"
    assert (error.kind, error.message, error.exit_code) == ("key_missing", message, 3)


@pytest.mark.parametrize(
    ("character", "described"),
    [
        ("\n", "a line break"),
        ("\r", "a line break"),
        (" ", "a space"),
        ("\t", "a space"),
        ("\u00a0", "a space"),
        ("\x00", "the character U+0000"),
        ("\x7f", "the character U+007F"),
        ("é", "the character U+00E9"),
        ("“", "the character U+201C"),
        ("\u200b", "the character U+200B"),
        ("😀", "the character U+1F600"),
    ],
)
def test_a_key_that_no_header_can_hold_is_refused_unseen(character: str, described: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate_and_remember("anthropic", f" sk-ant-secret{character}more", "config.toml")
    error = caught.value
    assert (error.kind, error.message, error.hint) == (
        "key_malformed",
        f"the key anthropic from config.toml holds {described} at position 14",
        "copy the key again, without line breaks or typographic signs",
    )
    assert "secret" not in f"{error!r}{error.as_json()}{error.__context__}"


@pytest.mark.parametrize(
    ("value", "masked"), [("sk-12345", "…2345"), ("sk-1234567890", "…7890"), ("sk-1234", "…")]
)
def test_of_a_key_four_characters_are_shown_at_most(value: str, masked: str) -> None:
    key = Key("deepseek", value, ENV)
    assert key.masked == masked
    assert repr(key) == "Key(name='deepseek', origin='DEEPSEEK_API_KEY')"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        json.dumps(SECRET)[1:-1],
        urllib.parse.quote(SECRET, safe=""),
        base64.b64encode(SECRET.encode()).decode().rstrip("="),
        SECRET[:8],
        SECRET[:12],
    ],
)
def test_a_secret_is_masked_in_every_form(form: str) -> None:
    assert redact(f"({form})({form})", [SECRET]) == "([key])([key])"


@pytest.mark.parametrize(
    "form",
    [
        f"{SECRET[:9]}\n{SECRET[9:]}",
        f"{SECRET[:9]}\r\n  {SECRET[9:]}",
        f"{SECRET[:9]}\\n{SECRET[9:]}",
        f"{SECRET[:9]}%0A{SECRET[9:]}",
        urllib.parse.quote(SECRET, safe="").lower(),
        "".join(f"%{ord(sign):02X}" for sign in SECRET),
        "".join(f"\\u{ord(sign):04x}" for sign in SECRET),
        SECRET.replace("/", "\\/"),
        base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
        SECRET.upper(),
        SECRET[::-1],
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        "".join(f"&#{ord(sign)};" for sign in SECRET),
        "".join(f"&#x{ord(sign):02x};" for sign in SECRET),
        "".join(f"%25{ord(sign):02X}" for sign in SECRET),
        html.escape(SECRET),
        "\u200b".join(SECRET),
        *(
            f"{SECRET[:9]}{sign}{SECRET[9:]}"
            for sign in ("\u2060", "\0", "\x1b[0m", "<br>", "\xad")
        ),
        "\n".join(map("".join, re.findall("(.{1,10})", IN_BASE64))),
        SECRET[4:],
        SECRET[2:-2],
    ],
)
def test_a_secret_is_masked_however_it_is_written_or_wrapped(form: str) -> None:
    assert redact(f"({form})({form})", [SECRET]) == "([key])([key])"


@pytest.mark.parametrize("before", ["", "a", ":", "me:", "Bearer ", "user@"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_gives_no_secret_away_whatever_stands_before_it(
    before: str, encode: Callable[[bytes], bytes]
) -> None:
    said = redact(encode(f"{before}{SECRET} and more".encode()).decode(), [SECRET])
    assert "[key]" in said
    secret = SECRET.encode()
    url_safe = str.maketrans("-_", "+/")
    parts = [part[: len(part) // 4 * 4].translate(url_safe) for part in said.split("[key]")]
    shown = b"".join(map(base64.b64decode, parts))
    assert not any(secret[at : at + 4] in shown for at in range(len(secret) - 3))


def test_every_string_of_a_payload_is_masked_and_nothing_else_is_changed() -> None:
    payload = {"a": [f"got {SECRET}", 1, None, {"b": SECRET}], SECRET: 1.5, "c": True}
    masked = {"a": ["got [key]", 1, None, {"b": "[key]"}], "[key]": 1.5, "c": True}
    assert redact_payload(payload, [SECRET]) == masked


@pytest.mark.parametrize("name", ["sk-ant-api03-abcdef", "9f8e7d6c5b4a39281706abcd", "sk-x"])
def test_a_key_in_the_place_of_its_name_is_known(name: str) -> None:
    assert is_like_a_key(name)


@pytest.mark.parametrize("name", ["deepseek", "my-very-own-little-server", "lab7", "ollama"])
def test_a_name_is_not_taken_for_a_key(name: str) -> None:
    assert not is_like_a_key(name)


def test_what_is_too_short_to_tell_from_text_is_left() -> None:
    assert redact("abcdefg sk-test", ["abcdefg", SECRET]) == "abcdefg sk-test"


def test_every_secret_is_masked() -> None:
    assert redact("one-secret, two-secret", ["one-secret", "two-secret"]) == "[key], [key]"


def test_the_last_look_masks_every_key_that_was_loaded() -> None:
    validate_and_remember("linkup", "lk-loaded-0123456789", ENV)
    assert redact_known("got lk-loaded-0123456789 or lk-loade…") == "got [key] or [key]…"
    assert redact_known("nothing here") == "nothing here"


signs = "".join(sorted(set(string.printable[:94]) - set("[]")))  # those of the mask itself


@given(st.text(signs, min_size=8, max_size=60), st.text(), st.text(), st.integers(8, 60))
def test_nothing_that_begins_as_a_secret_survives(
    secret: str, before: str, after: str, cut: int
) -> None:
    assert secret[:8] not in redact(f"{before}{secret[:cut]}{after}{secret}", [secret])


# --- a key that comes in pieces

SPLIT = "sk-canary-7Fq2pXw2Zr9Kd4LmT8vBn5"


def masked(pieces: Sequence[str], secret: str = SPLIT) -> str:
    mask = SplitKeyMask(secret)
    return "".join([*map(mask.feed, pieces), mask.close()])


@pytest.mark.parametrize("cut", range(1, len(SPLIT)))
def test_a_key_that_is_cut_anywhere_is_masked(cut: int) -> None:
    shown = masked(["it is ", SPLIT[:cut], SPLIT[cut:] + ".", " Done"])
    assert shown in (f"it is {SPLIT[:cut]}[key]. Done", "it is [key]. Done")
    assert len(shown) < len("it is . Done") + 8


@pytest.mark.parametrize("size", range(1, 9))
def test_a_key_in_small_pieces_is_masked(size: int) -> None:
    text = f"a {SPLIT} and {SPLIT} s sk- sk-can"
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    shown = masked(pieces)
    assert SPLIT[4:12] not in shown
    assert re.sub(r"sk?\[key\]", "[key]", shown) == "a [key] and [key] s sk- sk-can"


@given(st.lists(st.text("sk-canry7 x", max_size=9)))
def test_no_text_without_the_key_is_changed_or_lost(pieces: list[str]) -> None:
    text = "".join(pieces)
    assume(SPLIT[:8] not in text)
    assert masked(pieces) == text


def test_what_cannot_be_a_beginning_is_handed_on_at_once() -> None:
    mask = SplitKeyMask(SPLIT)
    assert [mask.feed(each) for each in ("is", " sk", "y ", "ask-", "ed")] == [
        *("is", " sk", "y ", "a"),
        "sk-ed",
    ]


def test_a_key_that_is_cut_off_at_the_end_is_masked() -> None:
    assert masked(["it is ", "sk-cana", "ry-7Fq2p"]) == "it is [key]"
