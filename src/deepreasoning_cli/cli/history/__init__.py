"""`deepreasoning history`: list, show, search, export, delete stored turns.

The commands stand here. `access` opens the store and finds turns in it, `display` prints them,
`export` and `deletion` serve the commands of those names.
"""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from deepreasoning_cli.cli.dates import FORMS, parse_time
from deepreasoning_cli.cli.messages import note
from deepreasoning_cli.cli.options import global_options_of
from deepreasoning_cli.cli.typer_hooks import ThingsGroup, TurnCommand
from deepreasoning_cli.errors import UsageError

app = typer.Typer(
    cls=ThingsGroup,
    help="List, show, search, export and delete earlier turns.",
)


class Status(StrEnum):
    """Whether a turn came to its end."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"


class ExportFormat(StrEnum):
    """What a document is written in."""

    MD = "md"
    JSON = "json"
    HTML = "html"


TURN = "Turn number, id (or its beginning), or last."
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON; money as decimal strings.")]
SessionOption = Annotated[
    str | None, typer.Option("--session", metavar="NAME", help="Only turns in this session.")
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", metavar="MODEL", help="Only turns whose model name contains MODEL."
    ),
]
StatusOption = Annotated[
    Status | None, typer.Option("--status", help="Only turns with this status.")
]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="WHEN", help=f"Only turns since then: {FORMS}."),
]
limit_option = partial(typer.Option, "--limit", "-n", min=1, metavar="N", help="Show at most N.")
LimitOption = Annotated[int | None, limit_option(show_default="all")]


@app.command("list", help="List turns (default).")
@app.callback(invoke_without_command=True)
def list_(
    context: typer.Context,
    session: SessionOption = None,
    model: ModelOption = None,
    status: StatusOption = None,
    since: SinceOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """List turns, newest first."""
    if command := context.invoked_subcommand:
        if any(context.params.values()):  # they mean nothing to it, and are not dropped in silence
            problem = f"options of the list cannot be used with `{command}`"
            raise UsageError(problem, hint=f"see `deepreasoning history {command} --help`")
        return
    from deepreasoning_cli.cli.history import access, display

    options = global_options_of(context)
    after = parse_time("--since", since) if since is not None else None
    with access.open_history(options) as store:
        if session is not None:
            access.require_session(store, session)
        word = status and status.value
        turns = store.listing(session=session, model=model, status=word, since=after, limit=limit)
        rows = list(turns)
    display.print_rows(rows, options, as_json=as_json)
    if not (rows or as_json):
        filtered = session or model or status or since
        note(options, "no matching turns" if filtered else "the history is empty")


@app.command(cls=TurnCommand)
def show(
    context: typer.Context,
    turn: Annotated[str, typer.Argument(metavar="ID", help=TURN)] = "last",
    reasoning: Annotated[bool, typer.Option("--reasoning", help="Include the reasoning.")] = False,
    full: Annotated[
        bool,
        typer.Option("--full", help="Show attachments and tool results in full."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a turn (default: the last): formatted on a terminal, the bare answer in a pipe."""
    from deepreasoning_cli.cli.history import access, display

    options = global_options_of(context)
    with access.open_history(options) as store:
        record = store.turn(turn)
        began = store.summary(record.start.id).started
    display.print_turn(record, began, options, reasoning=reasoning, full=full, as_json=as_json)


@app.command()
def search(
    context: typer.Context,
    words: Annotated[
        list[str], typer.Argument(metavar="WORDS", help="Words, or beginnings of words.")
    ],
    limit: Annotated[int | None, limit_option(show_default="100")] = None,
    as_json: JsonOption = False,
) -> None:
    """Search questions, reasoning and answers; best match first."""
    from deepreasoning_cli.cli.history import access, display

    options = global_options_of(context)
    with access.open_history(options) as store:
        hits = store.search(words, limit) if limit else store.search(words)
    display.print_hits(hits, words, as_json=as_json)
    if not (hits or as_json):
        note(options, "no turn contains all of these words")


@app.command()
def sessions(context: typer.Context, as_json: JsonOption = False) -> None:
    """List sessions, last used first."""
    from deepreasoning_cli.cli.history import access, display

    options = global_options_of(context)
    with access.open_history(options) as store:
        rows = store.sessions()
    display.print_sessions(rows, options, as_json=as_json)
    if not (rows or as_json):
        note(options, "there are no sessions")


@app.command()
def picks(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show which models' answers you picked in comparisons."""
    from deepreasoning_cli.cli.history import access
    from deepreasoning_cli.cli.picks import print_picks

    options = global_options_of(context)
    with access.open_history(options) as store:
        found = store.picks()
    print_picks(found, as_json=as_json)
    if not (found or as_json):
        note(options, "no answer was picked yet: `deepreasoning compare` asks for one")


@app.command()
def rename(
    context: typer.Context,
    session: Annotated[str, typer.Argument(metavar="SESSION", help="Session to rename.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="New name.")],
) -> None:
    """Rename a session."""
    from deepreasoning_cli.cli.history import access

    options = global_options_of(context)
    if not name.strip():
        raise UsageError("a session needs a name", hint="`deepreasoning history rename OLD NEW`")
    with access.open_history(options) as store:
        access.require_session(store, session)
        store.rename_session(session, name)
    note(options, f"session {session} is now {name}")


@app.command(cls=TurnCommand)
def export(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="ID|SESSION", help="A turn, or a session with all its turns.")
    ],
    form: Annotated[
        ExportFormat, typer.Option("--format", help="Document format.")
    ] = ExportFormat.MD,
    file: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write to FILE instead of stdout."),
    ] = None,
) -> None:
    """Export a turn or session as one document, reasoning included."""
    from deepreasoning_cli.cli.history import access
    from deepreasoning_cli.cli.history.export import export_turns

    options = global_options_of(context)
    with access.open_history(options) as store:
        title, turns = access.find_turns(store, name)
    export_turns(title, turns, form.value, file)
    if file is not None:
        note(options, f"wrote {access.count_turns(len(turns))} to {file}")


@app.command(cls=TurnCommand)
def delete(
    context: typer.Context,
    turns: Annotated[list[str] | None, typer.Argument(metavar="ID", help=TURN)] = None,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="WHEN", help=f"Turns from before: {FORMS}."),
    ] = None,
    session: Annotated[
        str | None, typer.Option("--session", metavar="NAME", help="All turns in this session.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="The whole history.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for confirmation.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete turns for good."""
    from deepreasoning_cli.cli.history import access, deletion
    from deepreasoning_cli.cli.pager import print_json

    options = global_options_of(context)
    selection = deletion.select(turns or [], older_than, session, everything=everything)
    with access.open_history(options) as store:
        count = selection.erase(store, confirmed=yes)
    if as_json:
        print_json({"deleted": count})
    else:
        note(options, f"deleted {access.count_turns(count)}")


@app.command()
def recover(context: typer.Context, as_json: JsonOption = False) -> None:
    """Recover turns from crashed runs (normally automatic)."""
    from deepreasoning_cli.cli.history import access, display

    options = global_options_of(context)
    rows, left = access.recover_turns(options)
    display.print_rows(rows, options, as_json=as_json)
    done = f"recovered {access.count_turns(len(rows))}" if rows else "there is nothing to recover"
    note(options, done)
    if left:
        note(options, f"{access.count_turns(left)} still running, or not readable")
