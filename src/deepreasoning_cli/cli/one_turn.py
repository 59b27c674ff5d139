"""What `ask` does once its flags are known: prompt, session, kept reasoning, one turn."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.cli.look import Look
from deepreasoning_cli.cli.turns import Turns
from deepreasoning_cli.cli.web import without_search
from deepreasoning_cli.conversation import messages
from deepreasoning_cli.errors import DeepReasoningError, UsageError
from deepreasoning_cli.pipeline import Work
from deepreasoning_cli.prompt import read_prompt
from deepreasoning_cli.record import Record
from deepreasoning_cli.wiring.asked import Asked

if TYPE_CHECKING:
    from deepreasoning_cli.history.store import Store


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, as the command line has it."""

    words: Sequence[str]
    files: Sequence[str] = ()
    use_stdin: bool = True
    system: str | None = None
    resume_last: bool = False
    session: str | None = None
    reasoning_from: str | None = None
    allow_empty_reasoning: bool = False
    web_optional: bool = False
    dry_run: bool = False


def ask(turns: Turns, flags: Mapping[str, Any], look: Look, question: Question) -> None:
    """Ask and show. Raises every kind of DeepReasoningError."""
    look.check()
    if question.resume_last and question.session is not None:
        raise UsageError("--continue and --session exclude each other", hint="choose one")
    if question.session is not None and not question.session.strip():
        raise UsageError("a session needs a name", hint="--session NAME")
    loaded = turns.load(flags)
    text = read_prompt(
        question.words, question.files, use_stdin=question.use_stdin, announce=write_stderr
    )
    with ExitStack() as stack:
        session, earlier = session_of(turns, question, stack)
        kept, reasoning_from = _kept(turns, question.reasoning_from)
        last_system = earlier[-1].opened.system if earlier else None
        asked = Asked(
            text,
            question.system if question.system is not None else last_system,
            kept,
            reasoning_from,
            session,
            messages(earlier),
            look.reasoning_only,
            question.allow_empty_reasoning,
            without_search=without_search(
                optional=question.web_optional, structured=look.json or look.jsonl
            ),
        )
        plan = turns.plan(loaded, asked)
        if question.dry_run:
            from deepreasoning_cli.cli.dry_run import show_plan

            show_plan(plan, as_json=look.json or look.jsonl)
            return
        turns.run(plan, loaded, look)


def session_of(
    turns: Turns, question: Question, stack: ExitStack
) -> tuple[str | None, Sequence[Record]]:
    """The session to go on with, and its turns; a session in use elsewhere is forked."""
    if not (question.resume_last or question.session):
        turns.recover_orphans()
        return None, ()
    if not (turns.saves or turns.has_history()):
        return _begun(question), ()
    try:
        with turns.history() as store:
            return _found(turns, question, store, stack)
    except DeepReasoningError:
        if turns.has_history():
            raise
        return _begun(question), ()  # nothing can be kept either: the turn itself warns of that


def _found(
    turns: Turns, question: Question, store: Store, stack: ExitStack
) -> tuple[str | None, Sequence[Record]]:
    last = store.last() if question.resume_last else None
    name = question.session or _session_of_last(turns, store, last)
    if name is None:
        return None, [last] if last else ()
    if turns.saves:
        name = claimed(turns, store, name, stack)
    return name, store.session_turns(name)


def claimed(turns: Turns, store: Store, session: str, stack: ExitStack) -> str:
    """The session, this process's own until `stack` is left; a fork of it where it is not free."""
    claim = stack.enter_context(store.claim(session))
    if claim.forked_from:
        turns.say("note", f"session {session} is in use; this goes on as {claim.name}")
    return claim.name


def _begun(question: Question) -> str:
    """The name of a session without turns. Raises UsageError where the last one is wanted."""
    if question.session is None:
        raise UsageError("there is no turn to continue", kind="unknown_turn", hint="ask one first")
    return question.session


def _session_of_last(turns: Turns, store: Store, last: Record | None) -> str | None:
    """The session of the last turn; one that has none begins one of its own, where it can."""
    if last is None:
        raise UsageError("there is no turn to continue", kind="unknown_turn", hint="ask one first")
    if last.opened.session is None and turns.saves:
        try:
            store.put_in_session(last.opened.id, last.opened.id)
        except DeepReasoningError as error:  # it can be read, which is enough to go on
            turns.say("warning", error.message)
        else:
            return last.opened.id
    return last.opened.session


def _kept(turns: Turns, name: str | None) -> tuple[Work | None, str | None]:
    """The reasoning to use again and the id of its turn: `last`, an id, or a file."""
    if name is None:
        return None, None
    if name != "last" and (_is_there(name) or not name.isalnum()):
        return Work(_reasoning_in(Path(name))), None
    turn = None
    if turns.saves or turns.has_history():
        with turns.history() as store:
            turn = store.last() if name == "last" else store.turn(name)
    if turn is None:
        raise UsageError("there is no turn yet", kind="unknown_turn", hint="ask one first")
    return work_of(turn), turn.opened.id


def _is_there(name: str) -> bool:
    return os.path.exists(name)  # noqa: PTH110 - to Path a name that is too long is an error


def work_of(turn: Record) -> Work:
    """The reasoning of an earlier turn, to use again. Raises UsageError where it has none."""
    if not turn.reasoning.strip():
        raise UsageError(f"turn {turn.opened.id} has no reasoning", kind="empty_reasoning")
    return work_in(turn)


def work_in(turn: Record) -> Work:
    """All that the reasoner brought in an earlier turn, which may be nothing."""
    return Work(turn.reasoning, turn.draft, turn.reasoned_by or Work().model)


def _reasoning_in(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as exc:
        raise UsageError(
            f"cannot read the reasoning from {path}: {exc.strerror}", kind="unreadable_file"
        ) from exc
    if not text.strip():
        raise UsageError(f"{path} holds no reasoning", kind="empty_reasoning")
    return text
