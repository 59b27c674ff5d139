"""A chat's turns: from its state to a turn that is shown and kept, and what it goes on from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from deepreasoning_cli.catalog.models import Catalog
from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.cli.chat.prompt_history import PromptHistory
from deepreasoning_cli.cli.dry_run import steps
from deepreasoning_cli.cli.output import OutputOptions
from deepreasoning_cli.cli.runner import TurnRunner, claim_session, work_of
from deepreasoning_cli.cli.signals import answer_now_key, sigint_once
from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.pipeline.conversation import to_messages
from deepreasoning_cli.pipeline.events import Handoff
from deepreasoning_cli.pipeline.money import format_usd
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.views.base import error_lines
from deepreasoning_cli.wiring.plan import TurnRequest
from deepreasoning_cli.wiring.resources import new_id

if TYPE_CHECKING:
    from deepreasoning_cli.history.sessions import Session
    from deepreasoning_cli.history.store import Store

STOPPED = 130
"""The code of a turn that Ctrl-C ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatState:
    """What the slash commands change; replaced, never mutated.

    `session` is the session's name, `files` are paths that go with the next question; None
    stands for the default.
    """

    session: str
    model: str | None = None
    reasoner: str | None = None
    system: str | None = None
    reasoning: Literal["show", "hide"] = "show"
    handoff: Handoff = Handoff.REASONING
    web: bool = False
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """A turn that is over: what came of it, and the exit code that `ask` would have had."""

    record: TurnRecord
    code: int = 0


class ChatArchive:
    """Sessions and their turns. Enter it with `with`: `claim` holds the session until then.

    What the next request needs stays in memory: questions and answers, and all of the last turn.
    The older reasoning is read from the history where it is asked for; without a history it stays
    too. A history that cannot be used costs a warning, not the conversation.
    """

    def __init__(self, runner: TurnRunner) -> None:
        self._runner = runner
        self._known: dict[str, list[TurnRecord]] = {}
        self._own = ""  # the session that is claimed
        self.claim = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.claim.close()

    def begin(self, session: str, turns: Sequence[TurnRecord]) -> None:
        """Take up a session whose turns were read, and that was claimed, elsewhere."""
        self._own = session if turns else ""
        self._known[session] = self._lighten_all(turns)

    def enter(self, session: str) -> str:
        """Claim the session in the place of the one before; the name to go on with."""
        self.claim.close()
        names = [session]
        if self._runner.saves:
            self._use_store(
                lambda store: names.append(claim_session(self._runner, store, session, self.claim))
            )
        self._own = names[-1]
        return self._own

    def sessions(self) -> Sequence[Session]:
        """All sessions, the one used last first."""
        if not self._runner.saves:
            return [_row(name, turns) for name, turns in self._known.items() if turns]
        with self._runner.history() as store:
            return store.sessions()

    def turns(self, session: str) -> Sequence[TurnRecord]:
        """The turns of a session in order, all that is known of each."""
        known = self.remembered(session)
        whole = {turn.opened.id: turn for turn in self._read(session)} if known else {}
        return [whole.get(turn.opened.id, turn) for turn in known]

    def remembered(self, session: str) -> Sequence[TurnRecord]:
        """The same turns; of the older ones the questions and answers are enough."""
        if session not in self._known:
            self._known[session] = self._lighten_all(self._read(session))
        return self._known[session]

    def add(self, session: str, record: TurnRecord, instead_of: TurnRecord | None) -> None:
        """Take up a turn that was just run, in the place of another if it has one."""
        if instead_of is not None:
            self._forget(session, instead_of)
        before = self.remembered(session)
        self._known[session] = [*before[:-1], *map(self._lighten, before[-1:]), _join_texts(record)]
        if self._own != session:  # a new one: nobody had heard of it until now
            self.enter(session)

    def drop_last(self, session: str) -> None:
        """Take the last turn out of the session."""
        if turns := self.remembered(session):
            self._forget(session, turns[-1])

    def branch(self, session: str, new: str, upto: int) -> None:
        """Let the session `new` begin with the first `upto` turns of `session`."""
        self._known[new] = list(self.turns(session)[:upto])
        if self._runner.saves:
            self._use_store(lambda store: store.branch(session, new, upto))

    def new_name(self) -> str:
        """A name that no session has."""
        return new_id()

    def _forget(self, session: str, record: TurnRecord) -> None:
        turn = record.opened.id
        self._known[session] = [each for each in self._known[session] if each.opened.id != turn]
        if self._runner.saves:
            self._use_store(lambda store: store.leave_session(turn, session))

    def _lighten_all(self, turns: Sequence[TurnRecord]) -> list[TurnRecord]:
        return [*map(self._lighten, turns[:-1]), *turns[-1:]]

    def _lighten(self, turn: TurnRecord) -> TurnRecord:
        """The turn without what the history can give back."""
        return replace(turn, thoughts=[], drafts=[]) if self._runner.saves else turn

    def _read(self, session: str) -> list[TurnRecord]:
        found: list[TurnRecord] = []
        if self._runner.saves:
            self._use_store(lambda store: found.extend(store.session_turns(session)))
        return found

    def _use_store(self, use: Callable[[Store], object]) -> None:
        try:
            with self._runner.history() as store:
                use(store)
        except DeepReasoningError as error:
            self._runner.warn(error.message)


def _join_texts(turn: TurnRecord) -> TurnRecord:
    """The turn with each text in one piece."""
    reasoning, draft, answer = (
        [text] * bool(text) for text in (turn.reasoning, turn.draft, turn.answer)
    )
    return replace(turn, thoughts=reasoning, drafts=draft, texts=answer)


def _row(name: str, turns: list[TurnRecord]) -> Session:
    from deepreasoning_cli.history.sessions import Session

    first = turns[0].opened.prompt
    return Session(name, len(turns), datetime.now(UTC), forked_from=None, first_prompt=first)


class ChatTurns:
    """Runs the turns of a chat; `settings` are those that its flags have given.

    `prompts` keeps which turn an entry led to.

    A turn that Ctrl-C stopped or that failed half-way is an Outcome with its code; it has been
    explained to the user by then. What failed before a turn began is raised as
    DeepReasoningError.
    """

    def __init__(
        self,
        runner: TurnRunner,
        archive: ChatArchive,
        settings: Mapping[str, Any],
        *,
        plain: bool,
        prompts: PromptHistory | None = None,
    ) -> None:
        self._runner = runner
        self._archive = archive
        self._settings = settings
        self._plain = plain
        self._prompts = prompts

    def ask(self, prompt: str, state: ChatState, instead_of: TurnRecord | None = None) -> Outcome:
        """Both stages; the prompt holds attached files already.

        The turn takes the place of `instead_of` in the conversation that later turns send; both
        stay in the history.
        """
        return self._run(prompt, state, None, instead_of)

    def answer_again(self, of: TurnRecord, state: ChatState) -> Outcome:
        """Claude alone, on the reasoning of `of`, which keeps its place where no text came."""
        return self._run(of.opened.prompt, state, of, of)

    def price(self, prompt: str, state: ChatState) -> str:
        """What the next turn would cost, as far as that can be known before it."""
        plan = self._runner.plan(self._build_request(prompt or "?", state))
        return "\n".join(f"{step.model}: ≈{step.words}" for step in steps(plan))

    def _run(
        self,
        prompt: str,
        state: ChatState,
        reasoned: TurnRecord | None,
        instead_of: TurnRecord | None,
    ) -> Outcome:
        record = TurnRecord()
        code = 0
        with sigint_once(), answer_now_key() as enough:
            request = self._build_request(prompt, state, reasoned, instead_of, enough)
            plan = self._runner.plan(request)
            if self._prompts:
                self._prompts.begin_turn(plan.id)
            try:
                self._runner.run(plan, request.loaded.settings, self._output(state), record)
            except KeyboardInterrupt:
                code = STOPPED
            except DeepReasoningError as error:
                write_stderr("\n".join(error_lines(error)))
                code = error.exit_code
        if record.texts or (record.thoughts and reasoned is None):
            self._archive.add(state.session, record, instead_of)
        return Outcome(record, code)

    def _output(self, state: ChatState) -> OutputOptions:
        hidden = state.reasoning == "hide"
        return OutputOptions(plain=self._plain, reasoning="hide" if hidden else None)

    def _build_request(
        self,
        prompt: str,
        state: ChatState,
        reasoned: TurnRecord | None = None,
        instead_of: TurnRecord | None = None,
        enough: Callable[[], bool] = lambda: False,
    ) -> TurnRequest:
        replaced = instead_of.opened.id if instead_of else None
        known = self._archive.remembered(state.session)
        return TurnRequest(
            loaded=self._runner.load({**self._settings, **_changed_settings(state)}),
            question=prompt,
            system=state.system,
            reused=work_of(reasoned) if reasoned else None,
            reasoning_from=reasoned.opened.id if reasoned else None,
            session=state.session,
            earlier=to_messages([turn for turn in known if turn.opened.id != replaced]),
            answer_now=enough,
        )


def _changed_settings(state: ChatState) -> dict[str, Any]:
    return {
        name: value
        for name, value in (
            ("model", state.model),
            ("reasoner", state.reasoner),
            ("handoff", str(state.handoff)),
            ("web_search_linkup", state.web),
        )
        if value is not None
    }


class ChatNames:
    """The names that a chat completes and checks."""

    def __init__(self, catalog: Catalog, backend: str) -> None:
        self._catalog = catalog
        self._backend = backend if backend in ("direct", "gateway") else "direct"

    def models(self) -> list[str]:
        """Families first, then the ids that are not retired."""
        today = datetime.now(UTC).date()
        offered = [
            model
            for model in self._catalog.offered(self._backend)
            if model.lifecycle(today) != "retired"
        ]
        families = dict.fromkeys(model.family for model in offered if model.family)
        return [*families, *(model.id for model in offered)]

    def reasoners(self) -> list[str]:
        """The names of all reasoners."""
        return [reasoner.name for reasoner in self._catalog.reasoners]

    def describe_model(self, name: str) -> str:
        """Id and rates. Raises RefusedError for a retired model."""
        choice = self._catalog.claude(name, self._backend, datetime.now(UTC).date())
        rates = choice.model.rates.get(self._backend)
        base = rates.base if rates else None
        price = (
            f"{format_usd(base.input)} in, {format_usd(base.output)} out per million"
            if base
            else ""
        )
        parts = (choice.model.id, price or "price unknown", choice.warning)
        return " · ".join(part for part in parts if part)

    def describe_reasoner(self, name: str) -> str:
        """Host and model. Raises ConfigError for an unknown name."""
        reasoner = self._catalog.reasoner(name)
        return f"{reasoner.model} at {reasoner.label}"
