"""The turns of a chat: how they are run, and the earlier ones that they go on from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import typer

from deepreasoning_cli.cli.boundary import report
from deepreasoning_cli.cli.chat.prompt_history import PromptHistory
from deepreasoning_cli.cli.dry_run import steps
from deepreasoning_cli.cli.earlier_turns import claim_session, require_reasoning
from deepreasoning_cli.cli.options import Visibility
from deepreasoning_cli.cli.output import OutputOptions
from deepreasoning_cli.cli.picks import Pick
from deepreasoning_cli.cli.runner import TurnRunner
from deepreasoning_cli.cli.signals import sigint_once
from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.pipeline.continuation import kept_answer
from deepreasoning_cli.pipeline.conversation import to_messages
from deepreasoning_cli.pipeline.events import Handoff
from deepreasoning_cli.pipeline.record import GrowingText, TurnRecord
from deepreasoning_cli.wiring.resources import TurnRequest, new_id

if TYPE_CHECKING:
    from deepreasoning_cli.cli.chat.typed_ahead import TypedAhead
    from deepreasoning_cli.history.sessions import Session
    from deepreasoning_cli.history.store import Store

Result = TypeVar("Result")
STOPPED = 130
"""The exit code of a turn that Ctrl-C ended."""

GOES_ON: Final = Pick(
    question="Which answer goes on?", enter="Enter keeps the present one", fewest=1
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatState:
    """What the slash commands change; replaced, never mutated.

    `session` is the session's name, `files` are paths that go with the next question; None
    stands for the default.
    """

    session: str
    model: str | None = None
    reasoner: str | None = None
    answerer: str | None = None
    system: str | None = None
    reasoning: Visibility = "tail"
    handoff: Handoff = Handoff.REASONING
    effort: str | None = None
    think: str | None = None
    web: bool = False
    files: tuple[str, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the next turn; None stands for one that is not set."""
        return {
            "model": self.model,
            "reasoner": self.reasoner,
            "answerer": self.answerer,
            "handoff": str(self.handoff),
            "effort": self.effort,
            "think": self.think,
            "reasoning": self.reasoning,
            "web_search_linkup": self.web,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """A turn that is over, and the exit code that `ask` would have had."""

    record: TurnRecord
    code: int = 0


@dataclass(frozen=True, slots=True)
class ComparisonOutcome:
    """The turns of a comparison that is over, the one that was picked, and the exit code."""

    records: Sequence[TurnRecord]
    picked: TurnRecord | None
    code: int = 0


class ChatArchive:
    """The sessions and their turns; the current session is claimed for as long as `claim` is open.

    What the next request needs stays in memory: questions and answers, and all of the last turn.
    The reasoning of older turns is read from the history on demand; without a history it stays in
    memory too. A history that cannot be used costs a warning, not the conversation.
    """

    def __init__(
        self, runner: TurnRunner, claim: ExitStack, session: str, turns: Sequence[TurnRecord]
    ) -> None:
        """Begin with a session whose turns were read already, and claimed if there are any."""
        self._runner = runner
        self._claim = claim
        self._claimed = session if turns else ""
        self._turns = {session: self._lighten(turns)}

    def enter(self, session: str) -> str:
        """Claim the session in place of the one before; return the name to go on with."""
        self._claim.close()
        self._claimed = self._use_store(
            lambda store: claim_session(self._runner, store, session, self._claim), session
        )
        return self._claimed

    def sessions(self) -> Sequence[Session]:
        """All sessions, the one used last first."""
        if self._runner.saves:
            with self._runner.history() as store:
                return store.sessions()
        from deepreasoning_cli.history.sessions import Session

        now = datetime.now(UTC)
        return [
            Session(
                name=name,
                turns=len(turns),
                last=now,
                forked_from=None,
                first_prompt=turns[0].start.prompt,
            )
            for name, turns in self._turns.items()
            if turns
        ]

    def turns(self, session: str) -> Sequence[TurnRecord]:
        """The turns of a session in order, whole."""
        turns = self.turns_in_memory(session)
        whole = {turn.start.id: turn for turn in self._read(session)} if turns else {}
        return [whole.get(turn.start.id, turn) for turn in turns]

    def turns_in_memory(self, session: str) -> Sequence[TurnRecord]:
        """The same turns; the older ones may have questions and answers only."""
        if session not in self._turns:
            self._turns[session] = self._lighten(self._read(session))
        return self._turns[session]

    def add(self, session: str, record: TurnRecord, instead_of: TurnRecord | None) -> None:
        """Add a turn that was just run, in place of `instead_of` where there is one."""
        if instead_of is not None:
            self.remove(session, instead_of)
        self._turns[session] = self._lighten(
            [*self.turns_in_memory(session), _with_whole_answer(record)]
        )
        if self._claimed != session:  # a new session: nobody else knew of it until now
            self.enter(session)

    def take_in(self, session: str, record: TurnRecord, *, instead_of: TurnRecord) -> TurnRecord:
        """Let a kept turn that is in no session take the place of `instead_of`; return it."""
        turn = record.start.id
        self._use_store(lambda store: store.put_in_session(turn, session), None)
        record = replace(record, start=replace(record.start, session=session))
        self.add(session, record, instead_of)
        return record

    def remove(self, session: str, record: TurnRecord) -> None:
        """Take a turn out of the session, where it is in it; the history keeps the turn."""
        turn = record.start.id
        self._turns[session] = [t for t in self.turns_in_memory(session) if t.start.id != turn]
        self._use_store(lambda store: store.leave_session(turn, session), None)

    def branch(self, session: str, new: str, upto: int) -> None:
        """Let the session `new` begin with the first `upto` turns of `session`."""
        self._turns[new] = list(self.turns(session)[:upto])
        self._use_store(lambda store: store.branch(session, new, upto), None)

    def new_name(self) -> str:
        """A name that no session has."""
        return new_id()

    def _lighten(self, turns: Sequence[TurnRecord]) -> list[TurnRecord]:
        """The turns, all but the last without what the history can give back."""
        if not self._runner.saves:
            return list(turns)
        older = (
            replace(
                turn,
                thoughts=GrowingText(),
                drafts=GrowingText(),
                own_thoughts=GrowingText(),
            )
            if turn.thoughts or turn.drafts or turn.own_thoughts
            else turn
            for turn in turns[:-1]
        )
        return [*older, *turns[-1:]]

    def _read(self, session: str) -> Sequence[TurnRecord]:
        return self._use_store(lambda store: store.session_turns(session), [])

    def _use_store(self, use: Callable[[Store], Result], default: Result) -> Result:
        """What `use` returns; `default` where nothing is saved or the history cannot be used."""
        if self._runner.saves:
            try:
                with self._runner.history() as store:
                    return use(store)
            except DeepReasoningError as error:
                self._runner.warn(error.message)
        return default


def _with_whole_answer(turn: TurnRecord) -> TurnRecord:
    """The turn with its answer in one piece."""
    return replace(turn, texts=GrowingText([turn.answer]), kept_answer="")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTurns:
    """Runs the turns of a chat.

    `settings` are those of the command line; `prompts` learns which turn an entry led to. `keys`
    keeps what is typed while a turn runs, None where the terminal does.

    A turn that Ctrl-C stopped or that failed half-way is an Outcome with its exit code, and the
    user has been told why. What fails before a turn begins is raised as DeepReasoningError.
    """

    runner: TurnRunner
    archive: ChatArchive
    settings: Mapping[str, Any]
    plain: bool
    debug: bool
    prompts: PromptHistory | None
    keys: TypedAhead | None = None

    @property
    def saves(self) -> bool:
        """Whether the turns go into the history."""
        return self.runner.saves

    def preconnect(self) -> None:
        """Have a connection ready: the user has begun to type a question."""
        self.runner.preconnect()

    def answer_again(self, turn: TurnRecord, state: ChatState) -> Outcome:
        """Run Claude alone on the reasoning of `turn`, which keeps its place if no text comes."""
        return self.ask(turn.start.prompt, state, turn, reuses_reasoning=True)

    def finish(self, turn: TurnRecord, state: ChatState) -> Outcome:
        """Have the cut answer of `turn` continued, or one written from the reasoning there is."""
        reuses = bool(turn.reasoning)
        return self.ask(turn.start.prompt, state, turn, reuses_reasoning=reuses, continues=True)

    def price(self, prompt: str, state: ChatState) -> str:
        """What the next turn would cost, as far as that can be known before it."""
        plan = self.runner.plan(self._build_request(prompt or "?", state, None))
        return "\n".join(f"{step.model}: ≈{step.words}" for step in steps(plan))

    def compare(
        self, turn: TurnRecord, models: Sequence[str], state: ChatState
    ) -> ComparisonOutcome:
        """Have these models, or the usual ones, answer the question of `turn` from its reasoning.

        The answer that is picked takes the place of the turn in the conversation.
        """
        from deepreasoning_cli.cli.comparison import ComparisonOutput, ShownComparison
        from deepreasoning_cli.wiring.comparison import plan_comparison

        requests = self._requests_to_compare(turn, models, state)
        comparison = plan_comparison(requests, self.runner.plan, session=state.session)
        settings, output = requests[0].loaded.settings, ComparisonOutput(plain=self.plain)
        shown = ShownComparison(self.runner, comparison, settings=settings, output=output)
        code = 0
        try:
            with sigint_once(), self.keys.collecting() if self.keys else nullcontext():
                shown.run()
            shown.sum_up(GOES_ON)
        except (KeyboardInterrupt, typer.Abort):
            code = STOPPED
        if isinstance(shown.failure, Exception):
            code = code or report(shown.failure, as_json=False, debug=self.debug)
        if code and self.keys:
            self.keys.unqueue()
        picked = shown.picked
        if picked:
            picked = self.archive.take_in(state.session, picked, instead_of=turn)
        return ComparisonOutcome(shown.records, picked, code)

    def _requests_to_compare(
        self, turn: TurnRecord, models: Sequence[str], state: ChatState
    ) -> list[TurnRequest]:
        from deepreasoning_cli.pipeline.search import found_pages
        from deepreasoning_cli.wiring.comparison import arm_settings

        work = source = None
        if state.handoff is not Handoff.NONE:
            work, source = require_reasoning(turn), turn.start.id
        common = replace(
            self._build_request(turn.start.prompt, state, turn),
            session=None,  # that of the one alone that is picked
            reused=work,
            reasoning_from=source,
            found=found_pages(turn.sources),
        )
        flags = {**self.settings, **state.settings, "web_search_linkup": False}
        return [
            replace(common, loaded=self.runner.load({**flags, **arm}))
            for arm in arm_settings({"model": models})
        ]

    def ask(
        self,
        prompt: str,
        state: ChatState,
        instead_of: TurnRecord | None = None,
        *,
        reuses_reasoning: bool = False,
        continues: bool = False,
    ) -> Outcome:
        """Run a turn; the prompt holds attached files already.

        The turn takes the place of `instead_of` in the conversation that later turns send; both
        stay in the history. Where it `reuses_reasoning` of that turn, Claude alone is run, and
        where it `continues` that turn's answer, it writes the rest of it.
        """
        record = TurnRecord()
        code = 0
        with (
            sigint_once(),
            self.keys.collecting() if self.keys else nullcontext(lambda: False) as answer_now,
        ):
            request = replace(self._build_request(prompt, state, instead_of), answer_now=answer_now)
            if reuses_reasoning and instead_of:
                reasoning_from = instead_of.start.id
                request = replace(
                    request, reused=require_reasoning(instead_of), reasoning_from=reasoning_from
                )
            if continues and instead_of:
                resumes = instead_of.start.id
                request = replace(request, continued=kept_answer(instead_of), resumes=resumes)
            plan = self.runner.plan(request)
            if self.prompts:
                self.prompts.begin_turn(plan.id)
            output = OutputOptions(plain=self.plain)
            try:
                self.runner.run(plan, request.loaded.settings, output, record)
            except KeyboardInterrupt:
                code = STOPPED
            except OSError:  # nobody reads what is printed, or it cannot be written
                raise
            except Exception as exc:  # noqa: BLE001 (a bug costs this turn, not the chat)
                code = report(exc, as_json=False, debug=self.debug)
        if code and self.keys:
            self.keys.unqueue()
        done = continues and record.complete  # nothing may have been missing
        if record.texts or (record.thoughts and not reuses_reasoning) or done:
            self.archive.add(state.session, record, instead_of)
        return Outcome(record, code)

    def _build_request(
        self, prompt: str, state: ChatState, instead_of: TurnRecord | None
    ) -> TurnRequest:
        replaced = instead_of.start.id if instead_of else None
        turns = self.archive.turns_in_memory(state.session)
        return TurnRequest(
            loaded=self.runner.load({**self.settings, **state.settings}),
            question=prompt,
            system=state.system,
            session=state.session,
            earlier=to_messages([turn for turn in turns if turn.start.id != replaced]),
        )
