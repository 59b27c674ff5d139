"""The questions that the chat's line editor keeps for its arrow keys."""

from __future__ import annotations

import json
from collections.abc import Collection

from deepreasoning_cli import paths
from deepreasoning_cli.errors import WriteError
from deepreasoning_cli.files import write_atomically


def forget(prompts: Collection[str] | None) -> None:
    """Take these questions out of what was typed, or with None everything. Raises WriteError."""
    from deepreasoning_cli.cli.chat.repl import PROMPTS

    path = paths.data_dir() / PROMPTS
    try:
        if prompts is None:
            path.unlink(missing_ok=True)
            return
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    except FileNotFoundError:
        return
    except OSError as exc:
        raise WriteError(f"{path} still holds what was typed: {exc.strerror}") from exc
    gone = {prompt.strip() for prompt in prompts}
    kept = [line for line in lines if _entry(line).strip() not in gone]
    if kept != lines:
        write_atomically(path, "".join(kept))


def _entry(line: str) -> str:
    """The question on a line; "" for a torn one."""
    try:
        return str(json.loads(line))
    except ValueError:
        return ""
