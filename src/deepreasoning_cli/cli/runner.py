"""Run turns: options → request → plan → events that are shown and saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from threading import Event as Flag
from typing import TYPE_CHECKING, Self

from deepreasoning_cli import paths
from deepreasoning_cli.cli.boundary import NO_ROOM, write_stderr
from deepreasoning_cli.cli.messages import debug_log, note, note_daily, warn
from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.cli.output import (
    OutputOptions,
    ViewBuilder,
    confirm_without_search,
    print_reasoning,
    print_unwritten,
)
from deepreasoning_cli.errors import IncompleteError, Interrupted, UsageError, WriteError
from deepreasoning_cli.history.journal import Journal
from deepreasoning_cli.history.journal_format import orphaned_journals
from deepreasoning_cli.pipeline.events import REPLAY
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.run import Plan, ReasonerOutput, run_turn
from deepreasoning_cli.prompt import read_prompt
from deepreasoning_cli.settings.loaded import LoadedSettings, load_settings
from deepreasoning_cli.settings.models import Settings
from deepreasoning_cli.transport import DeferredTransport
from deepreasoning_cli.views.base import ViewGroup
from deepreasoning_cli.views.notes import RESUME_COMMAND, as_incomplete, as_write_error
from deepreasoning_cli.wiring.plan import build_plan
from deepreasoning_cli.wiring.resources import (
    TurnRequest,
    connect_early,
    current_catalog,
    open_transport,
)

if TYPE_CHECKING:
    from deepreasoning_cli.history.ledger import Ledger
    from deepreasoning_cli.history.recovery import HistoryAccess
    from deepreasoning_cli.history.store import Store
    from deepreasoning_cli.pipeline.events import Message
    from deepreasoning_cli.pipeline.stage import Provider
    from deepreasoning_cli.transport import RetryNotice, Transport
    from deepreasoning_cli.views.status import Progress
    from deepreasoning_cli.wiring.cassette import Cassette


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOptions:
    """The parameters of `ask` and `chat`; `settings` holds those that override a setting."""

    settings: Mapping[str, object] = field(default_factory=dict)
    output: OutputOptions = field(default_factory=OutputOptions)
    prompt: Sequence[str] = ()
    files: Sequence[str] = ()
    use_stdin: bool = True
    system: str | None = None
    resume_last: bool = False
    session: str | None = None
    reasoning_from: str | None = None
    allow_empty_reasoning: bool = False
    web_optional: bool = False
    dry_run: bool = False
    save: bool = True

    @property
    def continues(self) -> bool:
        """Whether earlier turns may come before this one."""
        return self.resume_last or self.session is not None

    def check(self) -> None:
        """Raise UsageError for a session that cannot be meant."""
        if self.resume_last and self.session is not None:
            raise UsageError("use either --continue or --session", hint="drop one of them")
        if self.session is not None and not self.session.strip():
            raise UsageError("a session needs a name", hint="--session NAME")

    def system_after(self, earlier: Sequence[TurnRecord]) -> str | None:
        """The system prompt of the next turn: the option's, else the last turn's."""
        if self.system is None and earlier:
            return earlier[-1].start.system
        return self.system


class TurnRunner:
    """The turns of one process, on one pool of connections. Enter it with `with`.

    If it `saves`, each turn is journaled and goes into the history; else nothing touches the disk.
    If it `connects`, the first connection is begun as soon as a turn is planned. One that `sends`
    nothing only plans turns.
    """

    def __init__(
        self,
        global_options: GlobalOptions,
        *,
        save: bool = True,
        tip: Callable[[bool], str] | None = None,
        resume_command: str = RESUME_COMMAND,
        connects: bool = True,
        sends: bool = True,
    ) -> None:
        self.global_options = global_options
        self.note = partial(note, global_options)
        self.warn = partial(warn, global_options)
        self.saves = save
        self._resume_command = resume_command
        self._tip, self._reads_keys = tip, tip is not None
        self._connects = connects and sends
        self._sends = sends
        self._stack = ExitStack()
        self._last_origin = global_options.last_origin
        self._request_sent = Flag()
        self._transport: DeferredTransport | None = None
        self._reasoner: Provider | None = None
        self._cassette: Cassette | None = None
        self._notes: set[str] = set()
        self._warnings: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._stack.close()

    @cached_property
    def progress(self) -> Progress:
        """What the live rows of a turn tell."""
        from deepreasoning_cli.views.status import Progress

        return Progress(tip=self._tip)

    @cached_property
    def _access(self) -> HistoryAccess:
        from deepreasoning_cli.history.recovery import HistoryAccess

        return HistoryAccess(paths.data_dir(), self._report)

    @cached_property
    def _ledger(self) -> Ledger:
        from deepreasoning_cli.history.ledger import Ledger

        read = partial(self._access.spending, recover_orphaned=self.saves)
        return Ledger(paths.data_dir(), read, saves=self.saves)

    def load(
        self, flags: Mapping[str, object], loaded: LoadedSettings | None = None
    ) -> LoadedSettings:
        """The settings with these flags; each note on them is printed once."""
        loaded = loaded or load_settings(self.global_options.config, flags)
        for text in loaded.notes:
            if text not in self._notes:  # a chat loads them again for each turn
                self.note(text)
        self._notes.update(loaded.notes)
        self.saves = self.saves and loaded.settings.history
        if loaded.settings.cassette:
            from deepreasoning_cli.wiring.cassette import open_cassette

            self._cassette = self._cassette or open_cassette(
                loaded.settings, self.warn_once, records=self._sends
            )
            if self._cassette:
                loaded = self._cassette.with_keys(loaded, current_catalog(loaded))
        return loaded

    def plan(self, request: TurnRequest) -> Plan:
        """The plan of the turn, its transport open. Raises what build_plan raises."""
        transport = self._transport or DeferredTransport(lambda: self._open_transport(plan, loaded))
        self._transport, loaded = transport, request.loaded
        plan = build_plan(
            request,
            current_catalog(loaded),
            lambda: transport,
            lambda: self._ledger,
            saves=self.saves,
            cassette=self._cassette,
        )
        if plan.backend not in ("demo", REPLAY):
            transport.open()
        note_daily(self.global_options, plan.daily_note, saves=self.saves)
        return plan

    def _open_transport(self, plan: Plan, loaded: LoadedSettings) -> Transport:
        """The transport. Its first connection is begun before it is imported."""
        early = connect_early(loaded, plan, self._last_origin, begin=self._connects)
        log, then = debug_log(self.global_options), self._load_the_rest
        transport = open_transport(loaded, self._pause, log, while_waiting=then, early=early)
        return self._stack.enter_context(transport)

    def run(
        self,
        plan: Plan,
        settings: Settings,
        output: OutputOptions,
        record: TurnRecord | None = None,
    ) -> None:
        """Run and show one turn; raises what the pipeline raises, with how to go on from there.

        The turn's events go into `record`, which the caller can read after a failure too.
        """
        with self.answering_on_enter(plan, panels=output.draws_panels) as plan:
            self._run(plan, settings, output, record or TurnRecord())

    @contextmanager
    def answering_on_enter(self, plan: Plan, *, panels: bool) -> Iterator[Plan]:
        """The plan, whose reasoner Enter stops where a person looks at its panel.

        A chat reads its keys itself.
        """
        if self._reads_keys or self.global_options.debug or not panels:
            yield plan
            return
        from deepreasoning_cli.cli.enter_key import TIP, answer_on_enter, is_listening

        if not is_listening():
            yield plan
            return
        with answer_on_enter() as answer_now:
            if plan.answerer:
                self._tip = lambda can_answer: TIP if can_answer else ""
                plan = replace(plan, answer_now=answer_now)
            yield plan

    def _run(
        self, plan: Plan, settings: Settings, output: OutputOptions, record: TurnRecord
    ) -> None:
        self._reasoner = plan.reasoner
        journal = Journal(paths.data_dir(), record, self.warn_once) if self.saves else None

        def is_saved() -> bool:
            return journal is not None and journal.is_complete

        builder = ViewBuilder(
            output,
            record,
            lambda: self.progress,
            self.global_options,
            settings,
            self._request_sent,
            self._resume_command,
        )
        views = builder.build_views(is_saved)
        try:
            with closing(run_turn(plan)) as events, ViewGroup(record, views, journal) as show:
                try:
                    for event in events:
                        show(event)
                except Exception as exc:  # noqa: BLE001 (raised again, as what it means here)
                    command = self._resume_command if is_saved() else None
                    raise as_incomplete(exc, record, command) from exc.__cause__
        except (WriteError, OSError) as failure:
            if not (isinstance(failure, WriteError) or failure.errno in NO_ROOM):
                raise  # no writer's
            if is_saved():
                raise as_write_error(failure, record) from failure.__cause__
            print_unwritten(output, record, failure)
            raise
        except (IncompleteError, KeyboardInterrupt, Interrupted) as failure:
            if journal and not (is_saved() or self._reads_keys):
                builder.print_unkept()
            if output.code_only and record.answer.strip() and not is_saved():
                print_unwritten(output, record, failure)  # it has no code, or was cut
            raise
        finally:
            plan.caps.release(record.cost)
        self.remember(settings)

    def remember(self, settings: Settings) -> None:
        """Note down what the shells offer, and the host that the next run may ask again."""
        if self.saves:
            from deepreasoning_cli.history.recent import remember_hosts

            remember_hosts(paths.data_dir(), settings.reasoners, settings.answerers)
        if self._last_origin:
            transport = self._transport if self.saves and settings.connect_ahead else None
            self._last_origin.remember(transport.first_origin if transport else None)

    def preconnect(self) -> None:
        """Open the connection of the next turn: the last one has closed its reasoner's early."""
        if self._reasoner:
            self._reasoner.preconnect(once=True)

    def has_history(self) -> bool:
        """Whether a history exists; the check creates no file."""
        return self._access.exists

    def history(self) -> AbstractContextManager[Store]:
        """The history, with the turns that dead processes left behind."""
        return self._access.open(recover_orphaned=self.saves)

    def recover_orphans(self) -> None:
        """Save what dead processes left behind; a failure is only a warning."""
        if self.saves and orphaned_journals(paths.data_dir()):
            self._access.recover_orphans()

    def _load_the_rest(self) -> None:
        """Import what shows and saves a turn while the vendor works, not before and not after."""
        self._request_sent.set()
        with suppress(ImportError, MemoryError, OSError):  # it is said by whoever needs them
            from deepreasoning_cli.pipeline import handoff, stop_reasons  # noqa: F401 (at the end)

            if self.saves:
                from deepreasoning_cli.history import store  # noqa: F401 (`Journal.close` uses it)

    def _report(self, kind: str, text: str) -> None:
        """Print what the history reports; the same warning only once."""
        (self.warn_once if kind == "warning" else self.note)(text)

    def warn_once(self, text: str) -> None:
        """Warn, except where an earlier warning is the same text or its beginning."""
        if not text.startswith(tuple(self._warnings)):
            self._warnings.append(text)
            self.warn(text)

    def _pause(self, notice: RetryNotice) -> None:
        self.progress.note_retry(notice.why, notice.seconds)


def ask(global_options: GlobalOptions, options: AskOptions, loaded: LoadedSettings) -> None:
    """Ask one question and show the answer. Raises every kind of DeepReasoningError.

    `loaded` are the settings with those of the options.
    """
    output = options.output
    output.check()
    options.check()
    runner = TurnRunner(global_options, save=options.save, sends=not options.dry_run)
    with runner, ExitStack() as claims:
        request = _build_request(runner, options, claims, loaded)
        if request.reused and output.reasoning_only and not output.structured:
            print_reasoning(request.reused.reasoning)
            return
        plan = runner.plan(request)
        if options.dry_run:
            from deepreasoning_cli.cli.dry_run import show_plan

            show_plan(plan, as_json=output.structured)
            return
        runner.run(plan, request.loaded.settings, output)


def _build_request(
    runner: TurnRunner, options: AskOptions, claims: ExitStack, loaded: LoadedSettings
) -> TurnRequest:
    """The turn that the options describe: reads prompt, session and reasoning."""
    loaded = runner.load(options.settings, loaded)
    options.output.check_handoff(loaded.settings.handoff)
    question = read_prompt(
        options.prompt, options.files, use_stdin=options.use_stdin, announce=write_stderr
    )
    session: str | None = None
    earlier: Sequence[TurnRecord] = ()
    messages: tuple[Message, ...] = ()
    if options.continues:
        from deepreasoning_cli.cli.earlier_turns import open_session
        from deepreasoning_cli.pipeline.conversation import to_messages

        session, earlier = open_session(runner, options, claims)
        messages = to_messages(earlier)
    else:
        runner.recover_orphans()
    reused: ReasonerOutput | None = None
    reasoning_from: str | None = None
    if options.reasoning_from is not None:
        from deepreasoning_cli.cli.earlier_turns import reused_work

        reused, reasoning_from = reused_work(runner, options.reasoning_from)
    return TurnRequest(
        loaded=loaded,
        question=question,
        system=options.system_after(earlier),
        reused=reused,
        reasoning_from=reasoning_from,
        session=session,
        earlier=messages,
        reasoning_only=options.output.reasoning_only,
        allow_empty_reasoning=options.allow_empty_reasoning,
        without_search=confirm_without_search(options.output, optional=options.web_optional),
    )
