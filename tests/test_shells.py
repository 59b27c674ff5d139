"""Completion where it happens: TAB in bash, zsh and fish, on a terminal."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from deepreasoning_cli.history import recent
from support.tmux import Tmux, squeezed

SCRIPTS: Final = Path(__file__).parents[1] / "completions"
BASH_COMPLETION: Final = Path("/usr/share/bash-completion/bash_completion")
FIRST, SECOND = "06h1ggbn9ypp5ff5", "06h1gg000000aaaa"
READY: Final = "ready>"
START: Final = {
    "bash": "bash --noprofile --rcfile {home}/.bashrc -i",
    "zsh": "zsh -i",
    "fish": "fish -i",
}


def set_up(shell: str, home: Path) -> None:
    """The start-up file of a shell that has the completion."""
    match shell:
        case "bash":
            package = f". {BASH_COMPLETION}\n" if BASH_COMPLETION.exists() else ""
            (home / ".bashrc").write_text(
                f"PS1='{READY} '\n{package}. {SCRIPTS}/deepreasoning.bash\n"
                "bind 'set show-all-if-ambiguous on'\nbind 'set bell-style none'\n"
            )
        case "zsh":
            (home / ".zshrc").write_text(
                f"PS1='{READY} '\nfpath=({SCRIPTS} $fpath)\n"
                f"autoload -Uz compinit; compinit -u -d {home}/dump\n"
            )
        case "fish":
            folder = home / ".config" / "fish"
            (folder / "completions").mkdir(parents=True)
            for name in ("dr", "deepreasoning"):
                target = folder / "completions" / f"{name}.fish"
                shutil.copy(SCRIPTS / "deepreasoning.fish", target)
            (folder / "config.fish").write_text(
                f"function fish_prompt; echo -n '{READY} '; end\nfunction fish_greeting; end\n"
            )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """What the program has kept of two turns, one in a session, and of hosts of one's own."""
    folder = tmp_path / "data"
    recent.add_turn(folder, SECOND, "What is 6x7?", None)
    recent.add_turn(folder, FIRST, "Why is the sky: blue?", "phys ics")
    recent.remember_hosts(folder, ["lab"], ["local"])
    return folder


@pytest.fixture(params=START)
def shell(request: pytest.FixtureRequest, tmp_path: Path, data: Path) -> Iterator[Tmux]:
    """The shell at its prompt, in a folder with a file; `dr` leaves a trace where it is run."""
    name = request.param
    if not (shutil.which("tmux") and shutil.which(name)):
        pytest.skip(f"needs tmux and {name}")
    home, here, programs = (tmp_path / each for each in ("shell", "here", "bin"))
    for folder in (home, here, programs):
        folder.mkdir()
    (here / "other.txt").touch()
    program = programs / "dr"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-run\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    set_up(name, home)
    terminal = Tmux()
    try:
        env = {
            "HOME": str(home),
            "ZDOTDIR": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_DATA_HOME": str(home / ".local" / "share"),
            "DEEPREASONING_DATA_DIR": str(data),
            "LC_ALL": "C.UTF-8",
        }
        command = START[name].format(home=home)
        path = f"{programs}:{os.environ['PATH']}"
        terminal.start(f"cd '{here}' && PATH='{path}' exec {command}", env)
        terminal.wait_for(READY)
        yield terminal
    finally:
        terminal.run("kill-server")


def complete(shell: Tmux, typed: str, shown: str) -> str:
    """What is on the screen once TAB has shown that."""
    shell.press("-l", typed)
    shell.wait_for(typed)
    shell.press("Tab")
    lines = shell.wait_for(shown)
    shell.press("C-u")  # which the shell reads in its turn; C-c would overtake what is typed
    return "\n".join(lines)


def test_tab_offers_what_nobody_can_type(shell: Tmux, tmp_path: Path) -> None:
    turns = complete(shell, "dr history show ", "Why is the sky: blue?")
    assert all(word in turns for word in ("last", FIRST, SECOND, "What is 6x7?"))
    for typed, whole in (
        ("dr ask --session ph", r"dr ask --session phys\ ics"),
        (f"dr --reasoning-from {SECOND[:7]}", f"dr --reasoning-from {SECOND}"),
        ("dr ask -r la", "dr ask -r lab"),
        ("dr -a loc", "dr -a local"),
        ("dr config set search.d", "dr config set search.depth"),
        ("dr config set handoff bo", "dr config set handoff both"),
        ("dr config set model opu", "dr config set model opus"),
    ):
        complete(shell, typed, whole)
    words = complete(shell, "dr ask --reasoning ", "stderr")
    offered = words.rpartition("--reasoning ")[2]
    assert squeezed("other.txt") not in squeezed(offered)
    complete(shell, "dr ask --reasoning oth", "dr ask --reasoning other.txt")
    assert not (tmp_path / "was-run").exists()
