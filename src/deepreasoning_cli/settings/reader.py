"""Read `config.toml`, once its owner and mode are checked, and run the commands in it."""

from __future__ import annotations

import codecs
import os
import shlex
import stat
from contextlib import suppress
from pathlib import Path

from deepreasoning_cli import files
from deepreasoning_cli.errors import ConfigError
from deepreasoning_cli.settings.sources import Layer, from_file


def file_layer(path: Path, notes: list[str], *, required: bool) -> Layer:
    """The settings in the file at `path`; a mode that was repaired is added to `notes`.

    A missing file is empty unless `required`. One that others can write, and that names commands,
    stays as it is until the user has looked at it. Raises ConfigError.
    """
    try:
        text = read(path)
        writable = writable_by_others(path)
    except FileNotFoundError:
        if not required:
            return Layer({}, {})
        raise ConfigError(
            f"there is no config file {path}",
            hint="name another one, or start one with `deepreasoning config init`",
            kind="config_missing",
        ) from None
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    layer = from_file(path, text)
    keys = layer.values.get("keys")
    if writable and isinstance(keys, dict) and any(isinstance(key, dict) for key in keys.values()):
        what = f"others can write {writable}: the key commands of {path.name} are not run"
        notes.append(f"{what}; {how_to_close(path, writable)}")
        return layer._replace(writable=writable)
    if note := _make_private(path, holds_keys=bool(layer.values.get("keys"))):
        notes.append(note)
    return layer


def read(path: Path) -> str:
    """The text of a config file that is the user's own, its line ends as they are.

    UTF-8, or what a mark of byte order at its start says: Notepad and PowerShell write UTF-16.

    Raises FileNotFoundError, and ConfigError for everything else.
    """
    try:
        _check_owner(path)
        data = path.read_bytes()
        is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return data.decode("utf-16" if is_utf16 else "utf-8-sig")
    except FileNotFoundError:
        raise
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    except UnicodeDecodeError as exc:
        line = exc.object.count(b"\n", 0, exc.start) + 1
        raise ConfigError(
            f"{path}:{line}: not UTF-8",
            hint="save the file again as UTF-8",
            kind="config_broken",
        ) from None  # the cause holds the whole file


def _unreadable(path: Path, failure: OSError) -> ConfigError:
    what, hint = f"cannot read {path}: {failure.strerror}", "make it a file that you can read"
    return ConfigError(what, kind="config_unreadable", hint=hint)


def _check_owner(path: Path) -> None:
    """The file can name programs to run: only the user's own and the system's are trusted."""
    if os.name != "posix":
        return
    if not _is_trusted(owner := path.stat().st_uid):
        raise ConfigError(
            f"{path} belongs to another user (id {owner})",
            hint="make it yours with chown, or name another file with --config",
            kind="config_not_yours",
        )


def writable_by_others(path: Path) -> Path | None:
    """The file, or a folder above it or its link, if others may write it; else None.

    A group that has no other member is nobody else; a sticky folder lets others replace nothing,
    but for its owner.
    """
    if os.name != "posix":
        return None
    real = path.resolve()
    folders = (path.parent, real.parent)
    for each in (path, *path.absolute().parents, *real.parents):
        status = each.stat()
        is_sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
        if each in folders and not _is_trusted(status.st_uid):
            return each
        if (status.st_mode & stat.S_IWOTH or _is_shared(each, status)) and not is_sticky:
            return each
    return None


def _is_trusted(owner: int) -> bool:
    return owner in (os.geteuid(), 0)


def _is_shared(path: Path, status: os.stat_result) -> bool:
    """Whether a group with others in it may write it, or those whom a list of rights may name."""
    if not status.st_mode & stat.S_IWGRP:
        return False
    with suppress(OSError, AttributeError):  # only Linux can list them
        if ACL in os.listxattr(path):
            return True  # the rights of the group are then the most that the list may give
    return not _is_own_group(status.st_gid)


def _is_own_group(number: int) -> bool:
    """Whether it is the user's private group, as many systems give each user one."""
    import grp
    import pwd

    try:
        group, me = grp.getgrgid(number), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return group.gr_name == me.pw_name and set(group.gr_mem) <= {me.pw_name}


def how_to_close(path: Path, writable: Path) -> str:
    """What to do about a file or folder that others can write."""
    if not _is_trusted(writable.stat().st_uid):
        return f"look at the commands in {path}, then move it into a folder of yours"
    return f"look at the commands in {path}, then `chmod go-w {shlex.quote(str(writable))}`"


def _make_private(path: Path, *, holds_keys: bool) -> str | None:
    """Close the file to others; what to tell the user about it, if anything."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if files.tighten(path):
            return f"{path} was open to others (mode {mode:04o}); now 0600"
    except OSError as exc:
        if holds_keys:
            return f"{path} holds keys, is open to others, and cannot be closed: {exc.strerror}"
    return None


ACL = "system.posix_acl_access"
COMMAND_TIMEOUT = 60.0  # seconds: long enough to unlock a password store by hand
LONGEST_STDERR = 300  # characters


def run_key_command(
    arguments: str | list[str], setting: str, timeout: float = COMMAND_TIMEOUT
) -> str:
    """What the program prints, less one line end; `setting` names it in errors.

    It is started without a shell and inherits stdin and terminal, so that it can ask for a
    passphrase. Raises ConfigError with its stderr if it fails or runs longer than `timeout`.
    """
    import subprocess

    try:
        done = subprocess.run(arguments, capture_output=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise _failed(setting, f"did not end within {timeout:g} s") from None
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or "the name is not usable"
        raise _failed(setting, f"cannot be started: {reason}") from None
    if done.returncode:
        stderr = " ".join(done.stderr.decode("utf-8", "replace").split())[:LONGEST_STDERR]
        failure = f"failed with status {done.returncode}"
        raise _failed(setting, f"{failure}: {stderr}" if stderr else failure)
    text = done.stdout.decode("utf-8", "replace")
    return text.removesuffix("\n").removesuffix("\r")


def _failed(setting: str, what: str) -> ConfigError:
    return ConfigError(
        f"the command of {setting} {what}",
        hint="run it by hand; `deepreasoning config edit` changes it",
        kind="key_command",
    )
