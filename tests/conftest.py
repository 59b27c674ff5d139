"""A clean room for every test: no key, no setting and no file of the person who runs them."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings
from pytest_httpx import HTTPXMock

from deepreasoning_cli import keys
from support import alarm
from support.often import RecordProperty, Tried

settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.register_profile(
    "ci",
    settings.get_profile("default"),
    derandomize=True,  # what lands is judged by the same documents each time; a person's search
)
settings.load_profile("ci" if os.environ.get("CI") else "default")

FOREIGN = ("_API_KEY", "_BASE_URL", "_PROXY", "_proxy")
COLOUR = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES")

HANDLED: Final = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGWINCH", "SIGTSTP", "SIGCONT", "SIGPIPE")
    if hasattr(signal, name)
)


def pytest_configure() -> None:
    """Undo what was inherited: under nohup, or in the background of a script, signals are ignored.

    A handler of Python's is no child's, so what the tests start heeds them as a user's run does.
    """
    for number in HANDLED:
        if signal.getsignal(number) is signal.SIG_IGN and number != signal.SIGPIPE:
            signal.signal(
                number, signal.default_int_handler if number == signal.SIGINT else _heeded
            )
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)


def pytest_collection_finish() -> None:
    """What was collected stays to the end: garbage is looked for in what the tests make."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """An interpreter joins its threads when it ends."""
    alarm.at_the_end()


def _heeded(_number: int, _frame: FrameType | None) -> None:
    """The tests themselves go on, as who started them wants it."""


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool | None:
    """The alarm of pytest-timeout, but one that goes on: what cleans up may hang, too."""
    return alarm.set_for(item.nodeid, settings.timeout)


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """pytest-timeout stops at a failure; what the test still has to clean up gets its time."""
    if isinstance(node, pytest.Item):
        alarm.set_for(node.nodeid, alarm.TO_CLEAN_UP)


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_cancel_timer() -> bool:
    return alarm.cancel()


def pytest_enter_pdb() -> None:
    """A person looks at it."""
    alarm.cancel()


@pytest.fixture(autouse=True)
def handlers_as_before() -> Iterator[None]:
    """The program leaves its handlers to the process that it ends; here it ends none."""
    handlers = {number: signal.getsignal(number) for number in HANDLED}
    hook = sys.unraisablehook
    yield
    sys.unraisablehook = hook
    for number, handler in handlers.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """What a test makes is private, as what the program makes is."""
    before = os.umask(0o077)
    for name in list(os.environ):
        if name.startswith("DEEPREASONING_") or name.endswith(FOREIGN) or name in COLOUR:
            monkeypatch.delenv(name)
    monkeypatch.setattr(keys, "_loaded", set())  # keys of one test are ordinary words in another
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / ".local/share"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / ".local/state"))
    yield
    os.umask(before)


@pytest.fixture
def tried(record_property: RecordProperty) -> Iterator[Tried]:
    """Counts the examples of a property, for `tools.prove`."""
    counts: Counter[str] = Counter()
    yield lambda name: counts.update([name])
    for name, count in counts.items():
        record_property(name, count)


@pytest.fixture
def folder_in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is one, for tests that sync thousands of files."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@pytest.fixture
def httpx_mock(httpx_mock: HTTPXMock, monkeypatch: pytest.MonkeyPatch) -> HTTPXMock:
    """pytest-httpx's mock, also for our own transport: it puts itself into httpx's alone."""
    import httpx

    from deepreasoning_cli.transport.pool import PoolTransport

    monkeypatch.setattr(PoolTransport, "handle_request", httpx.HTTPTransport.handle_request)
    return httpx_mock
