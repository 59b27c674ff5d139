"""`config edit`: the user's editor, then the same checks that every start makes."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from deepreasoning_cli.errors import ConfigError

HINT = "export EDITOR=… names one"


def edit(path: Path) -> list[str]:
    """Open the file, a new one with the template in it; return notes on what was repaired.

    Raises ConfigError if there is no editor, it fails, or the file is wrong afterwards; what
    was written stays.
    """
    from deepreasoning_cli.settings import Settings, config_file

    if not path.exists():
        config_file.create(path, config_file.Answers())
    _run([*_editor(), str(path)])
    return Settings.load(path, {}, environ={}).notes


def _editor() -> list[str]:
    """The editor's command line: VISUAL, EDITOR, or what every system has."""
    named = next((text for name in ("VISUAL", "EDITOR") if (text := os.environ.get(name))), None)
    line = named or ("notepad" if os.name == "nt" else "vi")
    try:
        return shlex.split(line, posix=os.name != "nt")
    except ValueError:
        raise ConfigError(f"the editor {line} has an open quote", hint=HINT) from None


def _run(arguments: list[str]) -> None:
    import subprocess

    try:
        done = subprocess.run(arguments, check=False)
    except OSError as exc:
        raise ConfigError(
            f"cannot start the editor {arguments[0]}: {exc.strerror}", hint=HINT, kind="editor"
        ) from exc
    if done.returncode:
        raise ConfigError(
            f"the editor {arguments[0]} ended with status {done.returncode}",
            hint=HINT,
            kind="editor",
        )
