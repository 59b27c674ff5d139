"""Serve until told to stop: one process, or a supervisor with several."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from multiprocessing import resource_tracker
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess

from deepreasoning_cli.errors import ConfigError, DeepReasoningError, Interrupted
from deepreasoning_cli.server import create_app
from deepreasoning_cli.server.protocol import BoundedProtocol
from deepreasoning_cli.server.service import explain
from deepreasoning_cli.settings.parts import ServeSettings

BACKLOG = 2048
CTRL_C = {signal.SIGINT}
LOOP = "asyncio:SelectorEventLoop" if os.name == "nt" else "auto"
"""A loop that reads sockets which others have opened; the usual one of Windows cannot."""
KEPT_OPEN = 75  # seconds; longer than the minute for which proxies keep a connection
HEALTHY_WITHIN = 30  # seconds; a worker with all its streams busy answers late, and must live


class Supervisor(Multiprocess):
    """uvicorn's own, which knows afterwards what ended it."""

    ended_by = signal.SIGTERM

    def handle_int(self) -> None:
        """Ctrl-C."""
        self.ended_by = signal.SIGINT
        super().handle_int()

    def init_processes(self) -> None:
        """Begin the workers."""
        with deaf():
            super().init_processes()

    def keep_subprocess_alive(self) -> None:
        """Begin the workers anew that have died; one that dies while it is asked tells so."""
        for worker in self.processes:
            worker.child_conn.close()  # the worker's end of the pipe: it is to close with it
        with deaf():
            super().keep_subprocess_alive()

    def terminate_all(self) -> None:
        """Tell the workers to end; nobody may wait for them on the socket that all share."""
        for listening in self.sockets:
            listening.close()
        super().terminate_all()


@contextmanager
def deaf() -> Iterator[None]:
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


def bound(settings: ServeSettings) -> socket.socket:
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


def url_of(listening: socket.socket) -> str:
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
        timeout_keep_alive=KEPT_OPEN,
        timeout_graceful_shutdown=ceil(settings.drain),
        timeout_worker_healthcheck=HEALTHY_WITHIN,
    )
    if settings.workers == 1:
        uvicorn.Server(server).run(sockets=[listening])
        return
    supervisor = Supervisor(server, [listening])
    supervisor.run()
    if any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes):
        sys.exit(STARTUP_FAILURE)
    raise Interrupted(supervisor.ended_by)


def worker_app(config: Path | None, flags: Mapping[str, object], *, debug: bool) -> ASGIApp:
    """The app of a process that has a supervisor, and ends with it, however that ends.

    Where the settings are wrong it says so, and ends in the way that is not tried again.
    """
    if os.name != "nt":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, CTRL_C)  # uvicorn hears it by now
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    try:
        return create_app(config, flags, debug=debug)
    except DeepReasoningError as error:
        explain(error)
        sys.exit(STARTUP_FAILURE)


def _end_with_supervisor() -> None:
    supervisor = multiprocessing.parent_process()
    if supervisor:
        supervisor.join()
        signal.raise_signal(signal.SIGTERM)
