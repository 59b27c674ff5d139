"""A disk that makes one stream wait: no other waits with it, and no thread is a stream's own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deepreasoning_cli import paths
from deepreasoning_cli.greenlets import greenlet_spawn
from deepreasoning_cli.history.journal import SYNC_THREADS, Disk
from deepreasoning_cli.history.recovery import replay
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.pipeline.events import End, Thought
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.server.threads import (
    FILE_THREADS,
    LAG_SECONDS,
    SLOW_SECONDS,
    WRITE_THREADS,
    DiskThreads,
)
from support.serving import Caller, Serve, Step, scripted_reasoner
from support.serving import serve as serve

STREAMS = 50


class SlowDisk(Disk):
    """Stands still for the first call that `is_slow` names, until it is let go on."""

    def __init__(self, is_slow: Callable[[str, bytes], bool]) -> None:
        self.is_slow = is_slow
        self.waiting = threading.Event()
        self.go_on = threading.Event()

    def create(self, path: Path) -> int:
        self._wait("create", b"")
        return super().create(path)

    def write(self, descriptor: int, data: bytes) -> int:
        self._wait("write", data)
        return super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self._wait("sync", b"")
        super().sync(descriptor)

    def _wait(self, call: str, data: bytes) -> None:
        if not self.waiting.is_set() and self.is_slow(call, data):
            self.waiting.set()
            assert self.go_on.wait(60)


def kept() -> list[str]:
    with Store.open(paths.data_dir(), lambda _: None) as store:
        return [str(row.outcome) for row in store.listing()]


def first_thoughts(*texts: str) -> Any:
    """A reasoner whose every stream begins with another of the texts, and goes on with more."""
    more = [Thought(f"{number} ") for number in range(20)]

    class Different(list[Step]):
        def __iter__(self) -> Any:
            first = left.pop(0)
            return iter([Thought(first), 0.01, *more, Usage(1, 1), End("stop")])

    left = list(texts)
    reasoner = scripted_reasoner()
    reasoner.steps = Different()
    return reasoner


def test_a_write_that_waits_for_the_disk_holds_up_its_own_stream_alone(serve: Serve) -> None:
    disk = SlowDisk(lambda call, data: call == "write" and b"slow" in data)

    async def main() -> None:
        served = serve(first_thoughts("slow", "quick"), history=True, disk=disk)
        slow = Caller.of(served.app, stream=True)
        await slow.until(disk.waiting.is_set)
        quick = Caller.of(served.app, stream=True)
        await quick.task  # the disk waits until the end of the test, and longer than that
        assert b"[DONE]" in quick.body
        assert slow.body == b""  # what is not in the journal is not sent
        disk.go_on.set()
        await slow.task
        assert b"slow" in slow.body

    asyncio.run(main())
    assert kept() == ["complete", "complete"]


def in_loop(*actions: Callable[[], object], threads: DiskThreads) -> list[asyncio.Task[None]]:
    """The actions as writes of as many streams."""
    return [
        asyncio.ensure_future(greenlet_spawn(partial(threads.run_write, action)))  # type: ignore[arg-type]
        for action in actions
    ]


def test_a_write_that_waits_holds_up_no_write_behind_it() -> None:
    async def main() -> None:
        go_on, done = threading.Event(), list[int]()
        quick = [partial(done.append, number) for number in range(9)]
        tasks = in_loop(quick[0], lambda: go_on.wait(60), *quick[1:], threads=DiskThreads(never))
        async with asyncio.timeout(5):
            await asyncio.gather(tasks[0], *tasks[2:])
        assert (sorted(done), tasks[1].done()) == (list(range(9)), False)
        go_on.set()
        await tasks[1]

    asyncio.run(main())


def never(_: float) -> bool:
    return False


def test_under_load_writes_are_made_on_the_loop_until_one_is_slow() -> None:
    made_by: list[int] = []

    def write(seconds: float = 0) -> None:
        time.sleep(seconds)
        made_by.append(threading.get_ident())

    async def main() -> None:
        threads = DiskThreads(never, clock=lambda: now[0], burst=1)
        for action in (write, write, slow, write):
            await asyncio.gather(*in_loop(action, threads=threads))
        now[0] += 1.01 * SLOW_SECONDS
        await asyncio.gather(*in_loop(write, threads=threads))  # what may be handed over, is
        await asyncio.gather(*in_loop(write, threads=threads))

    def slow() -> None:
        write()
        now[0] += 2 * LAG_SECONDS

    now = [100.0]
    asyncio.run(main())
    here = threading.get_ident()
    assert [ident == here for ident in made_by] == [False, True, True, False, False, True]


def test_under_load_writes_are_handed_over_while_a_sync_waits_for_the_disk() -> None:
    made_by: list[int] = []

    async def main(lagging: bool) -> None:
        threads = DiskThreads(lambda _: lagging, burst=0)
        await asyncio.gather(
            *in_loop(lambda: made_by.append(threading.get_ident()), threads=threads)
        )

    for lagging in (False, True):
        asyncio.run(main(lagging))
    assert [ident == threading.get_ident() for ident in made_by] == [True, False]


def test_what_a_write_raises_reaches_its_stream() -> None:
    def full() -> None:
        raise OSError("full")

    async def main() -> None:
        for burst in (0, 1):
            with pytest.raises(OSError, match="full"):
                await in_loop(full, threads=DiskThreads(never, burst=burst))[0]

    asyncio.run(main())


@pytest.mark.parametrize("call", ["create", "sync"])
def test_a_file_that_is_slow_to_open_holds_up_its_own_stream_alone(serve: Serve, call: str) -> None:
    disk = SlowDisk(lambda called, _: called == call)

    async def main() -> None:
        served = serve(history=True, disk=disk)
        slow = Caller.of(served.app, stream=True)
        await slow.until(disk.waiting.is_set)
        quick = Caller.of(served.app, stream=True)
        await quick.until(quick.task.done)
        assert (slow.body, b"[DONE]" in quick.body) == (b"", True)
        disk.go_on.set()
        await slow.task

    asyncio.run(main())
    assert kept() == ["complete", "complete"]


def test_a_caller_that_leaves_while_a_line_waits_is_kept_with_that_line(serve: Serve) -> None:
    disk = SlowDisk(lambda call, data: b"slow" in data)

    async def main() -> None:
        served = serve(first_thoughts("slow"), history=True, disk=disk)
        caller = Caller.of(served.app, stream=True)
        await caller.until(disk.waiting.is_set)
        caller.leave()
        await asyncio.sleep(0.02)
        caller.task.cancel()  # and the server shuts down
        await asyncio.sleep(0.02)
        assert not caller.task.done()
        disk.go_on.set()
        await caller.task

    asyncio.run(main())
    with Store.open(paths.data_dir(), lambda _: None) as store:
        [row] = store.listing()
        assert (row.outcome, store.turn(row.id).reasoning) == ("stopped", "slow")


def test_streams_share_their_threads(serve: Serve) -> None:
    async def main() -> int:
        go = asyncio.Event()
        served = serve(
            scripted_reasoner(Thought("Hm."), go, Usage(1, 1), End("stop")), history=True
        )
        callers = [Caller.of(served.app, stream=True) for _ in range(STREAMS)]
        for caller in callers:
            await caller.until(lambda caller=caller: caller.body)  # type: ignore[misc]
        count = len(set(threading.enumerate()) - others)
        go.set()
        await asyncio.gather(*(caller.task for caller in callers))
        return count

    others = set(threading.enumerate())
    assert asyncio.run(main()) <= WRITE_THREADS + FILE_THREADS + SYNC_THREADS


def test_what_a_caller_has_seen_is_in_the_journal(serve: Serve) -> None:
    seen: list[bool] = []

    async def main() -> None:
        served = serve(first_thoughts("one", "two", "three"), history=True)
        callers = [Caller.of(served.app, stream=True) for _ in range(3)]

        class Reading(list[Any]):
            def append(self, message: Any) -> None:
                super().append(message)
                if b"reasoning_content" in message.get("body", b""):
                    seen.append(is_written(message["body"]))

        for caller in callers:
            caller.messages = Reading()
        await asyncio.gather(*(caller.task for caller in callers))

    def is_written(frame: bytes) -> bool:
        texts = []
        for path in (paths.data_dir() / "journal").glob("*.jsonl"):
            with suppress(FileNotFoundError), path.open("rb") as file:  # another's that ended
                texts.append(replay(file).record.reasoning)
        thought = frame.partition(b'"reasoning_content":"')[2].partition(b'"')[0].decode()
        return any(thought in text for text in texts)

    asyncio.run(main())
    assert len(seen) >= 3  # what comes close together is shown together
    assert all(seen)
