"""Real agents in front of `serve`: five calls end with the right file, and one chain of thought.

`DEEPREASONING_AGENTS=FOLDER pytest tests/agents` installs each there in its newest version, if it
is not. What they are told is what `docs/clients.md` tells users.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from support.installed import node_path, npm_install, pip_install
from support.loopback_line import Received
from support.replies import Payload, Reply, claude_stream, json_reply, reasoner_stream
from support.serve_process import MODEL, Server, serving_at
from support.tool_loops import ENDING, ToolLoop
from support.vendors import THOUGHTS

FOLDER: Final = os.environ.get("DEEPREASONING_AGENTS")
TASK: Final = "Write abcd into out.txt, one letter after the other."
STEPS: Final = (*(f"printf {letter} >> out.txt" for letter in "abcd"), "cat out.txt")

pytestmark = [
    pytest.mark.skipif(FOLDER is None, reason="DEEPREASONING_AGENTS names no folder for them"),
    pytest.mark.timeout(600),
]


@dataclass(frozen=True, kw_only=True)
class Agent:
    """An agent: its package, how its shell is called, and how it is run.

    `SERVER` in words, values and files is the server's address. `files` are below the user's home.
    `prepares` is run first. `last` is a call with which the agent wants to be told that all is
    done.
    """

    program: str
    package: str
    from_pypi: bool = False
    shell: str
    call: Callable[[str], Payload]
    words: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    prepares: Sequence[str] = ()
    last: Sequence[tuple[str, str, Payload]] = ()

    def install(self, folder: Path) -> Path:
        """Where the program is."""
        place = folder / self.program
        if self.from_pypi:
            return pip_install(place, self.package).parent / self.program
        place = npm_install(place, self.package, path=node_path(folder))
        return place / "node_modules" / ".bin" / self.program


AGENTS: Final = (
    Agent(
        program="claude",
        package="@anthropic-ai/claude-code@latest",
        shell="Bash",
        call=lambda command: {"command": command, "description": "a step"},
        words=("-p", TASK, "--dangerously-skip-permissions"),
        environ={
            "ANTHROPIC_BASE_URL": "SERVER",
            "ANTHROPIC_AUTH_TOKEN": "unused",
            "ANTHROPIC_MODEL": MODEL,
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": "haiku",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "IS_SANDBOX": "1",
        },
    ),
    Agent(
        program="codex",
        package="@openai/codex@latest",
        shell="exec_command",
        call=lambda command: {"cmd": command},
        words=("exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", TASK),
        files={
            ".codex/config.toml": """
model = "deepreasoning"
model_provider = "deepreasoning"

[model_providers.deepreasoning]
name = "DeepReasoning"
base_url = "SERVER/v1"
wire_api = "responses"
"""
        },
    ),
    Agent(
        program="qwen",
        package="@qwen-code/qwen-code@latest",
        shell="run_shell_command",
        call=lambda command: {"command": command, "is_background": False},
        words=("--auth-type", "openai", "-y", "-p", TASK),
        environ={"OPENAI_BASE_URL": "SERVER/v1", "OPENAI_API_KEY": "unused", "OPENAI_MODEL": MODEL},
    ),
    Agent(
        program="opencode",
        package="opencode-ai@latest",
        shell="bash",
        call=lambda command: {"command": command, "description": "a step"},
        words=("run", TASK),
        files={
            ".config/opencode/opencode.json": """
{
  "model": "deepreasoning/deepreasoning",
  "small_model": "deepreasoning/haiku",
  "permission": "allow",
  "provider": {
    "deepreasoning": {
      "npm": "@ai-sdk/openai-compatible",
      "name": "DeepReasoning",
      "options": {"baseURL": "SERVER/v1", "apiKey": "unused"},
      "models": {
        "deepreasoning": {"name": "DeepReasoning", "reasoning": true, "tool_call": true},
        "haiku": {"name": "Haiku"}
      }
    }
  }
}
"""
        },
    ),
    Agent(
        program="cn",
        package="@continuedev/cli@latest",
        shell="Bash",
        call=lambda command: {"command": command},
        words=("--auto", "-p", TASK),
        files={
            ".continue/config.yaml": """
name: DeepReasoning
version: 1.0.0
schema: v1
models:
  - name: DeepReasoning
    provider: openai
    model: deepreasoning
    apiBase: SERVER/v1
    apiKey: unused
    roles: [chat, edit, apply]
    capabilities: [tool_use, image_input]
"""
        },
    ),
    Agent(
        program="cline",
        package="cline@latest",
        shell="run_commands",
        call=lambda command: {"command": command, "requires_approval": False},
        prepares=(
            "auth",
            "-p",
            "openai-compatible",
            "-k",
            "unused",
            "-m",
            MODEL,
            "-b",
            "SERVER/v1",
        ),
        words=(TASK,),
        environ={"CLINE_SESSION_BACKEND_MODE": "local"},  # without a process that stays
    ),
    Agent(
        program="pi",
        package="@earendil-works/pi-coding-agent@1.5",
        shell="bash",
        call=lambda command: {"command": command},
        words=("--provider", "deepreasoning", "--model", MODEL, "-p", TASK),
        files={
            ".pi/agent/models.json": """
{
  "providers": {
    "deepreasoning": {
      "baseUrl": "SERVER/v1",
      "api": "openai-completions",
      "apiKey": "unused",
      "models": [{
        "id": "deepreasoning",
        "name": "DeepReasoning",
        "reasoning": true,
        "input": ["text", "image"],
        "contextWindow": 128000,
        "maxTokens": 32000,
        "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0}
      }]
    }
  }
}
"""
        },
    ),
    Agent(
        program="gptme",
        package="gptme",
        from_pypi=True,
        shell="shell",
        call=lambda command: {"command": command},
        words=("--non-interactive", "--tool-format", "tool", "-m", f"anthropic/{MODEL}", TASK),
        environ={
            "ANTHROPIC_BASE_URL": "SERVER",
            "ANTHROPIC_API_KEY": "unused",
            "GPTME_TIKTOKEN_TIMEOUT": "0.1",
        },
        last=[("toolu_last", "complete", {})],
    ),
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving_at(tmp_path / "server") as server:
        yield server


@pytest.fixture
def folder() -> Path:
    return Path(str(FOLDER))


def run_agent(
    agent: Agent, folder: Path, home: Path, url: str, words: Sequence[str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """The end of its run in the folder `work` of its home, with its own words or those."""
    program = agent.install(folder)
    work = home / "work"
    work.mkdir(parents=True, exist_ok=True)
    for path, text in agent.files.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(text.replace("SERVER", url))
    environ = {name: value.replace("SERVER", url) for name, value in agent.environ.items()}

    def run(words: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [program, *(word.replace("SERVER", url) for word in words)],
            cwd=work,
            env={"HOME": str(home), "PATH": node_path(folder)} | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=300,
            check=False,
        )

    if agent.prepares:
        assert run(agent.prepares).returncode == 0
    return run(agent.words if words is None else words)


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.program)
def test_a_loop_ends_with_the_right_file_and_one_chain_of_thought(
    server: Server, agent: Agent, folder: Path, tmp_path: Path
) -> None:
    loop = ToolLoop(agent.shell, [agent.call(step) for step in STEPS], agent.last)
    server.vendors.reasoner.reply(reasoner_stream(THOUGHTS))
    server.vendors.claude.reply(loop)
    ran = run_agent(agent, folder, tmp_path / "home", server.url)
    said = ran.stdout + ran.stderr
    assert (ran.returncode, ENDING.encode() in said) == (0, True), said[-4000:]
    assert (tmp_path / "home" / "work" / "out.txt").read_text() == "abcd"
    assert (len(server.vendors.reasoner.requests), len(loop.asked)) == (1, len(STEPS) + 1)
    assert all(THOUGHTS[-1] in str(request.body["messages"]) for request in loop.asked)
    assert all("haiku" in request.body["model"] for request in loop.asides)


def test_what_claude_code_counts_and_sums_up_buys_no_chain_of_thought(
    server: Server, folder: Path, tmp_path: Path
) -> None:
    agent = AGENTS[0]
    loop = ToolLoop(agent.shell, [agent.call(step) for step in STEPS])
    summary = "<analysis>Letters.</analysis>\n<summary>It wrote abcd.</summary>"

    def claude(request: Received) -> Reply:
        if "/count_tokens" in request.path:
            return json_reply(200, {"input_tokens": 1234})
        if "create a detailed summary" in str(request.body["messages"][-1]):
            return claude_stream((summary,))
        return loop(request)

    server.vendors.reasoner.reply(reasoner_stream(THOUGHTS))
    server.vendors.claude.reply(claude)
    run_agent(agent, folder, tmp_path / "home", server.url)
    again = ("-c", "--dangerously-skip-permissions", "-p")
    for command, paths in (("/context", ["count_tokens"]), ("/compact", ["messages"])):
        before = len(server.vendors.claude.requests)
        ran = run_agent(agent, folder, tmp_path / "home", server.url, (*again, command))
        assert ran.returncode == 0, ran.stdout + ran.stderr
        came = server.vendors.claude.requests[before:]
        assert sorted({request.path.rpartition("/")[2] for request in came}) == paths
    assert (len(server.vendors.reasoner.requests), len(loop.asked)) == (1, len(STEPS) + 1)
