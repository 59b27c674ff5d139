"""The slash commands, each with its whole outcome."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from deepreasoning_cli.cli.chat.commands import run_entry
from deepreasoning_cli.cli.chat.repl import COMMANDS
from deepreasoning_cli.cli.chat.turns import STOPPED, ChatState, Outcome
from deepreasoning_cli.pipeline.events import Handoff
from deepreasoning_cli.pipeline.record import TurnRecord
from support.scripted_chat import STATE, Chat, EchoTurns, MemoryArchive, turn

CODE = "Two:\n\n```py\nx = 1\n```\n\n- in a list:\n\n  ```sh\n  ls\n  ```\n"


def chat_with(*turns: tuple[str, str, str], is_interactive: bool = True) -> Chat:
    """A chat whose session `first` has turns of (prompt, answer, reasoning)."""
    kept = [turn(*texts, number) for number, texts in enumerate(turns, 1)]
    return Chat(MemoryArchive({"first": kept}), is_interactive)


def said(chat: Chat, *entries: str) -> tuple[str, str]:
    """What the entries left on stdout and stderr."""
    for entry in entries:
        run_entry(chat.session, entry)
    return chat.stdout.getvalue(), chat.stderr.getvalue()


def test_an_entry_is_a_question_and_two_slashes_send_one() -> None:
    chat = Chat()
    assert said(chat, "hello", "//etc/hosts is what?") == ("", "")
    assert [each[:2] for each in chat.turns.asked] == [
        ("ask", "hello"),
        ("ask", "/etc/hosts is what?"),
    ]


def test_an_unknown_command_names_the_nearest_and_is_not_sent() -> None:
    chat = Chat()
    assert said(chat, "/modle opus") == (
        "",
        "error: there is no command /modle\nhint: did you mean /model?; // sends a /\n",
    )
    assert (chat.turns.asked, chat.session.code) == ([], 2)


def test_the_beginning_of_a_command_is_enough_where_it_is_the_only_one() -> None:
    chat = Chat()
    assert said(chat, "/mod opus")[0] == "opus: a good one\n"
    _, error = said(chat, "/re")
    assert "did you mean /reasoner or /reasoning or /retry or /resume?" in error
    assert chat.turns.asked == []


@pytest.mark.parametrize("word", ["exit", "quit", " EXIT "])
def test_words_of_other_programs_are_commands_and_two_slashes_send_them(word: str) -> None:
    chat = Chat()
    said(chat, f"//{word.strip()}")
    assert [each[1] for each in chat.turns.asked] == [word.strip()]
    said(chat, word)
    assert (chat.session.over, len(chat.turns.asked)) == (True, 1)


@pytest.mark.parametrize("word", ["help", "?"])
def test_help_needs_no_slash(word: str) -> None:
    chat = Chat()
    assert "/retry" in said(chat, word)[0]
    assert chat.turns.asked == []


@pytest.mark.parametrize("entry", ["/", "/ model", "/zzzzzz"])
def test_what_resembles_nothing_points_to_help(entry: str) -> None:
    chat = Chat()
    if entry == "/ model":
        assert said(chat, entry)[0].startswith("   name    $ in\n*  sonnet  1.00\n")
        return
    assert said(chat, entry)[1].endswith("\nhint: /help lists them; // sends a /\n")


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("/web maybe", "/web: choose on or off, not 'maybe'\nusage: /web [on|off]"),
        (
            "/handoff all",
            "/handoff: choose reasoning, answer, both or none, not 'all'\n"
            "usage: /handoff [reasoning|answer|both|none]",
        ),
        (
            "/reasoning dim",
            "/reasoning: choose show, tail or hide, not 'dim'\n"
            "usage: /reasoning [show|tail|hide|last]",
        ),
        ("/clear now", "/clear: it takes nothing, not 'now'\nusage: /clear"),
        ("/resume", "/resume: the last answer is not cut: which session?\nusage: /resume [NAME]"),
        ("/retry twice", "/retry: choose answer or all, not 'twice'\nusage: /retry [answer|all]"),
        ("/file 'a b", "/file: no closing quotation\nusage: /file [PATH…|-]"),
        (
            "/copy code 3",
            "/copy: there is no code block 3; the last one is 2\n"
            "usage: /copy [N|code [N]|reasoning]",
        ),
        (
            "/copy 0",
            "/copy: there is no turn 0; the last one is 1\nusage: /copy [N|code [N]|reasoning]",
        ),
        (
            "/copy that",
            "/copy: 'that' cannot be copied\nusage: /copy [N|code [N]|reasoning]",
        ),
        ("/export a b", "/export: it takes one file\nusage: /export [FILE]"),
        (
            "/branch ../x",
            "/branch: a name is made of letters, digits, dots, dashes and underscores\n"
            "usage: /branch [NAME [TURN]]",
        ),
        (
            "/branch b 2",
            "/branch: there is no turn 2; the last one is 1\nusage: /branch [NAME [TURN]]",
        ),
    ],
)
def test_wrong_arguments_are_said_with_the_usage(entry: str, complaint: str) -> None:
    chat = chat_with(("q", CODE, "hm"))
    before = chat.session.state
    assert said(chat, entry) == ("", f"error: {complaint}\n")
    assert (chat.session.state, chat.copied, chat.session.code) == (before, [], 2)


@pytest.mark.parametrize(
    "entry", ["/retry", "/undo", "/copy", "/export", "/branch", "/reasoning last"]
)
def test_what_needs_a_turn_says_that_there_is_none(entry: str) -> None:
    assert said(Chat(), entry) == (
        "",
        "error: this session has no turn yet\nhint: ask something\n",
    )


def test_model_and_reasoner_are_changed_and_refused() -> None:
    chat = Chat()
    out, err = said(chat, "/model opus", "/model gpt", "/reasoner ollama")
    assert out == "opus: a good one\nollama: a good one\n"
    assert err == "error: gpt is not offered\nhint: try sonnet\n"
    assert chat.session.state == replace(STATE, model="opus", reasoner="ollama")


def test_without_a_name_there_is_a_list_to_choose_from() -> None:
    chat = Chat()
    assert said(chat, "/model") == (
        "   name    $ in\n*  sonnet  1.00\n   opus    1.00\n   haiku   1.00\n",
        "3 older ones\nUSD per million tokens; /model NAME chooses another\n",
    )
    out, err = said(Chat(), "/reasoner", "/answerer", "/effort")
    assert [line for line in out.splitlines() if line.startswith("*")] == [
        *("*  deepseek  1.00", "*  anthropic  1.00", "*  auto  1.00"),
    ]
    assert err.splitlines() == [
        "USD per million tokens; /reasoner NAME chooses another",
        "USD per million tokens; /answerer NAME chooses another",
        "/effort LEVEL chooses another",
    ]


def test_the_answerer_is_changed_and_refused() -> None:
    chat = Chat()
    out, err = said(chat, "/answerer ollama", "/answerer olama")
    assert out == "ollama: a good one\n"
    assert err == "error: olama is not offered\nhint: try anthropic\n"
    assert chat.session.state == replace(STATE, answerer="ollama")


def test_the_effort_is_a_word_of_a_list() -> None:
    chat = Chat()
    _, err = said(chat, "/effort high", "/effort hihg", "/think", "/think low")
    assert err.splitlines() == [
        "effort: high",
        "error: /effort: choose auto, none, low, medium, high, xhigh or max, not 'hihg'",
        "usage: /effort [LEVEL]",
        "think: auto (auto, low, medium, high, max)",
        "think: low",
    ]
    assert (chat.session.state.effort, chat.session.state.think) == ("high", "low")


def test_the_system_prompt_is_set_shown_and_removed() -> None:
    chat = Chat()
    assert said(chat, "/system Be  brief.\nAlways.", "/system")[0] == "Be  brief.\nAlways.\n" * 2
    assert chat.session.state.system == "Be  brief.\nAlways."
    assert said(chat, "/system -")[0].endswith("no system prompt\n")
    assert chat.session.state.system is None


def test_web_reasoning_and_handoff_are_switches() -> None:
    chat = Chat()
    entries = [
        "/web",
        "/web ON",
        "/web",
        "/reasoning hide",
        "/reasoning",
        "/handoff",
        "/handoff both",
    ]
    assert said(chat, *entries)[1].split("\n") == [
        "web search: off (on, off)",
        "web search: on",
        "web search: on (on, off)",
        "reasoning: hide",
        "reasoning: hide (show, tail, hide, last)",
        "handoff: reasoning (reasoning, answer, both, none)",
        "handoff: both",
        "",
    ]
    assert chat.session.state == ChatState(
        session="first",
        model="sonnet",
        reasoner="deepseek",
        reasoning="hide",
        handoff=Handoff.BOTH,
        web=True,
    )


def test_the_web_is_not_searched_without_a_key() -> None:
    chat = Chat()
    chat.names.searches = False
    assert said(chat, "/web on")[1] == "error: no key for linkup\nhint: set one\n"
    assert said(chat, "/web off")[1].endswith("web search: off\n")
    assert not chat.session.state.web


def test_the_last_reasoning_is_printed_harmless() -> None:
    chat = chat_with(("q", "a", "so\x1b[2J\nit is"))
    assert said(chat, "/reasoning last") == ("so\\x1b[2J\nit is\n", "")


def test_another_model_answers_the_same_reasoning() -> None:
    chat = chat_with(("q", "a", "hm"))
    said(chat, "/model opus", "/retry answer")
    assert chat.turns.asked == [("again", "hm", replace(STATE, model="opus"))]
    assert chat.session.require_last().answer == "opus says q"


def test_an_answer_that_does_not_come_leaves_the_one_there_is() -> None:
    chat = chat_with(("q", "a", "hm"))
    before = chat.session.require_last()

    class Silent(EchoTurns):
        def answer_again(self, of: TurnRecord, state: ChatState) -> Outcome:
            return Outcome(turn(of.start.prompt, reasoning=of.reasoning, number=2), 6)

    chat.session.turns = cast(Any, Silent(chat.archive))
    run_entry(chat.session, "/retry answer")
    assert (chat.session.require_last(), chat.session.code) == (before, 6)


def test_a_retry_takes_the_reasoning_that_is_there_and_all_pays_again() -> None:
    chat = chat_with(("q", "a", "hm"))
    said(chat, "/retry", "/retry all")
    assert [each[:2] for each in chat.turns.asked] == [("again", "hm"), ("instead", "q")]
    assert len(chat.archive.turns("first")) == 1


def test_without_reasoning_there_is_nothing_to_answer_again() -> None:
    chat = chat_with(("q", "a", ""))
    assert said(chat, "/retry answer", "/retry")[1] == (
        "error: the last turn has no reasoning\nhint: /retry all\n"
    )
    assert [each[:2] for each in chat.turns.asked] == [("instead", "q")]


def test_the_last_question_is_edited_and_asked_instead() -> None:
    chat = chat_with(("older", "a", "hm"), ("newer", "b", "hm"))
    assert said(chat, "/edit") == ("", "")
    assert chat.turns.asked == [("instead", "NEWER", chat.state)]


def test_an_edit_begins_empty_in_a_new_session() -> None:
    seen: list[str] = []

    def written(text: str) -> str:
        seen.append(text)
        return "fresh"

    chat = Chat(edited=written)
    said(chat, "/edit")
    assert (seen, [each[:2] for each in chat.turns.asked]) == ([""], [("ask", "fresh")])


@pytest.mark.parametrize("left", ["same\n\n", "", " \n"])
def test_an_unchanged_or_empty_edit_is_not_paid_for(left: str) -> None:
    chat = Chat(MemoryArchive({"first": [turn("same\n\n")]}), edited=lambda _: left.rstrip("\n"))
    assert said(chat, "/edit")[1] == "nothing was changed, nothing is sent\n"
    assert chat.turns.asked == []


def test_an_edit_needs_a_person() -> None:
    chat = Chat(is_interactive=False)
    assert said(chat, "/edit")[1] == "error: /edit needs a terminal\nhint: ask it anew\n"


def test_undo_takes_out_one_turn_after_the_other() -> None:
    chat = chat_with(("one", "1", "hm"), ("two", "2", "hm"))
    assert said(chat, "/undo", "/retry answer", "/undo")[1] == "undone: two\nundone: one\n"
    assert chat.turns.asked[0][0] == "again"
    assert chat.archive.turns("first") == []


def test_undo_after_a_turn_that_was_not_kept_drops_no_other() -> None:
    chat = chat_with(("one", "1", "hm"))
    chat.turns.keeps, chat.turns.number = False, 2
    assert said(chat, "stopped at once", "/undo")[1] == "undone: stopped at once\n"
    assert chat.session.require_last().start.prompt == "one"


def test_what_was_stopped_before_it_was_a_turn_is_not_the_last_one() -> None:
    chat = chat_with(("one", "1", "hm"))
    chat.turns.opens = False
    said(chat, "too early", "/retry all")
    assert [each[:2] for each in chat.turns.asked] == [("ask", "too early"), ("instead", "one")]


def test_files_go_with_the_next_question_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a b.txt").write_text("alpha", encoding="utf-8")
    Path("-").write_text("dash", encoding="utf-8")
    chat = Chat()
    out, err = said(chat, "/file 'a b.txt'", "what is it?", "and now?")
    assert (out, err) == ("", "goes with the next question: a b.txt\n")
    assert [each[1] for each in chat.turns.asked] == [
        '<file name="a b.txt">\nalpha\n</file>\n\nwhat is it?',
        "and now?",
    ]
    assert chat.turns.asked[0][2].files == ()
    said(chat, "/file ./- 'a b.txt' 'a b.txt'")
    assert chat.session.state.files == ("./-", "a b.txt")
    assert chat.session.toolbar(80).endswith(" · $0.0060 · 2 files attached · /help")
    assert said(chat, "/file -")[1].endswith("\nno file goes with the next question\n")
    assert not chat.session.state.files


def test_a_file_that_cannot_be_sent_is_refused_when_it_is_attached(tmp_path: Path) -> None:
    binary, large = tmp_path / "b", tmp_path / "l"
    binary.write_bytes(b"a\0b")
    with large.open("wb") as file:
        file.truncate(8_000_001)
    chat = Chat()
    _, err = said(
        chat,
        f"/file {binary}",
        f"/file {large}",
        f"/file {tmp_path}",
        "/file no",
        "/file ~nobody-here/x",
    )
    assert err == (
        f"error: {binary} looks binary\nhint: only text can be sent\n"
        f"error: {large} is larger than 8 MB\nhint: cut it down to what the question needs\n"
        f"error: {tmp_path} is not a file\nhint: name a text file\n"
        "error: cannot read no: No such file or directory\n"
        "hint: check the name; only text files can be sent\n"
        "error: /file: ~nobody-here/x: there is no such user\nusage: /file [PATH…|-]\n"
    )
    assert chat.session.state.files == ()


def test_a_file_that_vanished_stops_the_question(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("alpha", encoding="utf-8")
    chat = Chat()
    said(chat, f"/file {path}")
    path.unlink()
    assert said(chat, "what?")[1].startswith("goes with the next question")
    assert (chat.turns.asked, chat.session.state.files, chat.session.code) == ([], (str(path),), 2)


def test_a_lone_dash_is_a_question() -> None:
    chat = Chat()
    said(chat, "-")
    assert chat.turns.asked[0][1] == "- "


@pytest.mark.parametrize(
    ("entry", "text", "note"),
    [
        ("/copy", CODE, "the last answer, 56 characters"),
        ("/copy 1", "one\\x1b[2J", "answer 1, 7 characters"),
        ("/copy code", "ls\n", "code block 2 of 2, 3 characters"),
        ("/copy code 1", "x = 1\n", "code block 1 of 2, 6 characters"),
        ("/copy reasoning", "hm", "the last reasoning, 2 characters"),
    ],
)
def test_copy_takes_what_is_named(entry: str, text: str, note: str) -> None:
    chat = chat_with(("q", "one\x1b[2J", ""), ("r", CODE, "hm"))
    assert said(chat, entry) == ("", f"copied: {note}\n")
    assert chat.copied == [text]


def test_there_may_be_nothing_to_copy() -> None:
    chat = chat_with(("q", "", "hm"))
    assert said(chat, "/copy", "/copy code")[1] == (
        "error: the last answer is empty\nhint: /copy N copies another\n"
        "error: the last answer has no code block\nhint: /copy copies all of it\n"
    )
    assert chat.copied == []


def test_a_session_is_exported_once_by_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    chat = chat_with(("q", "a", ""))
    _, err = said(chat, "/export", "/export", "/export 'my file.md'", "/export first.md")
    assert err == (
        "wrote first.md, 1 turn\n"
        "error: first.md is there already\nhint: /export first.md\n"
        "wrote my file.md, 1 turn\n"
        "wrote first.md, 1 turn\n"
    )
    assert Path("first.md").read_bytes() == Path("my file.md").read_bytes()
    assert Path("first.md").read_text(encoding="utf-8").startswith("# first\n\n## 1\n\n> q\n")


def test_an_export_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    chat = chat_with(("q", "a", ""))
    target = tmp_path / "no" / "x.md"
    assert said(chat, f"/export {target}")[1] == (
        f"error: cannot write {target}: No such file or directory\n"
        "hint: make room, or name another place\n"
    )
    assert chat.session.code == 7


def test_clear_begins_a_session_of_which_nothing_is_known() -> None:
    chat = chat_with(("q", "a", "hm"))
    said(chat, "/clear")
    assert (chat.session.state.session, chat.session.last) == ("new-2", None)
    assert len(chat.archive.turns("first")) == 1


def test_sessions_are_listed_and_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    chat = chat_with(("q", "a", "hm"))
    chat.archive.kept["work"] = [turn("plan \x1b[2J\nit", "b", "t"), turn("go on", "c", "u")]
    out, _ = said(chat, "/sessions")
    when = f"{chat.archive.sessions()[0].last.astimezone():%Y-%m-%d %H:%M}"
    assert out == (
        "session  turns  last used         first question\n"
        f"work         2  {when}  plan ␛[2J it\n"
        f"first        1  {when}  q\n"
    )
    assert said(chat, "/resume work")[1] == "session work, 2 turns\nlast question: go on\n"
    assert chat.session.require_last().answer == "c"


def test_there_may_be_no_session_to_list() -> None:
    assert said(Chat(), "/sessions") == ("", "no session has a turn yet\n")


def test_an_unknown_session_names_the_nearest() -> None:
    chat = chat_with(("q", "a", "hm"))
    assert said(chat, "/resume frist", "/resume zzz")[1] == (
        "error: there is no session frist\nhint: /resume first\n"
        "error: there is no session zzz\nhint: /sessions lists them\n"
    )
    assert chat.session.state.session == "first"


def test_a_branch_goes_on_beside_its_origin() -> None:
    chat = chat_with(("one", "1", "hm"), ("two", "2", "hm"))
    _, err = said(chat, "/branch", "three", "/branch early 1", "/branch first")
    assert err == (
        "session first-2, 2 turns\nsession early, 1 turn\n"
        "error: there is a session first already\nhint: give another name\n"
    )
    assert {name: len(turns) for name, turns in chat.archive.kept.items()} == {
        "first": 2,
        "first-2": 3,
        "early": 1,
    }
    assert chat.session.require_last().start.prompt == "one"


def test_the_price_is_of_the_text_and_the_attached_files(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("x", encoding="utf-8")
    chat = Chat()
    out, _ = said(chat, "/price", "/price six by seven?", f"/file {path}", "/price")
    assert out == (
        "≈$0.01 for '' on sonnet\n"
        "≈$0.01 for 'six by seven?' on sonnet\n"
        f"≈$0.01 for '<file name=\"{path}\">\\nx\\n</file>' on sonnet\n"
    )


def test_info_tells_how_it_stands() -> None:
    chat = Chat()
    said(chat, "hello", "/system Be brief.", "/web on")
    chat.stdout.truncate(0)
    chat.stdout.seek(0)
    assert said(chat, "/info")[0] == (
        "model          sonnet\n"
        "reasoner       deepseek\n"
        "answerer       default\n"
        "handoff        reasoning\n"
        "reasoning      tail\n"
        "web search     on\n"
        "system prompt  Be brief.\n"
        "files          none\n"
        "session        first\n"
        "turns          1\n"
        "this chat      1 turn · 300 tokens · $0.0030\n"
        "cache          not used yet\n"
    )


def test_help_names_every_command_and_tells_of_one() -> None:
    out, err = said(Chat(), "/help")
    assert err == ""
    assert len(out.splitlines()) <= 22
    assert max(map(len, out.splitlines())) < 80
    for name in COMMANDS:
        assert len(re.findall(rf"/{name}\b", out)) == 1
    assert said(Chat(), "/help /copy")[0] == (
        "/copy [N|code [N]|reasoning]\ncopy the last answer, the Nth, a code block, the reasoning\n"
    )


@pytest.mark.parametrize("entry", ["/exit", "/quit", "/EXIT "])
def test_the_chat_can_be_left(entry: str) -> None:
    chat = Chat()
    assert said(chat, entry) == ("", "")
    assert chat.session.over


def test_a_stopped_turn_settles_for_a_second() -> None:
    now = [100.0]
    chat = Chat(clock=lambda: now[0])
    before = chat.session.is_settling
    chat.turns.code = STOPPED
    said(chat, "hello")
    at_once = chat.session.is_settling
    now[0] += 1.0
    assert (before, at_once, chat.session.is_settling) == (False, True, False)


def test_the_last_turn_is_the_one_that_just_ran_even_where_none_is_kept() -> None:
    chat = Chat()
    chat.turns.keeps = False
    said(chat, "hello", "/copy")
    assert chat.copied == ["echo hello"]


def test_an_outcome_is_whole_unless_it_says_otherwise() -> None:
    assert Outcome(turn("q")).code == 0


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (46, "sonnet ← deepseek · first · $0.0030 · /help"),
        (43, "sonnet ← deepseek · $0.0030 · /help"),
        (35, "sonnet ← deepseek · $0.0030"),
        (27, "sonnet · $0.0030 · /help"),
        (24, "sonnet · $0.0030"),
        (16, "$0.0030"),
    ],
)
def test_the_toolbar_leaves_out_what_has_no_room(columns: int, line: str) -> None:
    chat = Chat()
    said(chat, "q")
    assert chat.session.toolbar(columns) == line
