"""The cassette of a run: named by the settings, opened once, put between plans and vendors."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from deepreasoning_cli.catalog.models import Answerer, Catalog, Reasoner
from deepreasoning_cli.keys import Key
from deepreasoning_cli.pipeline.events import REPLAY, Stage
from deepreasoning_cli.pipeline.run import Plan
from deepreasoning_cli.providers.cassette import DEMO, HOSTED, Playback, Recording
from deepreasoning_cli.providers.cassette_file import CassettePlayer, CassetteRecorder
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.settings.models import Settings
from deepreasoning_cli.wiring.backend import GATEWAY_KEY

NO_KEY: Final = "no key is needed"
"""Stands in the place of every key in a replay, which sends none."""


def open_cassette(
    settings: Settings,
    warn: Callable[[str], None],
    *,
    paced: bool | None = None,
    records: bool = True,
    sleep: Callable[[float], object] = time.sleep,
) -> Cassette | None:
    """The cassette that the settings name; None without, or where one is only recorded and nothing
    is to be: not `records`.

    A replay that is `paced`, as it is on a terminal, takes the time that the calls took, unless the
    settings say otherwise.
    """
    if settings.cassette is None or not (records or settings.is_replay):
        return None
    if paced is None:
        paced = sys.stdout is not None and sys.stdout.isatty()
    pace = float(paced) if settings.replay_pace is None else settings.replay_pace
    return Cassette(settings.cassette, warn, pace=pace, sleep=sleep)


class Cassette:
    """Records the calls of plans, or replays them.

    `setting` is `FILE:record` or `FILE:replay`. A replay is `pace` times as fast as the calls were,
    at once for 0; `sleep` takes seconds. `warn` is told of a call that could not be recorded, and
    of a line that was cut. Raises UsageError and WriteError where the file cannot be used.
    """

    def __init__(
        self,
        setting: str,
        warn: Callable[[str], None],
        *,
        pace: float = 0.0,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        name, _, mode = setting.rpartition(":")
        path = Path(name).expanduser()
        self._tape: Recording | Playback
        if mode == REPLAY:
            player = CassettePlayer(path)
            self._tape = Playback(player, pace, sleep)
            if player.is_cut:
                warn(f"the last line of {path} is cut: that call is left out")
        else:
            self._tape = Recording(CassetteRecorder(path), warn)

    def apply_to(self, plan: Plan) -> Plan:
        """The plan, whose calls go through the cassette. A replayed one costs nothing."""
        tape, fallbacks = self._tape, plan.fallbacks
        search, hosted = plan.search, plan.hosted
        if search and search.searcher:
            search = replace(search, searcher=tape.searcher(search.searcher))
        probing = plan.probing
        if probing:
            at_once = tape._replace(pace=0.0) if isinstance(tape, Playback) else tape
            probe = at_once.provider(probing.provider, str(Stage.PROBE), None)
            probing = replace(probing, provider=probe)
        reason, answer = (HOSTED, HOSTED) if hosted else (str(Stage.REASON), str(Stage.ANSWER))
        handoff = None if hosted else plan.handoff
        return replace(
            plan,
            backend=REPLAY if isinstance(tape, Playback) else plan.backend,
            search=search,
            probing=probing,
            hosted=tape.provider(hosted, HOSTED, None) if hosted else None,
            reasoner=plan.reasoner and tape.provider(plan.reasoner, reason, handoff),
            answerer=plan.answerer and tape.provider(plan.answerer, answer, handoff),
            fallbacks={
                stage: [tape.provider(each, str(stage), handoff) for each in others]
                for stage, others in fallbacks.items()
            },
        )

    def with_keys(self, loaded: LoadedSettings, catalog: Catalog) -> LoadedSettings:
        """The settings of a replay: whoever was recorded, or is named, is chosen as if the keys
        were there, and nobody else; the same on every machine. Of the demo alone it is the demo's.
        Others stay as they are.
        """
        if not isinstance(self._tape, Playback):
            return loaded
        recorded = self._tape.player.hosts
        names = _key_names(loaded, catalog, recorded)
        is_demo = loaded.settings.backend == "auto" and {host for _, host in recorded} == {DEMO}
        values = {"backend": DEMO} if is_demo else {}
        return loaded.with_values(
            values, REPLAY, {name: Key(name, NO_KEY, REPLAY) for name in names}
        )


def _key_names(
    loaded: LoadedSettings, catalog: Catalog, recorded: set[tuple[str, str]]
) -> Iterator[str]:
    """The keys that count as set: where nobody was recorded for a stage, those of the default."""
    settings = loaded.settings
    yield "linkup"
    if settings.backend == "gateway" or (HOSTED, GATEWAY_KEY) in recorded:
        yield GATEWAY_KEY
    if recorded and all(stage == HOSTED for stage, _ in recorded):
        return  # with `auto`, a pair comes first
    chosen: tuple[tuple[Stage, Sequence[Reasoner | Answerer], Sequence[str]], ...] = (
        (Stage.REASON, catalog.reasoners, settings.reasoner or ()),
        (Stage.ANSWER, catalog.answerers, settings.answerer or ()),
    )
    for stage, hosts, named in chosen:
        wanted = {host for each, host in recorded if each == stage}
        wanted |= {name.lower() for name in (*named, *(settings.fallback or ()))}
        found = [host for host in hosts if host.name in wanted] or hosts[:1]
        yield from (host.key for host in found if host.key)
