"""What `--help` tells beside the options."""

from __future__ import annotations

from typer.testing import CliRunner

from deepreasoning_cli.cli.app import app


def helped(*words: str) -> str:
    """The help as one line, however it is wrapped."""
    result = CliRunner().invoke(app, [*words, "--help"])
    assert result.exit_code == 0
    return " ".join(result.stdout.split())


def test_the_help_of_ask_ends_with_the_exit_codes() -> None:
    assert helped("ask").endswith(
        "Exit codes: 0 done · 2 usage · 3 set-up · 4 refused · 5 unavailable · 6 incomplete"
        " · 7 cannot write · 130 interrupted"
    )


def test_the_help_of_the_program_says_where_the_exit_codes_are() -> None:
    assert helped().endswith("Exit codes: deepreasoning help exit-codes")
