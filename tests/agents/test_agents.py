"""Real agents in front of `serve`: five calls end with the right file, and one chain of thought.

`DEEPREASONING_AGENTS=FOLDER pytest tests/agents` installs them there with npm, if they are not.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from support.installed import node_path, npm_install
from support.replies import Payload, claude_stream, reasoner_stream
from support.serve_process import MODEL, Server, serving_at
from support.vendors import THOUGHTS

FOLDER: Final = os.environ.get("DEEPREASONING_AGENTS")
TASK: Final = "Write abcd into out.txt, one letter after the other."
STEPS: Final = (*(f"printf {letter} >> out.txt" for letter in "abcd"), "cat out.txt")
CODEX: Final = """
model = "{model}"
model_provider = "here"
[model_providers.here]
name = "here"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "KEY"
"""

pytestmark = [
    pytest.mark.skipif(FOLDER is None, reason="DEEPREASONING_AGENTS names no folder for them"),
    pytest.mark.timeout(600),
]


@dataclass(frozen=True)
class Agent:
    """An agent: its package, how its shell is called, and how it is run."""

    package: str
    program: str
    shell: str
    call: Callable[[str], Payload]
    words: Sequence[str]
    environ: Mapping[str, str]

    def install(self, folder: Path) -> Path:
        """Where the program is."""
        place = npm_install(folder / self.program, self.package)
        return place / "node_modules" / ".bin" / self.program


AGENTS: Final = (
    Agent(
        "@anthropic-ai/claude-code",
        "claude",
        "Bash",
        lambda command: {"command": command, "description": "a step"},
        ("-p", TASK, "--dangerously-skip-permissions"),
        {
            "ANTHROPIC_BASE_URL": "{url}",
            "ANTHROPIC_AUTH_TOKEN": "unused",
            "ANTHROPIC_MODEL": MODEL,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "IS_SANDBOX": "1",
        },
    ),
    Agent(
        "@openai/codex",
        "codex",
        "exec_command",
        lambda command: {"cmd": command},
        ("exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", TASK),
        {"KEY": "unused"},
    ),
    Agent(
        "@qwen-code/qwen-code",
        "qwen",
        "run_shell_command",
        lambda command: {"command": command, "is_background": False},
        ("--auth-type", "openai", "-y", "-p", TASK),
        {
            "OPENAI_BASE_URL": "{url}/v1",
            "OPENAI_API_KEY": "unused",
            "OPENAI_MODEL": MODEL,
        },
    ),
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving_at(tmp_path / "server") as server:
        yield server


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.program)
def test_a_loop_ends_with_the_right_file_and_one_chain_of_thought(
    server: Server, agent: Agent, tmp_path: Path
) -> None:
    program = agent.install(Path(str(FOLDER)))
    server.vendors.reasoner.reply(reasoner_stream(THOUGHTS))
    for number, step in enumerate(STEPS):
        calls = [(f"toolu_{number}", agent.shell, agent.call(step))]
        server.vendors.claude.reply(claude_stream((), calls=calls, stop_reason="tool_use"))
    server.vendors.claude.reply(claude_stream(("All done.",)))
    home, work = tmp_path / "home", tmp_path / "work"
    work.mkdir()
    config = home / ".codex" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(CODEX.format(model=MODEL, url=server.url))
    environ = {name: value.format(url=server.url) for name, value in agent.environ.items()}
    ran = subprocess.run(
        [program, *agent.words],
        cwd=work,
        env={"HOME": str(home), "PATH": node_path(Path(str(FOLDER)))} | environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert (ran.returncode, b"All done." in ran.stdout) == (0, True), ran.stderr[-2000:]
    assert (work / "out.txt").read_text() == "abcd"
    _, claudes = server.vendors.requests()
    assert server.vendors.counts() == (1, len(STEPS) + 1)
    assert all(THOUGHTS[-1] in str(claude.body["messages"]) for claude in claudes)
