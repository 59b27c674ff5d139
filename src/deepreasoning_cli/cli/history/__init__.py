"""`deepreasoning history`: list, show, search, export, delete what was kept."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from deepreasoning_cli.cli.dates import FORMS, parse_time
from deepreasoning_cli.cli.messages import note
from deepreasoning_cli.cli.options import globals_of

app = typer.Typer(help="What was asked and answered: list, show, search, export, delete.")


class Status(StrEnum):
    """Whether a turn came to its end."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"


class ExportFormat(StrEnum):
    """What a document is written in."""

    MD = "md"
    JSON = "json"
    HTML = "html"


TURN = "The turn: its id, the beginning of it, or last."
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON; money as decimal strings.")]
SessionOption = Annotated[
    str | None, typer.Option("--session", metavar="NAME", help="Only turns of this session.")
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", "-m", metavar="NAME", help="Only turns of models named so, or partly."),
]
StatusOption = Annotated[Status | None, typer.Option("--status", help="Only such turns.")]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="WHEN", help=f"Only turns since then: {FORMS}."),
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", "-n", min=1, metavar="N", help="At most so many.")
]


@app.callback(invoke_without_command=True)
def history(
    context: typer.Context,
    session: SessionOption = None,
    model: ModelOption = None,
    status: StatusOption = None,
    since: SinceOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what was asked and answered, the newest first."""
    if context.invoked_subcommand is None:
        list_(context, session, model, status, since, limit, as_json)
    elif session or model or status or since or limit or as_json:
        from deepreasoning_cli.errors import UsageError

        command = context.invoked_subcommand
        raise UsageError(
            f"flags of the list stand before `{command}`",
            hint=f"deepreasoning history {command} --help",
        )


@app.command("list")
def list_(
    context: typer.Context,
    session: SessionOption = None,
    model: ModelOption = None,
    status: StatusOption = None,
    since: SinceOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """List them, as the command alone does."""
    from deepreasoning_cli.cli.history import access, display
    from deepreasoning_cli.cli.pager import output_width, print_json, print_text

    given = globals_of(context)
    after = parse_time("--since", since) if since is not None else None
    with access.open_history(given) as store:
        if session is not None:
            access.require_session(store, session)
        found = store.listing(
            session=session, model=model, status=status and status.value, since=after, limit=limit
        )
        rows = list(found)
    if as_json:
        print_json([display.row_as_json(row) for row in rows])
    elif rows:
        print_text(display.rows_as_text(rows, output_width()))
    else:
        filtered = session or model or status or since
        note(given, "no turn fits" if filtered else "the history is empty")


@app.command()
def show(
    context: typer.Context,
    turn: Annotated[str, typer.Argument(metavar="ID", help=TURN)],
    reasoning: Annotated[
        bool, typer.Option("--reasoning", help="The chain of thought too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print a turn: rendered on a terminal, the bare answer in a pipe."""
    from deepreasoning_cli.cli.history import access, display
    from deepreasoning_cli.cli.pager import print_json
    from deepreasoning_cli.views.json import turn_object

    given = globals_of(context)
    with access.open_history(given) as store:
        record = access.find_turn(store, turn)
    if as_json:
        print_json(turn_object(record))
    else:
        display.show_turn(record, given, reasoning=reasoning)


@app.command()
def search(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="WORDS…", help="Words, or their starts.")],
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the turns that hold all the words, the best first."""
    from deepreasoning_cli.cli.history import access, display
    from deepreasoning_cli.cli.pager import print_json, print_text

    given = globals_of(context)
    with access.open_history(given) as store:
        hits = store.search(words, limit) if limit else store.search(words)
    if as_json:
        print_json([display.hit_as_json(hit) for hit in hits])
    elif hits:
        print_text(display.hits_as_text(hits))
    else:
        note(given, "no turn holds all of these words")


@app.command()
def export(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="ID|SESSION", help="A turn, or all turns of a session.")
    ],
    form: Annotated[
        ExportFormat, typer.Option("--format", help="What to write.")
    ] = ExportFormat.MD,
    file: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it to FILE.")
    ] = None,
) -> None:
    """Write a turn or a session as one document, the reasoning included."""
    from deepreasoning_cli.cli.history import access
    from deepreasoning_cli.cli.history.export import export_turns

    given = globals_of(context)
    with access.open_history(given) as store:
        found = access.find_turns(store, name)
    export_turns(found, form.value, file)
    if file is not None:
        note(given, f"wrote {access.count_turns(len(found.turns))} to {file}")


@app.command()
def delete(
    context: typer.Context,
    turns: Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help=TURN)] = None,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="WHEN", help=f"All turns before then: {FORMS}."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="The whole history.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Erase turns from the disk, for good."""
    from deepreasoning_cli.cli.history import access, deletion
    from deepreasoning_cli.cli.pager import print_json

    given = globals_of(context)
    wanted = deletion.wanted(turns or [], older_than, everything=everything)
    with access.open_history(given) as store:
        count = wanted.erase(store, sure=yes)
    if as_json:
        print_json({"deleted": count})
    else:
        note(given, f"erased {access.count_turns(count)}")


@app.command()
def recover(context: typer.Context, as_json: JsonOption = False) -> None:
    """Take up what broken-off runs left behind, and list it; other commands do so too."""
    from deepreasoning_cli.cli.history import access, display
    from deepreasoning_cli.cli.pager import output_width, print_json, print_text

    given = globals_of(context)
    rows, left = access.recover_turns(given)
    if as_json:
        print_json([display.row_as_json(row) for row in rows])
    elif rows:
        print_text(display.rows_as_text(rows, output_width()))
    done = f"recovered {access.count_turns(len(rows))}" if rows else "there is nothing to recover"
    note(given, done)
    if left:
        note(given, f"{access.count_turns(left)} still running, or not readable")
