"""Every command where little is as it should be: locale, terminal, streams, home, limits."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

import httpx2
import pytest

from support.runner import PROGRAM, CompletedRun, run
from support.serve_process import PATIENCE, SERVING, started
from support.vendors import Vendors

THOUGHT: Final = "Hm é."
ANSWER: Final = "四十二 é 👍"
QUESTION: Final = "6 x 7?"
FULL: Final = b"error: cannot write: No space left on device\nhint: make room"
CLOSED: Final = b"error: stdout is closed\nhint: give it a stdout"
HOMES: Final = "XDG_CONFIG_HOME XDG_DATA_HOME XDG_CACHE_HOME XDG_STATE_HOME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Variables, and what a shell does before it starts the program.

    `encoding` is that of stdout. `code` and `stderr`, of which the beginning is named, are those of
    each command but for the `others`; {home} is the user's home.
    """

    name: str
    before: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"
    code: int = 0
    stderr: bytes = b""
    others: Mapping[str, tuple[int, bytes]] = field(default_factory=dict)
    asks: bool = True
    keeps: bool = True


def encoded_as(name: str, encoding: str, **variables: str) -> Environment:
    return Environment(name=name, variables=variables, encoding=encoding)


def closing(streams: str) -> Environment:
    closed = " ".join({"0": "<&-", "1": ">&-", "2": "2>&-"}[stream] for stream in streams)
    chat = {"chat": (0, b"")} if "0" in streams and "1" not in streams else {}
    if "1" not in streams:
        return Environment(name=f"closed {streams}", before=f"exec {closed}", others=chat)
    return Environment(
        name=f"closed {streams}",
        before=f"exec {closed}",
        code=7,
        stderr=b"" if "2" in streams else CLOSED,
        others={"history": (0, b"" if "2" in streams else b"note: the history is empty\n")},
        asks=False,
        keeps=False,
    )


NOWHERE: Final = "/proc/1/nowhere"
UNWRITTEN: Final = f"warning: cannot write the journal in {NOWHERE}/deepreasoning: ".encode()
ENVIRONMENTS: Final = (
    Environment(name="as usual"),
    encoded_as("C", "utf-8", LANG="C"),
    encoded_as("POSIX", "utf-8", LC_ALL="POSIX"),
    encoded_as("no such locale", "utf-8", LANG="xx_YY.ZZ"),
    encoded_as("ascii", "ascii", PYTHONIOENCODING="ascii"),
    encoded_as("strict ascii", "ascii", PYTHONIOENCODING="ascii:strict"),
    encoded_as("latin-1", "latin-1", PYTHONIOENCODING="latin-1"),
    encoded_as("utf-16", "utf-16-le", PYTHONIOENCODING="utf-16"),
    encoded_as("no UTF-8", "ascii", PYTHONUTF8="0", LC_ALL="POSIX", PYTHONCOERCECLOCALE="0"),
    encoded_as("dumb", "utf-8", TERM="dumb"),
    encoded_as("no terminal named", "utf-8", TERM=""),
    encoded_as("unknown terminal", "utf-8", TERM="no-such-terminal"),
    encoded_as("one column", "utf-8", COLUMNS="1", LINES="1"),
    encoded_as("no column", "utf-8", COLUMNS="0", LINES="0"),
    encoded_as("junk columns", "utf-8", COLUMNS="x²", LINES="-1"),
    Environment(name="full stdout", before="exec >/dev/full", code=7, stderr=FULL),
    Environment(name="full stderr", before="exec 2>/dev/full"),
    *(closing("".join(each)) for count in (1, 2, 3) for each in combinations("012", count)),
    Environment(
        name="no home",
        before=f"unset HOME {HOMES.replace('XDG_CACHE_HOME XDG_STATE_HOME', '')}",
        variables={
            "DEEPREASONING_DATA_DIR": "{home}/data",
            "DEEPREASONING_CONFIG": "{home}/c.toml",
        },
    ),
    Environment(
        name="no home that can be written",
        before="\n".join(f"export {name}={NOWHERE}" for name in ("HOME", *HOMES.split())),
        others={
            "ask": (0, UNWRITTEN),
            "--json": (0, UNWRITTEN),
            "chat": (0, UNWRITTEN),
            "history": (3, f"error: cannot use {NOWHERE}/deepreasoning/history.db: ".encode()),
        },
        keeps=False,
    ),
    Environment(name="no folder", before='cd "$(mktemp -d)" && rmdir "$PWD"'),
    Environment(name="umask 000", before="umask 000"),
    Environment(name="umask 777", before="umask 777"),
    Environment(name="twelve files", before="ulimit -n 12"),
    Environment(name="little memory", before="ulimit -v 400000"),
    Environment(name="small stack", before="ulimit -s 512"),
    Environment(
        name="no file may grow",
        before="ulimit -f 0",
        others=dict.fromkeys(("ask", "--json", "chat"), (0, b"warning: cannot "))
        | {"history": (7, b"error: cannot write ")},
        keeps=False,
    ),
)
STARTED: Final = {
    "ask": (("ask", QUESTION), None),
    "--json": (("ask", "--json", QUESTION), None),
    "chat": (("chat",), f"{QUESTION}\n".encode()),
    "history": (("history", "list"), None),
    "config": (("config", "show"), None),
    "models": (("models",), None),
    "price": (("price",), None),
}
SAYS: Final = {"config": "reasoner", "models": "Claude models", "price": "USD per million tokens"}


def in_shell(
    vendors: Vendors, place: Environment, words: tuple[str, ...], stdin: bytes | None
) -> CompletedRun:
    script = f'{place.before}\nexec "$@"'
    variables = {name: value.format(home=vendors.home) for name, value in place.variables.items()}
    program = ("/bin/bash", "-c", script, "bash", *PROGRAM)
    return vendors.run(*words, stdin=stdin, env=variables, timeout=60, program=program)


def shown(place: Environment, command: str, stdout: bytes) -> bool:
    """Whether the command has said what it has to say."""
    text = stdout.decode(place.encoding if command != "--json" else "utf-8")
    if command in ("ask", "chat"):
        return stdout == f"{ANSWER}\n".encode(place.encoding, "backslashreplace")
    if command == "--json":
        return '"status": "complete"' in text
    if command == "history":
        return (QUESTION in text) == place.keeps
    return SAYS[command] in text


@pytest.mark.parametrize("place", ENVIRONMENTS, ids=lambda place: place.name)
def test_each_command_says_what_it_has_to_say(
    vendors: Vendors, place: Environment, record_property: Callable[[str, object], None]
) -> None:
    for command, (words, stdin) in STARTED.items():
        vendors.reply([THOUGHT], [ANSWER])
        before = vendors.sent()
        done = in_shell(vendors, place, words, stdin)
        code, stderr = place.others.get(command, (place.code, place.stderr))
        if command == "--json" and place.code:
            stderr = b'{"error": ' if stderr else b""
        assert (command, done.code) == (command, code), done
        assert done.stderr.startswith(stderr), (command, done)
        assert bool(done.stderr) == bool(stderr), (command, done)
        if code == 0 and not (command == "chat" and "<&-" in place.before):
            assert shown(place, command, done.stdout), (command, done)
        if command in ("ask", "--json"):
            assert vendors.sent() - before == 2 * place.asks
    record_property("environments", len(STARTED))
    for path in (vendors.home / ".local/share/deepreasoning").rglob("*"):
        assert path.stat().st_mode & 0o77 == 0, f"others can read {path}"
    if place.asks and place.keeps and "DEEPREASONING_DATA_DIR" not in place.variables:
        kept = run("history", "list", "--json", env=vendors.environment)
        assert kept.stdout.count(b'"prompt": "6 x 7?"') == 3 - ("<&-" in place.before)


SERVED: Final = {
    *("as usual", "POSIX", "full stdout", "closed 01", "no home that can be written"),
    *("no folder", "umask 777", "no file may grow"),
}


@pytest.mark.parametrize(
    "place",
    [place for place in ENVIRONMENTS if place.name in SERVED],
    ids=lambda place: place.name,
)
def test_serve_answers(
    vendors: Vendors, place: Environment, record_property: Callable[[str, object], None]
) -> None:
    vendors.reply([THOUGHT], [ANSWER])
    variables = {name: value.format(home=vendors.home) for name, value in place.variables.items()}
    script = f'{place.before}\nexec "$@"'
    program = ("/bin/bash", "-c", script, "bash", *PROGRAM, "serve", "--port", "0")
    with started(vendors, env=variables, program=program) as server:
        (line,) = server.said(f"^{SERVING}$")
        question = {"model": "deepreasoning", "messages": [{"role": "user", "content": QUESTION}]}
        with httpx2.Client(base_url=line[1], timeout=PATIENCE) as client:
            reply = client.post("/v1/chat/completions", json=question)
        told = reply.json()["choices"][0]["message"]["content"]
        assert (reply.status_code, told) == (200, ANSWER)
        done = server.stop()
    assert done.code == 128 + signal.SIGTERM
    assert "Traceback" not in server.stderr
    record_property("environments", 1)
