"""Reading `config.toml`: whose it is, who else can see it, what it says."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

from deepreasoning_cli import files
from deepreasoning_cli.errors import ConfigError
from deepreasoning_cli.settings.sources import Layer, from_file


def file_layer(path: Path, notes: list[str], *, required: bool) -> Layer:
    """The settings in the file at `path`; what was repaired is added to `notes`.

    A missing file is empty unless `required`. Raises ConfigError.
    """
    try:
        text = read(path)
    except FileNotFoundError:
        if not required:
            return Layer({}, {})
        raise ConfigError(
            f"there is no config file {path}",
            hint="name another one, or start one with `deepreasoning config init`",
            kind="config_missing",
        ) from None
    layer = from_file(path, text)
    if note := _closed(path, holds_keys=bool(layer.values.get("keys"))):
        notes.append(note)
    return layer


def read(path: Path) -> str:
    """The text of a config file that is the user's own, its line ends as they are.

    Raises FileNotFoundError, and ConfigError for everything else.
    """
    try:
        _refuse_a_stranger(path)
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise
    except OSError as exc:
        raise ConfigError(f"cannot read {path}: {exc.strerror}", kind="config_unreadable") from exc
    except UnicodeDecodeError as exc:
        line = exc.object.count(b"\n", 0, exc.start) + 1
        raise ConfigError(
            f"{path}:{line}: not UTF-8",
            hint="save the file again as UTF-8",
            kind="config_broken",
        ) from None  # the cause holds the whole file


def _refuse_a_stranger(path: Path) -> None:
    """The file can name programs to run: only our own and the system's are trusted."""
    if os.name != "posix":
        return
    if (owner := path.stat().st_uid) not in (os.geteuid(), 0):
        raise ConfigError(
            f"{path} belongs to another user (id {owner})",
            hint="make it yours with chown, or name another file with --config",
            kind="config_not_yours",
        )


def _closed(path: Path, *, holds_keys: bool) -> str | None:
    """Close the file to others; what to tell the user about it, if anything."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if files.tighten(path):
            return f"{path} was open to others (mode {mode:04o}); now 0600"
    except OSError as exc:
        if holds_keys:
            return f"{path} holds keys, is open to others, and cannot be closed: {exc.strerror}"
    return None


PATIENCE = 60.0  # seconds: long enough to unlock a password store by hand
LONGEST_COMPLAINT = 300  # characters of the program's own words


def run_key_command(arguments: str | list[str], setting: str) -> str:
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
