from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from support.runner import PROGRAM, CompletedRun, PtyRun, run, run_in_pty

PYTHON = (sys.executable, "-c")
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no pty")


def test_the_program_is_the_package() -> None:
    assert (sys.executable, "-m", "deepreasoning_cli") == PROGRAM


def test_code_and_both_outputs_are_kept_apart() -> None:
    script = "import sys; print(sys.argv[1]); sys.stderr.write('e'); sys.exit(6)"
    assert run(script, "ü", program=PYTHON) == CompletedRun(6, "ü\n".encode(), b"e")


def test_stdin_is_what_was_given_or_nothing() -> None:
    script = (
        "import os, sys; print(sys.stdin.read(), os.path.samestat(*map(os.stat, [0, os.devnull])))"
    )
    assert run(script, stdin=b"in", program=PYTHON).stdout == b"in False\n"
    assert run(script, stdin=b"", program=PYTHON).stdout == b" False\n"
    assert run(script, program=PYTHON).stdout == b" True\n"


def test_the_environment_is_bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-real")
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    seen = json.loads(run(script, env={"A": "1"}, program=PYTHON).stdout)
    assert (seen["A"], seen["LANG"], seen["HOME"]) == ("1", "C.UTF-8", os.environ["HOME"])
    assert "ANTHROPIC_API_KEY" not in seen


def test_a_program_that_does_not_end_is_killed() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run("import time; time.sleep(60)", program=PYTHON, timeout=0.3)


@posix
def test_a_terminal_has_its_size_on_all_three_streams() -> None:
    script = (
        "import os, sys; print([tuple(os.get_terminal_size(n)) for n in range(3)]); sys.exit(3)"
    )
    seen = run_in_pty(script, rows=10, columns=40, program=PYTHON)
    assert seen == PtyRun(3, b"[(40, 10), (40, 10), (40, 10)]\r\n")


@posix
def test_keys_are_pressed_when_their_prompt_is_shown() -> None:
    script = "print('got', input('name? '), input('age? '))"
    keys = [(b"name?", b"ann\r"), (b"age?", b"7\r")]
    assert run_in_pty(script, keys=keys, program=PYTHON).output.endswith(b"got ann 7\r\n")


@posix
def test_control_c_on_the_terminal_is_an_interrupt() -> None:
    script = (
        "import sys, time\n"
        "try:\n    print('ready', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt:\n    sys.exit(130)"
    )
    seen = run_in_pty(script, keys=[(b"ready", b"\x03")], program=PYTHON)
    assert (seen.code, seen.output.startswith(b"ready")) == (130, True)


@posix
def test_a_key_may_wait_for_its_time() -> None:
    script = "import time; start = time.time(); input(); print(time.time() - start > 0.05)"
    assert b"True" in run_in_pty(script, keys=[(0.4, b"\r")], program=PYTHON).output


@posix
def test_a_program_that_stays_on_the_terminal_is_killed_and_shown() -> None:
    script = "import time; print('stuck', flush=True); time.sleep(60)"
    with pytest.raises(TimeoutError, match="stuck"):
        run_in_pty(script, program=PYTHON, timeout=0.6)
