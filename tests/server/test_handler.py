"""Bodies as fuzzers send them: each is JSON, or a refusal with its own status."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from deepreasoning_cli.server.asgi import header
from deepreasoning_cli.server.errors import ClientDisconnected, Rejected
from deepreasoning_cli.server.handler import read_json
from support.asgi_calls import GONE, pieces, receiving, scope

JSON = {"content-type": "application/json"}
LIMIT = 1024


def read(
    messages: list[Message], headers: dict[str, str] | None = None, seconds: float = 30, **more: Any
) -> object:
    request = scope(method="POST", headers=JSON if headers is None else headers, **more)
    return asyncio.run(read_json(request, receiving(messages), LIMIT, seconds))


def refusal(messages: list[Message], headers: dict[str, str] | None = None) -> tuple[int, str, str]:
    with pytest.raises(Rejected) as caught:
        read(messages, headers)
    failure = caught.value.failure
    return failure.status, failure.kind, failure.message


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
        max_leaves=6,
    ),
    st.integers(1, 9),
)
def test_json_is_read_however_it_is_cut(value: object, size: int) -> None:
    data = json.dumps(value).encode()
    cut = [data[start : start + size] for start in range(0, len(data), size)]
    assert read(pieces(*cut)) == value


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"\xef\xbb\xbf{}", {}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b' "\xc3\xa9" ', "é"),
        (b'"\\ud800"', "\ud800"),
        (b"1e999", float("inf")),
    ],
)
def test_what_python_reads_as_json_is_read(body: bytes, value: object) -> None:
    assert read(pieces(body)) == value


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "Application/JSON; charset=UTF-8",
        'application/json; charset="utf8"; a=b',
    ],
)
def test_the_content_type_may_have_parameters(kind: str) -> None:
    assert read(pieces(b"[1]"), {"content-type": kind, "content-encoding": "identity"}) == [1]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "Expecting value (line 1, column 1)"),
        (b'{"a" 1}', "Expecting ':' delimiter (line 1, column 6)"),
        (b"\xff", "not UTF-8 at byte 0"),
        (b'"\xed\xa0\x80"', "not UTF-8 at byte 1"),
        ("{}".encode("utf-16"), "not UTF-8 at byte 0"),
        (b"NaN", "NaN is no number"),
        (b"[-Infinity]", "-Infinity is no number"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(body: bytes, why: str) -> None:
    status, kind, message = refusal(pieces(body))
    assert (status, kind) == (400, "invalid_json")
    assert message == f"the body is not valid JSON: {why}"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"9" * 5_000, "a number has too many digits"),
    ],
)
def test_what_would_bring_python_down_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(Rejected) as caught:
        read_large(body)
    assert caught.value.failure.message == f"the body is not valid JSON: {why}"
    assert caught.value.failure.status == 400


@pytest.mark.parametrize(
    ("body", "deep"),
    [
        (b"[" * 200 + b"]" * 200, False),
        (b"[" * 201 + b"]" * 201, True),
        (b'[{"a":' * 101 + b"1" + b"}]" * 101, True),
        (b'["' + b"[" * 999 + b'"]', False),
        (b"[" + b"[],{}," * 500 + b"1]", False),
    ],
)
def test_what_is_nested_deeper_than_anything_that_is_meant_is_refused(
    body: bytes, deep: bool
) -> None:
    if not deep:
        assert read_large(body) == json.loads(body)
        return
    with pytest.raises(Rejected) as caught:
        read_large(body)
    assert caught.value.failure.message == "the body is nested too deeply"


def read_large(body: bytes) -> object:
    request = scope(method="POST", headers=JSON)
    return asyncio.run(read_json(request, receiving(pieces(body)), 10_000_000))


@pytest.mark.parametrize(
    "values",
    [b"[],", b"{},", b"1,", b'"",', b'"a\\"",', b'{"":""},', b'"' + b",," * 9 + b'",'],
)
def test_more_values_than_a_question_has_are_refused(values: bytes) -> None:
    assert len(cast("list[object]", read_large(b"[" + values * 49_999 + b"0]"))) == 50_000
    for end in (b"0]", b'""' * 10, b'"', b'"\\'):
        with pytest.raises(Rejected) as caught:
            read_large(b"[" + values * 50_000 + end)
        failure = caught.value.failure
        assert (failure.status, failure.kind) == (413, "request_too_large")
        assert failure.message == "the body has more than 50,000 values"


def test_strings_without_commas_between_them_are_no_json() -> None:
    with pytest.raises(Rejected):
        read_large(b'","' + b'""' * 200_000 + b'",' * 50_000)


@pytest.mark.parametrize("text", ["," * 2_000_000, '\\",' * 500_000, '",\\' * 300_000])
def test_a_text_may_be_full_of_commas(text: str) -> None:
    assert read_large(json.dumps({"a": [text, 1]}).encode()) == {"a": [text, 1]}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": ""},
        {"content-type": "text/plain"},
        {"content-type": "application/jsonl"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json; charset=utf-16"},
        {**JSON, "content-encoding": "gzip"},
    ],
)
def test_another_content_is_unsupported(headers: dict[str, str]) -> None:
    status, kind, _ = refusal(pieces(b"{}"), headers)
    assert (status, kind) == (415, "unsupported_media_type")


@pytest.mark.parametrize("length", ["1025", "9" * 30])
def test_a_body_that_says_it_is_too_large_is_not_read(length: str) -> None:
    assert refusal([], {**JSON, "content-length": length}) == (
        413,
        "request_too_large",
        "the body has more than 1,024 bytes",
    )


@pytest.mark.parametrize("length", ["", "5", "-1", "٥", "1e3"])
def test_a_body_is_counted_whatever_it_says_of_itself(length: str) -> None:
    request = scope(method="POST", headers=JSON)
    request["headers"].append((b"content-length", length.encode()))
    whole, too_much = pieces(b'"', b"a" * 1022, b'"'), pieces(b'"', b"a" * 1023, b'"')
    assert asyncio.run(read_json(request, receiving(whole), LIMIT)) == "a" * 1022
    with pytest.raises(Rejected) as caught:
        asyncio.run(read_json(request, receiving(too_much), LIMIT))
    assert caught.value.failure.status == 413


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    begun: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}]
    with pytest.raises(Rejected) as caught:
        read(begun, seconds=0.01)
    failure = caught.value.failure
    assert (failure.status, failure.kind) == (408, "timeout")
    assert failure.message == "the body was not complete within 0.01 seconds"


@pytest.mark.parametrize(("version", "headers"), [("1.1", {"connection": "close"}), ("2", {})])
def test_a_connection_whose_body_is_not_read_ends(version: str, headers: dict[str, str]) -> None:
    with pytest.raises(Rejected) as caught:
        read(pieces(b"a" * 2000), http_version=version)
    assert caught.value.headers == headers


@pytest.mark.parametrize("before", [[], [b'{"a":']])
def test_a_caller_who_hangs_up_is_gone(before: list[bytes]) -> None:
    begun: list[Message] = [
        {"type": "http.request", "body": piece, "more_body": True} for piece in before
    ]
    with pytest.raises(ClientDisconnected):
        read([*begun, GONE])


@pytest.mark.parametrize(
    ("pairs", "value"),
    [
        ([], None),
        ([("x-a", "1")], "1"),
        ([("x-a", "1"), ("x-a", "1")], "1"),
        ([("x-a", "1"), ("x-a", "2")], None),
        ([("x-a", "\xe9")], "é"),
    ],
)
def test_a_header_has_one_value_or_none(pairs: list[tuple[str, str]], value: str | None) -> None:
    assert header(scope(headers=pairs), "X-A") == value
