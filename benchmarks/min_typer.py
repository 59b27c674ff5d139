"""The least that a Typer program is: one option for all commands, and one command."""

from enum import StrEnum

import typer


class Color(StrEnum):
    AUTO = "auto"


app = typer.Typer()


@app.callback()
def options(color: Color = Color.AUTO) -> None:
    """A minimal program."""


@app.command()
def ask(question: str) -> None:
    """Do nothing with a question."""


app()
