"""Text that drives a terminal, by every door it can come in: no command shows it on one.

A door is where it comes from, a sink a command on a terminal. Each run is watched for the keys,
too: the vendors that say hostile things echo theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import pytest

from faults.runs import World
from faults.table import NOTHING
from support.replies import (
    Reply,
    claude_stream,
    error_reply_anthropic,
    error_reply_openai,
    html_reply,
    reasoner_stream,
)
from support.vendors import OWN_ANSWER, TEXTS, THOUGHTS

HOSTILE: Final = "\x1b]52;c;QUFB\x07\x1b[2J\x1b[5;31mred\x9b2J\u202eevil\u2066\u200b\x08\x00\r\x1bc"
NEVER: Final = ("\x1b[2J", "\x1b[5;31m", "\u202e", "\u2066", "\x1bc")
"""What the grammar of tests/support/screen.py allows or does not look at, and we never send."""
FILE_NAME: Final = HOSTILE.replace("\x00", "")
Words = tuple[str, ...]


def reply(world: World, reasoner: Reply | None = None, claude: Reply | None = None) -> Words:
    """Let the vendors answer so, each time they are asked; a plain question."""
    world.vendors.reply(reasoner or THOUGHTS, claude or TEXTS)
    return ("6 x 7?",)


def refused(world: World, code: str) -> str:
    return f"{HOSTILE} {world.vendors.keys[f'{code}_API_KEY']}"


def file(world: World) -> Words:
    path = world.vendors.home / f"{FILE_NAME}.txt"
    path.write_text(HOSTILE.replace("\x00", ""), encoding="utf-8")
    return (*reply(world), "-f", str(path))


def config(world: World, text: str) -> Words:
    escaped = "".join(f"\\u{ord(each):04x}" for each in HOSTILE if each != "\x00")
    world.vendors.config(text.replace("HOSTILE", escaped))
    return reply(world)


DOORS: Final[Mapping[str, Callable[[World], Words]]] = {
    "reasoning": lambda world: reply(world, reasoner_stream([HOSTILE, "Hm."], OWN_ANSWER)),
    "answer": lambda world: reply(world, claude=claude_stream([HOSTILE, "\n```\n", HOSTILE])),
    "name of the model": lambda world: reply(
        world, reasoner_stream(THOUGHTS, OWN_ANSWER, model=HOSTILE)
    ),
    "refusal of the reasoner": lambda world: reply(
        world, error_reply_openai(400, refused(world, "DEEPSEEK"))
    ),
    "refusal of Claude": lambda world: reply(
        world, claude=error_reply_anthropic(400, HOSTILE, refused(world, "ANTHROPIC"))
    ),
    "page": lambda world: reply(world, claude=html_reply(502, refused(world, "ANTHROPIC"))),
    "header": lambda world: reply(
        world,
        claude=Reply(401, {"request-id": "a\x9b2Jb", "retry-after": "\x9b1"}, [b"{}"], "\x9b2J"),
    ),
    "prompt": lambda world: (*reply(world)[1:], "--", HOSTILE.replace("\x00", "")),
    "session": lambda world: (*reply(world), f"--session={FILE_NAME}"),
    "file": file,
    "setting": lambda world: config(world, 'model = "HOSTILE"\n'),
    "wrong setting": lambda world: config(world, 'effort = "HOSTILE"\n'),
    "name of a setting": lambda world: config(world, '"HOSTILE" = 1\n[reasoners."HOSTILE"]\nx=1\n'),
}
UNSEEN: Final = {"header", "wrong setting"}
"""What no command shows; it may be a key."""
COMMANDS: Final[tuple[Words, ...]] = (
    ("history", "list"),
    ("history", "show", "last"),
    ("history", "export", "last"),
    ("history", "search", "red"),
    ("config", "show"),
    ("ask", "-x", "--continue", "Again?"),
)


def look(world: World, *words: str) -> str:
    """What it sends a terminal; `World` looks at that, too, and for keys in all that is left."""
    shown = world.run_on_terminal(*words)
    text = shown.stdout.decode("utf-8", "replace")
    assert [each for each in NEVER if each in text] == [], words
    assert shown.code in (0, 2, 3, 4, 5, 6), words
    return text


@pytest.mark.parametrize("door", DOORS)
def test_no_command_shows_a_terminal_what_drives_it(door: str, world: World) -> None:
    world.case = replace(world.case, fault=replace(NOTHING, env={"PAGER": "cat"}))
    words = DOORS[door](world)
    seen = look(world, "ask", *words)
    seen += "".join(look(world, *command) for command in COMMANDS)
    assert ("red" in seen) != (door in UNSEEN)
