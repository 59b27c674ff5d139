"""Plans the turns of one call from Python, on one pool of connections."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

from deepreasoning_cli import paths
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.history.ledger import Ledger
from deepreasoning_cli.history.recovery import HistoryAccess
from deepreasoning_cli.pipeline.events import REPLAY
from deepreasoning_cli.pipeline.run import Plan
from deepreasoning_cli.sanitize import repair_surrogates
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.transport import DeferredTransport, RetryNotice
from deepreasoning_cli.wiring.cassette import open_cassette
from deepreasoning_cli.wiring.plan import build_plan
from deepreasoning_cli.wiring.resources import TurnRequest, current_catalog, open_transport

LOGGER: Final = logging.getLogger("deepreasoning_cli")
"""Where warnings go that are no events: of the settings, the history and the network."""


def setting_flags(
    *,
    max_cost: Decimal | float | str | None,
    record: Path | str | None,
    replay: Path | str | None,
    replay_pace: float,
    **same: object,
) -> dict[str, object]:
    """The parameters of a call as the flags of settings. Raises UsageError for two cassettes."""
    named = [
        f"{path}:{mode}"
        for mode, path in (("record", record), ("replay", replay))
        if path is not None
    ]
    if len(named) > 1:
        raise UsageError("use either record or replay", hint="leave one of them out")
    return {
        **same,
        "max_cost": None if max_cost is None else str(max_cost),
        "cassette": next(iter(named), None),
        "replay_pace": replay_pace or None,
    }


def require_prompt(prompt: str) -> str:
    """The prompt as it can be sent. Raises UsageError for one without a word."""
    text = repair_surrogates(prompt)
    if not text.strip():
        raise UsageError("the prompt is empty", kind="empty_prompt", hint="write a question")
    return text


class TurnPlanner:
    """Plans turns whose settings have these in common; `calls` closes their connections."""

    def __init__(self, loaded: LoadedSettings) -> None:
        self._catalog = current_catalog(loaded)
        self._folder = paths.data_dir()
        self._saves = loaded.settings.history
        self._cassette = open_cassette(loaded.settings, LOGGER.warning, paced=False)
        self.calls = ExitStack()
        self._transport = DeferredTransport(
            lambda: self.calls.enter_context(open_transport(loaded, _note_retry, LOGGER.debug))
        )

    @property
    def folder(self) -> Path | None:
        """The data folder; None where nothing is to be kept."""
        return self._folder if self._saves else None

    def plan(self, request: TurnRequest) -> Plan:
        """The plan of a turn. Raises what `build_plan` raises."""
        if self._cassette:
            loaded = self._cassette.with_keys(request.loaded, self._catalog)
            request = replace(request, loaded=loaded)
        return build_plan(
            request,
            self._catalog,
            lambda: self._transport,
            self._make_ledger,
            saves=self._saves,
            cassette=self._cassette,
        )

    def connect(self, plan: Plan) -> None:
        """Open the connections that the plan needs."""
        if plan.backend not in ("demo", REPLAY):
            self._transport.open()

    def _make_ledger(self) -> Ledger:
        access = HistoryAccess(self._folder, _report)
        read = partial(access.spending, recover_orphaned=self._saves)
        return Ledger(self._folder, read, saves=self._saves)


def _note_retry(notice: RetryNotice) -> None:
    LOGGER.info("%s: trying again in %.1f s", notice.why, notice.seconds)


def _report(kind: str, text: str) -> None:
    LOGGER.log(logging.WARNING if kind == "warning" else logging.INFO, text)
