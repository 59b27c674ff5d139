"""A chat's turns: the state of the chat → one turn, shown and kept like any other."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from deepreasoning_cli.catalog import Catalog
from deepreasoning_cli.chat.ports import STOPPED, Outcome, State
from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.cli.chat.archive import ChatArchive
from deepreasoning_cli.cli.chat.enough import watched
from deepreasoning_cli.cli.chat.stopping import stopped_once
from deepreasoning_cli.cli.dry_run import steps
from deepreasoning_cli.cli.look import Look
from deepreasoning_cli.cli.one_turn import work_of
from deepreasoning_cli.cli.turns import Turns
from deepreasoning_cli.conversation import messages
from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.money import shown
from deepreasoning_cli.pipeline import Plan, Work
from deepreasoning_cli.record import Record
from deepreasoning_cli.settings.loaded import Loaded
from deepreasoning_cli.views.failure import lines_of
from deepreasoning_cli.wiring.asked import Asked


class ChatTurns:
    """Runs the turns of a chat. `flags` are those the chat was started with."""

    def __init__(
        self, turns: Turns, archive: ChatArchive, flags: Mapping[str, Any], *, plain: bool
    ) -> None:
        self._turns = turns
        self._archive = archive
        self._flags = flags
        self._plain = plain

    def ask(self, prompt: str, state: State, instead_of: Record | None = None) -> Outcome:
        """Both stages. Raises DeepReasoningError for what failed before the turn began."""
        return self._run(prompt, state, None, instead_of)

    def answer_again(self, of: Record, state: State) -> Outcome:
        """Claude alone, on the reasoning of an earlier turn."""
        return self._run(of.opened.prompt, state, of, of)

    def price(self, prompt: str, state: State) -> str:
        """What the next turn would cost, as far as that can be known before it."""
        _, plan = self._planned(prompt or "?", state, None, None)
        return "\n".join(f"{step.model}: ≈{step.words}" for step in steps(plan))

    def _run(
        self, prompt: str, state: State, reasoned: Record | None, instead_of: Record | None
    ) -> Outcome:
        record = Record()
        code = 0
        with stopped_once(), watched() as enough:
            loaded, plan = self._planned(prompt, state, reasoned, instead_of, enough)
            look = Look(plain=self._plain, reasoning="hide" if state.reasoning == "hide" else None)
            try:
                self._turns.run(plan, loaded, look, record)
            except KeyboardInterrupt:
                code = STOPPED
            except DeepReasoningError as error:
                write_stderr("\n".join(lines_of(error)))
                code = error.exit_code
        if record.texts or (record.thoughts and reasoned is None):
            self._archive.add(state.session, record, instead_of)
        return Outcome(record, code)

    def _planned(
        self,
        prompt: str,
        state: State,
        reasoned: Record | None,
        instead_of: Record | None,
        enough: Any = None,
    ) -> tuple[Loaded, Plan]:
        loaded = self._turns.load({**self._flags, **_flags_of(state)})
        replaced = instead_of.opened.id if instead_of else None
        known = self._archive.remembered(state.session)
        earlier = [turn for turn in known if turn.opened.id != replaced]
        kept: Work | None = work_of(reasoned) if reasoned else None
        asked = Asked(
            prompt,
            state.system,
            kept,
            reasoned.opened.id if reasoned else None,
            state.session,
            messages(earlier),
            **({"enough": enough} if enough else {}),
        )
        return loaded, self._turns.plan(loaded, asked)


def _flags_of(state: State) -> dict[str, Any]:
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
        price = f"{shown(base.input)} in, {shown(base.output)} out per million" if base else ""
        parts = (choice.model.id, price or "price unknown", choice.warning)
        return " · ".join(part for part in parts if part)

    def describe_reasoner(self, name: str) -> str:
        """Host and model. Raises ConfigError for an unknown name."""
        reasoner = self._catalog.reasoner(name)
        return f"{reasoner.model} at {reasoner.label}"
