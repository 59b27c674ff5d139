"""`deepreasoning history`, against a real store."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Sequence
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import validate
from typer.testing import CliRunner, Result

from deepreasoning_cli.cli.app import app
from deepreasoning_cli.cli.history.export import html
from deepreasoning_cli.history.journal_format import event_line
from deepreasoning_cli.pipeline.events import (
    Event,
    Source,
    Sources,
    ToolArguments,
    ToolCallStarted,
)
from deepreasoning_cli.pipeline.record import TurnRecord
from support.runner import PROGRAM, PtyRun, run, run_in_pty
from support.sample_turns import (
    WHEN,
    answer_events,
    open_store,
    reason_events,
    record_of,
    turn_events,
    turn_started,
)
from support.screen import foreign

TURN = json.loads((Path(__file__).parents[1] / "schemas/turn.json").read_text())
ROW = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "session": {"type": ["string", "null"]},
        "started": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT[\d:.]+\+00:00$"},
        "status": {"enum": ["complete", "incomplete"]},
        "prompt": {"type": "string"},
        "model": {"type": ["string", "null"]},
        "cost_usd": {"type": ["string", "null"], "pattern": r"^\d+(\.\d+)?$"},
    },
    "additionalProperties": False,
    "required": ["id", "session", "started", "status", "prompt", "model", "cost_usd"],
}
HOSTILE = "\x1b]52;c;cm0=\x07 \x9b2J \u202e</pre><script>alert(1)</script> [red]&amp;\x00\ud800"
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
posix_only = pytest.mark.skipif(os.name != "posix", reason="needs a pty")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    monkeypatch.setenv("DEEPREASONING_DATA_DIR", str(folder))
    return folder


def history(*words: str) -> Result:
    return CliRunner().invoke(app, ["history", *words])


def outcome(*words: str) -> tuple[int, str, str]:
    result = history(*words)
    return result.exit_code, result.stdout, result.stderr


def parsed(*words: str) -> Any:
    result = history(*words, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout)


def keep(folder: Path, events: Sequence[Event], began: datetime = WHEN) -> TurnRecord:
    record = record_of(events)
    with open_store(folder) as store:
        store.save(record, began=began)
    return record


def cut(turn: str, session: str | None = None) -> list[Event]:
    """A turn that ended before the answer's first word."""
    return [turn_started(turn, "And then?", session), *reason_events()][:-1]


@pytest.fixture
def three(data: Path) -> Path:
    """alpha1 and alpha2 of the session `talk`, the second without an answer; then beta1."""
    keep(data, turn_events("alpha1", "talk"), WHEN - timedelta(days=40))
    record = record_of(cut("alpha2", "talk"), failure=KeyboardInterrupt())
    with open_store(data) as store:
        store.save(record, began=WHEN - timedelta(days=10))
    keep(
        data, [turn_started("beta1", "Why  is\nthe sky blue?"), *answer_events(["Rayleigh.\n\n\n"])]
    )
    return data


def ids(*words: str) -> list[str]:
    return [row["id"] for row in parsed(*words)]


def left_behind(folder: Path, turn: str, events: Sequence[Event]) -> Path:
    """The journal of a process that died after these events."""
    path = folder / "journal" / f"{turn}.jsonl"
    path.parent.mkdir(0o700, parents=True, exist_ok=True)
    texts = [event_line(events[0], 0.0, WHEN), *(event_line(event, 0.5) for event in events[1:])]
    path.write_bytes(b"".join(texts))
    return path


# list


def test_the_list_is_newest_first_a_line_for_each_turn(three: Path) -> None:
    when = [WHEN, WHEN - timedelta(days=10), WHEN - timedelta(days=40)]
    minutes = [f"{each.astimezone():%Y-%m-%d %H:%M}" for each in when]
    assert outcome("list") == (
        0,
        "id      when              status      session  model            "
        "    cost  prompt\n"
        f"beta1   {minutes[0]}                       claude-sonnet-5  "
        "<$0.0001  Why is the sky blue?\n"
        f"alpha2  {minutes[1]}  incomplete  talk     deepseek-v4-pro  "
        "<$0.0001  And then?\n"
        f"alpha1  {minutes[2]}              talk     claude-sonnet-5  "
        "<$0.0001  What is 6×7?\n",
        "",
    )


def test_history_alone_is_the_list(three: Path) -> None:
    assert outcome() == outcome("list")
    assert outcome("-n", "1", "--json") == outcome("list", "-n", "1", "--json")


def test_flags_of_the_list_before_another_command_are_refused(three: Path) -> None:
    assert outcome("--limit", "1", "show", "last") == (
        2,
        "",
        "error: options of the list cannot be used with `show`\n"
        "hint: see `deepreasoning history show --help`\n",
    )


def test_the_list_as_json_has_the_shape_of_the_contract(three: Path) -> None:
    rows = parsed("list")
    validate(rows, {"type": "array", "items": ROW})
    assert rows[2] == {
        "id": "alpha1",
        "session": "talk",
        "started": (WHEN - timedelta(days=40)).isoformat(timespec="milliseconds"),
        "status": "complete",
        "prompt": "What is 6×7?",
        "model": "claude-sonnet-5",
        "cost_usd": "0.00002015",
    }


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["beta1", "alpha2", "alpha1"]),
        (["--session", "talk"], ["alpha2", "alpha1"]),
        (["--model", "sonnet"], ["beta1", "alpha1"]),
        (["--status", "incomplete"], ["alpha2"]),
        (["--status", "complete", "-n", "1"], ["beta1"]),
        (["--since", f"{WHEN - timedelta(days=11):%Y-%m-%d}"], ["beta1", "alpha2"]),
        (["--since", "0h"], []),
        (["--limit", "2"], ["beta1", "alpha2"]),
    ],
)
def test_the_list_is_filtered(three: Path, words: list[str], expected: list[str]) -> None:
    assert ids("list", *words) == expected


def test_an_empty_history_lists_nothing_and_says_so(data: Path) -> None:
    assert outcome("list") == (0, "", "note: the history is empty\n")
    assert outcome("list", "--json") == (0, "[]\n", "")
    assert CliRunner().invoke(app, ["-q", "history"]).stderr == ""


def test_a_filter_that_nothing_fits_says_so(three: Path) -> None:
    assert outcome("list", "--model", "gpt") == (0, "", "note: no matching turns\n")


def test_an_unknown_session_is_named_with_the_nearest(three: Path) -> None:
    message = "error: there is no session 'tlak'\nhint: did you mean talk?\n"
    assert outcome("list", "--session", "tlak") == (2, "", message)


# show


def test_a_pipe_gets_the_bare_answer(three: Path) -> None:
    assert outcome("show", "beta1") == (0, "Rayleigh.\n", "")
    assert outcome("show", "last") == outcome("show", "be")


def test_the_reasoning_stands_above_a_line(three: Path) -> None:
    text = "First, what is asked? Six sevens.\n---\nForty-two.\n"
    assert outcome("show", "alpha1", "--reasoning") == (0, text, "")


def test_a_turn_without_an_answer_says_how_to_finish_it(three: Path) -> None:
    note = (
        "note: turn alpha2 has no answer:"
        " `deepreasoning resume alpha2` continues from what is kept\n"
    )
    assert outcome("show", "alpha2") == (0, "", note)


def test_in_a_pipe_the_calls_of_an_answer_are_notes(data: Path) -> None:
    first, last = answer_events([])
    call = ToolCallStarted("toolu_1", "bash")
    keep(data, [turn_started(), first, call, ToolArguments('{"command":\n"ls\x1b"}'), last])
    note = 'note: the answer calls bash({"command": "ls␛"})\n'
    assert outcome("show") == (0, "", note)


def test_a_turn_as_json_is_the_object_of_ask(three: Path) -> None:
    turn = parsed("show", "alpha1")
    validate(turn, TURN)
    assert (turn["id"], turn["answer"]) == ("alpha1", "Forty-two.")
    assert turn["sources"] == [{"title": "Tables", "url": "https://example.org/7"}]


def test_unknown_and_ambiguous_turns_are_usage_errors(three: Path, data: Path) -> None:
    unknown = "error: there is no turn 'beta2'\nhint: `deepreasoning history` lists the turns\n"
    assert outcome("show", "beta2") == (2, "", unknown)
    code, _, stderr = outcome("show", "alpha")
    assert (code, "alpha1, alpha2" in stderr) == (2, True)


def test_the_last_turn_of_an_empty_history_is_a_usage_error(data: Path) -> None:
    message = "error: there is no last turn\nhint: the history is empty\n"
    assert outcome("show", "last") == (2, "", message)


@pytest.mark.parametrize(
    ("name", "turn"),
    [
        *[(name, "beta1") for name in ("last", "1", "-1", "@1")],
        *[(name, "alpha2") for name in ("2", "-2", "@2")],
        ("3", "alpha1"),
    ],
)
def test_a_turn_has_a_number(three: Path, name: str, turn: str) -> None:
    assert parsed("show", name)["id"] == turn
    assert outcome("export", name, "--format", "json") == outcome(
        "export", turn, "--format", "json"
    )
    assert parsed(name)["id"] == turn  # `history 3` shows it


def test_a_number_beyond_the_history_is_refused(three: Path) -> None:
    message = "error: there is no turn 4\nhint: the history has 3 turns\n"
    assert outcome("show", "4") == (2, "", message)
    assert outcome("delete", "-4", "--yes")[0] == 2


def test_numbers_are_those_of_the_whole_list(three: Path) -> None:
    with open_store(three) as store:
        numbers = [(row.id, row.number) for row in store.listing(session="talk")]
        assert numbers == [("alpha2", 2), ("alpha1", 3)]
        assert [hit.row.number for hit in store.search(["Rayleigh"])] == [1]


def test_numbers_go_on_over_pages(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepreasoning_cli.history.queries.PAGE", 2)
    for number in range(7):
        session = "odd" if number % 2 else "even"
        keep(data, [turn_started(f"t{number}", "Q?", session), *answer_events(["A."])])
    with open_store(data) as store:
        assert [row.number for row in store.listing()] == [1, 2, 3, 4, 5, 6, 7]
        assert [row.number for row in store.listing(session="odd")] == [2, 4, 6]


def test_show_alone_is_the_last_turn(three: Path) -> None:
    assert outcome("show") == outcome("show", "beta1")


DIFF = "<stdin>\ndiff --git a b\n+x\n</stdin>\n\nReview this change"


def test_a_question_is_listed_as_it_was_typed(three: Path) -> None:
    keep(three, [turn_started("gamma1", DIFF), *answer_events(["Good."])])
    question = "Review this change (+ stdin, 18 B)"
    assert outcome("list", "-n", "1")[1].splitlines()[1].endswith(question)
    assert outcome("search", "Good")[1].splitlines()[0].endswith(question)
    assert parsed("list", "-n", "1")[0]["prompt"] == DIFF


@posix_only
def test_show_folds_what_was_attached_and_has_the_date(three: Path) -> None:
    keep(three, [turn_started("gamma1", DIFF), *answer_events(["Good."])])
    folded = on_terminal(three, "show", pager="cat").output.decode()
    assert f"{WHEN.astimezone():%Y-%m-%d %H:%M}" in folded
    assert ("+ stdin, 18 B" in folded, "diff --git" in folded) == (True, False)
    assert "diff --git a b" in on_terminal(three, "show", "--full", pager="cat").output.decode()


@posix_only
def test_a_list_on_a_terminal_has_numbers_and_no_word_about_room(three: Path) -> None:
    seen = on_terminal(three, "list", pager="cat").colorless.decode().splitlines()
    assert [line.split()[0] for line in seen] == ["#", "1", "2", "3"]
    assert "room" not in "".join(seen)
    assert max(map(len, seen)) <= 80


@posix_only
def test_passages_fit_the_terminal(data: Path) -> None:
    text = "The night is dark since " + "light from afar " * 20 + "reddened needle " * 3
    keep(data, [turn_started("a1"), *answer_events([text])])
    seen = on_terminal(data, "search", "needle", pager="cat").output.decode().splitlines()
    assert [len(line) <= 80 for line in seen] == [True, True]
    assert "needle" in seen[1]


def test_sessions_are_listed_renamed_and_deleted(three: Path) -> None:
    last = f"{(WHEN - timedelta(days=10)).astimezone():%Y-%m-%d %H:%M}"
    assert outcome("sessions") == (
        0,
        f"session  turns  last used         first question\ntalk         2  {last}  What is 6×7?\n",
        "",
    )
    assert outcome("rename", "talk", "sums") == (0, "", "note: session talk is now sums\n")
    (row,) = parsed("sessions")
    assert (row["session"], row["turns"]) == ("sums", 2)
    assert outcome("rename", "talk", "x")[0] == 2
    assert outcome("delete", "--session", "talk", "--yes")[0] == 2
    assert outcome("delete", "--session", "sums", "--yes") == (0, "", "note: deleted 2 turns\n")
    assert ids("list") == ["beta1"]


def test_a_session_takes_no_name_that_another_has_and_none_while_it_is_used(three: Path) -> None:
    keep(three, turn_events("delta1", "other"))
    taken = "error: there is a session 'other' already\nhint: choose another name\n"
    assert outcome("rename", "talk", "other") == (2, "", taken)
    with open_store(three) as store, store.claim("talk"):
        code, _, stderr = outcome("rename", "talk", "sums")
    assert (code, stderr.splitlines()[0]) == (2, "error: session 'talk' is in use")


def test_a_fork_follows_its_renamed_origin(three: Path) -> None:
    with open_store(three) as store:
        store.branch("talk", "fork", 1)
        store.rename_session("talk", "sums")
        assert [turn.start.id for turn in store.session_turns("fork")] == ["alpha1"]


# search


def test_a_search_prints_the_turn_and_the_passage(three: Path) -> None:
    minute = f"{WHEN.astimezone():%Y-%m-%d %H:%M}"
    text = f"beta1  {minute}  Why is the sky blue?\n    Rayleigh.\n"
    assert outcome("search", "rayl") == (0, text, "")


def test_a_search_as_json_has_rows_with_snippets(three: Path) -> None:
    hits = parsed("search", "what", "is", "asked", "--limit", "1")
    schema = {
        **ROW,
        "properties": {**ROW["properties"], "snippet": {"type": "string"}},  # type: ignore[dict-item]  # a schema is any JSON
    }
    validate(hits, {"type": "array", "items": schema, "minItems": 1, "maxItems": 1})
    assert "what is asked" in hits[0]["snippet"]


def test_a_search_without_hits_or_words_says_so(three: Path) -> None:
    note = "note: no turn contains all of these words\n"
    assert outcome("search", "zebra") == (0, "", note)
    assert outcome("search", "?!") == (
        2,
        "",
        "error: no word to search for\nhint: give at least one word with a letter or a digit\n",
    )


# hostile text


@pytest.fixture
def hostile(data: Path) -> Path:
    events = [
        turn_started("evil", HOSTILE, session=f"s{HOSTILE}"),
        Sources((Source(HOSTILE, f"javascript:{HOSTILE}"),)),
        *reason_events([HOSTILE, " needle"]),
        *answer_events([HOSTILE, "\n\n&#27;[2J <img src=x onerror=y> [a](javascript:b)"], HOSTILE),
    ]
    keep(data, events)
    return data


@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["list", "--json"],
        ["show", "evil", "--reasoning"],
        ["show", "evil", "--json"],
        ["search", "needle"],
        ["search", "needle", "--json"],
        ["export", "evil", "--format", "md"],
        ["export", "evil", "--format", "json"],
        ["export", "evil", "--format", "html"],
        ["recover"],
        ["show", HOSTILE.replace("\0", "").replace("\ud800", "")],
    ],
)
def test_no_control_character_leaves(hostile: Path, words: list[str]) -> None:
    result = history(*words)
    bidi_may_pass_a_pipe = str.maketrans("", "", "\u202e")
    assert CONTROLS.findall(result.stdout.translate(bidi_may_pass_a_pipe)) == []
    assert CONTROLS.findall(result.stderr) == []


def test_what_was_changed_in_an_answer_is_counted(hostile: Path) -> None:
    assert history("show", "evil").stderr == "note: 4 control characters were made visible\n"


@posix_only
def test_a_terminal_is_sent_text_and_colours_alone(hostile: Path) -> None:
    for words in (["show", "evil", "--reasoning"], ["list"], ["export", "evil"]):
        seen = on_terminal(hostile, *words, pager="cat")
        assert seen.code == 0
        assert "\u202e" not in seen.output.decode()


# export


class Tags(HTMLParser):
    """Which elements there are, with which attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


ATTRIBUTES = {"lang", "charset", "name", "content", "http-equiv", "id", "class", "dir", "style"}
NEVER = {"script", "img", "a", "link", "iframe", "form", "base", "object", "svg"}


def html_of(*answers: str) -> Tags:
    turns = [
        record_of([turn_started(f"t{n}"), *answer_events([text])]) for n, text in enumerate(answers)
    ]
    return Tags(html("talk", turns))


def test_html_is_one_file_that_loads_and_runs_nothing(hostile: Path) -> None:
    text = history("export", "evil", "--format", "html").stdout
    tags = Tags(text)
    assert (tags.names & NEVER, tags.attributes - ATTRIBUTES) == (set(), set())
    assert "<script>alert(1)</script>" in tags.text
    assert "<img src=x onerror=y> [a](javascript:b)" in tags.text
    assert CONTROLS.findall(text) == []
    assert "default-src 'none'" in text


def test_html_renders_markdown() -> None:
    tags = html_of("# Six\n\n| a | b |\n|---|---|\n| 1 | *2* |\n\n```py\n1 < 2\n```\n")
    assert {"h1", "table", "td", "em", "pre", "code"} <= tags.names
    assert "1 < 2\n" in tags.text


def test_html_keeps_what_is_nested_too_deep_to_render() -> None:
    assert "at the bottom" in html_of("> " * 500 + "at the bottom").text


@given(st.text("<>&\"'[]()!`*_~|#-= \n\\:/;ax\x1b\u202e\ud800", max_size=80))
def test_no_answer_makes_html_of_its_own(answer: str) -> None:
    tags = html_of(answer)
    assert (tags.names & NEVER, tags.attributes - ATTRIBUTES) == (set(), set())


def test_a_session_is_exported_in_order(three: Path) -> None:
    result = history("export", "talk", "--format", "json")
    turns = json.loads(result.stdout)
    for turn in turns:
        validate(turn, TURN)
    assert [turn["id"] for turn in turns] == ["alpha1", "alpha2"]


def test_a_turn_is_exported_as_markdown_by_default(three: Path) -> None:
    text = history("export", "beta1").stdout
    assert text.startswith("# beta1\n\n## 1\n\n> Why  is\n> the sky blue?\n")
    assert "\nRayleigh.\n" in text


def test_an_export_goes_into_a_file_whole(three: Path, tmp_path: Path) -> None:
    file = tmp_path / "talk.html"
    assert outcome("export", "talk", "--format", "html", "-o", str(file)) == (
        0,
        "",
        f"note: wrote 2 turns to {file}\n",
    )
    assert file.read_text(encoding="utf-8") == history("export", "talk", "--format", "html").stdout
    missing = tmp_path / "no/where.md"
    assert history("export", "talk", "-o", str(missing)).exit_code == 7


def test_neither_a_turn_nor_a_session_names_the_nearest_of_both(three: Path) -> None:
    assert outcome("export", "tallk") == (
        2,
        "",
        "error: there is no turn or session 'tallk'\n"
        "hint: did you mean session talk?\n"
        "hint: `deepreasoning history` lists the turns\n",
    )


# delete


def traces(folder: Path, *words: str) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    content = b"".join(path.read_bytes() for path in files)
    return [word for word in words if word.encode() in content]


def test_deleted_turns_are_gone_from_the_files(three: Path) -> None:
    assert traces(three, "Rayleigh", "sevens") == ["Rayleigh", "sevens"]
    assert outcome("delete", "last", "be", "--yes") == (0, "", "note: deleted 1 turn\n")
    assert traces(three, "Rayleigh", "sevens") == ["sevens"]
    assert ids("list") == ["alpha2", "alpha1"]


def test_old_turns_are_deleted_up_to_a_time(three: Path) -> None:
    day = f"{WHEN - timedelta(days=20):%Y-%m-%d}"
    assert parsed("delete", "--older-than", day, "-y") == {"deleted": 1}
    assert ids("list") == ["beta1", "alpha2"]
    assert outcome("delete", "--older-than", "1000w") == (0, "", "note: deleted 0 turns\n")


def test_all_is_all_and_what_was_typed_too(three: Path) -> None:
    (three / "prompts").write_text('"Why is the sky blue?"\n')
    assert outcome("delete", "--all", "--yes") == (0, "", "note: deleted 3 turns\n")
    assert traces(three, "Rayleigh", "sevens", "sky", "talk") == []
    assert ids("list") == []


def test_a_deleted_question_is_gone_from_what_was_typed_in_chats(three: Path) -> None:
    typed = three / "prompts"
    typed.write_text('"Why  is\\nthe sky blue?"\n"And then?"\n{torn\n')
    assert history("delete", "beta1", "--yes").exit_code == 0
    assert typed.read_text() == '"And then?"\n{torn\n'


@pytest.mark.parametrize(
    ("entry", "prompt"),
    [
        ("What is in it?", '<file name="a">\nplan\n</file>\n\nWhat is in it?'),
        ("//usr is what?", "/usr is what?"),
        ("one\u2028two\x85three", "one\u2028two\x85three"),
    ],
)
def test_a_deleted_question_is_gone_however_it_was_typed(
    three: Path, entry: str, prompt: str
) -> None:
    keep(three, [turn_started("gamma1", prompt), *answer_events(["Yes."])])
    typed = three / "prompts"
    typed.write_text(f"{json.dumps(entry, ensure_ascii=False)}\n", encoding="utf-8")
    assert history("delete", "gamma1", "--yes").exit_code == 0
    assert typed.read_text(encoding="utf-8") == ""


@pytest.mark.parametrize(
    "words", [[], ["beta1", "--all"], ["--all", "--older-than", "1d"], ["a", "--older-than", "1d"]]
)
def test_it_has_to_be_clear_what_is_to_be_deleted(three: Path, words: list[str]) -> None:
    hint = "by number or id, or use --session NAME, --older-than 30d or --all"
    message = f"error: name the turns to delete\nhint: {hint}\n"
    assert outcome("delete", *words, "--yes") == (2, "", message)


def test_a_script_has_to_be_sure(three: Path) -> None:
    code, stdout, stderr = outcome("delete", "--all")
    assert (code, stdout) == (2, "")
    assert stderr.endswith("hint: add --yes to delete without asking\n")
    assert len(ids("list")) == 3


def test_one_unknown_id_deletes_nothing(three: Path) -> None:
    assert history("delete", "beta1", "nope", "--yes").exit_code == 2
    assert len(ids("list")) == 3


def on_terminal(
    folder: Path,
    *words: str,
    pager: str | None = None,
    keys: Sequence[tuple[float | bytes, bytes]] = (),
    rows: int = 24,
    **extra: str,
) -> PtyRun:
    env = {"DEEPREASONING_DATA_DIR": str(folder), **extra}
    if pager is not None:
        env["PAGER"] = pager
    return run_in_pty("history", *words, env=env, keys=keys, rows=rows)


@posix_only
def test_a_person_is_asked_with_what_will_go(three: Path) -> None:
    question = b"Delete 2 turns for good? [y/N]:"
    seen = on_terminal(three, "delete", "beta1", "alpha2", keys=[(question, b"n\r")])
    assert (seen.code, b"note: deleted 0 turns" in seen.output) == (0, True)
    shown = [line.split("  ")[-1] for line in seen.output.decode().splitlines()[:2]]
    assert shown == ["Why is the sky blue?", "And then?"]
    every = b"Delete the whole history, 3 turns, for good? [y/N]:"
    seen = on_terminal(three, "delete", "--all", keys=[(every, b"y\r")])
    assert (seen.code, b"note: deleted 3 turns" in seen.output) == (0, True)
    assert ids("list") == []


# recover


def test_what_was_left_behind_is_recovered_and_listed(three: Path) -> None:
    path = left_behind(three, "gamma1", [turn_started("gamma1", "Lost?"), *reason_events()[:3]])
    result = history("recover")
    assert (result.exit_code, result.stderr) == (0, "note: recovered 1 turn\n")
    assert [row.split()[0] for row in result.stdout.splitlines()] == ["id", "gamma1"]
    assert not path.exists()
    assert outcome("recover") == (0, "", "note: there is nothing to recover\n")
    assert history("show", "gamma1", "--reasoning").stdout == "First, what is asked? \n---\n"


def test_what_was_recovered_as_json_is_rows(data: Path) -> None:
    left_behind(data, "gamma1", [turn_started("gamma1"), *reason_events()[:2]])
    result = history("recover", "--json")
    rows = json.loads(result.stdout)
    validate(rows, {"type": "array", "items": ROW})
    assert [(row["id"], row["status"]) for row in rows] == [("gamma1", "incomplete")]


def test_every_command_takes_up_what_was_left_behind(data: Path) -> None:
    left_behind(data, "gamma1", [turn_started("gamma1"), *reason_events()[:2]])
    result = history("list")
    assert result.stdout.splitlines()[1].startswith("gamma1 ")
    assert result.stderr == "note: recovered 1 unfinished turn: `deepreasoning history list`\n"


# terminals and pagers


@pytest.fixture
def fake_pager(tmp_path: Path) -> tuple[str, Path]:
    """A pager that keeps what it was given and says with which options."""
    script, seen = tmp_path / "pager", tmp_path / "seen"
    script.write_text(f'#!/bin/sh\ncat > "{seen}"\necho "paged LESS=$LESS $1"\n')
    script.chmod(0o755)
    return str(script), seen


@posix_only
def test_a_long_list_goes_through_the_pager(three: Path, fake_pager: tuple[str, Path]) -> None:
    pager, seen = fake_pager
    shown = on_terminal(three, "list", pager=f"{pager} 'a b'", rows=4, NO_COLOR="1")
    assert shown == PtyRun(0, b"paged LESS=FRX a b\r\n")
    assert [row[:5] for row in seen.read_text().splitlines()[:4]] == [
        *("#  wh", "1  20", "2  20", "3  20")
    ]


@posix_only
def test_the_pager_is_spared_what_fits_and_what_is_json(
    three: Path, fake_pager: tuple[str, Path]
) -> None:
    pager, seen = fake_pager
    assert b"sky blue" in on_terminal(three, "list", pager=pager).output
    assert b'"beta1"' in on_terminal(three, "list", "--json", pager=pager, rows=2).output
    assert not seen.exists()


@posix_only
@pytest.mark.parametrize("pager", ["", "cat", "/no/such/pager", "'open"])
def test_without_a_pager_the_text_is_printed(three: Path, pager: str) -> None:
    seen = on_terminal(three, "list", pager=pager, rows=3)
    assert (seen.code, seen.output.count(b"  talk  ")) == (0, 2)


@posix_only
def test_a_pager_that_stops_reading_is_no_failure(data: Path) -> None:
    keep(data, [turn_started("long"), *answer_events(["word \n" * 100_000])])
    assert on_terminal(data, "show", "long", pager="head -n 3").code == 0


@posix_only
def test_control_c_is_the_pagers(three: Path, tmp_path: Path) -> None:
    script = tmp_path / "pager"
    script.write_text("#!/bin/sh\ntrap 'echo heard' INT\ncat > /dev/null\necho up\nsleep 5\n")
    script.chmod(0o755)
    keys = [(b"up", b"\x03")]
    seen = on_terminal(three, "list", pager=str(script), rows=3, keys=keys)
    assert (seen.code, b"heard" in seen.output, b"talk" in seen.output) == (0, True, False)


@posix_only
def test_what_the_pager_gets_is_safe_and_coloured_as_the_terminal(
    hostile: Path, fake_pager: tuple[str, Path]
) -> None:
    pager, seen = fake_pager
    on_terminal(hostile, "show", "evil", "--reasoning", pager=pager, rows=4)
    coloured = seen.read_text()
    assert (foreign(coloured), "\x1b[" in coloured) == ("", True)
    on_terminal(hostile, "show", "evil", "--reasoning", pager=pager, rows=4, NO_COLOR="1")
    assert CONTROLS.findall(seen.read_text()) == []


@posix_only
def test_a_terminal_gets_prompt_answer_and_bill(three: Path) -> None:
    text = on_terminal(three, "show", "alpha1", NO_COLOR="1").output.decode()
    order = ["Prompt", "What is 6×7?", "Answer · claude-sonnet-5", "Forty-two.", "1. Tables"]
    places = [text.index(each) for each in [*order, "alpha1 · session talk · "]]
    assert places == sorted(places)
    assert "Six sevens" not in text
    with_reasoning = on_terminal(three, "show", "alpha1", "--reasoning", NO_COLOR="1").output
    assert "Six sevens" in with_reasoning.decode()


@posix_only
def test_a_turn_that_is_not_complete_is_red_and_the_heading_underlined(three: Path) -> None:
    heading, *rows = on_terminal(three, "list", pager="cat").output.decode().splitlines()
    assert heading.startswith("\x1b[4m")
    assert [row.startswith("\x1b[31m") for row in rows] == ["incomplete" in row for row in rows]
    assert any("incomplete" in row for row in rows)


@posix_only
def test_a_narrow_terminal_gets_the_columns_that_fit(three: Path) -> None:
    env = {"DEEPREASONING_DATA_DIR": str(three)}
    seen = run_in_pty("history", columns=44, env=env).colorless.decode().splitlines()
    assert seen[0].split() == ["#", "when", "prompt"]
    assert max(map(len, seen[:4])) <= 44


# broken surroundings


@posix_only
def test_a_stdout_that_takes_nothing_ends_with_7(three: Path) -> None:
    env = {"DEEPREASONING_DATA_DIR": str(three)}
    for place in ("/dev/full", "&-"):
        line = shlex.join([*PROGRAM, "history"])
        done = run(f"{line} >{place}", env=env, program=("sh", "-c"))
        assert (done.code, done.stderr.count(b"error: ")) == (7, 1), (place, done.stderr)


def test_a_damaged_database_is_repaired_and_said(three: Path) -> None:
    for path in three.glob("history.db*"):
        path.unlink()
    (three / "history.db").write_bytes(b"not a database at all" * 300)
    result = history("list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("warning: the history was damaged: 0 turns were saved")


def test_a_data_folder_that_is_a_file_is_a_config_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "file"
    place.write_text("")
    monkeypatch.setenv("DEEPREASONING_DATA_DIR", str(place))
    code, stdout, stderr = outcome("list")
    assert (code, stdout, stderr.startswith("error: cannot use ")) == (3, "", True)
    failure = json.loads(history("list", "--json").stderr)["error"]
    assert failure["kind"] == "history_unusable"
