"""One question from the command line: settings, prompt, pipeline, views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from deepreasoning_cli import pipeline, wiring
from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.cli.look import Look, Views
from deepreasoning_cli.cli.options import Globals
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.pipeline import Plan
from deepreasoning_cli.prompt import demand_fit, read_prompt
from deepreasoning_cli.record import Record
from deepreasoning_cli.settings import Settings
from deepreasoning_cli.settings.loaded import Loaded
from deepreasoning_cli.views.safe import one_line
from deepreasoning_cli.views.show import Show
from deepreasoning_cli.views.status import Progress


class OneTurn:
    """What `ask` does once its flags are known."""

    def __init__(self, given: Globals, flags: Mapping[str, Any], look: Look) -> None:
        self._given = given
        self._flags = flags
        self._look = look
        self._progress = Progress()

    def run(
        self,
        words: Sequence[str],
        files: Sequence[str],
        *,
        use_stdin: bool,
        system: str | None,
        reasoning_from: str | None,
        allow_empty_reasoning: bool,
        dry_run: bool,
    ) -> None:
        """Ask and show. Raises every kind of DeepReasoningError."""
        self._look.check()
        loaded = Settings.load(self._given.config, self._flags)
        self._say(loaded.notes)
        asked = wiring.Asked(
            read_prompt(words, files, use_stdin=use_stdin, announce=write_stderr),
            system,
            None if reasoning_from is None else _read_reasoning(reasoning_from),
            self._look.reasoning_only,
            allow_empty_reasoning,
        )
        with ExitStack() as stack:
            plan = self._plan(loaded, asked, stack)
            if dry_run:
                self._show_plan(plan)
            else:
                self._ask(plan, loaded.settings)

    def _plan(self, loaded: Loaded, asked: wiring.Asked, stack: ExitStack) -> Plan:
        def connect() -> Any:
            return stack.enter_context(wiring.connected(loaded, self._pause, self._log))

        plan = wiring.Wiring(loaded, wiring.catalog_for(loaded), connect).plan(asked)
        for provider in (plan.reasoner, plan.answerer):
            if provider is not None:
                demand_fit(plan.prompt.text, provider.context, provider.model)
        return plan

    def _ask(self, plan: Plan, settings: Settings) -> None:
        record = Record()
        views = Views(self._look, record, self._progress, self._given.color)
        shown = views.all(settings, quiet=self._given.quiet)
        with closing(pipeline.run(plan)) as events, Show(record, shown) as show:
            for event in events:
                show(event)

    def _show_plan(self, plan: Plan) -> None:
        from deepreasoning_cli.cli.dry_run import show_plan

        show_plan(plan, as_json=self._look.json or self._look.jsonl)

    def _pause(self, waiting: Any) -> None:
        self._progress.pause(waiting.why, waiting.seconds)

    def _log(self, line: str) -> None:
        if self._given.debug:
            write_stderr(one_line(f"debug: {line}", 4000))

    def _say(self, notes: Sequence[str]) -> None:
        if not self._given.quiet:
            for note in notes:
                write_stderr(f"note: {one_line(note, 500)}")


def _read_reasoning(name: str) -> str:
    try:
        text = Path(name).read_text(encoding="utf-8", errors="replace")
    except OSError as exc:
        raise UsageError(
            f"cannot read the reasoning from {name}: {exc.strerror}", kind="unreadable_file"
        ) from exc
    if not text.strip():
        raise UsageError(f"{name} holds no reasoning", kind="empty_reasoning")
    return text
