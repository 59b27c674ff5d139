"""The socket that is listened on, and what uvicorn is told."""

from __future__ import annotations

import asyncio
import errno
import gc
import inspect
import logging
import multiprocessing
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from deepreasoning_cli.errors import ConfigError, Interrupted
from deepreasoning_cli.server.guard import raise_file_limit
from deepreasoning_cli.server.protocol import say_once
from deepreasoning_cli.server.run import (
    SWITCH_INTERVAL,
    HangupServer,
    Supervisor,
    bind,
    quiet_loop,
    run,
    server_url,
    worker_app,
)
from deepreasoning_cli.settings.models import ServeSettings


@pytest.fixture
def handlers() -> Iterator[None]:
    """The signals' handlers, which a supervisor replaces."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU)
    before = {number: signal.getsignal(number) for number in signals}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    """What a worker sets for its whole process."""
    logger = logging.getLogger("deepreasoning_cli.server")
    before = sys.getswitchinterval(), logger.handlers[:], logger.level, logger.propagate
    hangup = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, hangup)
    sys.setswitchinterval(before[0])
    gc.unfreeze()
    logger.handlers[:], logger.level, logger.propagate = before[1:]


@pytest.mark.parametrize(("host", "url"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_an_address_is_listened_on_at_once(host: str, url: str) -> None:
    with closing(bind(ServeSettings(host=host, port=0))) as listening:
        port = listening.getsockname()[1]
        assert server_url(listening) == f"http://{url}:{port}"
        assert listening.get_inheritable()
        with socket.create_connection((host, port), timeout=60):
            pass


def test_a_port_that_is_taken_is_said_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            bind(ServeSettings(port=port))
    assert (caught.value.kind, caught.value.message, caught.value.hint) == (
        "address",
        f"cannot listen on 127.0.0.1 port {port}: {os.strerror(errno.EADDRINUSE)}",
        "choose another with --host and --port",
    )


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_an_address_that_is_not_ours_is_said(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not host[0].isdigit():

        def unknown(*_: object, **__: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ConfigError, match=f"cannot listen on {host} port 0: "):
        bind(ServeSettings(host=host, port=0))


def nothing() -> Any:
    raise AssertionError("nobody makes the app here")


def test_one_process_serves_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[tuple[uvicorn.Config, Any]] = []
    monkeypatch.setattr(
        uvicorn.Server, "run", lambda self, sockets: served.append((self.config, sockets))
    )
    with closing(bind(ServeSettings(port=0))) as listening:
        run(listening, ServeSettings(drain=2.5), nothing)
        [(told, sockets)] = served
        assert sockets == [listening]
    assert (told.timeout_graceful_shutdown, told.lifespan, told.factory) == (3, "on", True)
    assert (told.access_log, told.server_header, told.proxy_headers) == (False, False, False)
    assert told.app is nothing


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_supervisor_ends_as_its_signal_says(
    monkeypatch: pytest.MonkeyPatch, handlers: None, number: signal.Signals
) -> None:
    def told(self: Multiprocess) -> None:
        self.signal_queue.append(number)
        self.handle_signals()
        assert self.should_exit.is_set()

    monkeypatch.setattr(Multiprocess, "run", told)
    with closing(bind(ServeSettings(port=0))) as listening, pytest.raises(Interrupted) as caught:
        run(listening, ServeSettings(workers=2), nothing)
    assert caught.value.exit_code == 128 + number


@pytest.mark.parametrize("sent", [signal.SIGHUP, signal.SIGTERM])
def test_a_server_drains_when_its_terminal_is_gone(handlers: None, sent: signal.Signals) -> None:
    heard: list[int] = []
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, lambda number, _: heard.append(number))
    server = HangupServer(uvicorn.Config("none:none"))
    with server.capture_signals():
        signal.raise_signal(sent)
        assert (server.should_exit, heard) == (True, [])
    assert heard == [sent]


def test_a_hangup_that_is_ignored_stays_ignored(handlers: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    server = HangupServer(uvicorn.Config("none:none"))
    with server.capture_signals():
        signal.raise_signal(signal.SIGHUP)
    assert not server.should_exit


@pytest.mark.parametrize(
    ("limits", "raised"),
    [
        ((256, 4096), (4096, 4096)),
        ((256, resource.RLIM_INFINITY), (65_536, resource.RLIM_INFINITY)),
        ((100_000, 200_000), None),
        ((64, 64), None),
    ],
)
def test_as_many_files_may_be_open_as_the_system_allows(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], raised: tuple[int, int] | None
) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: told.append(new))
    raise_file_limit()
    assert told == ([raised] if raised else [])


def test_what_goes_wrong_at_each_try_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    say_once.cache_clear()

    async def main() -> None:
        quiet_loop()
        loop = asyncio.get_running_loop()
        for _ in range(3):
            loop.call_exception_handler(
                {"message": "accept", "exception": OSError(errno.EMFILE, "Too many open files")}
            )
        loop.call_exception_handler({"message": "something else"})

    asyncio.run(main())
    quiet_loop()  # without a loop there is nothing to do
    said = [record.getMessage() for record in caplog.records]
    assert said == ["no new caller can be accepted: Too many open files", "something else"]


def test_a_socket_that_closes_while_nobody_can_be_accepted_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """asyncio stops accepting for a second, and then begins again on whatever there is."""

    def accepts() -> tuple[socket.socket, str]:
        raise OSError(errno.EMFILE, "Too many open files")

    async def main() -> None:
        quiet_loop()
        loop = asyncio.get_running_loop()
        later: list[Callable[[], object]] = []
        loop.call_later = lambda _, *call: later.append(  # type: ignore[method-assign, assignment]
            lambda: loop.call_soon(*call)
        )
        with closing(socket.socket()) as listening:
            listening.bind(("127.0.0.1", 0))
            listening.setblocking(False)
            unable = SimpleNamespace(accept=accepts, listen=lambda _: None, fileno=listening.fileno)
            loop._accept_connection(asyncio.Protocol, unable)  # type: ignore[attr-defined]
        assert later
        later[0]()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_nobody_waits_on_the_socket_of_workers_that_end(handlers: None) -> None:
    class Process:
        ended = False

        def terminate(self) -> None:
            self.ended = True

    listening = bind(ServeSettings(port=0))
    supervisor = Supervisor(uvicorn.Config("none:none", workers=2), [listening])
    process = Process()
    supervisor.processes = [process]  # type: ignore[list-item] # as far as it is asked
    supervisor.terminate_all()
    assert (listening.fileno(), process.ended) == (-1, True)


def test_workers_that_cannot_begin_end_the_supervisor_as_one_would_end(
    monkeypatch: pytest.MonkeyPatch, handlers: None
) -> None:
    def told(self: Multiprocess) -> None:
        self.processes = [SimpleNamespace(exitcode=code) for code in (0, 3)]  # type: ignore[misc]

    monkeypatch.setattr(Multiprocess, "run", told)
    with closing(bind(ServeSettings(port=0))) as listening, pytest.raises(SystemExit) as caught:
        run(listening, ServeSettings(workers=2), nothing)
    assert caught.value.code == 3


def test_a_worker_whose_settings_are_wrong_says_so_and_is_not_tried_again(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    with pytest.raises(SystemExit) as caught:
        worker_app(config, {}, debug=False)
    assert caught.value.code == 3
    error, *_ = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert "config.toml" in error


def test_a_worker_makes_the_app_and_tunes_its_process() -> None:
    frozen = gc.get_freeze_count()
    assert callable(worker_app(None, {"backend": "demo"}, debug=False))
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL)
    assert gc.get_freeze_count() > frozen


def test_a_worker_ends_with_its_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    class Parent:
        joined = False

        def join(self) -> None:
            self.joined = True

    parent, raised, told = Parent(), [], threading.Event()

    def raise_signal(number: int) -> None:
        raised.append(number)
        told.set()

    monkeypatch.setattr(signal, "raise_signal", raise_signal)
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: parent)
    worker_app(None, {"backend": "demo"}, debug=False)
    assert told.wait(60)
    assert (raised, parent.joined) == ([signal.SIGTERM], True)


def test_a_supervisor_lets_go_of_its_workers_end_of_the_pipe(
    monkeypatch: pytest.MonkeyPatch, handlers: None
) -> None:
    monkeypatch.setattr(Multiprocess, "keep_subprocess_alive", lambda self: None)
    with closing(bind(ServeSettings(port=0))) as listening:
        supervisor = Supervisor(uvicorn.Config("none:none", workers=2), [listening])
        ours, theirs = multiprocessing.Pipe()
        supervisor.processes = [SimpleNamespace(child_conn=theirs, pid=1)]  # type: ignore[list-item]
        supervisor.keep_subprocess_alive()
        assert theirs.closed
        ours.close()


def test_a_supervisor_says_which_workers_have_ended(
    monkeypatch: pytest.MonkeyPatch, handlers: None
) -> None:
    monkeypatch.setattr(Multiprocess, "keep_subprocess_alive", lambda self: None)
    ended: list[Any] = []
    with closing(bind(ServeSettings(port=0))) as listening:
        supervisor = Supervisor(uvicorn.Config("none:none", workers=2), [listening], ended.append)
        for pids in ([1, 2], [1, 3], [1, 3], [4, 5]):
            conn = SimpleNamespace(close=lambda: None)
            supervisor.processes = [
                SimpleNamespace(child_conn=conn, pid=pid)  # type: ignore[misc]
                for pid in pids
            ]
            supervisor.keep_subprocess_alive()
    assert ended == [{2}, {1, 3}]


def test_workers_count_in_a_folder_of_their_own_while_they_run(
    monkeypatch: pytest.MonkeyPatch, handlers: None
) -> None:
    folders: list[Path] = []

    def note(self: Multiprocess) -> None:
        folders.append(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
        assert folders[0].is_dir()

    monkeypatch.setattr(Multiprocess, "run", note)
    with closing(bind(ServeSettings(port=0))) as listening, pytest.raises(Interrupted):
        run(listening, ServeSettings(workers=2, metrics=True), nothing)
    assert not folders[0].exists()
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ


USED: dict[type, tuple[str, ...]] = {
    HttpToolsProtocol: (
        "connection_made",
        "connection_lost",
        "data_received",
        "on_message_begin",
        "on_headers_complete",
        "pause_writing",
        "resume_writing",
        "send_400_response",
    ),
    uvicorn.Server: ("capture_signals", "startup"),
    Multiprocess: (
        "handle_hup",
        "handle_int",
        "handle_signals",
        "init_processes",
        "keep_subprocess_alive",
        "run",
        "terminate_all",
    ),
}
SET: dict[type, tuple[str, ...]] = {
    HttpToolsProtocol: ("loop", "transport"),
    Multiprocess: ("processes", "should_exit", "signal_queue", "sockets"),
    Process: ("child_conn",),
}


@pytest.mark.parametrize("owner", [*USED], ids=lambda owner: owner.__name__)
def test_uvicorn_has_the_methods_that_ours_extend(owner: type) -> None:
    for name in USED[owner]:
        assert callable(getattr(owner, name, None)), (
            f"uvicorn changed: {owner.__name__}.{name} is gone, which server/run.py uses"
        )


@pytest.mark.parametrize("owner", [*SET], ids=lambda owner: owner.__name__)
def test_uvicorn_sets_the_attributes_that_ours_read(owner: type) -> None:
    source = inspect.getsource(owner)
    for name in SET[owner]:
        assert f"self.{name}" in source, (
            f"uvicorn changed: {owner.__name__} sets no {name}, which server/run.py reads"
        )


def test_uvicorn_ends_a_worker_that_cannot_begin_by_the_status_that_is_not_tried_again() -> None:
    assert "STARTUP_FAILURE" in inspect.getsource(Multiprocess.keep_subprocess_alive), (
        "uvicorn changed: a worker that ends with STARTUP_FAILURE may be started again"
    )
    assert "keep_subprocess_alive()" in inspect.getsource(Multiprocess.run), (
        "uvicorn changed: the supervisor looks after its workers elsewhere"
    )
