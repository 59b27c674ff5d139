"""Serve on uvicorn until a signal; only this module and `protocol` use uvicorn's internals."""

from __future__ import annotations

import asyncio
import errno
import gc
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from math import ceil
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess

from deepreasoning_cli.errors import ConfigError, DeepReasoningError, Interrupted
from deepreasoning_cli.server.app import application
from deepreasoning_cli.server.guard import raise_file_limit
from deepreasoning_cli.server.observe import LineFormatter, add_stderr_handler
from deepreasoning_cli.server.protocol import BoundedProtocol, say_once
from deepreasoning_cli.server.service import Service, log_failure
from deepreasoning_cli.settings.loaded import load_settings
from deepreasoning_cli.settings.models import ServeSettings

BACKLOG: Final = 2048
CTRL_C: Final = {signal.SIGINT}
HANGUP: Final = getattr(signal, "SIGHUP", None)  # Windows has none
NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Why a caller cannot be accepted for now."""
LOOP: Final = "asyncio:SelectorEventLoop" if os.name == "nt" else "auto"
"""A loop that accepts on an open socket; the default loop of Windows cannot."""
SWITCH_INTERVAL: Final = 0.001
KEEP_OPEN_SECONDS: Final = 75  # longer than the minute for which proxies keep a connection
HEALTH_SECONDS: Final = 30  # a busy worker answers late and must not be replaced


def quiet_loop() -> None:
    """Have the running event loop say once that it cannot accept callers, and not at each try."""
    with suppress(RuntimeError):  # none is running
        asyncio.get_running_loop().set_exception_handler(_note_loop_error)


def _note_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The event loop's errors: where files run out, it has one for each try to accept."""
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        say_once(f"no new caller can be accepted: {error.strerror}")
    elif isinstance(error, ValueError) and "_start_serving" in context["message"]:
        return  # it tries again a second later, and the socket has been closed meanwhile
    else:
        loop.default_exception_handler(context)


class HangupServer(uvicorn.Server):
    """uvicorn's server, which drains at SIGHUP, too, unless that is ignored, as under nohup."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept callers."""
        quiet_loop()
        await super().startup(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals meanwhile, and raise afterwards those that came."""
        is_main = threading.current_thread() is threading.main_thread()
        if HANGUP is None or not is_main or signal.getsignal(HANGUP) is signal.SIG_IGN:
            with super().capture_signals():
                yield
            return
        hung_up = False

        def hang_up(*_: object) -> None:
            nonlocal hung_up
            self.should_exit = hung_up = True

        before = signal.signal(HANGUP, hang_up)
        try:
            with super().capture_signals():
                yield
        finally:
            signal.signal(HANGUP, before)
        if hung_up:
            signal.raise_signal(HANGUP)


class Supervisor(Multiprocess):
    """uvicorn's supervisor, which also remembers the signal that ended it.

    `on_exit` is called with the process ids of workers that have ended.
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

    def handle_hup(self) -> None:
        """The terminal is gone; uvicorn would start the workers anew."""
        self.ended_by = signal.SIGHUP
        self.should_exit.set()

    def init_processes(self) -> None:
        """Start the workers."""
        with sigint_blocked():
            super().init_processes()

    def keep_subprocess_alive(self) -> None:
        """Replace dead workers, also one that dies during its health check."""
        for worker in self.processes:
            worker.child_conn.close()  # our copy of it, so that the pipe closes with the worker
        with sigint_blocked():
            super().keep_subprocess_alive()
        running = {worker.pid for worker in self.processes if worker.pid is not None}
        if ended := self._workers - running:
            self._on_exit(ended)
        self._workers = running

    def terminate_all(self) -> None:
        """Stop the workers; close the shared socket first, so that no caller waits on it."""
        for listening in self.sockets:
            listening.close()
        super().terminate_all()


@contextmanager
def sigint_blocked() -> Iterator[None]:
    """Block SIGINT here and in processes that start meanwhile, until they can handle it."""
    if os.name == "nt":
        yield
        return
    resource_tracker.ensure_running()  # its start would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, CTRL_C)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def bind(settings: ServeSettings) -> socket.socket:
    """The listening socket. Raises ConfigError if the address is not available."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(BACKLOG)  # callers wait for the workers from now on
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
    """The URL for clients."""
    host, port, *_ = listening.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(listening: socket.socket, settings: ServeSettings, make: Callable[[], ASGIApp]) -> None:
    """Serve the app of `make` on `listening`: here, or in workers, which have to unpickle `make`.

    Returns or raises as the signal demands, once all replies have ended.
    """
    raise_file_limit()
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
        HangupServer(server).run(sockets=[listening])
        return
    with ExitStack() as stack:
        supervisor = Supervisor(server, [listening], _on_worker_exit(settings, stack))
        supervisor.run()
    if any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes):
        sys.exit(STARTUP_FAILURE)
    raise Interrupted(supervisor.ended_by)


def _on_worker_exit(settings: ServeSettings, stack: ExitStack) -> Callable[[Collection[int]], None]:
    """What removes a dead worker's streams from the metrics, whose folder closes with `stack`."""
    if not settings.metrics:
        return lambda _: None
    from deepreasoning_cli.server.metrics import forget_streams, shared_folder

    folder = stack.enter_context(shared_folder())
    return partial(forget_streams, folder=folder)


def tune_process() -> None:
    """Change settings of the whole process, which must do nothing but serve.

    The garbage collector skips what is in memory by now; and a thread that computes delays the
    others no longer than `SWITCH_INTERVAL` seconds.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_INTERVAL)


def worker_app(config: Path | None, flags: Mapping[str, object], *, debug: bool) -> ASGIApp:
    """The app of a worker, which ends with its supervisor, however the supervisor ends.

    If the settings are wrong it logs why, and exits with the code that uvicorn does not retry.
    """
    if os.name != "nt":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, CTRL_C)  # uvicorn handles it by now
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the supervisor hears it, and drains
    quiet_loop()
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
