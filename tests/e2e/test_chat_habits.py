"""What hands do by habit in a chat: a first question, a pipe before it, coming back, leaving."""

from __future__ import annotations

import os
import shutil

import pytest

from support.chatting import CTRL_C, CTRL_D, PROMPT, asked, piped, said, screen, turns, typed
from support.replies import Stall, claude_stream, reasoner_stream
from support.runner import PROGRAM, CompletedRun, run_in_pty
from support.screen import Terminal
from support.vendors import ANSWER, HEEDING_SIGNALS, PRINTED, TEXTS, THOUGHTS, Vendors

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no pty")

IN_A_SHELL = (str(shutil.which("bash")), "-c", '"$@" < "$DIFF"', "bash", *HEEDING_SIGNALS, *PROGRAM)


def test_a_first_question_is_asked_and_the_chat_stays(vendors: Vendors) -> None:
    vendors.reply()
    done = typed(vendors, b"and now?\r", args=("6 x", "7?"))
    assert (done.code, vendors.counts()) == (0, (2, 2))
    sent = [asked(request) for request in vendors.reasoner.requests]
    assert sent == [said("6 x 7?"), said("6 x 7?", ANSWER, "and now?")]
    assert screen(done)[0].startswith("Reasoning · deepseek-flash · thought ")


def test_the_first_question_is_the_first_that_up_brings_back(vendors: Vendors) -> None:
    vendors.reply()
    typed(vendors, b"\x1b[A\r", args=("6 x 7?",))
    assert [turn.start.prompt for turn in turns()] == ["6 x 7?", "6 x 7?"]


def test_what_is_piped_goes_with_the_first_question_and_the_terminal_asks_the_next(
    vendors: Vendors,
) -> None:
    vendors.reply()
    diff = vendors.home / "diff"
    diff.write_text("- a\n+ b\n")
    done = run_in_pty(
        "chat",
        "what changed?",
        keys=[(PROMPT, b"sure?\r"), (PROMPT, CTRL_D)],
        env={**vendors.environment, "DIFF": str(diff)},
        program=IN_A_SHELL,
    )
    assert done.code == 0
    first, second = turns()
    assert first.start.prompt == "<stdin>\n- a\n+ b\n</stdin>\n\nwhat changed?"
    assert (second.start.prompt, second.start.session) == ("sure?", first.start.session)


def test_a_chat_without_a_terminal_answers_the_first_question_and_ends(vendors: Vendors) -> None:
    vendors.reply()
    done = piped(vendors, "- a\n+ b\n", "what changed?")
    assert done == CompletedRun(0, PRINTED, b"")
    assert turns()[0].start.prompt == "<stdin>\n- a\n+ b\n</stdin>\n\nwhat changed?"


def test_what_is_piped_can_be_questions_behind_the_first(vendors: Vendors) -> None:
    vendors.reply()
    done = piped(vendors, "second\n", "--no-stdin", "first")
    assert done == CompletedRun(0, PRINTED * 2, b"")
    assert [turn.start.prompt for turn in turns()] == ["first", "second"]


def test_a_key_that_is_set_meanwhile_is_enough_to_search(vendors: Vendors) -> None:
    done = typed(vendors, b"/web on\r", b"/edit\r", b"/web on\r", env=sets_a_key(vendors))
    shown = screen(done)
    assert shown[1].startswith("error: no key for linkup")
    assert shown[-1] == "web search: on"


def sets_a_key(vendors: Vendors) -> dict[str, str]:
    """An editor that puts a key into the config file and changes no text."""
    path = vendors.config('[keys]\nserve = "0123456789abcdef"\n')
    script = vendors.home / "editor"
    script.write_text(f"#!/bin/sh\necho 'linkup = \"0123456789abcdef\"' >> '{path}'\n")
    script.chmod(0o755)
    return {"EDITOR": str(script)}


def test_a_file_goes_with_the_first_question_or_waits_for_it(vendors: Vendors) -> None:
    vendors.reply()
    notes = vendors.home / "notes.md"
    notes.write_text("x = 1\n")
    block = f'<file name="{notes}">\nx = 1\n</file>\n\n'
    vendors.run("chat", "-f", str(notes), "why?", stdin=b"")
    piped(vendors, "and this?\n", "-f", str(notes))
    assert [turn.start.prompt for turn in turns()] == [f"{block}why?", f"{block}and this?"]


def test_the_options_of_a_question_hold_for_the_questions_of_a_chat(vendors: Vendors) -> None:
    vendors.reply()
    flags = ("-m", "haiku", "--max-tokens", "1000", "-t", "0.3", "-s", "Be brief.")
    done = piped(vendors, "a\nb\n", *flags, "--max-cost", "1", "--on-cap", "answer", "--no-sources")
    assert (done.code, vendors.counts()) == (0, (2, 2))
    for request in vendors.claude.requests:
        assert (request.body["system"], request.body["model"]) == ("Be brief.", "claude-haiku-5-5")


def test_a_cap_holds_in_a_chat(vendors: Vendors) -> None:
    done = piped(vendors, "a\n", "--max-cost", "0.0000001")
    assert (done.code, vendors.counts()) == (4, (0, 0))
    assert b"max_cost is $0.0000001" in done.stderr


def test_who_leaves_is_told_what_it_cost_and_how_to_come_back(vendors: Vendors) -> None:
    vendors.reply()
    done = typed(vendors, b"q\r", args=("--session", "phys"))
    terminal = Terminal()
    terminal.write(done.output.decode())
    cost, way = terminal.lines()[-2:]
    assert cost.startswith("1 question · ")
    assert "$" in cost
    assert way == "`deepreasoning chat --session phys` continues from here"


def test_who_asked_nothing_or_keeps_nothing_is_told_less(vendors: Vendors) -> None:
    nothing = typed(vendors)
    assert b"goes on" not in nothing.output
    vendors.reply()
    unsaved = typed(vendors, b"q\r", args=("--no-save",))
    assert b"1 question" in unsaved.output
    assert b"goes on" not in unsaved.output


def test_a_chat_that_goes_on_says_from_what(vendors: Vendors) -> None:
    vendors.reply()
    vendors.ask("--session", "phys", "Why is the night dark?")
    done = typed(vendors, args=("-c",))
    terminal = Terminal()
    terminal.write(done.output.decode())
    assert terminal.lines()[1:3] == [
        "session phys, 1 turn",
        "last question, just now: Why is the night dark?",
    ]
    assert "claude-sonnet-5-5 ← deepseek-flash · phys · ≈$0.".encode() in done.output


def test_the_bar_names_the_models_and_what_was_spent(vendors: Vendors) -> None:
    vendors.reply()
    done = typed(vendors, b"/model opus\r", b"q\r", args=("-r", "deepseek-pro"))
    assert "claude-sonnet-5-5 ← deepseek-v4-pro · $0 · /help".encode() in done.output
    last = done.output.decode().rpartition("claude-opus-5-5 ← deepseek-v4-pro · ")[2]
    assert last.startswith(("$0.", "≈$0.", "<$0."))


def test_a_web_search_without_a_key_is_refused_at_once(vendors: Vendors) -> None:
    vendors.reply()
    done = piped(vendors, "/web on\nq\n")
    assert (vendors.counts(), done.stdout) == ((1, 1), PRINTED)
    assert done.stderr.startswith(b"error: no key for linkup")
    started = vendors.run("chat", "-w", stdin=b"q\n")
    assert (started.code, vendors.counts()) == (3, (1, 1))
    assert started.stderr.startswith(b"error: no key for linkup")


def test_ctrl_c_in_a_thought_points_to_the_command_that_answers_from_it(vendors: Vendors) -> None:
    vendors.reasoner.reply(reasoner_stream(THOUGHTS).failing(2, Stall()))
    vendors.claude.reply(claude_stream(TEXTS))
    done = typed(vendors, b"q\r", (b"Let me think.", CTRL_C), b"/retry\r")
    assert "hint: `/retry` answers from this reasoning" in screen(done)
    assert (vendors.counts(), turns()[-1].answer) == ((1, 1), ANSWER)


def test_ctrl_c_in_an_answer_points_to_the_commands_that_go_on(vendors: Vendors) -> None:
    vendors.reply(texts=claude_stream(["**42** it is", " never"]).failing(4, Stall()))
    done = typed(vendors, b"q\r", (b"it is", CTRL_C))
    assert "hint: `/resume` continues from here, `/retry` answers anew" in screen(done)


def test_ctrl_c_leaves_the_search_for_an_earlier_question(vendors: Vendors) -> None:
    vendors.reply()
    drawn = b"\x1b[?25h"
    keys = (b"once\r", b"\x12on", (b"I-search", CTRL_C), (drawn, b"more\r"))
    done = typed(vendors, *keys)
    assert (done.code, [turn.start.prompt for turn in turns()]) == (0, ["once", "more"])


def test_help_is_whole_on_the_smallest_screens(vendors: Vendors) -> None:
    for columns, rows in ((80, 24), (40, 12)):
        done = run_in_pty(
            "chat",
            keys=[(PROMPT, b"/help\r"), (PROMPT, CTRL_D)],
            env=vendors.environment,
            columns=columns,
            rows=rows,
        )
        terminal = Terminal(columns, rows)
        terminal.write(done.output.decode())
        lines = terminal.lines()
        words = " ".join("\n".join(lines).split())
        assert "go on in a copy; begin anew" in words
        if columns == 80:
            assert lines.index(">") - lines.index("> /help") <= 23
        else:
            assert "/branch [NAME [TURN]], /clear" in lines
            assert "  go on in a copy; begin anew" in lines
