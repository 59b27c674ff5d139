"""What `ask` does once its flags are known: prompt, session, kept reasoning, one turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepreasoning_cli import wiring
from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.cli.look import Look
from deepreasoning_cli.cli.turns import Turns
from deepreasoning_cli.conversation import messages
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.events import Stage
from deepreasoning_cli.pipeline import Work
from deepreasoning_cli.prompt import read_prompt
from deepreasoning_cli.record import Record

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
    dry_run: bool = False


def ask(turns: Turns, flags: Mapping[str, Any], look: Look, question: Question) -> None:
    """Ask and show. Raises every kind of DeepReasoningError."""
    look.check()
    if question.resume_last and question.session:
        raise UsageError("--continue and --session exclude each other", hint="choose one")
    loaded = turns.load(flags)
    text = read_prompt(
        question.words, question.files, use_stdin=question.use_stdin, announce=write_stderr
    )
    with ExitStack() as stack:
        session, earlier = session_of(turns, question, stack)
        kept, reasoning_from = _kept(turns, question.reasoning_from)
        last_system = earlier[-1].opened.system if earlier else None
        asked = wiring.Asked(
            text,
            question.system if question.system is not None else last_system,
            kept,
            reasoning_from,
            session,
            messages(earlier),
            look.reasoning_only,
            question.allow_empty_reasoning,
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
        turns.adopt_leftovers()
        return None, ()
    with turns.history() as store:
        name = question.session or _last_session(store)
        claim = stack.enter_context(store.claim(name))
        if claim.forked_from:
            turns.say("note", f"session {name} is in use; this goes on as {claim.name}")
        return claim.name, store.session_turns(claim.name)


def _last_session(store: Store) -> str:
    """The session of the last turn; one that has none begins one of its own."""
    last = store.last()
    if last is None:
        raise UsageError("there is no turn to continue", kind="unknown_turn", hint="ask one first")
    if last.opened.session is None:
        store.put_in_session(last.opened.id, last.opened.id)
    return last.opened.session or last.opened.id


def _kept(turns: Turns, name: str | None) -> tuple[Work | None, str | None]:
    """The reasoning to use again and the id of its turn: `last`, an id, or a file."""
    if name is None:
        return None, None
    if name != "last" and Path(name).exists():
        return Work(_reasoning_in(Path(name))), None
    with turns.history() as store:
        turn = store.last() if name == "last" else store.turn(name)
    if turn is None:
        raise UsageError("there is no turn yet", kind="unknown_turn", hint="ask one first")
    return work_of(turn), turn.opened.id


def work_of(turn: Record) -> Work:
    """What the reasoner brought in an earlier turn. Raises UsageError where that is nothing."""
    if not turn.reasoning.strip():
        raise UsageError(f"turn {turn.opened.id} has no reasoning", kind="empty_reasoning")
    stage = turn.stages.get(Stage.REASON)
    model = (stage.served_model or stage.model) if stage else Work().model
    return Work(turn.reasoning, turn.draft, model)


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
