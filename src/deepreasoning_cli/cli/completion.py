"""`deepreasoning completion`: print the completion script of a shell, or install it.

The scripts are generated (`python -m tools.completions`) and static: no Python runs at TAB.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

import typer

from deepreasoning_cli.errors import UsageError, WriteError

Shell = Literal["bash", "zsh", "fish", "powershell"]
PROGRAMS: Final = ("deepreasoning", "dr")


class Destination(NamedTuple):
    """Where a shell's script goes, and the line for its start-up file where it needs one."""

    paths: list[Path]
    line: str = ""
    start_file: str = ""


SCRIPTS: Final[Mapping[Shell, str]] = {
    "bash": "deepreasoning.bash",
    "zsh": "_deepreasoning",
    "fish": "deepreasoning.fish",
    "powershell": "deepreasoning.ps1",
}


def completion(
    shell: Annotated[
        Shell | None, typer.Argument(metavar="SHELL", help="bash, zsh, fish or powershell.")
    ] = None,
    install_it: Annotated[
        bool, typer.Option("--install", help="Install the script where the shell looks for it.")
    ] = False,
) -> None:
    """Print or install shell completion (default: for the shell in $SHELL)."""
    chosen = shell or own_shell()
    if chosen is None:
        raise UsageError("the shell is not known", hint="name bash, zsh, fish or powershell")
    if install_it:
        install(chosen)
    else:
        typer.echo(script(chosen), nl=False)


def install(shell: Shell) -> None:
    """Put the script where the shell finds it, and say where. Raises WriteError."""
    from deepreasoning_cli.files import write_atomically

    destination = destination_of(shell)
    for path in destination.paths:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise WriteError(
                f"cannot write {path}: {exc.strerror}", hint="print it, and save it where you like"
            ) from exc
        write_atomically(path, script(shell), mode=None)
        typer.echo(f"wrote {path}")
    if destination.line:
        typer.echo(f"add to {destination.start_file}, unless it is there:\n  {destination.line}")
    else:
        typer.echo(f"{shell} finds it there; open a new shell")


def script(shell: Shell) -> str:
    """The completion script: from the installed package, or from the folder of a checkout."""
    name = SCRIPTS[shell]
    packaged = files("deepreasoning_cli") / "completions" / name
    checkout = Path(__file__).parents[3] / "completions" / name
    return (packaged if packaged.is_file() else checkout).read_text(encoding="utf-8")


def destination_of(shell: Shell) -> Destination:
    """Where the script of `shell` belongs for this user.

    bash-completion and fish load a file by the command's name, and so find both names of the
    program; zsh and PowerShell have no folder of the user's own that they search by themselves.
    """
    data = _folder("XDG_DATA_HOME", "~/.local/share")
    config = _folder("XDG_CONFIG_HOME", "~/.config")
    match shell:
        case "bash":
            own = os.environ.get("BASH_COMPLETION_USER_DIR")
            folder = (Path(own) if own else data / "bash-completion") / "completions"
            return Destination([folder / name for name in PROGRAMS])
        case "fish":
            folder = config / "fish" / "completions"
            return Destination([folder / f"{name}.fish" for name in PROGRAMS])
        case "zsh":
            folder = data / "zsh" / "site-functions"
            line = f"fpath=({shlex.quote(str(folder))} $fpath); autoload -Uz compinit; compinit"
            return Destination([folder / SCRIPTS[shell]], line, "~/.zshrc")
        case "powershell":
            path = config / "powershell" / SCRIPTS[shell]
            quoted = str(path).replace("'", "''")
            return Destination([path], f". '{quoted}'", "your $PROFILE")


def own_shell() -> Shell | None:
    """The shell in $SHELL; None for one that has no script."""
    name = Path(os.environ.get("SHELL", "")).name.removesuffix(".exe")
    for shell in SCRIPTS:
        if name == shell or (shell, name) == ("powershell", "pwsh"):
            return shell
    return None


def _folder(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or default).expanduser()
