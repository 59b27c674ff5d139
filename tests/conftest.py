"""A clean room for every test: no key, no setting and no file of the person who runs them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from pytest_httpx import HTTPXMock

from deepreasoning_cli import keys

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
