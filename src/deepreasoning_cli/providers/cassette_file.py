"""A cassette on the disk: calls are added to it one by one, or found in it."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deepreasoning_cli.errors import RefusedError, UsageError, WriteError
from deepreasoning_cli.files import PRIVATE
from deepreasoning_cli.history.locks import POLL_SECONDS, try_lock
from deepreasoning_cli.pipeline.events import Payload
from deepreasoning_cli.providers.cassette_format import (
    VERSION,
    RecordedCall,
    call_line,
    header_line,
    read_call,
    read_request,
)
from deepreasoning_cli.providers.cassette_request import differences, fingerprint, likeness

MISS: Final = "cassette_miss"
BROKEN: Final = "cassette_broken"
LONGEST_HEADER: Final = 4096  # bytes
LONGEST_LINE: Final = 1 << 28  # bytes
PATIENCE: Final = 5.0  # seconds that another process may keep the file
APPEND: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)


def check_header(line: bytes, path: Path) -> None:
    """Raise UsageError where a file does not begin like a cassette that can be read here."""
    try:
        version = json.loads(line)["cassette"]
    except (ValueError, TypeError, LookupError, RecursionError):
        version = None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise UsageError(
            f"{path} is no cassette", kind=BROKEN, hint="--record FILE makes one in a new file"
        )
    if version > VERSION:
        raise UsageError(
            f"{path} is a cassette of version {version}; this program reads version {VERSION}",
            kind=BROKEN,
            hint="update deepreasoning-cli, or record it again in a new file",
        )


class CassetteRecorder:
    """Adds calls to a cassette, whole or not at all; other threads and processes may do the same.

    The file is made, for its owner alone, and checked at once. Raises WriteError where it cannot be
    written, UsageError where it is something else than a whole cassette.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mutex = threading.Lock()
        try:
            with self._opened() as descriptor:
                self._check(descriptor)
        except (OSError, ValueError) as exc:
            reason = getattr(exc, "strerror", None) or "the name is not usable"
            raise WriteError(
                f"cannot write {path}: {reason}", hint="name another place; nothing was sent"
            ) from exc

    def add(self, call: RecordedCall) -> None:
        """Append the call. Raises OSError, and leaves the file as it was then."""
        line = call_line(call)
        with self._opened() as descriptor:
            size = os.fstat(descriptor).st_size
            try:
                _write(descriptor, line if size else header_line() + line)
            except BaseException:  # Ctrl-C, too
                os.ftruncate(descriptor, size)
                raise

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The file, locked; without a lock where the file system knows none."""
        with self._mutex:
            descriptor = os.open(self._path, APPEND, PRIVATE)
            try:
                until = time.monotonic() + PATIENCE
                while not _lock(descriptor) and time.monotonic() < until:
                    time.sleep(POLL_SECONDS)
                yield descriptor
            finally:
                os.close(descriptor)

    def _check(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{self._path} is not a file", kind=BROKEN, hint="name a file")
        if not status.st_size:
            _write(descriptor, header_line())
            return
        os.lseek(descriptor, 0, os.SEEK_SET)
        check_header(os.read(descriptor, LONGEST_HEADER).partition(b"\n")[0], self._path)
        os.lseek(descriptor, -1, os.SEEK_END)
        if os.read(descriptor, 1) != b"\n":
            raise UsageError(
                f"the last line of {self._path} is cut",
                kind=BROKEN,
                hint="cut that line off, or record in another file",
            )


def _lock(descriptor: int) -> bool:
    try:
        return try_lock(descriptor)
    except OSError:
        return True


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _loaded(line: bytes) -> Any:
    """The JSON of a line. Raises ValueError where it is none."""
    try:
        return json.loads(line)
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc
    except ValueError as exc:
        raise ValueError("it is not JSON") from exc


@dataclass(frozen=True, slots=True)
class CallPlace:
    """Where a call stands in the file: the number of its line, and the offset of that in bytes."""

    line: int
    offset: int


class CassettePlayer:
    """The calls of a cassette, found by what they ask; equal ones come in their order, the last of
    them again and again.

    All requests are read when it is opened; what came is read when it is played. Raises UsageError
    where the file is no cassette, from a newer version, or damaged. A last line that was cut counts
    as not there: `is_cut` tells of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hosts: set[tuple[str, str]] = set()
        """The stage and the host of each call."""
        self.is_cut = False
        self._mutex = threading.Lock()
        self._played: Counter[str] = Counter()
        self._places: defaultdict[str, list[CallPlace]] = defaultdict(list)
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise UsageError(f"{path} is not a file", kind=BROKEN, hint="name a cassette")
            for place, name, request in self._requests():
                self._places[name].append(place)
                self.hosts.add((str(request.get("stage")), str(request.get("host"))))
        except (OSError, ValueError) as exc:
            raise self._unreadable(exc) from exc

    def find(self, request: Payload) -> RecordedCall:
        """The next call of that request.

        Raises RefusedError for one that was not recorded, and says what differs from the nearest;
        UsageError where what came is damaged.
        """
        name = fingerprint(request)
        with self._mutex:
            places = self._places.get(name)
            if not places:
                raise self._miss(request)
            place = places[min(self._played[name], len(places) - 1)]
            self._played[name] += 1
        try:
            with self.path.open("rb") as file:
                file.seek(place.offset)
                line = file.readline(LONGEST_LINE)
        except OSError as exc:
            raise self._unreadable(exc) from exc
        try:
            return read_call(_loaded(line))
        except ValueError as exc:
            raise self._damaged(place.line, str(exc)) from exc

    def _requests(self) -> Iterator[tuple[CallPlace, str, Payload]]:
        """Each line's request with its fingerprint, one after the other: a cassette may be larger
        than the memory.
        """
        with self.path.open("rb") as file:
            check_header(file.readline(LONGEST_HEADER), self.path)
            number, offset = 2, file.tell()
            while line := file.readline(LONGEST_LINE):
                if not line.isspace():
                    try:
                        request = read_request(_loaded(line))
                        name = fingerprint(request)
                    except (ValueError, RecursionError) as exc:
                        if not line.endswith(b"\n") and len(line) < LONGEST_LINE:
                            self.is_cut = True
                            return
                        raise self._damaged(number, str(exc)) from exc
                    yield CallPlace(number, offset), name, request
                number, offset = number + 1, offset + len(line)

    def _unreadable(self, failure: Exception) -> UsageError:
        reason = getattr(failure, "strerror", None) or "the name is not usable"
        is_missing = isinstance(failure, FileNotFoundError)
        hint = "`--record FILE` makes one" if is_missing else "name a file that you may read"
        return UsageError(f"cannot read {self.path}: {reason}", kind=BROKEN, hint=hint)

    def _damaged(self, line: int, reason: str) -> UsageError:
        return UsageError(
            f"{self.path}:{line}: not a recorded call: {reason[:200]}",
            kind=BROKEN,
            hint="correct the line, or record it again in a new file",
        )

    def _miss(self, request: Payload) -> RefusedError:
        """What to say of a request that was not recorded."""
        recorded = (
            each for _, _, each in self._requests() if each.get("stage") == request["stage"]
        )
        nearest = max(recorded, key=lambda each: likeness(request, each), default=None)
        record = f"`--record {self.path}` adds it"
        if nearest is None:
            return RefusedError(f"{self.path} holds no call of this stage", kind=MISS, hint=record)
        found = differences(request, nearest)
        names = " and ".join(each.name for each in found)
        return RefusedError(
            f"{self.path} does not hold this call: the nearest differs in {names}",
            kind=MISS,
            hint=(*map(str, found), record),
        )
