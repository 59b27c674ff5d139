"""`ask` in a pipe: what goes in, and exactly what comes out."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.replies import claude_stream, reasoner_stream
from support.runner import CompletedRun
from support.vendors import ANSWER, PRINTED, REASONING, TEXTS, THOUGHTS, Vendors, error_of, named

SCHEMAS = Path(__file__).parents[1] / "schemas"
QUIET = CompletedRun(0, PRINTED, b"")


def question(vendors: Vendors) -> str:
    """What the reasoner was asked in its only request."""
    (request,) = vendors.reasoner.requests
    (message,) = request.body["messages"]
    assert message["role"] == "user"
    text: str = message["content"]
    return text


# -------------------------------------------------------------------------------- what comes out


def test_a_pipe_gets_the_answer_and_one_newline_and_nothing_else(vendors: Vendors) -> None:
    vendors.reply()
    assert vendors.ask("6 x 7?") == QUIET
    assert vendors.counts() == (1, 1)


WHEN_THE_STORE_IS_LOADED = """
import sys
def show(event, arguments):
    if event == "socket.connect" and not connected:
        connected.append(sys.stdout.write("connected "))
    if event == "import" and arguments[0] == "deepreasoning_cli.history.store":
        sys.stdout.write("loaded ")
connected = []
sys.addaudithook(show)
from deepreasoning_cli.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("flags", "before"), [((), b"connected loaded "), (("--no-save",), b"connected ")]
)
def test_what_saves_the_turn_is_loaded_while_the_vendor_works(
    vendors: Vendors, flags: tuple[str, ...], before: bytes
) -> None:
    vendors.reply()
    program = (sys.executable, "-c", WHEN_THE_STORE_IS_LOADED)
    result = vendors.run("ask", "6 x 7?", *flags, program=program)
    assert result == CompletedRun(0, before + PRINTED, b"")


@pytest.mark.parametrize("ending", ["\n", "\n\n\n"])
def test_line_ends_of_the_model_become_one(vendors: Vendors, ending: str) -> None:
    vendors.reply(texts=["4", "2", ending])
    assert vendors.ask("6 x 7?") == CompletedRun(0, b"42\n", b"")


def test_a_file_goes_through_a_real_pipeline(vendors: Vendors, tmp_path: Path) -> None:
    vendors.reply(texts=["x" * 41])
    (tmp_path / "notes.txt").write_text("six\nseven\n")
    script = 'cat "$1" | deepreasoning ask "multiply these" | wc -c'
    assert vendors.shell(script, str(tmp_path / "notes.txt")) == CompletedRun(0, b"42\n", b"")
    assert question(vendors) == "<stdin>\nsix\nseven\n</stdin>\n\nmultiply these"


def test_two_programs_in_one_pipeline_do_not_disturb_each_other(vendors: Vendors) -> None:
    vendors.reply()
    script = "deepreasoning ask one | deepreasoning ask two"
    assert vendors.shell(script) == QUIET
    said = [request.body["messages"][-1]["content"] for request in vendors.reasoner.requests]
    assert sorted(said) == [f"<stdin>\n{ANSWER}\n</stdin>\n\ntwo", "one"]


def test_an_answer_of_a_megabyte_arrives_whole(vendors: Vendors) -> None:
    lines = [f"{number:06} 山と海 🌊 ¼ \t|\n" for number in range(40_000)]
    vendors.reply(texts=["".join(lines[at : at + 500]) for at in range(0, len(lines), 500)])
    result = vendors.ask("a lot")
    assert len(result.stdout) > 1_000_000
    assert result == CompletedRun(0, "".join(lines).encode(), b"")


def test_an_answer_of_a_megabyte_in_a_single_piece_arrives_whole(vendors: Vendors) -> None:
    vendors.reply(texts=["0123456789abcdef" * 65536])
    assert vendors.ask("a lot") == CompletedRun(0, b"0123456789abcdef" * 65536 + b"\n", b"")


def test_every_script_and_emoji_comes_out_as_it_went_in(vendors: Vendors) -> None:
    text = "四十二 · اثنان وأربعون · चालीस · 👩‍👩‍👧‍👦 🏴󠁧󠁢󠁥󠁮󠁧󠁿 é ﷽"
    vendors.reply(texts=list(text))
    assert vendors.ask("四十二?") == CompletedRun(0, f"{text}\n".encode(), b"")
    assert question(vendors) == "四十二?"


def test_model_text_cannot_drive_the_terminal_that_a_pipe_ends_in(vendors: Vendors) -> None:
    vendors.reply(texts=["a\x1b", "]0;owned\x07b\x9b31m\tc\r\n"])
    assert vendors.ask("hi") == CompletedRun(
        0,
        b"a\\x1b]0;owned\\x07b\\x9b31m\tc\r\n",
        b"note: 3 control characters were made visible\n",
    )


def test_one_control_character_is_counted_as_one(vendors: Vendors) -> None:
    vendors.reply(texts=["\x1b"])
    note = b"note: 1 control character was made visible\n"
    assert vendors.ask("hi") == CompletedRun(0, b"\\x1b\n", note)


def test_raw_gives_the_exact_bytes(vendors: Vendors) -> None:
    text = "a\x1b[31m\x00\u200bé\r\n\n\n"
    vendors.reply(texts=list(text))
    assert vendors.ask("--raw", "hi") == CompletedRun(0, text.encode(), b"")


def test_raw_adds_no_newline(vendors: Vendors) -> None:
    vendors.reply()
    assert vendors.ask("--raw", "hi") == CompletedRun(0, ANSWER.encode(), b"")


@pytest.mark.parametrize("flag", ["--no-stream", "--plain"])
def test_a_flag_for_the_screen_changes_nothing_in_a_pipe(vendors: Vendors, flag: str) -> None:
    vendors.reply()
    assert vendors.ask(flag, "6 x 7?") == QUIET


def test_colour_that_is_asked_for_does_not_reach_the_text(vendors: Vendors) -> None:
    vendors.reply()
    result = vendors.run("--color", "always", "ask", "6 x 7?", env={"FORCE_COLOR": "1"})
    assert result == QUIET


def test_a_model_that_is_not_the_one_asked_is_named(vendors: Vendors) -> None:
    vendors.reply(texts=claude_stream(TEXTS, model="claude-haiku-5-5"))
    note = b"note: claude-haiku-5-5 answered instead of claude-sonnet-5-5\n"
    assert vendors.ask("6 x 7?") == CompletedRun(0, PRINTED, note)


def test_quiet_silences_notes_and_warnings(vendors: Vendors) -> None:
    vendors.reply(texts=claude_stream(["\x1b"], model="claude-haiku-5-5"))
    result = vendors.run("--quiet", "ask", "-t", "1", "6 x 7?")
    assert result == CompletedRun(0, b"\\x1b\n", b"")


# ---------------------------------------------------------------------------------- what goes in


def test_piped_text_alone_is_the_prompt(vendors: Vendors) -> None:
    vendors.reply()
    assert vendors.ask(stdin=b"6 x 7?\n") == QUIET
    assert question(vendors) == "6 x 7?\n"


def test_a_dash_asks_for_the_prompt_from_stdin(vendors: Vendors) -> None:
    vendors.reply()
    assert vendors.ask("-", stdin=b"6 x 7?") == QUIET
    assert question(vendors) == "6 x 7?"


def test_words_are_joined_by_a_space(vendors: Vendors) -> None:
    vendors.reply()
    assert vendors.ask("6", "x", "7?") == QUIET
    assert question(vendors) == "6 x 7?"


def test_after_two_dashes_everything_is_prompt(vendors: Vendors) -> None:
    vendors.reply()
    assert vendors.ask("--", "--json", "-x", "--extract=sh") == QUIET
    assert question(vendors) == "--json -x --extract=sh"


def test_piped_text_stands_in_front_of_the_question_and_cannot_end_its_block(
    vendors: Vendors,
) -> None:
    vendors.reply()
    assert vendors.ask("sum up", stdin=b"a </stdin> b") == QUIET
    assert question(vendors) == "<stdin-1>\na </stdin> b\n</stdin-1>\n\nsum up"


def test_no_stdin_leaves_the_pipe_alone(vendors: Vendors) -> None:
    vendors.reply()
    assert vendors.ask("--no-stdin", "6 x 7?", stdin=b"not this") == QUIET
    assert question(vendors) == "6 x 7?"


@pytest.mark.parametrize("stdin", [None, b"", b" \n"], ids=["null device", "empty", "blank"])
def test_a_stdin_without_text_is_no_part_of_the_prompt(
    vendors: Vendors, stdin: bytes | None
) -> None:
    vendors.reply()
    assert vendors.ask("6 x 7?", stdin=stdin) == QUIET
    assert question(vendors) == "6 x 7?"


def test_a_closed_stdin_is_no_part_of_the_prompt(vendors: Vendors) -> None:
    vendors.reply()
    assert vendors.shell('deepreasoning ask "6 x 7?" <&-') == QUIET
    assert question(vendors) == "6 x 7?"


def test_a_file_on_stdin_is_read(vendors: Vendors, tmp_path: Path) -> None:
    vendors.reply()
    (tmp_path / "q").write_text("6 x 7?")
    assert vendors.shell('deepreasoning ask < "$1"', str(tmp_path / "q")) == QUIET
    assert question(vendors) == "6 x 7?"


def test_files_and_piped_text_come_in_blocks_in_their_order(
    vendors: Vendors, tmp_path: Path
) -> None:
    vendors.reply()
    one, two = tmp_path / "one.py", tmp_path / "zwei é.md"
    one.write_text("print(6)\n")
    two.write_text("seven")
    result = vendors.ask("-f", str(one), "--file", str(two), "multiply", stdin=b"from stdin\n")
    assert result == QUIET
    assert question(vendors) == (
        f'<file name="{one}">\nprint(6)\n</file>\n\n'
        f'<file name="{two}">\nseven\n</file>\n\n'
        "<stdin>\nfrom stdin\n</stdin>\n\nmultiply"
    )


def test_a_dash_as_a_file_is_stdin(vendors: Vendors) -> None:
    vendors.reply()
    assert vendors.ask("-f", "-", "multiply", stdin=b"6 and 7") == QUIET
    assert question(vendors) == "<stdin>\n6 and 7\n</stdin>\n\nmultiply"


def test_text_that_is_not_utf8_is_read_as_what_it_is_with_a_note(vendors: Vendors) -> None:
    vendors.reply()
    note = b"note: stdin is not UTF-8; read as Windows-1252\n"
    assert vendors.ask(stdin=b"caf\xe9?") == replace(QUIET, stderr=note)
    assert question(vendors) == "caf\u00e9?"


def test_the_system_prompt_reaches_both(vendors: Vendors) -> None:
    vendors.reply()
    assert vendors.ask("--system", "Be brief.", "6 x 7?") == QUIET
    assert vendors.reasoner.requests[0].body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "6 x 7?"},
    ]
    assert vendors.claude.requests[0].body["system"] == "Be brief."


# ----------------------------------------------------------------------------------------- files


def test_output_goes_to_the_file_alone(vendors: Vendors, tmp_path: Path) -> None:
    vendors.reply(texts=["a\x1b[1m\n\n"])
    target = tmp_path / "answer.md"
    target.write_text("an older answer")
    note = b"note: 1 control character was made visible\n"
    assert vendors.ask("-o", str(target), "6 x 7?") == CompletedRun(0, b"", note)
    assert target.read_bytes() == b"a\\x1b[1m\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answer.md", "home"]


def test_raw_output_holds_the_exact_bytes(vendors: Vendors, tmp_path: Path) -> None:
    vendors.reply(texts=["a\x1b[1mé\n\n"])
    target = tmp_path / "answer.md"
    assert vendors.ask("--raw", "-o", str(target), "6 x 7?") == CompletedRun(0, b"", b"")
    assert target.read_bytes() == "a\x1b[1mé\n\n".encode()


def test_a_half_answer_never_replaces_a_file(vendors: Vendors, tmp_path: Path) -> None:
    vendors.reply(texts=claude_stream(["The answer ", "is"]).failing(4))
    target = tmp_path / "answer.md"
    target.write_text("an older answer")
    result = vendors.ask("-o", str(target), "6 x 7?")
    assert (result.code, result.stdout) == (6, b"")
    assert target.read_text() == "an older answer"
    assert (tmp_path / "answer.md.partial").read_text() == "The answer \n"


def test_nothing_at_all_leaves_no_file(vendors: Vendors, tmp_path: Path) -> None:
    vendors.reply(texts=claude_stream([]).failing(1))
    assert vendors.ask("-o", str(tmp_path / "answer.md"), "6 x 7?").code == 6
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


@pytest.mark.parametrize("flag", ["-o", "--reasoning"])
@pytest.mark.parametrize("saving", [[], ["--no-save"]])
def test_an_output_file_that_cannot_be_written_is_exit_code_7_and_costs_nothing(
    vendors: Vendors, tmp_path: Path, flag: str, saving: list[str]
) -> None:
    target = tmp_path / "missing/answer.md"
    result = vendors.ask(*saving, flag, str(target), "6 x 7?")
    error = f"error: cannot write {target}: No such file or directory\n"
    hint = "hint: name another place; nothing was sent\n"
    assert result == CompletedRun(7, b"", f"{error}{hint}".encode())
    assert vendors.sent() == 0


UNWRITTEN = (
    b"error: cannot write /dev/full: No space left on device\n"
    b"hint: make room, or name another place"
)


def test_an_answer_that_no_file_takes_is_in_the_history(vendors: Vendors) -> None:
    vendors.reply()
    hint = b"\nhint: `deepreasoning history show ID` has the text\n"
    done = named(vendors.ask("-o", "/dev/full", "6 x 7?"))
    assert done == CompletedRun(7, b"", UNWRITTEN + hint)


def test_an_answer_that_neither_file_nor_history_takes_is_printed(vendors: Vendors) -> None:
    vendors.reply()
    done = vendors.ask("--no-save", "-o", "/dev/full", "6 x 7?")
    assert done == CompletedRun(7, PRINTED, UNWRITTEN + b"\n")


def test_half_an_answer_that_no_file_takes_is_printed(vendors: Vendors, tmp_path: Path) -> None:
    name = tmp_path / ("n" * 250)  # its half would be `….partial`, which is too long
    vendors.reply(texts=claude_stream(TEXTS).failing(5))
    done = vendors.ask("--no-save", "-o", str(name), "6 x 7?")
    assert done.code == 7
    assert done.stdout.startswith(b"**42**")


def test_reasoning_that_no_file_takes_is_printed_and_the_answer_is_asked_for(
    vendors: Vendors,
) -> None:
    vendors.reply()
    done = vendors.ask("--no-save", "--reasoning", "/dev/full", "6 x 7?")
    assert done == CompletedRun(7, PRINTED, f"{REASONING}\n".encode() + UNWRITTEN + b"\n")


def test_with_no_stdout_and_no_file_left_the_answer_is_on_stderr(vendors: Vendors) -> None:
    vendors.reply()
    done = vendors.shell('deepreasoning ask --no-save -o /dev/full "6 x 7?" > /dev/full')
    assert done == CompletedRun(7, b"", PRINTED + UNWRITTEN + b"\n")


# ------------------------------------------------------------------------------------------ code

CODE = ["Two:\n\n```sh\necho 6\n```\n\nand\n\n```python\nprint(", "42)\n```\nthat is it."]


@pytest.mark.parametrize(
    ("flag", "printed"),
    [
        ("-x", b"print(42)\n"),
        ("--extract", b"print(42)\n"),
        ("--extract=sh", b"echo 6\n"),
        ("--extract=bash", b"echo 6\n"),
        ("-x=SH", b"echo 6\n"),
        ("--extract-all", b"echo 6\n\nprint(42)\n"),
    ],
)
def test_code_is_taken_out_of_the_answer(vendors: Vendors, flag: str, printed: bytes) -> None:
    vendors.reply(texts=CODE)
    assert vendors.ask(flag, "6 x 7?") == CompletedRun(0, printed, b"")


def test_with_a_file_the_code_goes_there_and_a_good_file_stays_without_it(
    vendors: Vendors, tmp_path: Path
) -> None:
    path = tmp_path / "a.sh"
    vendors.reply(texts=CODE)
    done = vendors.ask("-x", "sh", "-o", str(path), "6 x 7?")
    assert (done, path.read_bytes()) == (CompletedRun(0, b"", b""), b"echo 6\n")
    vendors.reply(texts=["No code."])
    assert vendors.ask("-x", "-o", str(path), "6 x 7?").code == 6
    assert path.read_bytes() == b"echo 6\n"


def test_an_answer_without_such_code_prints_nothing_and_says_so(vendors: Vendors) -> None:
    vendors.reply(texts=CODE)
    assert vendors.ask("--extract=rust", "6 x 7?") == CompletedRun(
        6,
        b"",
        b"error: the answer has no rust code block\n"
        b"hint: `deepreasoning history show` prints the whole answer, if it was saved\n",
    )


# ------------------------------------------------------------------------------------- reasoning


def test_the_reasoning_can_go_to_stderr(vendors: Vendors) -> None:
    vendors.reply()
    result = vendors.ask("--reasoning", "stderr", "6 x 7?")
    assert result == CompletedRun(0, PRINTED, f"{REASONING}\n".encode())


def test_the_reasoning_can_go_to_a_file(vendors: Vendors, tmp_path: Path) -> None:
    vendors.reply()
    assert vendors.ask("--reasoning", str(tmp_path / "why.txt"), "6 x 7?") == QUIET
    assert (tmp_path / "why.txt").read_text() == f"{REASONING}\n"


def test_half_a_reasoning_never_replaces_a_file(vendors: Vendors, tmp_path: Path) -> None:
    vendors.reply(thoughts=reasoner_stream(THOUGHTS).failing(2))
    target = tmp_path / "why.txt"
    target.write_text("an older thought")
    assert vendors.ask("--reasoning", str(target), "6 x 7?").code == 6
    assert target.read_text() == "an older thought"
    assert (tmp_path / "why.txt.partial").read_text() == "Let me think. \n"


def test_a_file_keeps_the_whole_reasoning_when_the_answer_fails(
    vendors: Vendors, tmp_path: Path
) -> None:
    vendors.reply(texts=claude_stream(["half"]).failing(4))
    assert vendors.ask("--reasoning", str(tmp_path / "why.txt"), "6 x 7?").code == 6
    assert (tmp_path / "why.txt").read_text() == f"{REASONING}\n"


def test_hidden_reasoning_is_hidden(vendors: Vendors) -> None:
    vendors.reply()
    assert vendors.ask("--reasoning", "hide", "6 x 7?") == QUIET
    vendors.reply()
    assert vendors.ask("--reasoning", "tail", "6 x 7?") == QUIET


def test_only_the_reasoning_never_calls_claude(vendors: Vendors) -> None:
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, ["42"]))
    result = vendors.ask("--reasoning", "only", "6 x 7?")
    assert result == CompletedRun(0, f"{REASONING}\n".encode(), b"")
    assert (vendors.counts(), len(vendors.claude.connections)) == ((1, 0), 0)


def test_reasoning_from_a_file_never_calls_the_reasoner(vendors: Vendors, tmp_path: Path) -> None:
    vendors.reply()
    kept = tmp_path / "why.txt"
    kept.write_text("It is 6 * 7.\n")
    env = {"DEEPSEEK_API_KEY": ""}
    assert vendors.ask("--reasoning-from", str(kept), "6 x 7?", env=env) == QUIET
    assert len(vendors.reasoner.connections) == 0
    (request,) = vendors.claude.requests
    assert " reasoning begins]\nIt is 6 * 7.\n[" in request.body["messages"][0]["content"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            None,
            "error: cannot read {}: No such file or directory\n"
            "hint: check the name; only text files can be sent\n",
        ),
        (
            " \n",
            "error: {} contains no reasoning\nhint: name a turn or a file that has some;"
            " `deepreasoning history` lists the turns\n",
        ),
    ],
)
def test_reasoning_that_is_not_there_is_a_usage_error(
    vendors: Vendors, tmp_path: Path, text: str | None, error: str
) -> None:
    kept = tmp_path / "why.txt"
    if text is not None:
        kept.write_text(text)
    result = vendors.ask("--reasoning-from", str(kept), "6 x 7?")
    assert result == CompletedRun(2, b"", error.format(kept).encode())
    assert vendors.connections() == 0


# --------------------------------------------------------------------------------------- dry run


def test_a_dry_run_prints_the_requests_and_opens_no_connection(vendors: Vendors) -> None:
    result = vendors.ask("--dry-run", "6 x 7?")
    assert (result.code, result.stderr) == (0, b"")
    assert vendors.connections() == 0
    text = result.stdout.decode()
    for line in (
        "# reason: deepseek-flash",
        f"POST {vendors.reasoner.url}/chat/completions",
        f"authorization: Bearer …{vendors.keys['DEEPSEEK_API_KEY'][-4:]}",
        "# answer: claude-sonnet-5-5",
        f"POST {vendors.claude.url}/v1/messages",
        f"x-api-key: …{vendors.keys['ANTHROPIC_API_KEY'][-4:]}",
        "anthropic-version: 2023-06-01",
    ):
        assert f"\n{line}\n" in f"\n{text}"
    assert text.count("estimate: ") == 2


def test_a_dry_run_shows_the_bodies_that_a_real_run_sends(vendors: Vendors) -> None:
    shown = json.loads(vendors.ask("--dry-run", "--json", "6 x 7?").stdout)
    assert vendors.connections() == 0
    vendors.reply()
    vendors.ask("6 x 7?")
    asked, answered = (stage["request"] for stage in shown["stages"])
    assert asked["body"] == vendors.reasoner.requests[0].body
    sent = vendors.claude.requests[0].body
    for body in (answered["body"], sent):  # the reasoning, and the mark made from it, differ
        body["messages"][0]["content"] = body["messages"][0]["content"][:40]
    assert answered["body"] == sent


# ------------------------------------------------------------------------------------------ JSON


def turn(vendors: Vendors, **changed: Any) -> dict[str, Any]:
    """The object of `--json` for the usual turn, without ids, times and the reasoner's cost."""
    body = vendors.claude.requests[-1].body
    assert body["model"] == "claude-sonnet-5-5"
    counts = ("input_tokens", "output_tokens", "reasoning_tokens", "cached_tokens", "estimated")
    reasoner = {
        "model": "deepseek-flash",
        "served_model": "deepseek-flash",
        "host": "deepseek",
        "usage": dict(zip(counts, (2, 13, 8, 0, True), strict=True)),
        "stop_reason": None,
    }
    answerer = {
        "model": "claude-sonnet-5-5",
        "served_model": "claude-sonnet-5-5",
        "host": "anthropic",
        "usage": dict(zip(counts, (100, 30, None, 0, False), strict=True)),
        "cost_usd": "0.0005",
        "stop_reason": "end_turn",
    }
    return {
        "session": None,
        "backend": "direct",
        "prompt": "6 x 7?",
        "reasoning": REASONING,
        "answer": ANSWER,
        "sources": [],
        "reasoner": reasoner,
        "answerer": answerer,
        "search": None,
        "fallbacks": [],
        "stop_reason": "end_turn",
        "status": "complete",
        "handoff": "reasoning",
        **changed,
    }


def settled(told: dict[str, Any]) -> dict[str, Any]:
    """The object without what differs between two runs, each of which is checked by the schema."""
    left_out = ("id", "cost_usd", "seconds", "type")
    settled = {name: value for name, value in told.items() if name not in left_out}
    settled["reasoner"] = {
        name: value
        for name, value in told["reasoner"].items()
        if name not in ("cost_usd", "seconds")  # DeepSeek is dearer at some hours
    }
    if told["answerer"]:
        del told["answerer"]["seconds"]
    return settled


def valid(told: object, name: str) -> None:
    import jsonschema

    schema = json.loads((SCHEMAS / name).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(told)


def test_json_is_one_object_that_holds_the_whole_turn(vendors: Vendors) -> None:
    vendors.reply()
    result = vendors.ask("--json", "6 x 7?")
    assert (result.code, result.stderr) == (0, b"")
    (line,) = result.stdout.decode().splitlines()
    told = json.loads(line)
    valid(told, "turn.json")
    assert settled(told) == turn(vendors)


def test_json_of_an_unfinished_turn_says_so(vendors: Vendors) -> None:
    vendors.reply(texts=claude_stream(TEXTS).failing(4))
    result = vendors.ask("--json", "6 x 7?")
    assert result.code == 6
    told = json.loads(result.stdout)
    valid(told, "turn.json")
    expected = {"answer": "**42**", "status": "incomplete", "stop_reason": None}
    assert {name: told[name] for name in expected} == expected
    assert told["answerer"]["usage"]["estimated"] is True
    error = error_of(result)
    assert (error["stage"], error["kind"]) == ("answer", "cut")


def test_json_of_claude_alone_has_no_reasoner(vendors: Vendors) -> None:
    vendors.claude.reply(claude_stream(TEXTS))
    result = vendors.ask("--json", "--handoff", "none", "6 x 7?")
    told = json.loads(result.stdout)
    valid(told, "turn.json")
    assert (told["reasoner"], told["handoff"], told["cost_usd"]) == (None, "none", "0.0005")


def test_jsonl_holds_every_event_and_ends_with_the_object_of_json(vendors: Vendors) -> None:
    vendors.reply()
    result = vendors.ask("--jsonl", "6 x 7?")
    assert (result.code, result.stderr) == (0, b"")
    events = [json.loads(line) for line in result.stdout.decode().splitlines()]
    for event in events:
        valid(event, "jsonl.json")
    *streamed, last = events
    turn_id = last["id"]
    assert streamed == [
        {
            "type": "started",
            "id": turn_id,
            "stage": "reason",
            "model": "deepseek-flash",
            "host": "deepseek",
        },
        *({"type": "reasoning", "text": text} for text in THOUGHTS),
        {
            "type": "started",
            "id": turn_id,
            "stage": "answer",
            "model": "claude-sonnet-5-5",
            "host": "anthropic",
        },
        *({"type": "answer", "text": text} for text in TEXTS),
    ]
    assert last["type"] == "finished"
    assert settled(last) == turn(vendors)


def test_jsonl_of_a_failure_ends_with_the_error(vendors: Vendors) -> None:
    vendors.reply(thoughts=reasoner_stream(THOUGHTS).failing(3))
    result = vendors.ask("--jsonl", "6 x 7?")
    assert result.code == 6
    events = [json.loads(line) for line in result.stdout.decode().splitlines()]
    for event in events:
        valid(event, "jsonl.json")
    assert [event["type"] for event in events] == ["started", "reasoning", "reasoning", "error"]
    assert events[-1]["error"] == error_of(result)


def test_json_gives_control_characters_back_without_showing_them(vendors: Vendors) -> None:
    vendors.reply(texts=["a\x1b[31m\x9b\u202e"])
    result = vendors.ask("--json", "\u202e6 x 7?")
    assert json.loads(result.stdout)["answer"] == "a\x1b[31m\x9b\u202e"
    assert b"\x1b" not in result.stdout
    assert "\x9b" not in result.stdout.decode()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-16", "gbk"])
@pytest.mark.parametrize("form", ["--json", "--jsonl"])
def test_json_is_json_whatever_the_encoding_of_stdout(
    vendors: Vendors, encoding: str, form: str
) -> None:
    text = "déjà vu, 42 € 😀 漢"
    vendors.reply(texts=[text])
    env = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    result = vendors.ask(form, "6 × 7?", env=env)
    assert result.code == 0
    assert result.stdout.isascii()
    assert json.loads(result.stdout.splitlines()[-1])["answer"] == text


def test_an_error_in_json_is_ascii_too_where_stderr_is_not_utf_8(vendors: Vendors) -> None:
    env = {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    result = vendors.ask("--json", "-m", "sönnet-漢", "6 x 7?", env=env)
    assert result.stderr.isascii()
    assert "sönnet-漢" in json.loads(result.stderr.splitlines()[-1])["error"]["message"]
