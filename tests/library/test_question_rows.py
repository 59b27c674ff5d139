"""Rows of questions, read from whatever holds them."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.library.question_rows import (
    BadRow,
    Row,
    RowFormat,
    guess_format,
    prompt_digest,
    read_rows,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
IDS = st.one_of(TEXTS.map(lambda text: text[:100]).filter(str.strip), st.integers())


@given(st.lists(st.tuples(IDS, TEXTS, st.none() | TEXTS), max_size=5))
def test_what_is_written_as_json_is_read(rows: list[tuple[Any, str, str | None]]) -> None:
    lines = (json.dumps({"id": id_, "prompt": text, "system": s}) + "\n" for id_, text, s in rows)
    read = list(read_rows(io.BytesIO("".join(lines).encode()), RowFormat.JSONL))
    assert [(row.id, row.prompt, row.system) for row in read if isinstance(row, Row)] == rows


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_what_is_written_as_a_table_is_read(rows: list[tuple[str, str]]) -> None:
    rows = [(id_[:100], text) for id_, text in rows if id_[:100].strip()]
    table = io.StringIO()
    csv.writer(table, quoting=csv.QUOTE_ALL).writerows([("id", "prompt"), *rows])
    file = io.BytesIO(table.getvalue().encode())
    read = list(read_rows(file, RowFormat.CSV))
    assert [(row.id, row.prompt) for row in read if isinstance(row, Row)] == rows
    file.seek(0)  # it is still open, for the second reading
    assert len(list(read_rows(file, RowFormat.CSV))) == len(rows)


@given(st.binary(max_size=200), st.sampled_from([RowFormat.JSONL, RowFormat.TEXT]))
def test_whatever_comes_is_a_row_or_a_bad_row(data: bytes, form: RowFormat) -> None:
    for row in read_rows(io.BytesIO(data), form):
        assert isinstance(row, Row | BadRow)


@pytest.mark.parametrize(
    ("name", "start", "expected"),
    [
        ("rows.JSONL", b"", "jsonl"),
        ("rows.csv", b"{", "csv"),
        ("rows.txt", b"{", "text"),
        ("-", b'\xef\xbb\xbf {"prompt"', "jsonl"),
        ("-", b"What is it?", "text"),
    ],
)
def test_the_format_is_that_of_the_name_or_of_the_beginning(
    name: str, start: bytes, expected: str
) -> None:
    assert guess_format(name, start) == expected


def test_names_may_be_written_as_the_flags_are() -> None:
    file = io.BytesIO(b'{"prompt": "?", "max-tokens": 5, "web": true, "effort": null}')
    (row,) = read_rows(file, RowFormat.JSONL)
    assert isinstance(row, Row)
    assert row.values == {"max_tokens": 5, "web_search_linkup": True}


def test_a_prompt_is_known_by_its_digest() -> None:
    assert prompt_digest("a") == prompt_digest("a") != prompt_digest("b")
    assert prompt_digest("\ud800") == prompt_digest("�")
