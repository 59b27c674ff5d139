"""`deepreasoning help`: the page of a command, or of a topic."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from deepreasoning_cli.errors import UsageError, did_you_mean

EXIT_CODES: Final = """\
Exit codes

  0    done
  1    unexpected: a bug; run it again with --debug and report it
  2    usage: a wrong flag or value, an empty prompt, input that is not text
  3    set-up: a key is missing or rejected, or the config file is wrong
  4    refused: a bad request, a retired model, no credit, a cost cap
  5    unavailable: network, timeout, rate limit; nothing was paid for, try again later
  6    incomplete: what was paid for is kept; `deepreasoning resume` finishes it
  7    cannot write: stdout or the output file takes no more
  129, 130, 143    hung up, interrupted, terminated
  141  the reader of a pipe has gone

With --json an error is one line of JSON on stderr: {"error": {"stage", "kind", "message", …}}.
"""
ENVIRONMENT: Final = """\
Environment

  DEEPREASONING_NAME         the setting NAME, as DEEPREASONING_MODEL=opus; tables with __
  DEEPREASONING_CONFIG       the config file
  DEEPREASONING_DATA_DIR     where the history is kept
  VENDOR_API_KEY             the key of DEEPSEEK, ANTHROPIC, OPENROUTER, DEEPINFRA, NOVITA,
                             EMPIRIOLABS, LINKUP
  VENDOR_BASE_URL            where that vendor is reached; also OLLAMA_BASE_URL
  NO_COLOR, FORCE_COLOR      colour off, colour on
  VISUAL, EDITOR, PAGER      programs that are opened
  HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE    how the network is reached

A flag outranks the environment, the environment outranks the config file.
"""
CONFIG: Final = """\
Configuration

  `deepreasoning config init`             asks for keys and writes the file
  `deepreasoning config show`             every setting in force, and where it comes from
  `deepreasoning config set model opus`   changes one; unset takes it out
  `deepreasoning config set keys.NAME`    asks for a key, or reads it from stdin
  `deepreasoning config edit`             opens the file in $EDITOR
  `deepreasoning config check`            tries the keys
  `deepreasoning config path`             where the file is

--config FILE uses another file for one run.
"""
TOPICS: Final = {"exit-codes": EXIT_CODES, "environment": ENVIRONMENT, "config": CONFIG}


def help(  # noqa: A001 (the command's name)
    context: typer.Context,
    topic: Annotated[
        list[str] | None,
        typer.Argument(metavar="TOPIC", help="Command, or exit-codes, environment, config."),
    ] = None,
) -> None:
    """Show help on a command or topic."""
    words = topic or []
    name = " ".join(words)
    if name in TOPICS:
        typer.echo(TOPICS[name], nl=False)
        return
    root: Any = context.find_root()
    page = root
    for word in words:
        inner = getattr(page.command, "get_command", lambda *_: None)(page, word)
        if inner is None:
            raise _unknown(name, word, [*getattr(page.command, "commands", ()), *TOPICS])
        page = type(context)(inner, info_name=word, parent=page, **inner.context_settings)
    typer.echo(page.get_help())


def _unknown(name: str, word: str, known: list[str]) -> UsageError:
    asks = f'`deepreasoning ask "help {name}"` asks it'
    return UsageError(
        f"there is no help on '{name}'", hint=did_you_mean(word, known, likeness=0.7) or asks
    )
