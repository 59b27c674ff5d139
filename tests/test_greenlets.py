"""Blocking code on an event loop: it waits, and nobody else does."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from functools import partial

import pytest

from deepreasoning_cli.greenlets import (
    BLOCKING,
    await_only,
    greenlet_spawn,
    run_in_thread,
    run_in_thread_shielded,
    sleep,
)


async def later(value: int, seconds: float = 0.0) -> int:
    await asyncio.sleep(seconds)
    return value


async def failing(error: BaseException) -> int:
    await asyncio.sleep(0)
    raise error


def test_what_never_waits_returns_at_once() -> None:
    assert asyncio.run(greenlet_spawn(lambda: 42)) == 42


def test_what_never_waits_may_fail() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(greenlet_spawn(lambda: 1 // 0))


def test_it_gets_the_results_of_all_that_it_waits_for() -> None:
    def work() -> list[int]:
        return [await_only(later(number)) for number in range(3)]

    assert asyncio.run(greenlet_spawn(work)) == [0, 1, 2]


def test_a_failure_is_raised_where_it_waits() -> None:
    def work() -> str:
        try:
            await_only(failing(OSError("lost")))
        except OSError as lost:
            return f"{lost}, then {await_only(later(1))}"
        return "nothing"

    assert asyncio.run(greenlet_spawn(work)) == "lost, then 1"


def test_a_failure_that_nobody_catches_leaves_with_the_place_it_came_from() -> None:
    def work() -> None:
        await_only(failing(OSError("lost")))

    with pytest.raises(OSError, match="lost") as caught:
        asyncio.run(greenlet_spawn(work))
    names = [entry.name for entry in caught.traceback]
    assert (names.count("work"), names.count("await_only"), names[-1]) == (1, 1, "failing")


def test_while_one_waits_the_others_go_on() -> None:
    seen: list[str] = []

    def work(name: str) -> str:
        for step in range(3):
            seen.append(f"{name}{step}")
            await_only(asyncio.sleep(0))
        return name

    async def together() -> list[str]:
        return await asyncio.gather(*(greenlet_spawn(partial(work, name)) for name in "abc"))

    assert asyncio.run(together()) == ["a", "b", "c"]
    assert seen == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]


def test_a_cancelled_task_is_cancelled_where_it_waits() -> None:
    seen: list[str] = []

    def work() -> None:
        try:
            await_only(asyncio.get_running_loop().create_future())
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        finally:
            await_only(asyncio.sleep(0))
            seen.append("tidied up")

    async def cancelled() -> None:
        task = asyncio.create_task(greenlet_spawn(work))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    asyncio.run(cancelled())
    assert seen == ["cancelled", "tidied up"]


def test_a_cancellation_may_be_taken_for_an_end() -> None:
    def work() -> str:
        try:
            await_only(asyncio.get_running_loop().create_future())
        except asyncio.CancelledError:
            return f"ended {await_only(later(1))}"
        return "never"

    async def cancelled() -> str:
        task = asyncio.create_task(greenlet_spawn(work))
        await asyncio.sleep(0)
        task.cancel()
        return await task

    assert asyncio.run(cancelled()) == "ended 1"


def test_generators_inside_generators_wait_too_and_are_closed_in_order() -> None:
    closed: list[str] = []

    def inner() -> Generator[int, None, None]:
        try:
            for number in range(9):
                yield await_only(later(number))
        finally:
            await_only(asyncio.sleep(0))
            closed.append("inner")

    def outer() -> Iterator[int]:
        try:
            with closing(inner()) as numbers:
                yield from (number * 2 for number in numbers)
        finally:
            closed.append("outer")

    def work() -> list[int]:
        taken = []
        with closing(outer()) as numbers:  # type: ignore[type-var] # it is a generator
            for number in numbers:
                taken.append(number)
                if number == 4:
                    break
        return taken

    assert asyncio.run(greenlet_spawn(work)) == [0, 2, 4]
    assert closed == ["inner", "outer"]


def test_spawned_code_may_run_on_a_loop_inside_what_it_waits_for() -> None:
    def inner() -> int:
        return await_only(later(20)) + 1

    def outer() -> int:
        return await_only(greenlet_spawn(inner)) + await_only(
            asyncio.create_task(greenlet_spawn(inner))
        )

    assert asyncio.run(greenlet_spawn(outer)) == 42


def test_a_thread_works_for_it_while_the_loop_goes_on() -> None:
    at_work, may_end = threading.Event(), threading.Event()

    def block() -> int:
        at_work.set()
        assert may_end.wait(60)
        return threading.get_ident()

    async def beside() -> int:
        task = asyncio.create_task(greenlet_spawn(lambda: run_in_thread(block)))
        while not at_work.is_set():  # only a loop that runs gets here
            await asyncio.sleep(0.001)
        may_end.set()
        return await task

    assert asyncio.run(beside()) != threading.get_ident()


def test_what_fails_in_the_thread_fails_where_it_was_asked() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(greenlet_spawn(lambda: run_in_thread(lambda: 1 // 0)))


def test_many_pauses_take_the_time_of_one() -> None:
    begun: list[float] = []
    ended: list[float] = []

    def pause() -> None:
        begun.append(time.monotonic())
        sleep(1)
        ended.append(time.monotonic())

    async def together() -> None:
        await asyncio.gather(*(greenlet_spawn(pause) for _ in range(50)))

    asyncio.run(together())
    assert max(begun) < min(ended)
    assert min(ended) - min(begun) >= 1


def test_what_a_caller_has_set_in_its_context_is_left_alone() -> None:
    colour = contextvars.ContextVar("colour", default="none")

    def work(name: str) -> str:
        colour.set(name)
        await_only(asyncio.sleep(0))
        return colour.get()

    async def together() -> list[str]:
        colour.set("ours")
        names = await asyncio.gather(
            *(greenlet_spawn(partial(work, name)) for name in ("red", "blue"))
        )
        return [*names, colour.get()]

    assert asyncio.run(together()) == ["red", "blue", "ours"]


def test_a_wait_where_nothing_runs_it_is_a_bug() -> None:
    awaitable = asyncio.Event().wait()
    with pytest.raises(AssertionError, match="nothing runs this on an event loop"):
        await_only(awaitable)
    awaitable.close()


def test_what_is_never_finished_is_freed() -> None:
    ended: list[str] = []

    def work() -> None:
        try:
            await_only(asyncio.get_running_loop().create_future())
        finally:
            ended.append("freed")

    async def abandoned() -> None:
        waiting = greenlet_spawn(work)
        waiting.send(None)
        del waiting
        gc.collect()

    asyncio.run(abandoned())
    assert ended == ["freed"]


@pytest.mark.parametrize("fails", [False, True])
def test_what_must_not_be_left_halfway_is_finished_before_the_task_is_cancelled(
    fails: bool,
) -> None:
    at_work, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def write() -> None:
        at_work.set()
        assert may_end.wait(60)
        time.sleep(0.02)
        ended.set()
        if fails:
            raise OSError("full")

    async def cancelled() -> None:
        task = asyncio.create_task(greenlet_spawn(lambda: run_in_thread_shielded(write)))
        while not at_work.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.sleep(0.02)
        assert not task.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    asyncio.run(cancelled())


def test_what_is_finished_returns_or_fails_as_in_any_thread() -> None:
    assert asyncio.run(greenlet_spawn(lambda: run_in_thread_shielded(lambda: 42))) == 42
    with pytest.raises(ZeroDivisionError):
        asyncio.run(greenlet_spawn(lambda: run_in_thread_shielded(lambda: 1 // 0)))


def test_a_command_sleeps_and_does_all_where_it_is() -> None:
    begun = time.monotonic()
    BLOCKING.sleep(0.01)
    assert time.monotonic() - begun >= 0.01
    assert BLOCKING.run_blocking(threading.get_ident) == threading.get_ident()
