from __future__ import annotations

import errno
import io
import json
import os
import signal
import sys
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from deepreasoning_cli import keys
from deepreasoning_cli.cli.boundary import run_guarded, wants_json, write_stderr
from deepreasoning_cli.cli.typer_hooks import Boundary
from deepreasoning_cli.errors import (
    ConfigError,
    DeepReasoningError,
    IncompleteError,
    Interrupted,
    RefusedError,
    UnavailableError,
    UsageError,
    WriteError,
)

BUG = "hint: run it again with --debug and report what it prints: this is a bug\n"


def outcome(
    capsys: pytest.CaptureFixture[str], failure: BaseException, *words: str
) -> tuple[int, str, str]:
    def fail() -> None:
        raise failure

    code = run_guarded(fail, words)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (UsageError, 2),
        (ConfigError, 3),
        (RefusedError, 4),
        (UnavailableError, 5),
        (IncompleteError, 6),
        (WriteError, 7),
    ],
)
def test_each_failure_has_its_exit_code_and_its_two_lines(
    capsys: pytest.CaptureFixture[str], kind: type[DeepReasoningError], code: int
) -> None:
    failure = kind("it went wrong", stage="answer", hint="do this")
    assert outcome(capsys, failure) == (
        code,
        "",
        "error: answer: it went wrong\nhint: do this\n",
    )


def test_a_failure_without_stage_or_hint_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(capsys, UsageError("no")) == (2, "", "error: no\n")


@pytest.mark.parametrize("words", [("ask", "--json"), ("ask", "x", "--jsonl", "--", "y")])
def test_with_json_a_failure_is_one_line_of_json(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    failure = IncompleteError(
        "cut\nshort \x9b",
        stage="answer",
        kind="cut",
        status=529,
        request_id="req_1",
        hint="go on",
        resume="deepreasoning resume id1",
    )
    code, out, err = outcome(capsys, failure, *words)
    assert (code, out, err.count("\n"), "\x9b" in err) == (6, "", 1, False)
    assert json.loads(err) == {
        "error": {
            "stage": "answer",
            "kind": "cut",
            "message": "cut\nshort \x9b",
            "status": 529,
            "request_id": "req_1",
            "hint": "go on",
            "resume": "deepreasoning resume id1",
        }
    }


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], False),
        (["ask", "--json"], True),
        (["--jsonl", "ask"], True),
        (["ask", "--", "--json"], False),
        (["ask", "--json", "--", "x"], True),
        (["ask", "json"], False),
    ],
)
def test_json_is_asked_for_before_the_double_dash(words: list[str], wanted: bool) -> None:
    assert wants_json(words) is wanted


def test_words_from_outside_are_made_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    failure = RefusedError("a\nb\x1b]0;title\x07\u202e", hint="c\r\n\td\x9b")
    assert outcome(capsys, failure)[2] == "error: a b␛]0;title␇⟨U+202E⟩\nhint: c d⟨9B⟩\n"


def test_a_long_message_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    err = outcome(capsys, RefusedError("x" * 5000))[2]
    assert err == f"error: {'x' * 992}…\n" or len(err) < 1020


def test_an_unexpected_exception_is_a_bug_without_its_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert outcome(capsys, RuntimeError("secret"), "ask", "--", "--debug") == (
        1,
        "",
        f"error: unexpected RuntimeError\n{BUG}",
    )


def failing(secret: str) -> None:
    local = f"{secret} in a local"
    raise ValueError(f"header {secret!r} \x1b is wrong, {len(local)}")


@pytest.mark.parametrize("as_json", [False, True])
def test_debug_adds_a_traceback_without_locals_or_keys(
    capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    key = keys.validate_and_remember("canary", "sk-canary-0123456789abcdef", "a test")
    words = ["ask", "--debug", *(["--json"] if as_json else [])]
    code = run_guarded(lambda: failing(key.value), words)
    err = capsys.readouterr().err
    first, _, rest = err.partition("\n")
    assert code == 1
    assert (json.loads(first)["error"]["kind"] if as_json else first) == (
        "bug" if as_json else "error: unexpected ValueError"
    )
    assert "ValueError: header '[key]' ␛ is wrong, " in rest
    assert "in failing" in rest
    assert "Traceback (most recent call last):" in rest
    assert not [found for found in (key.value, key.value[:8], "\x1b") if found in err]


def test_debug_shows_what_caused_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    failure = RefusedError("no")
    failure.__cause__ = ValueError("the cause")
    err = outcome(capsys, failure, "--debug")[2]
    assert err.startswith("error: no\n")
    assert "ValueError: the cause" in err


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (KeyboardInterrupt(), 130),
        (Interrupted(signal.SIGTERM), 143),
        (Interrupted(1), 129),
        (BrokenPipeError(), 141),
    ],
)
def test_signals_and_closed_pipes_are_quiet(
    capsys: pytest.CaptureFixture[str], failure: BaseException, code: int
) -> None:
    assert outcome(capsys, failure) == (code, "", "")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_a_full_disk_is_a_write_error(capsys: pytest.CaptureFixture[str], number: int) -> None:
    failure = OSError(number, "No space left on device")
    assert outcome(capsys, failure) == (
        7,
        "",
        "error: cannot write: No space left on device\nhint: make room, try again\n",
    )


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.ENOTDIR])
def test_a_file_that_is_closed_is_named(capsys: pytest.CaptureFixture[str], number: int) -> None:
    failure = OSError(number, os.strerror(number), "/data/\x1bfile")
    assert outcome(capsys, failure) == (
        3,
        "",
        f"error: cannot use /data/␛file: {os.strerror(number)}\n"
        "hint: look whose it is, and who may read and write it\n",
    )


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "cannot open another file"),
        (OSError(errno.ENFILE, "Too many open files in system"), "cannot open another file"),
        (ImportError("libz.so: Too many open files"), "cannot open another file"),
        (MemoryError(), "out of memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "out of memory"),
        (ImportError("libssl.so.3: failed to map segment from shared object"), "out of memory"),
        (RuntimeError("can't start new thread"), "cannot start another thread"),
    ],
    ids=repr,
)
def test_what_the_system_has_no_more_of_is_no_bug(
    capsys: pytest.CaptureFixture[str], failure: Exception, told: str
) -> None:
    code, _, err = outcome(capsys, failure)
    error, hint = err.splitlines()
    assert (code, error.partition(": Too")[0]) == (3, f"error: {told}")
    assert hint.startswith("hint: close programs, or raise the limit: `ulimit -")


@pytest.mark.parametrize(
    "failure", [ImportError("no module named x"), RuntimeError("generator raised")], ids=repr
)
def test_what_only_looks_like_it_is_a_bug(
    capsys: pytest.CaptureFixture[str], failure: Exception
) -> None:
    code, _, err = outcome(capsys, failure)
    assert code == 1
    assert "this is a bug" in err


def test_any_other_fault_of_the_system_is_not_taken_for_a_full_disk(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, err = outcome(capsys, FileNotFoundError(2, "No such file", "x"))
    assert (code, err) == (1, f"error: unexpected FileNotFoundError\n{BUG}")


@pytest.mark.parametrize(("value", "code"), [(None, 0), (0, 0), (7, 7), ("text", 0)])
def test_what_an_action_returns_is_its_exit_code(value: Any, code: int) -> None:
    assert run_guarded(lambda: value, []) == code


class Refusing(io.StringIO):
    def __init__(self, exc: Exception) -> None:
        super().__init__()
        self.exc = exc

    def flush(self) -> None:
        raise self.exc


@pytest.mark.parametrize(
    ("exc", "code"),
    [(OSError(errno.ENOSPC, "No space left on device"), 7), (BrokenPipeError(), 141)],
)
def test_what_stdout_takes_no_more_is_noticed_at_the_end(
    monkeypatch: pytest.MonkeyPatch, exc: Exception, code: int
) -> None:
    monkeypatch.setattr(sys, "stdout", Refusing(exc))
    assert run_guarded(lambda: None, []) == code


@pytest.mark.parametrize("exc", [None, BrokenPipeError()])
def test_a_stdout_that_is_closed_is_no_failure_of_its_own(
    monkeypatch: pytest.MonkeyPatch, exc: Exception | None
) -> None:
    monkeypatch.setattr(sys, "stdout", None)

    def act() -> None:
        if exc:
            raise exc

    assert run_guarded(act, []) == (141 if exc else 0)


def test_a_closed_pipe_is_replaced_so_that_the_last_flush_is_quiet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import os

    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as stream:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", stream)

        def act() -> None:
            stream.write("x")
            stream.flush()

        assert run_guarded(act, []) == 141
        stream.flush()


@pytest.mark.parametrize(
    "stream", [None, Refusing(OSError(5, "EIO")), Refusing(ValueError("closed"))]
)
def test_a_closed_or_full_stderr_is_ignored(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    write_stderr("nobody reads this")
    assert run_guarded(_refuse, []) == 4


def _refuse() -> None:
    raise RefusedError("no")


app = typer.Typer(name="dr", cls=Boundary, add_completion=False)


@app.callback()
def options() -> None:
    """A program."""


@app.command()
def ask(count: Annotated[int, typer.Option("--count")] = 1) -> None:
    """Fail as asked."""
    match count:
        case 2:
            raise IncompleteError("cut", stage="answer", hint="go on")
        case 3:
            raise KeyboardInterrupt
        case 4:
            raise BrokenPipeError
        case 5:
            raise typer.Abort
        case 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        case 7:
            raise typer.Exit(9)
        case 8:
            raise Interrupted(15)
        case 9:
            raise RuntimeError
    typer.echo("done")


@pytest.mark.parametrize(
    ("words", "code", "out", "err"),
    [
        (["ask"], 0, "done\n", ""),
        (["ask", "--count", "2"], 6, "", "error: answer: cut\nhint: go on\n"),
        (["ask", "--count", "3"], 130, "", ""),
        (["ask", "--count", "4"], 141, "", ""),
        (["ask", "--count", "5"], 130, "", "\ncancelled\n"),
        (
            ["ask", "--count", "6"],
            7,
            "",
            "error: cannot write: No space left on device\nhint: make room, try again\n",
        ),
        (["ask", "--count", "7"], 9, "", ""),
        (["ask", "--count", "8"], 143, "", ""),
        (["ask", "--count", "9"], 1, "", f"error: unexpected RuntimeError\n{BUG}"),
        (["no"], 2, "", "error: there is no command 'no'\nhint: `dr --help` lists them\n"),
    ],
)
def test_a_command_ends_in_an_exit_code_and_plain_lines(
    words: list[str], code: int, out: str, err: str
) -> None:
    result = CliRunner().invoke(app, words, prog_name="dr")
    assert (result.exit_code, result.stdout, result.stderr) == (code, out, err)


def test_a_usage_error_is_a_harmless_line_and_a_hint() -> None:
    result = CliRunner().invoke(app, ["ask", "--bad\x1b\n\u202e"], prog_name="dr")
    error, hint, end = result.stderr.split("\n")
    assert (result.exit_code, hint, end) == (2, "hint: `dr ask --help` lists the options", "")
    assert error.startswith("error: there is no option --bad")
    assert error.isprintable()


def test_a_usage_error_is_json_where_json_was_asked_for() -> None:
    result = CliRunner().invoke(app, ["ask", "--count", "x", "--json"], prog_name="dr")
    facts = json.loads(result.stderr)["error"]
    assert (result.exit_code, facts["kind"]) == (2, "usage")
    assert facts["message"] == "there is no option --json"


def test_without_words_the_arguments_of_the_process_are_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["dr", "ask", "--count", "2"])
    with pytest.raises(SystemExit) as ending:
        app()
    assert (ending.value.code, capsys.readouterr().err) == (
        6,
        "error: answer: cut\nhint: go on\n",
    )
