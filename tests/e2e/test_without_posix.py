"""What Windows lacks is asked for nowhere without a guard: the program, with all of that hidden."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from support import without_posix
from support.replies import Cut, claude_stream, error_reply_anthropic
from support.runner import CompletedRun, environment, run
from support.vendors import ANSWER, PRINTED, TEXTS, Vendors, turn_id

SCRIPT: Final = without_posix.__file__
WITHOUT: Final = (sys.executable, SCRIPT, "run")
PROBE: Final = """
import without_posix
without_posix.hide()
code = '''
import os, signal, sys
from select import select
assert (os.name, sys.platform) == ("nt", "win32")
for ask in (lambda: os.fork, lambda: signal.SIGHUP, lambda: exec("import fcntl")):
    try:
        ask()
    except (AttributeError, ModuleNotFoundError) as failure:
        print(failure)
'''
exec(code, {"__name__": "deepreasoning_cli.probe"})
import fcntl, os
print(os.name, os.fork.__name__)
"""


def python(*words: str) -> CompletedRun:
    done = subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        env={**environment({}), "PYTHONPATH": str(Path(SCRIPT).parent)},
        timeout=60,
        check=False,
    )
    return CompletedRun(done.returncode, done.stdout, done.stderr)


def test_it_is_hidden_from_our_modules_and_from_no_other() -> None:
    hidden = "Windows has no os.fork\nWindows has no signal.SIGHUP\nWindows has no fcntl\n"
    assert python("-c", PROBE) == CompletedRun(0, f"{hidden}posix fork\n".encode(), b"")


def test_every_module_is_imported() -> None:
    done = python(SCRIPT, "import")
    assert done.stdout.decode().count("\n") == 1, f"without a guard: {done.stdout.decode()}"
    assert int(done.stdout.split()[0]) > 190
    assert (done.code, done.stderr) == (0, b"")


def test_a_question_is_answered_kept_and_listed(vendors: Vendors) -> None:
    vendors.reply()
    first = vendors.run("ask", "What is 6 x 7?", program=WITHOUT)
    assert (first.code, first.stdout, vendors.counts()) == (0, PRINTED, (1, 1))
    listed = vendors.run("history", "list", program=WITHOUT)
    assert (listed.code, listed.stdout.count(b"What is 6 x 7?")) == (0, 1)
    shown = vendors.run("history", "show", "last", program=WITHOUT)
    assert shown == vendors.run("history", "show", "last")


def test_a_cut_answer_is_resumed(vendors: Vendors) -> None:
    vendors.reply(texts=claude_stream(TEXTS).failing(5, Cut()))
    vendors.claude.reply(claude_stream(TEXTS))
    cut = vendors.run("ask", "What is 6 x 7?", program=WITHOUT)
    assert (cut.code, vendors.counts()) == (6, (1, 1))
    done = vendors.run("resume", turn_id(cut), program=WITHOUT)
    assert (done.code, vendors.counts()) == (0, (1, 2))


def test_rows_are_answered_and_what_failed_is_asked_again(vendors: Vendors, tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"id": "a", "prompt": "What is 6 x 7?"}\n')
    vendors.reply(texts=error_reply_anthropic(400, "invalid_request_error", "No."))
    words = ("batch", str(source), "-o", str(output))
    failed = vendors.run(*words, program=WITHOUT)
    assert (failed.code != 0, vendors.counts()) == (True, (1, 1)), failed
    vendors.claude.reply(claude_stream(TEXTS))
    done = vendors.run(*words, program=WITHOUT)
    assert done.code == 0, done
    (line,) = output.read_text().splitlines()
    assert json.loads(line)["answer"] == ANSWER


def test_the_demo_runs_to_its_end() -> None:
    words = ("ask", "--backend", "demo", "How many r's are in the word strawberry?")
    done = run(*words, program=WITHOUT)
    assert (done.code, b"3" in done.stdout or b"three" in done.stdout) == (0, True)
    assert done.stderr == b"demo: these are scripted replies, no model was called\n"


@pytest.mark.parametrize(
    "words",
    ["models", "price", "config show", "config path", "history list", "--help", "help config"],
)
def test_a_command_says_what_it_says_elsewhere(words: str) -> None:
    assert run(*words.split(), program=WITHOUT) == run(*words.split())
