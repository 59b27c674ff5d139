"""Every long listing goes through the user's pager, as the history's does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.runner import run_in_pty

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a pty")
LISTS = [
    (("models",), "Claude models"),
    (("models", "show", "sonnet"), "id"),
    (("price",), "Direct, USD per million tokens"),
    (("config", "show"), "file: "),
]


@pytest.mark.parametrize(("words", "first"), LISTS)
def test_a_long_list_goes_through_the_pager(
    tmp_path: Path, words: tuple[str, ...], first: str
) -> None:
    script, seen = tmp_path / "pager", tmp_path / "seen"
    script.write_text(f'#!/bin/sh\ncat > "{seen}"\necho paged\n')
    script.chmod(0o755)
    ended = run_in_pty(*words, env={"PAGER": str(script)}, rows=4)
    assert (ended.code, ended.output) == (0, b"paged\r\n")
    assert seen.read_text(encoding="utf-8").startswith(first)


@pytest.mark.parametrize(("words", "_first"), LISTS)
def test_json_never_does(words: tuple[str, ...], _first: str) -> None:
    ended = run_in_pty(*words, "--json", env={"PAGER": "false"}, rows=2)
    assert (ended.code, ended.output[:1] in b"[{") == (0, True)
