"""What a question goes on from: the turns of its session, or the reasoning of an earlier turn."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.errors import DeepReasoningError, UsageError
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.run import ReasonerOutput
from deepreasoning_cli.prompt import read_file

if TYPE_CHECKING:
    from deepreasoning_cli.cli.runner import AskOptions, TurnRunner
    from deepreasoning_cli.history.store import Store

OTHER_TURN = "name a turn or a file that has some; `deepreasoning history` lists the turns"


def open_session(
    runner: TurnRunner, options: AskOptions, stack: ExitStack
) -> tuple[str | None, Sequence[TurnRecord]]:
    """The session to continue and its turns; a session that another process uses is forked."""
    if not options.continues:
        runner.recover_orphans()
        return None, ()
    if not (runner.saves or runner.has_history()):
        return _new_session(options), ()
    try:
        with runner.history() as store:
            return _find_session(runner, options, store, stack)
    except DeepReasoningError:
        if runner.has_history():
            raise
        return _new_session(options), ()  # nothing can be saved: the turn warns of that


def _find_session(
    runner: TurnRunner, options: AskOptions, store: Store, stack: ExitStack
) -> tuple[str | None, Sequence[TurnRecord]]:
    last = store.last() if options.resume_last else None
    if last and last.start.comparison:
        last = _went_on_with(store, last, last.start.comparison)
    name = _session_of(runner, store, last) if last else _new_session(options)
    if name is None:
        return None, [last] if last else ()
    if runner.saves:
        name = claim_session(runner, store, name, stack)
    return name, store.session_turns(name)


def _went_on_with(store: Store, turn: TurnRecord, comparison: str) -> TurnRecord:
    """What the conversation goes on with after a comparison: the answer that was picked, else the
    last turn of the session that was compared in; the turn itself where there is neither.
    """
    from deepreasoning_cli.pipeline.comparison import session_from_json

    if picked := store.picked(comparison):
        return picked
    with suppress(UsageError, ValueError):  # its first turn was deleted, or is damaged
        session = session_from_json(store.turn(comparison).start.arms or "")
        return (store.last(session) if session else None) or turn
    return turn


def claim_session(runner: TurnRunner, store: Store, session: str, stack: ExitStack) -> str:
    """Claim the session until `stack` is left; the name of it, or of a fork if it is in use."""
    claim = stack.enter_context(store.claim(session))
    if claim.forked_from:
        runner.note(f"session {session} is in use; continuing as {claim.name}")
    return claim.name


def _new_session(options: AskOptions) -> str:
    """The name of a session without turns. Raises UsageError for `--continue`."""
    if options.session is None:
        raise UsageError("there is no turn to continue", kind="unknown_turn", hint="ask one first")
    return options.session


def _session_of(runner: TurnRunner, store: Store, last: TurnRecord) -> str | None:
    """The session of the last turn; a turn without one begins one, if that can be saved."""
    if last.start.session is None and runner.saves:
        try:
            store.put_in_session(last.start.id, last.start.id)
        except DeepReasoningError as error:  # reading it is enough to go on
            runner.warn(error.message)
        else:
            return last.start.id
    return last.start.session


def reused_work(runner: TurnRunner, name: str) -> tuple[ReasonerOutput, str | None]:
    """The reasoning that `--reasoning-from` names, and the id of its turn if it has one."""
    is_file = os.path.exists(name)  # noqa: PTH110 - to Path a name that is too long is an error
    if name != "last" and (is_file or not name.lstrip("-@").isalnum()):
        return ReasonerOutput(_read_reasoning(Path(name))), None
    turn = None
    if runner.saves or runner.has_history():
        with runner.history() as store:
            turn = store.turn(name)
    if turn is None:
        raise UsageError("there is no turn yet", kind="unknown_turn", hint="ask one first")
    return require_reasoning(turn), turn.start.id


def require_reasoning(turn: TurnRecord) -> ReasonerOutput:
    """What the reasoner wrote in an earlier turn. Raises UsageError if that has no reasoning."""
    if not turn.reasoning.strip():
        raise UsageError(
            f"turn {turn.start.id} has no reasoning", kind="empty_reasoning", hint=OTHER_TURN
        )
    return ReasonerOutput.of(turn)


def _read_reasoning(path: Path) -> str:
    text = read_file(str(path), write_stderr)
    if not text.strip():
        what = f"{path} contains no reasoning"
        raise UsageError(what, kind="empty_reasoning", hint=OTHER_TURN)
    return text
