"""`config edit`: the user's editor, then the same checks that every start makes."""

from __future__ import annotations

from pathlib import Path


def edit(path: Path) -> list[str]:
    """Open the file, a new one with the template in it; return notes on what was repaired.

    Raises ConfigError if the editor fails or the file is wrong afterwards; what was written
    stays.
    """
    from deepreasoning_cli.chat.external_editor import run_editor
    from deepreasoning_cli.settings import Settings, config_file

    if not path.exists():
        config_file.create(path, config_file.Answers())
    run_editor(path)
    return Settings.load(path, {}, environ={}).notes
