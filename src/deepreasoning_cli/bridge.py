"""Plain functions that wait on an event loop: many of them share one thread.

What the pipeline is made of are ordinary generators, which block while they wait. Run by
`bridged`, such code stands still at `wait` while everything else on the loop goes on. A thread for
each would do the same, but thousands of times a second a thread has to be woken for one token,
which costs more than all the rest of the way that the token takes.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, cast

from greenlet import getcurrent, greenlet

T = TypeVar("T")


async def bridged(action: Callable[[], T]) -> T:
    """What `action` returns or raises; a cancelled task raises CancelledError where it waits."""
    side = greenlet(action)
    result: Any = side.switch()
    while not side.dead:  # it waits for what it handed over
        try:
            value = await result
        except BaseException:  # noqa: BLE001 (all of it is for the code that waits)
            result = side.throw(*sys.exc_info())
        else:
            result = side.switch(value)
    return cast(T, result)


def wait(awaitable: Awaitable[T]) -> T:
    """The result of `awaitable`; to be called in code that `bridged` runs."""
    hub = getcurrent().parent
    assert hub is not None, "nothing runs this on an event loop"
    return cast(T, hub.switch(awaitable))


def in_thread(action: Callable[[], T], threads: Executor | None = None) -> T:
    """What `action` returns or raises; it blocks, and so does it elsewhere: in one of `threads`."""
    return wait(asyncio.get_running_loop().run_in_executor(threads, action))


def to_its_end(action: Callable[[], T], threads: Executor | None = None) -> T:
    """As `in_thread`, but a task that is cancelled goes on only when `action` has ended."""
    work = asyncio.get_running_loop().run_in_executor(threads, action)
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            wait(asyncio.wait([work]))
        except asyncio.CancelledError as error:  # more than once: the caller left, the server stops
            cancelled = error
    if cancelled:
        work.exception()  # looked at, as asyncio wants it
        raise cancelled
    return work.result()


def pause(seconds: float) -> None:
    """`time.sleep` for code that `bridged` runs."""
    wait(asyncio.sleep(seconds))
