"""`deepreasoning config`: show the settings, change them, try the keys.

The commands stand here. `interview` asks what a new file begins with, `setup` changes the
file, `origins` prints the settings in
force, `checks` calls the vendors; each is imported by the command that needs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deepreasoning_cli.cli.messages import debug_log, load_with_notes, message, note
from deepreasoning_cli.cli.options import Backend, global_options_of
from deepreasoning_cli.cli.typer_hooks import ThingsGroup

app = typer.Typer(
    cls=ThingsGroup,
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Setting as in `config show`, such as keys.deepseek.")
]


@app.callback(invoke_without_command=True)
def config(context: typer.Context) -> None:
    """Show and change settings; test your keys."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def init(
    context: typer.Context,
    backend: Annotated[Backend | None, typer.Option("--backend", help="Backend to use.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME", help="Claude model.")
    ] = None,
    reasoner: Annotated[
        str | None, typer.Option("--reasoner", "-r", metavar="NAME", help="Reasoner.")
    ] = None,
    answerer: Annotated[
        str | None,
        typer.Option("--answerer", "-a", metavar="NAME", help="Host of the Claude model."),
    ] = None,
    key_command: Annotated[
        list[str] | None,
        typer.Option(
            "--key-command",
            metavar="NAME=COMMAND",
            help="Command that prints a key. Repeatable.",
        ),
    ] = None,
    keys_from_env: Annotated[
        bool, typer.Option("--keys-from-env", help="Save the keys found in the environment.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    no_input: Annotated[bool, typer.Option("--no-input", help="Don't ask anything.")] = False,
) -> None:
    """Create a config file: asks on a terminal; never takes a key as an argument."""
    from deepreasoning_cli.cli.config import setup
    from deepreasoning_cli.settings import editor

    options, path = global_options_of(context), _file(context)
    flags = {"backend": backend, "model": model, "reasoner": reasoner, "answerer": answerer}
    settings = {name: value for name, value in flags.items() if value is not None}
    keys = setup.parse_key_commands(key_command or [])
    if keys_from_env:
        keys |= setup.keys_from_environment()
    setup.check_names(path, settings)
    answers = editor.Answers(settings, keys)
    if no_input or not setup.is_interactive():
        if not (no_input or settings or keys):
            raise setup.nobody_to_ask()
        editor.create(path, answers, overwrite=force)
        message(options, "", f"wrote {path}; `deepreasoning config check` tries the keys")
        return
    from deepreasoning_cli.cli.config import interview

    if code := interview.set_up(path, answers, overwrite=force, log=debug_log(options)):
        raise typer.Exit(code)
    message(options, "", 'now ask: `deepreasoning "What makes the sky blue?"`')


@app.command()
def show(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Setting or table (default: all).")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="List the settings of `serve` too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show settings and where each comes from; keys are masked."""
    from deepreasoning_cli.cli.config import origins
    from deepreasoning_cli.cli.pager import print_json, print_text

    loaded = load_with_notes(global_options_of(context))
    rows = origins.rows(loaded, name)
    if as_json:
        print_json(origins.as_json(loaded, rows))
    else:
        print_text(f"{origins.as_text(loaded, rows, everything=everything)}\n")


@app.command("set")
def set_(
    context: typer.Context,
    name: NameArgument,
    value: Annotated[
        str | None,
        typer.Argument(metavar="VALUE", help="New value; left out for a key, which is asked for."),
    ] = None,
) -> None:
    """Change a setting; comments are kept. A key is asked for, or read from stdin."""
    from deepreasoning_cli.cli.config import setup

    path = _file(context)
    setup.set_value(path, name, value)
    _remember_hosts(context, name)
    message(global_options_of(context), "", f"set {name} in {path}")


@app.command()
def unset(context: typer.Context, name: NameArgument) -> None:
    """Remove a setting from the file, so that its default applies."""
    from deepreasoning_cli.settings import editor

    path = _file(context)
    editor.unset_value(path, name)
    _remember_hosts(context, name)
    message(global_options_of(context), "", f"removed {name} from {path}")


@app.command()
def path(context: typer.Context) -> None:
    """Print the path of the config file."""
    typer.echo(_file(context))


@app.command()
def edit(context: typer.Context) -> None:
    """Open the config file in $VISUAL or $EDITOR, then check it."""
    from deepreasoning_cli.cli.config import setup

    for text in setup.edit(_file(context)):
        note(global_options_of(context), text)
    _remember_hosts(context)


@app.command()
def check(context: typer.Context, as_json: JsonOption = False) -> None:
    """Test your keys: call each configured vendor once."""
    from deepreasoning_cli.cli.config import checks

    options = global_options_of(context)
    if code := checks.run(load_with_notes(options), as_json=as_json, log=debug_log(options)):
        raise typer.Exit(code)


def _file(context: typer.Context) -> Path:
    from deepreasoning_cli import paths

    return global_options_of(context).config or paths.config_file()


def _remember_hosts(context: typer.Context, changed: str = "reasoners") -> None:
    """Have the shells offer the hosts of the user's own, as they are now."""
    if changed.partition(".")[0] not in ("reasoners", "answerers"):
        return
    from deepreasoning_cli import paths
    from deepreasoning_cli.history.recent import remember_hosts
    from deepreasoning_cli.settings.loaded import load_settings

    settings = load_settings(_file(context) if _file(context).exists() else None, {}).settings
    remember_hosts(paths.data_dir(), settings.reasoners, settings.answerers)
