"""Serve until told to stop, and all that is used of uvicorn's insides."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from math import ceil
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors.multiprocess import Multiprocess

from deepreasoning_cli.errors import ConfigError, DeepReasoningError, Interrupted
from deepreasoning_cli.server.app import application
from deepreasoning_cli.server.guard import MAX_HEADER_BYTES, MAX_TARGET_BYTES
from deepreasoning_cli.server.observe import LineFormatter, add_stderr_handler
from deepreasoning_cli.server.service import Service, log_failure
from deepreasoning_cli.settings.loaded import load_settings
from deepreasoning_cli.settings.models import ServeSettings

MAX_HEAD_BYTES: Final = 2 * (MAX_HEADER_BYTES + MAX_TARGET_BYTES)
"""Bytes before the body; what is above the guard's own limits, but not by much, has its answer."""
HEAD_SECONDS: Final = 30.0
"""Seconds from a connection, or from the first byte of a later request, to the end of its head."""
TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)
BACKLOG: Final = 2048
CTRL_C: Final = {signal.SIGINT}
LOOP: Final = "asyncio:SelectorEventLoop" if os.name == "nt" else "auto"
"""A loop that reads sockets which others have opened; the usual one of Windows cannot."""
SWITCH_INTERVAL: Final = 0.001
KEEP_OPEN_SECONDS: Final = 75  # longer than the minute for which proxies keep a connection
HEALTH_SECONDS: Final = 30  # a worker with all its streams busy answers late, and must live


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose request has a head that is too large or too slow."""

    _head_within = HEAD_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head = 0
        self._in_head = True
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """A caller is there; what it asks is expected soon."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller has gone, or was sent away."""
        self._forget_deadline()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._in_head = True
        if self._deadline is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        """The head is whole; a body has limits of its own."""
        self._in_head = False
        self._head = 0
        self._forget_deadline()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Take what came, unless it is too much."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head += len(data)
            if self._head > MAX_HEAD_BYTES:
                self.transport.write(TOO_LARGE)
                self.transport.close()

    def _expect_head(self) -> None:
        self._deadline = self.loop.call_later(self._head_within, self.transport.close)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Supervisor(Multiprocess):
    """uvicorn's own, which knows afterwards what ended it.

    `on_exit` is told the process ids of workers that are no more.
    """

    ended_by = signal.SIGTERM

    def __init__(
        self,
        config: uvicorn.Config,
        sockets: list[socket.socket],
        on_exit: Callable[[Collection[int]], None] = lambda _: None,
    ) -> None:
        super().__init__(config, sockets)
        self._on_exit = on_exit
        self._workers: set[int] = set()

    def handle_int(self) -> None:
        """Ctrl-C."""
        self.ended_by = signal.SIGINT
        super().handle_int()

    def init_processes(self) -> None:
        """Begin the workers."""
        with sigint_blocked():
            super().init_processes()

    def keep_subprocess_alive(self) -> None:
        """Begin the workers anew that have died; one that dies while it is asked tells so."""
        for worker in self.processes:
            worker.child_conn.close()  # the worker's end of the pipe: it is to close with it
        with sigint_blocked():
            super().keep_subprocess_alive()
        running = {worker.pid for worker in self.processes if worker.pid is not None}
        if ended := self._workers - running:
            self._on_exit(ended)
        self._workers = running

    def terminate_all(self) -> None:
        """Tell the workers to end; nobody may wait for them on the socket that all share."""
        for listening in self.sockets:
            listening.close()
        super().terminate_all()


@contextmanager
def sigint_blocked() -> Iterator[None]:
    """No Ctrl-C, for what is begun meanwhile neither: it has to be ready to hear one first."""
    if os.name == "nt":
        yield
        return
    resource_tracker.ensure_running()  # which would listen again once it has begun
    before = signal.pthread_sigmask(signal.SIG_BLOCK, CTRL_C)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def bind(settings: ServeSettings) -> socket.socket:
    """The socket, which listens already. Raises ConfigError where the address cannot be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(BACKLOG)  # from now on callers wait for the workers, not in vain
        except OSError:
            listening.close()
            raise
    except OSError as exc:
        raise ConfigError(
            f"cannot listen on {settings.host} port {settings.port}: {exc.strerror or exc}",
            hint="choose another with --host and --port",
            kind="address",
        ) from exc
    listening.set_inheritable(True)
    return listening


def server_url(listening: socket.socket) -> str:
    """Where clients find it."""
    host, port, *_ = listening.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(listening: socket.socket, settings: ServeSettings, make: Callable[[], ASGIApp]) -> None:
    """Serve on `listening` what `make` makes: here, or in each worker, which has to unpickle it.

    Returns or raises, once all is drained, as for the signal that ended it.
    """
    server = uvicorn.Config(
        make,
        factory=True,
        workers=settings.workers,
        lifespan="on",
        loop=LOOP,
        http=BoundedProtocol,
        ws="none",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_OPEN_SECONDS,
        timeout_graceful_shutdown=ceil(settings.drain),
        timeout_worker_healthcheck=HEALTH_SECONDS,
    )
    if settings.workers == 1:
        uvicorn.Server(server).run(sockets=[listening])
        return
    with ExitStack() as stack:
        supervisor = Supervisor(server, [listening], _on_worker_exit(settings, stack))
        supervisor.run()
    if any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes):
        sys.exit(STARTUP_FAILURE)
    raise Interrupted(supervisor.ended_by)


def _on_worker_exit(settings: ServeSettings, stack: ExitStack) -> Callable[[Collection[int]], None]:
    """What the end of a worker means to the metrics of all, which have a folder in `stack`."""
    if not settings.metrics:
        return lambda _: None
    from deepreasoning_cli.server.metrics import forget_streams, shared_folder

    folder = stack.enter_context(shared_folder())
    return partial(forget_streams, folder=folder)


def tune_process() -> None:
    """Set what is for a whole process: only for one that does nothing but serve.

    What is in memory by now stays, and is not to be looked through again while replies stream; and
    a thread that keeps a turn holds up all others no longer than `SWITCH_INTERVAL` seconds.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_INTERVAL)


def worker_app(config: Path | None, flags: Mapping[str, object], *, debug: bool) -> ASGIApp:
    """The app of a process that has a supervisor, and ends with it, however that ends.

    Where the settings are wrong it says so, and ends in the way that is not tried again.
    """
    if os.name != "nt":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, CTRL_C)  # uvicorn hears it by now
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    handler = add_stderr_handler("text", debug=debug)
    try:
        loaded = load_settings(config, flags)
        handler.setFormatter(LineFormatter(loaded.settings.serve.log))
        service = Service(loaded, debug=debug)
        service.prepare()
    except DeepReasoningError as error:
        log_failure(error)
        sys.exit(STARTUP_FAILURE)
    tune_process()
    return application(service)


def _end_with_supervisor() -> None:
    supervisor = multiprocessing.parent_process()
    if supervisor:
        supervisor.join()
        signal.raise_signal(signal.SIGTERM)
