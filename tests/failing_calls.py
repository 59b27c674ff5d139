"""Calls to the disk that fail: the Nth of all, once or from then on."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

CALLS = ("open", "write", "fsync", "rename", "unlink", "mkdir")


class NthCallFails:
    """The Nth of all calls fails, once or from then on."""

    def __init__(self, nth: int, code: int, *, for_ever: bool) -> None:
        self.calls = 0
        self._nth = nth
        self._code = code
        self._for_ever = for_ever

    def wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls == self._nth or (self._for_ever and self.calls > self._nth):
                raise OSError(self._code, os.strerror(self._code))
            return call(*given, **options)

        return counted

    @property
    def struck(self) -> bool:
        return self.calls >= self._nth
