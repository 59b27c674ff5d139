"""`deepreasoning completion`: what is printed, where it is put, and that the wheel has it."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from deepreasoning_cli.cli.completion import SCRIPTS, Shell
from support.runner import run

BOTH = ("deepreasoning", "dr")
PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_script_of_a_shell_is_printed_as_it_is(shell: Shell) -> None:
    done = run("completion", shell)
    assert (done.code, done.stderr) == (0, b"")
    assert done.stdout == (PROJECT / "completions" / SCRIPTS[shell]).read_bytes()


@pytest.mark.parametrize(
    ("value", "shell"),
    [("/bin/bash", "bash"), ("/usr/bin/zsh", "zsh"), ("fish", "fish"), ("pwsh", "powershell")],
)
def test_without_a_name_it_is_the_shell_of_the_user(value: str, shell: str) -> None:
    assert run("completion", env={"SHELL": value}).stdout == run("completion", shell).stdout


def test_another_shell_is_an_error_that_names_those_there_are() -> None:
    unknown = run("completion", env={"SHELL": "/bin/dash"})
    assert (unknown.code, unknown.stdout) == (2, b"")
    assert b"bash, zsh, fish or powershell" in unknown.stderr
    assert run("completion", "tcsh").code == 2


@pytest.mark.parametrize(
    ("shell", "env", "names"),
    [
        ("bash", {}, [f".local/share/bash-completion/completions/{name}" for name in BOTH]),
        ("bash", {"BASH_COMPLETION_USER_DIR": "{}/b"}, [f"b/completions/{name}" for name in BOTH]),
        ("fish", {}, [f".config/fish/completions/{name}.fish" for name in BOTH]),
        ("zsh", {}, [".local/share/zsh/site-functions/_deepreasoning"]),
        ("powershell", {}, [".config/powershell/deepreasoning.ps1"]),
    ],
)  # fmt: skip
def test_installed_it_is_where_the_shell_looks(
    shell: Shell, env: dict[str, str], names: list[str], tmp_path: Path
) -> None:
    own = {"HOME": str(tmp_path), "XDG_DATA_HOME": "", "XDG_CONFIG_HOME": ""}
    done = run(
        "completion", shell, "--install",
        env=own | {name: value.format(tmp_path) for name, value in env.items()},
    )  # fmt: skip
    assert (done.code, done.stderr) == (0, b"")
    for name in names:
        assert f"wrote {tmp_path / name}" in done.stdout.decode()
        assert (tmp_path / name).read_bytes() == run("completion", shell).stdout
    assert (b"add to" in done.stdout) is (shell in ("zsh", "powershell"))


def test_where_nothing_can_be_written_that_is_said() -> None:
    done = run("completion", "bash", "--install", env={"BASH_COMPLETION_USER_DIR": "/dev/null"})
    assert done.code == 7
    assert done.stderr.startswith(b"error: cannot write")


def test_the_wheel_has_the_scripts_that_the_command_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)  # a second copy of the program is not to be measured
    [wheel] = WheelBuilder(str(PROJECT)).build(directory=str(tmp_path))
    with zipfile.ZipFile(wheel) as packed:
        for name in SCRIPTS.values():
            assert (
                packed.read(f"deepreasoning_cli/completions/{name}")
                == (PROJECT / "completions" / name).read_bytes()
            )
        packed.extractall(tmp_path / "installed")
    printed = run("completion", "zsh", env={"PYTHONPATH": str(tmp_path / "installed")})
    assert printed.stdout == (PROJECT / "completions" / "_deepreasoning").read_bytes()
