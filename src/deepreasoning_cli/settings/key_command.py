"""Ask a program of the user's for a key, as `pass show anthropic` or `op read …` print it."""

from __future__ import annotations

import subprocess

from deepreasoning_cli.errors import ConfigError

PATIENCE = 60.0  # seconds: long enough to unlock a password store by hand
LONGEST_COMPLAINT = 300  # characters of the program's own words


def printed_by(arguments: str | list[str], setting: str) -> str:
    """What the program prints, less one line end; `setting` names it in errors.

    It is started without a shell and inherits stdin and terminal, so that it can ask for a
    passphrase. Raises ConfigError with its stderr if it fails or needs more than a minute.
    """
    try:
        done = subprocess.run(arguments, capture_output=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise _failed(setting, f"did not end within {PATIENCE:g} s") from None
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or "the name is not usable"
        raise _failed(setting, f"cannot be started: {reason}") from None
    if done.returncode:
        complaint = " ".join(done.stderr.decode("utf-8", "replace").split())[:LONGEST_COMPLAINT]
        words = f"failed with status {done.returncode}"
        raise _failed(setting, f"{words}: {complaint}" if complaint else words)
    text = done.stdout.decode("utf-8", "replace")
    return text.removesuffix("\n").removesuffix("\r")


def _failed(setting: str, what: str) -> ConfigError:
    return ConfigError(
        f"the command of {setting} {what}",
        hint="run it by hand; `deepreasoning config edit` changes it",
        kind="key_command",
    )
