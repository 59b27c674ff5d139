"""Two vendors on this machine, and the program run between them, watched for its keys."""

from __future__ import annotations

import base64
import json
import re
import secrets
import signal
import socket
import string
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from support.loopback import Loopback, Received
from support.replies import Reply, claude_stream, reasoner_stream
from support.runner import PROGRAM, CompletedRun, PtyRun, environment, run, run_in_pty

THOUGHTS: Final = ("Let me think. ", "6 times 7 ", "is 42.")
REASONING: Final = "".join(THOUGHTS)
TEXTS: Final = ("**42**", " is the answer.")
ANSWER: Final = "".join(TEXTS)
PRINTED: Final = f"{ANSWER}\n".encode()
OWN_ANSWER: Final = ("The answer is 42.",)  # the reasoner's
SLICE: Final = 8  # characters of a key that nobody may see in a row
LETTERS: Final = string.ascii_letters + string.digits + "/+%"

# Some ways to start tests ignore Ctrl-C, and children inherit that: first undo it.
HEEDING_SIGNALS: Final = (
    sys.executable,
    "-IS",
    "-c",
    "import os, signal, sys;"
    "[signal.signal(s, signal.SIG_DFL) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)];"
    "os.execv(sys.argv[1], sys.argv[1:])",
)
SHELL: Final = (
    f"set -o pipefail; deepreasoning() {{ '{sys.executable}' -m deepreasoning_cli \"$@\"; }}\n"
)


def canary(start: str) -> str:
    """A key such as vendors give out, made of signs that every way to write it changes."""
    return start + "".join(secrets.choice(LETTERS) for _ in range(28)) + "/+%"


def traces(key: str, start: str) -> Iterator[bytes]:
    """What gives `key` away: any slice of its random part, percent-encoded or in base64 too."""
    part = key.removeprefix(start)
    written = [part, urllib.parse.quote(part, safe=""), json.dumps(part)[1:-1]]
    for shift in range(3):  # base64 looks different at each place in a group of three
        encoded = base64.b64encode(b"\0" * shift + part.encode()).decode()
        written.append(encoded[4:-4])
    for text in written:
        yield from (text[at : at + SLICE].encode() for at in range(len(text) - SLICE + 1))


@contextmanager
def refusing() -> Iterator[str]:
    """The address of a port that is taken, so that no other test gets it, and does not listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@dataclass(slots=True)
class Vendors:
    """A DeepSeek, a Claude and a Novita that play what they are given; keys; the user's home."""

    reasoner: Loopback
    claude: Loopback
    novita: Loopback
    home: Path
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    may_hold_keys: set[Path] = field(default_factory=set)

    def __post_init__(self) -> None:
        for name, start in STARTS.items():
            self.keys[name] = canary(start)

    @property
    def environment(self) -> dict[str, str]:
        """What makes the program call these two vendors."""
        return {
            "DEEPSEEK_API_KEY": self.keys["DEEPSEEK_API_KEY"],
            "ANTHROPIC_API_KEY": self.keys["ANTHROPIC_API_KEY"],
            "DEEPSEEK_BASE_URL": self.reasoner.url,
            "ANTHROPIC_BASE_URL": self.claude.url,
        }

    def reply(
        self, thoughts: Reply | Sequence[str] = THOUGHTS, texts: Reply | Sequence[str] = TEXTS
    ) -> None:
        """Script one turn: what the reasoner thinks and what Claude writes."""
        if not isinstance(thoughts, Reply):
            thoughts = reasoner_stream(thoughts, OWN_ANSWER)
        self.reasoner.reply(thoughts)
        self.claude.reply(texts if isinstance(texts, Reply) else claude_stream(texts))

    def ask(
        self,
        *args: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 30,
    ) -> CompletedRun:
        """Run `ask`."""
        return self.run("ask", *args, stdin=stdin, env=env, timeout=timeout)

    def run(
        self,
        *args: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 30,
        program: Sequence[str] = PROGRAM,
    ) -> CompletedRun:
        """Run the program with the vendors' environment and `env`."""
        everything = {**self.environment, **(env or {})}
        return self.check_for_keys(
            run(*args, stdin=stdin, env=everything, timeout=timeout, program=program)
        )

    def shell(self, script: str, *args: str, env: Mapping[str, str] | None = None) -> CompletedRun:
        """Run a bash script that calls `deepreasoning`; its `$1` and on are `args`."""
        return self.run(*args, env=env, program=("bash", "-c", SHELL + script, "bash"))

    def on_terminal(self, *args: str, env: Mapping[str, str] | None = None) -> PtyRun:
        """Run the program on a terminal of 24 lines of 80 columns."""
        shown = run_in_pty(*args, env={**self.environment, **(env or {})})
        self.check_for_keys(CompletedRun(shown.code, shown.output, b""))
        return shown

    @contextmanager
    def started(
        self, *args: str, env: Mapping[str, str] | None = None, stdin: int = subprocess.DEVNULL
    ) -> Iterator[subprocess.Popen[bytes]]:
        """The program while it runs; hand it to `outcome` for its end."""
        process = subprocess.Popen(
            [*HEEDING_SIGNALS, *PROGRAM, *args],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment({**self.environment, **(env or {})}),
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def outcome(
        self, process: subprocess.Popen[bytes], stop: signal.Signals | None = None
    ) -> CompletedRun:
        """Send the signal, if there is one, and wait for the end."""
        if stop is not None:
            process.send_signal(stop)
        stdout, stderr = process.communicate(timeout=60)
        return self.check_for_keys(CompletedRun(process.returncode, stdout, stderr))

    def check_for_keys(self, result: CompletedRun) -> CompletedRun:
        """The result, after a look for keys and tracebacks in all that the program left."""
        self.look_for_keys(result.stdout, "stdout")
        self.look_for_keys(result.stderr, "stderr")
        for path in self.home.rglob("*"):
            if path.is_file() and path not in self.may_hold_keys:
                self.look_for_keys(path.read_bytes(), str(path))
                self.look_for_keys(path.name.encode(), "a file's name")
        assert b"Traceback" not in result.stdout + result.stderr
        return result

    def look_for_keys(self, output: bytes, where: str) -> None:
        """Fail where `output` gives a part of a key away."""
        for name, start in STARTS.items():
            if any(trace in output for trace in traces(self.keys[name], start)):
                raise AssertionError(f"a piece of {name} in {where}: {output!r}")

    def requests(self) -> tuple[list[Received], list[Received]]:
        """What reached the reasoner and what reached Claude."""
        return self.reasoner.requests, self.claude.requests

    def counts(self) -> tuple[int, int]:
        """How many requests reached the reasoner and Claude."""
        return len(self.reasoner.requests), len(self.claude.requests)

    def sent(self) -> int:
        """How many requests reached any vendor; a connection may be opened ahead, with none."""
        return sum(len(vendor.requests) for vendor in (self.reasoner, self.claude, self.novita))

    def connections(self) -> int:
        """How many connections were opened, to any vendor."""
        vendors = (self.reasoner, self.claude, self.novita)
        return sum(len(vendor.connections) for vendor in vendors)

    def config(self, text: str, *, holds_keys: bool = False) -> Path:
        """Write the user's config file; says where it is."""
        path = self.home / ".config/deepreasoning/config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        if holds_keys:
            self.may_hold_keys.add(path)
        return path


STARTS: Final = {
    "DEEPSEEK_API_KEY": "sk-",
    "ANTHROPIC_API_KEY": "sk-ant-api03-",
    "NOVITA_API_KEY": "sk_novita_",
    "EMPIRIOLABS_API_KEY": "sk-empiriolabs-",
    "LINKUP_API_KEY": "lk-",
}


KEPT: Final = re.compile(rb"deepreasoning (resume|history show) ([^` \"\n]*)")
TURN_ID: Final = re.compile(rb"[0-9a-hjkmnp-tv-z]{16}")


def turn_id(result: CompletedRun) -> str:
    """The id of the turn that the program says is kept."""
    (found,) = {each[2] for each in KEPT.finditer(result.stderr)}
    assert TURN_ID.fullmatch(found), found
    return str(found, "ascii")


def named(result: CompletedRun) -> CompletedRun:
    """The result with ID in place of the id of its turn, which is another each time."""
    stderr = result.stderr.replace(turn_id(result).encode(), b"ID")
    return CompletedRun(result.code, result.stdout, stderr)


def kept(hint: str | None = None) -> str:
    """The hint of a turn that can be resumed, its own advice after it."""
    return "`deepreasoning resume ID` continues from what is kept" + (f"\n{hint}" if hint else "")


def error_of(result: CompletedRun) -> dict[str, Any]:
    """The one JSON object that `--json` leaves on stderr."""
    (line,) = result.stderr.decode().splitlines()
    error: dict[str, Any] = json.loads(line)["error"]
    names = ["stage", "kind", "message", "status", "request_id", "hint", "resume"]
    assert list(error) == names
    return error
