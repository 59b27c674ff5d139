"""What slow groups of tests run: installed from its registry at its newest version, once.

Each program has a folder of its own, which is kept for the next run; without it, it is installed
anew. A folder that is there but not whole is completed.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

NODE: Final = 24  # what the newest packages ask for
NPM: Final = ("npm", "install", "--no-audit", "--no-fund", "--prefix")


def npm_install(folder: Path, *packages: str, path: str | None = None) -> Path:
    """The folder, with the packages below its `node_modules`; `path` has the Node for scripts."""
    with _missing(folder, packages) as missing:
        if missing:
            _run(*NPM, str(folder), *packages, path=path)
    return folder


def pip_install(folder: Path, *packages: str) -> Path:
    """The Python of a virtual environment that has the packages."""
    python = folder / "bin" / "python"
    with _missing(folder, packages) as missing:
        if missing:
            _run(sys.executable, "-m", "venv", str(folder))
            _run(str(python), "-m", "pip", "install", "-q", *packages)
    return python


def node_path(folder: Path) -> str:
    """A `PATH` on which Node is new enough: the system's, or one that npm puts into the folder."""
    path = os.environ["PATH"]
    if (node := shutil.which("node")) is not None:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
        version = re.match(r"v(\d+)", said.stdout)
        if version and int(version[1]) >= NODE:
            return path
    bin_folder = npm_install(folder / "node", f"node@{NODE}") / "node_modules" / ".bin"
    return f"{bin_folder}{os.pathsep}{path}"


@contextmanager
def _missing(folder: Path, packages: Sequence[str]) -> Iterator[bool]:
    """Whether the packages are to be installed, which no other process does meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / "installed"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = not note.exists() or note.read_text().split() != list(packages)
        yield missing
        if missing:
            note.write_text("\n".join(packages))


def _run(*words: str, path: str | None = None) -> None:
    env = os.environ | ({"PATH": path} if path else {})
    ran = subprocess.run(words, capture_output=True, text=True, check=False, env=env)
    assert ran.returncode == 0, f"{' '.join(words)}: {ran.stdout}{ran.stderr}"
