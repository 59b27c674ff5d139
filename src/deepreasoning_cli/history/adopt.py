"""Journals that a dead process left behind go into the store at the next start."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.history.journal import FOLDER, SUFFIX, Warn
from deepreasoning_cli.history.lines import NewerJournalError
from deepreasoning_cli.history.locks import close_and_remove, is_gone, try_lock
from deepreasoning_cli.history.replay import Replay, replay

if TYPE_CHECKING:
    from deepreasoning_cli.history.store import Store

UNREADABLE = ".unreadable"
STALE_SECONDS = 3600.0
OPEN_JOURNAL = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def orphaned_journals(folder: Path) -> list[Path]:
    """The journals in the data folder, of dead and of living processes, oldest first."""
    try:
        return sorted((folder / FOLDER).glob(f"*{SUFFIX}"))
    except OSError:
        return []


def recover(folder: Path, store: Store, warn: Warn) -> int:
    """Fold every journal whose process is dead into `store`; return how many turns that were.

    A running process keeps its own. What cannot be read stays on the disk, and `warn` names it.
    """
    recovered = 0
    for path in orphaned_journals(folder):
        try:
            recovered += _recover(path, store, warn)
        except NewerJournalError as exc:
            warn(f"{path} is kept: it was {exc}")
        except OSError as exc:
            warn(f"{path} is kept: {exc.strerror or exc}")
        except DeepReasoningError as exc:
            warn(f"{exc.message}; unfinished turns stay in {folder / FOLDER}")
            break
    return recovered


def _recover(path: Path, store: Store, warn: Warn) -> bool:
    descriptor = _locked(path)
    if descriptor is None:
        return False
    try:
        turn = _read(descriptor)
        if turn:
            store.save(turn.record, began=turn.began, outcome=turn.outcome, starts=turn.starts)
    except BaseException:
        os.close(descriptor)
        raise
    if turn and not turn.damaged:
        close_and_remove(descriptor, path)
        return True
    os.close(descriptor)
    aside = path.with_name(path.name + UNREADABLE)
    path.rename(aside)
    what = f"{turn.damaged} of the journal's lines" if turn else "the journal"
    warn(f"could not read {what}, which is kept as {aside}")
    return turn is not None


def _locked(path: Path) -> int | None:
    """The journal, opened and locked; None where it is someone else's, or gone, or empty."""
    try:
        if path.stat().st_size == 0:  # its process locks it before it writes the first line
            _sweep(path)
            return None
        descriptor = os.open(path, OPEN_JOURNAL)
    except FileNotFoundError:  # another process was faster
        return None
    try:
        if try_lock(descriptor) and not is_gone(descriptor):
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _sweep(path: Path) -> None:
    if time.time() - path.stat().st_mtime > STALE_SECONDS:
        with suppress(OSError):
            path.unlink()


def _read(descriptor: int) -> Replay | None:
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        try:
            return replay(file)
        except NewerJournalError:
            raise
        except ValueError:
            return None
