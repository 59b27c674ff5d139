"""`deepreasoning batch`: many questions at once, whose answers are added to one file.

`check.py` looks at all rows before anything is paid for, `run.py` asks them.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from datetime import datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final, Literal

import typer

from deepreasoning_cli.cli import options as o
from deepreasoning_cli.errors import UsageError

if TYPE_CHECKING:
    from deepreasoning_cli.library.question_rows import RowFormat

AT_ONCE: Final = 8
STDIN: Final = "-"
EPILOG: Final = (
    "Exit codes: 0 every row is answered · 2 usage, or rows that cannot be asked · 3 set-up"
    " · 4 a cap was reached · 5 unavailable · 6 rows failed · 7 cannot write · 130 interrupted"
)
BEGINNING: Final = 4096  # bytes by which a format is told


def batch(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(metavar="IN", help="Rows: JSON Lines, CSV, or a prompt a line; - is stdin."),
    ],
    output: Annotated[
        Path,
        o.output_option(
            "--output", "-o", metavar="OUT", help="Add the answers to this file of JSON Lines."
        ),
    ],
    at_once: Annotated[
        int,
        o.limits_option(
            "--jobs", "-j", metavar="N", min=1, max=200, help="Ask this many rows at once."
        ),
    ] = AT_ONCE,
    form: Annotated[
        Literal["jsonl", "csv", "text"] | None,
        o.input_option("--format", help="How IN is written; by default its name says so."),
    ] = None,
    skip_bad: Annotated[
        bool, o.input_option("--skip-bad", help="Leave out rows that cannot be asked.")
    ] = False,
    cheap: Annotated[
        bool,
        o.limits_option(
            "--cheap",
            help="Reason off-peak, answer by Message Batches at half price; takes up to a day.",
        ),
    ] = False,
    by: Annotated[
        str | None,
        o.limits_option(
            "--by", metavar="TIME", help="Don't wait beyond this time, such as 06:00, for off-peak."
        ),
    ] = None,
    model: o.ModelOption = None,
    reasoner: o.ReasonerOption = None,
    answerer: o.AnswererOption = None,
    fallback: o.FallbackOption = None,
    backend: o.BackendOption = None,
    system: o.SystemOption = None,
    handoff: o.HandoffOption = None,
    effort: o.EffortOption = None,
    think: o.ThinkOption = None,
    temperature: o.TemperatureOption = None,
    top_p: o.TopPOption = None,
    web: o.WebOption = None,
    json: Annotated[
        bool, o.output_option("--json", help="Print what the run came to as one JSON object.")
    ] = False,
    no_save: Annotated[
        bool,
        o.output_option("--no-save", help="Keep no history: a run that is killed pays again."),
    ] = False,
    max_reasoning: o.MaxReasoningOption = None,
    max_tokens: o.MaxTokensOption = None,
    max_cost: Annotated[
        str | None,
        o.limits_option("--max-cost", metavar="USD", help="Stop at this cost of all rows."),
    ] = None,
    on_cap: o.OnCapOption = None,
    timeout: o.TimeoutOption = None,
    dry_run: Annotated[
        bool,
        o.limits_option(
            "--dry-run", help="Print the first row's requests and what all may cost; send nothing."
        ),
    ] = False,
    record: o.RecordOption = None,
    replay: o.ReplayOption = None,
) -> None:
    """Answer many questions: each row of IN becomes a line of OUT.

    Run it again to go on: rows that are in OUT are left alone, those that failed are asked again,
    and what was paid for is not paid for twice. A row may set what the flags set, for itself.
    """
    from deepreasoning_cli.cli.batch.run import BatchRun
    from deepreasoning_cli.cli.messages import load_with_notes

    if by and not cheap:
        raise UsageError("--by goes with --cheap", hint="add --cheap, or leave --by out")
    global_options = o.global_options_of(context)
    flags = {name: context.params[name] for name in context.params if name != "max_cost"}
    settings = o.settings_from(flags)
    loaded = load_with_notes(global_options, settings)
    run = BatchRun(
        global_options=global_options,
        settings=settings,
        loaded=loaded,
        at_once=at_once,
        max_cost=_dollars(max_cost),
        system=system,
        saves=not no_save,
        skip_bad=skip_bad,
        as_json=json,
        cheap=cheap,
        by=_next_time(by),
        dry_run=dry_run,
    )
    with ExitStack() as files:
        run.answer(*_open(source, form, files), output)


def _dollars(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(0)
    if not (amount.is_finite() and 0 < amount <= 1_000_000):
        raise UsageError("--max-cost must be an amount in USD above 0", hint="--max-cost 5")
    return amount


def _next_time(text: str | None) -> datetime | None:
    """When the clock of this computer shows that time next."""
    if text is None:
        return None
    try:
        wanted = time.fromisoformat(text)
    except ValueError:
        raise UsageError("--by must be a time", hint="write it as 06:00") from None
    now = datetime.now().astimezone()
    day = now.date() if wanted.replace(tzinfo=None) > now.time() else now.date() + timedelta(1)
    return datetime.combine(day, wanted.replace(tzinfo=None)).astimezone()


def _open(source: str, form: str | None, files: ExitStack) -> tuple[BinaryIO, RowFormat]:
    """IN, which can be read twice, and how it is written; a pipe is copied to where nobody sees."""
    from deepreasoning_cli.library.question_rows import RowFormat, guess_format

    if source == STDIN:
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("there is nothing on stdin", hint="name a file, or pipe rows in")
        file = _copy(sys.stdin.buffer, files)
    else:
        try:
            file = files.enter_context(Path(source).open("rb"))  # noqa: SIM115 - the caller closes it
            file = file if file.seekable() else _copy(file, files)
        except (OSError, ValueError) as exc:
            reason = getattr(exc, "strerror", None) or "the name is not usable"
            raise UsageError(
                f"cannot read {source}: {reason}", kind="unreadable_file", hint="check the name"
            ) from None
    start = file.read(BEGINNING)
    file.seek(0)
    return file, RowFormat(form) if form else guess_format(source, start)


def _copy(pipe: BinaryIO, files: ExitStack) -> BinaryIO:
    import shutil
    import tempfile

    copy = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - as above
    shutil.copyfileobj(pipe, copy)
    copy.seek(0)
    return copy
