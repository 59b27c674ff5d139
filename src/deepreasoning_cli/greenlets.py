"""How code waits: a command blocks its thread, a server's turn waits on the event loop.

The pipeline consists of ordinary generators, which block while they wait. Run by `greenlet_spawn`,
such code stands still at `await_only` while everything else on the loop goes on. A thread for each
turn would do the same, but thousands of times a second a thread has to be woken for one token,
which costs more than the rest of the token's way.

asyncio and greenlet are imported where they are used: a command waits without them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

if TYPE_CHECKING:
    from concurrent.futures import Executor

T = TypeVar("T")


def _call(action: Callable[[], Any]) -> Any:
    return action()


class Runtime(NamedTuple):
    """`sleep` takes seconds; `run_blocking` runs what waits for a disk, and returns its result."""

    sleep: Callable[[float], None] = time.sleep
    run_blocking: Callable[[Callable[[], Any]], Any] = _call


BLOCKING = Runtime()
"""For a command: all of it happens in the thread that calls."""


async def greenlet_spawn(action: Callable[[], T]) -> T:
    """What `action` returns or raises; a cancelled task raises CancelledError where it waits."""
    from greenlet import greenlet

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


def await_only(awaitable: Awaitable[T]) -> T:
    """The result of `awaitable`; to be called in code that `greenlet_spawn` runs."""
    import greenlet  # not `from`, which takes longer, for each token

    loop_side = greenlet.getcurrent().parent
    assert loop_side is not None, "nothing runs this on an event loop"
    return cast(T, loop_side.switch(awaitable))


def run_in_thread(action: Callable[[], T], threads: Executor | None = None) -> T:
    """What `action` returns or raises; it blocks one of `threads`, not the event loop."""
    import asyncio

    return await_only(asyncio.get_running_loop().run_in_executor(threads, action))


def run_in_thread_shielded(action: Callable[[], T], threads: Executor | None = None) -> T:
    """As `run_in_thread`, but a task that is cancelled goes on only when `action` has ended."""
    import asyncio

    work = asyncio.get_running_loop().run_in_executor(threads, action)
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await_only(asyncio.wait([work]))
        except asyncio.CancelledError as error:  # more than once: the caller left, the server stops
            cancelled = error
    if cancelled:
        work.exception()  # looked at, as asyncio wants it
        raise cancelled
    return work.result()


def sleep(seconds: float) -> None:
    """`time.sleep` for code that `greenlet_spawn` runs."""
    import asyncio

    await_only(asyncio.sleep(seconds))
