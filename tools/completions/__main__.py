"""`python -m tools.completions`: write the scripts, or check that they are current.

It belongs to the making of the program: the app never imports it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tools.completions import bash, fish, powershell, zsh
from tools.completions.tree import Command, tree_of

WRITERS = {
    "deepreasoning.bash": bash.script,
    "_deepreasoning": zsh.script,
    "deepreasoning.fish": fish.script,
    "deepreasoning.ps1": powershell.script,
}


def scripts(root: Command) -> dict[str, str]:
    """The text of each script by its file's name."""
    return {name: write(root) for name, write in WRITERS.items()}


def stale(directory: Path, wanted: dict[str, str]) -> list[str]:
    """The names of the scripts that are missing in `directory` or differ from what is wanted."""
    return [name for name, text in wanted.items() if _read(directory / name) != text]


def main(
    directory: Annotated[
        Path, typer.Argument(metavar="[DIRECTORY]", help="Where the scripts are.")
    ] = Path("completions"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if a script is stale.")
    ] = False,
) -> None:
    """Write the completion scripts of the app as it is now."""
    from deepreasoning_cli.cli.app import app

    wanted = scripts(tree_of(app))
    old = stale(directory, wanted)
    if check:
        for name in old:
            typer.echo(f"stale: {directory / name}", err=True)
        raise typer.Exit(1 if old else 0)
    directory.mkdir(parents=True, exist_ok=True)
    for name in old:
        (directory / name).write_bytes(wanted[name].encode())
        typer.echo(f"wrote {directory / name}")


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    sys.argv[0] = "tools.completions"
    typer.run(main)
