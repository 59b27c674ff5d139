"""Calls to the disk that fail: the Nth of all, once or from then on."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

CALLS: Final = ("open", "write", "fsync", "rename", "unlink", "mkdir")
READING_TOO: Final = (
    *CALLS,
    *("replace", "read", "stat", "lstat", "fstat", "lseek", "chmod", "fchmod", "listdir"),
    *("scandir", "rmdir", "link", "pwrite", "ftruncate", "utime"),
)
CODES: Final = ("ENOSPC", "EIO", "EACCES", "EMFILE", "EROFS")


class NthCallFails:
    """The Nth of all calls fails, once or from then on.

    What is called with the name of a file counts where that is `below` a folder, if there is one.
    """

    def __init__(self, nth: int, code: int, *, for_ever: bool, below: Path | None = None) -> None:
        self.calls = 0
        self._nth = nth
        self._code = code
        self._for_ever = for_ever
        self._below = below and str(below)

    def wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **options: Any) -> Any:
            if self._counts(given):
                self.calls += 1
                if self.calls == self._nth or (self._for_ever and self.calls > self._nth):
                    raise OSError(self._code, os.strerror(self._code))
            return call(*given, **options)

        return counted

    def _counts(self, given: Sequence[Any]) -> bool:
        named = given and isinstance(given[0], str | Path)
        return not (self._below and named and not str(given[0]).startswith(self._below))

    @contextmanager
    def at(self, names: Sequence[str], *, opens: bool = False) -> Iterator[None]:
        """These calls of `os` fail, and with `opens` those of `io.open`, which pathlib makes."""
        with pytest.MonkeyPatch.context() as patch:
            for name in names:
                patch.setattr(os, name, self.wrapped(getattr(os, name)))
            if opens:
                patch.setattr(io, "open", self.wrapped(io.open))
            yield

    @property
    def struck(self) -> bool:
        return self.calls >= self._nth
