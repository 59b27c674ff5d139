"""Put a chat together and run it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from deepreasoning_cli import paths
from deepreasoning_cli.chat.ports import Ports, State
from deepreasoning_cli.chat.start import repl
from deepreasoning_cli.cli.chat.archive import ChatArchive
from deepreasoning_cli.cli.chat.asking import ChatNames, ChatTurns
from deepreasoning_cli.cli.one_turn import Question, session_of
from deepreasoning_cli.cli.options import Globals
from deepreasoning_cli.cli.turns import Turns
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.events import Handoff
from deepreasoning_cli.record import Record
from deepreasoning_cli.settings.loaded import Loaded
from deepreasoning_cli.wiring.asked import Asked
from deepreasoning_cli.wiring.catalogs import catalog_for

TIP = "Enter: answer now"
PROMPTS = "prompts"
ANSWERING = ("anthropic", "empiriolabs")  # without one of these keys nothing answers


def run(
    given: Globals,
    flags: Mapping[str, Any],
    *,
    session: str | None,
    resume_last: bool,
    system: str | None,
    hide_reasoning: bool,
    plain: bool,
    save: bool,
) -> int:
    """Chat until the user leaves; the exit code. Raises DeepReasoningError."""
    if session is not None and resume_last:
        raise UsageError("--continue and --session exclude each other", hint="choose one")
    if session is not None and not session.strip():
        raise UsageError("a session needs a name", hint="--session NAME")
    typed = sys.stdin is not None and sys.stdin.isatty()
    with ExitStack() as stack:
        turns = stack.enter_context(Turns(given, save=save, tip=TIP if typed else ""))
        loaded = turns.load(flags)
        _demand_a_key(turns, loaded)
        archive = stack.enter_context(ChatArchive(turns))
        question = Question((), session=session, resume_last=resume_last)
        name, earlier = session_of(turns, question, archive.claim)
        state = State(
            session=name or archive.new_name(),
            model=loaded.settings.model,
            reasoner=loaded.settings.reasoner,
            system=system if system is not None else _system_of(earlier),
            reasoning="hide" if hide_reasoning else "show",
            handoff=Handoff(loaded.settings.handoff),
            web=loaded.settings.web_search_linkup,
        )
        archive.begin(state.session, earlier)
        asking = ChatTurns(turns, archive, flags, plain=plain or not typed)
        names = ChatNames(catalog_for(loaded), loaded.settings.backend)
        ports = Ports(asking, archive, names, asking)
        return repl(ports, state, history=_prompts(turns, loaded), color=given.color).run()


def _demand_a_key(turns: Turns, loaded: Loaded) -> None:
    """Raise ConfigError where no question could be asked, whatever is typed."""
    if not any(map(loaded.has_key, ANSWERING)):
        turns.plan(loaded, Asked("?"))  # knows what is missing; the demo misses nothing


def _system_of(earlier: Sequence[Record]) -> str | None:
    return earlier[-1].opened.system if earlier else None


def _prompts(turns: Turns, loaded: Loaded) -> Path | None:
    """Where the line editor keeps what was typed; None where nothing is to be kept."""
    return paths.data_dir() / PROMPTS if turns.saves and loaded.settings.history else None
