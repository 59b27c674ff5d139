"""The real program at a tenth of its cost: forked from a process that has imported it.

A forked run is a process of its own with its own descriptors, signals and terminal; it differs from
a started one only in what it does not do again: find and read its modules. Needs POSIX.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

if __name__ != "__main__":  # the process that forks has nothing of the tests
    from support.runner import PROGRAM
    from support.vendors import HEEDING_SIGNALS

STREAMS: Final = (
    ("stdin", "surrogateescape"),
    ("stdout", "surrogateescape"),
    ("stderr", "backslashreplace"),
)
LARGEST: Final = 1 << 16  # bytes of a request to fork
START_SECONDS: Final = 60  # what the process that forks has to begin, to fork and to end
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE)
IMPORTED: Final = (
    *(
        "__main__",
        "cli.app",
        "cli.ask",
        "cli.resume",
        "cli.runner",
        "cli.output",
        "cli.history",
        "cli.enter_key",
    ),
    *("wiring.plan", "wiring.backend", "wiring.resources", "wiring.budget", "history.store"),
    *(
        "history.recovery",
        "history.queries",
        "history.mapping",
        "history.salvage",
        "history.recent",
    ),
    *("views.json", "views.panels", "views.plain", "views.notes", "views.status", "views.files"),
    *("views.markdown.stream", "views.live", "views.page", "views.code_blocks", "transport.pool"),
    *("transport.client", "transport.proxy", "transport.preconnect", "pipeline.run"),
    *("providers.anthropic", "providers.openai_compatible", "providers.linkup", "settings.editor"),
    *("pipeline.continuation", "catalog.advice", "cli.messages", "cli.signals"),
)


# ------------------------------------------------------------------------- the process that forks


def serve_forks(channel: socket.socket, more: Sequence[str]) -> None:
    """Import the program, then fork it for each request, until the channel is closed."""
    import gc
    from importlib import import_module

    for name in (*IMPORTED, *more):
        import_module(f"deepreasoning_cli.{name}")
    for name in ("ssl", "httpx", "httpcore", "sqlite3", "rich.console", "typer.main"):
        import_module(name)
    with contextlib.suppress(ImportError):  # what is forked measures itself, if the tests do
        import_module("coverage.control")
    gc.freeze()
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the tests
    reports: dict[int, int] = {}
    channel.send(b"ready")
    while True:
        ready, _, _ = select.select([channel.fileno(), wake], [], [])
        if wake in ready:
            os.read(wake, 512)
            _report_ended(reports)
        if channel.fileno() in ready:
            asked, fds, _, _ = socket.recv_fds(channel, LARGEST, 4)
            if not asked:
                return
            report, *streams = fds
            pid = os.fork()
            if pid == 0:
                channel.close()
                os.close(wake)
                _become_the_program(json.loads(asked), streams, [report, woken, *reports.values()])
            os.write(report, b"%d\n" % pid)
            reports[pid] = report
            for fd in streams:
                os.close(fd)


def _report_ended(reports: dict[int, int]) -> None:
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            report = reports.pop(ended[0])
            with contextlib.suppress(BrokenPipeError):
                os.write(report, b"%d\n" % os.waitstatus_to_exitcode(ended[1]))
            os.close(report)


def _become_the_program(asked: dict[str, Any], streams: Sequence[int], others: list[int]) -> None:
    """What a fresh interpreter has: streams, environment, arguments, signals as they come."""
    signal.set_wakeup_fd(-1)
    for each in SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    open_ = iter(streams)
    for number, is_open in enumerate(asked["open"]):
        if is_open:
            os.dup2(next(open_), number)
        else:
            os.close(number)
    for fd in (*others, *streams):
        os.close(fd)
    if asked["largest_file"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (asked["largest_file"],) * 2)
    if asked["terminal"]:
        os.setsid()
        fcntl.ioctl(2, termios.TIOCSCTTY, 0)
    if asked["job"]:
        _run_as_a_job()
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["folder"])
    os.umask(asked["umask"])
    _measure_if_wanted()
    sys.argv = ["deepreasoning", *asked["args"]]
    for number, is_open in enumerate(asked["open"]):
        _set_stream(number, is_open=is_open)
    _change_the_program(asked)
    from deepreasoning_cli.__main__ import main

    code = 1
    try:
        main()
        code = 0
    finally:
        os._exit(code)  # `main` has ended the process, but for a version or a failure


def _measure_if_wanted() -> None:
    if any(name.startswith("COVERAGE_") for name in os.environ):
        import coverage

        coverage.process_startup(force=True, slug="fork")


def _change_the_program(asked: dict[str, Any]) -> None:
    """What of the program is another in this run."""
    if asked["hurried"]:
        from deepreasoning_cli.transport import retry

        hurried = lambda attempt: 0.01 * (attempt + 1)  # noqa: E731
        retry.backoff = hurried
    if asked["killed_at"] is not None:
        _die_at_event(asked["killed_at"])


def _die_at_event(nth: int) -> None:
    """Have SIGKILL end this process before its so manyth event.

    Events are what others see of it: a connection that is opened, a request that is sent, a piece
    of a reply that is read; a line that is written to a journal or beside the answers, an answer
    that is added to them; a turn that is stored, a file that is put in place or removed.
    """
    from deepreasoning_cli.history.store import Store
    from deepreasoning_cli.library.answers_file import AnswersFile

    events = itertools.count(1)

    def fatal(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **options: Any) -> Any:
            if next(events) == nth:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*given, **options)

        return counted

    for owner, names in (
        (os, ("write", "replace", "rename", "unlink")),
        (socket.socket, ("connect", "send", "sendall", "recv", "recv_into")),
        (Store, ("save",)),
        (AnswersFile, ("append",)),
    ):
        for name in names:
            setattr(owner, name, fatal(getattr(owner, name)))


def _run_as_a_job() -> None:
    """Return in a child that is the job in the foreground; stay behind as its shell.

    The shell continues what stops, and ends as the job does. It says both on the terminal, and
    whether the modes are those of the beginning. A process alone on a terminal cannot be stopped,
    and when it leaves, the system itself puts the modes back.
    """
    before = termios.tcgetattr(2)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    job = os.fork()
    os.setpgid(job, 0)
    os.tcsetpgrp(2, job or os.getpid())
    if job == 0:
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        return
    while True:
        _, status = os.waitpid(job, os.WUNTRACED)
        os.tcsetpgrp(2, os.getpid())
        modes = termios.tcgetattr(2)
        modes[3] &= ~termios.PENDIN  # the system's own note
        before[3] &= ~termios.PENDIN
        kept = "kept" if modes == before else "changed"
        if not os.WIFSTOPPED(status):
            os.write(2, f"[ended, modes {kept}]".encode())
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
        os.write(2, f"[stopped, modes {kept}]".encode())
        os.tcsetpgrp(2, job)
        os.killpg(job, signal.SIGCONT)


def _set_stream(number: int, *, is_open: bool) -> None:
    """The stream as a fresh interpreter has it in a locale of UTF-8; None where it is closed."""
    name, errors = STREAMS[number]
    stream = None
    if is_open:
        lines = number == 2 or os.isatty(number)
        mode, buffering = ("w" if number else "r"), (1 if lines else -1)
        stream = open(number, mode, buffering, encoding="utf-8", errors=errors)  # noqa: SIM115
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)


# ------------------------------------------------------------------------------ the tests' side


@dataclass(slots=True)
class Forked:
    """A run of the program."""

    pid: int
    _report: int | subprocess.Popen[bytes]
    code: int | None = None

    def send_signal(self, number: int) -> None:
        if self.code is None:
            os.kill(self.pid, number)

    def wait(self, seconds: float = 30) -> int:
        """Its exit code (negative: the signal that killed it); killed after so many seconds."""
        if isinstance(self._report, subprocess.Popen):
            self.code = self._report.wait(seconds)
        if self.code is None:
            assert isinstance(self._report, int)
            if not select.select([self._report], [], [], seconds)[0]:
                os.kill(self.pid, signal.SIGKILL)
                raise TimeoutError(f"it still runs after {seconds} s")
            self.code = int(os.read(self._report, 16))
            os.close(self._report)
        return self.code


def started(
    *args: str,
    streams: tuple[int, int, int],
    env: Mapping[str, str],
    terminal: bool = False,
    folder: Path | None = None,
    largest_file: int | None = None,
) -> Forked:
    """The same run as a process that is started as a user does."""

    def prepare() -> None:
        for number, fd in enumerate(streams):
            if fd < 0:
                os.close(number)
        if terminal:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file,) * 2)

    stdin, stdout, stderr = (fd if fd >= 0 else subprocess.DEVNULL for fd in streams)
    process = subprocess.Popen(
        [*HEEDING_SIGNALS, *PROGRAM, *args],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=env,
        cwd=folder,
        start_new_session=terminal,
        preexec_fn=prepare,  # noqa: PLW1509 - nothing is locked that it takes
    )
    return Forked(process.pid, process)


class Forker:
    """Forks the program; `with Forker() as forker:` ends what it started.

    Modules of the program that a command needs besides may be imported before.
    """

    def __init__(self, *imported: str) -> None:
        self._imported = imported

    def __enter__(self) -> Self:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(theirs.fileno()), *self._imported],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
            )
        try:
            assert select.select([self._channel], [], [], START_SECONDS)[0], "it does not begin"
            assert self._channel.recv(16) == b"ready"
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._channel.close()
        try:
            self._process.wait(START_SECONDS)
        finally:
            self._process.kill()
            self._process.wait(START_SECONDS)

    def start(
        self,
        *args: str,
        streams: tuple[int, int, int],
        env: Mapping[str, str],
        terminal: bool = False,
        job: bool = False,
        hurried: bool = True,
        folder: Path | None = None,
        largest_file: int | None = None,
        killed_at: int | None = None,
    ) -> Forked:
        """Run the program on these descriptors, -1 for a closed one.

        As a `job` of a shell it is in the foreground of its terminal, and its id is not ours.
        `hurried` shortens the waits between retries; a file cannot grow beyond `largest_file`.
        It is killed before the event of the number `killed_at`.
        """
        asked: dict[str, Any] = {"args": args, "env": dict(env), "job": job}
        asked |= {"terminal": terminal, "hurried": hurried, "killed_at": killed_at}
        asked |= {"open": [fd >= 0 for fd in streams], "largest_file": largest_file}
        report, theirs = os.pipe()
        asked |= {"umask": os.umask(0o077)}
        os.umask(asked["umask"])
        text = json.dumps(asked | {"folder": str(folder or Path.cwd())}).encode()
        socket.send_fds(self._channel, [text], [theirs, *(fd for fd in streams if fd >= 0)])
        os.close(theirs)
        pid = b""
        while not pid.endswith(b"\n"):
            if not select.select([report], [], [], START_SECONDS)[0]:
                raise TimeoutError("the process that forks does not answer")
            piece = os.read(report, 1)
            assert piece, "the process that forks has ended"
            pid += piece
        return Forked(int(pid), report)


if __name__ == "__main__":
    serve_forks(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
