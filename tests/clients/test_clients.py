"""Real client libraries in front of `serve`, used as their users write it.

`DEEPREASONING_CLIENTS=FOLDER pytest tests/clients` installs each there in its newest version, if it
is not. `programs/` has what they run: a file for each client, with a function for each task.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from support.installed import node_path, npm_install, pip_install
from support.replies import Reply, claude_stream, reasoner_stream
from support.serve_process import FAILURES, Server
from support.serve_process import house as house
from support.vendors import ANSWER, REASONING, TEXTS, THOUGHTS

FOLDER: Final = os.environ.get("DEEPREASONING_CLIENTS")
PROGRAMS: Final = Path(__file__).parent / "programs"
SECOND: Final = "And times 2?"
PATIENCE: Final = 120.0  # seconds for what a client does
CALLS: Final = ((1, 2), (3, 3), (6, 36))
CITY: Final = {"name": "Paris", "country": "France"}
QUIET: Final = {
    "DO_NOT_TRACK": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "true",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
}
"""What keeps libraries from calling home, where nobody would answer."""

pytestmark = [
    pytest.mark.skipif(FOLDER is None, reason="DEEPREASONING_CLIENTS names no folder for them"),
    pytest.mark.timeout(600),
]


@dataclass(frozen=True)
class Library:
    """A client: its program, its packages in their own folder, and how it differs from others.

    `shows` says whether it hands the reasoning on; `tool` is what it calls the tool by which it
    gets structured output, where it does not send a schema; `tasks` are all that it can do;
    `hides` says whether a stream that fails ends for its user like any other.
    """

    program: str
    packages: tuple[str, ...]
    shows: bool = True
    tool: str | None = None
    hides: bool = False
    tasks: tuple[str, ...] = ("question", "stream", "second_turn", "tools", "structured")

    @contextmanager
    def running(self, server: Server, home: Path) -> Iterator[Program]:
        """Its program, in an environment of its own."""
        name = "-".join(re.findall(r"[\w-]+", self.packages[0]))
        place = Path(str(FOLDER)) / Path(self.program).suffix[1:] / name
        environ = {"HOME": str(home), "PATH": os.environ["PATH"]} | QUIET
        if self.program.endswith(".mjs"):
            environ["PATH"] = node_path(Path(str(FOLDER)))
            npm_install(place, *self.packages, path=environ["PATH"])
            for source in PROGRAMS.glob("*.mjs"):  # packages are looked for beside a program
                (place / source.name).write_text(source.read_text())
            words = ["node", str(place / self.program)]
        else:
            words = [str(pip_install(place, *self.packages)), str(PROGRAMS / self.program)]
        with (home / "said.txt").open("wb") as said:
            process = subprocess.Popen(
                [*words, server.url],
                env=environ,
                cwd=home,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                start_new_session=True,
            )
            with process:
                try:
                    yield Program(self, process, home / "said.txt")
                finally:
                    os.killpg(process.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Program:
    """A client's program that runs."""

    library: Library
    process: subprocess.Popen[str]
    said: Path

    def __post_init__(self) -> None:
        self._line()  # its tasks, once it is up

    def perform(self, task: str, question: str) -> dict[str, Any]:
        """What came of it. No other client asks the same: what failed for one is kept for all."""
        if task not in self.library.tasks:
            pytest.skip("this client has no such task")
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([task, f"{question} ({self.library.program})"]) + "\n")
        self.process.stdin.flush()
        came: dict[str, Any] = self._line()
        return came

    def _line(self) -> Any:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        line = self.process.stdout.readline() if ready else ""
        assert line, self.said.read_text()[-4000:]
        return json.loads(line)


LANGCHAIN: Final = ("langchain", "langchain-openai", "langchain-anthropic")
LITELLM: Final = ("litellm",)
LLAMA_INDEX: Final = ("llama-index-llms-openai-like",)
PYDANTIC_AI: Final = ("pydantic-ai-slim[openai,anthropic]",)
VERCEL: Final = (
    "ai",
    "zod",
    "@ai-sdk/openai",
    "@ai-sdk/openai-compatible",
    "@ai-sdk/anthropic",
    "@ai-sdk/open-responses",
    "@openrouter/ai-sdk-provider",
)
LANGCHAIN_JS: Final = (
    "langchain",
    "zod",
    "@langchain/core",
    "@langchain/openai",
    "@langchain/anthropic",
)
LIBRARIES: Final = (
    Library("openai_chat.py", ("openai",)),
    Library("openai_responses.py", ("openai",)),
    Library("anthropic_messages.py", ("anthropic",)),
    Library("langchain_openai_chat.py", LANGCHAIN, shows=False),
    Library("langchain_openai_responses.py", LANGCHAIN),
    Library("langchain_anthropic_messages.py", LANGCHAIN, tool="City"),
    Library("litellm_openai.py", LITELLM),
    Library("litellm_anthropic.py", LITELLM, tool="json_tool_call"),
    Library("litellm_proxy.py", ("litellm[proxy]",)),
    Library("llama_index_chat.py", LLAMA_INDEX),
    Library("pydantic_ai_chat.py", PYDANTIC_AI, tool="final_result"),
    Library("pydantic_ai_responses.py", PYDANTIC_AI, tool="final_result"),
    Library("pydantic_ai_messages.py", PYDANTIC_AI, tool="final_result"),
    Library("openai_agents_chat.py", ("openai-agents",)),
    Library("openai_agents_responses.py", ("openai-agents",)),
    Library("instructor_schema.py", ("instructor",), tasks=("structured",)),
    Library("instructor_tools.py", ("instructor",), tasks=("structured",), tool="City"),
    Library("llm_command.py", ("llm",), shows=False),
    Library("haystack_chat.py", ("haystack-ai",), shows=False),
    Library("openai_chat.mjs", ("openai", "zod")),
    Library("openai_responses.mjs", ("openai", "zod")),
    Library("anthropic_messages.mjs", ("@anthropic-ai/sdk", "zod")),
    Library("vercel_openai.mjs", VERCEL),
    Library("vercel_openai_chat.mjs", VERCEL, shows=False),
    Library("vercel_compatible.mjs", VERCEL),
    Library("vercel_anthropic.mjs", VERCEL, tool="json"),
    Library("vercel_openrouter.mjs", VERCEL, shows=False),
    Library("vercel_open_responses.mjs", VERCEL),
    Library("langchain_openai_chat.mjs", LANGCHAIN_JS, shows=False),
    Library("langchain_openai_responses.mjs", LANGCHAIN_JS, hides=True),
    Library("langchain_anthropic_messages.mjs", LANGCHAIN_JS, tool="City"),
)


@pytest.fixture
def server(house: Server) -> Server:
    house.forget()
    return house


@pytest.fixture(scope="module", params=LIBRARIES, ids=lambda library: library.program)
def library(request: pytest.FixtureRequest) -> Library:
    found: Library = request.param
    return found


@pytest.fixture(scope="module")
def program(
    house: Server, library: Library, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Program]:
    with library.running(house, tmp_path_factory.mktemp("home")) as program:
        yield program


def script(server: Server, *replies: Reply) -> None:
    server.vendors.reasoner.reply(reasoner_stream(THOUGHTS))
    server.vendors.claude.reply(*(replies or [claude_stream(TEXTS)]))


@pytest.mark.parametrize("task", ["question", "stream"])
def test_an_answer_and_its_reasoning(
    server: Server, library: Library, program: Program, task: str
) -> None:
    script(server)
    came = program.perform(task, f"What is 6 times 7? ({task})")
    pieces = {"pieces": came.get("pieces")} if task == "stream" else {}
    assert came == {"answer": ANSWER, "reasoning": REASONING if library.shows else ""} | pieces
    assert came.get("pieces", 2) >= 2
    assert server.vendors.counts() == (1, 1)


def test_a_second_turn_knows_the_first(server: Server, program: Program) -> None:
    script(server)
    came = program.perform("second_turn", "What is 6 times 7? (first)")
    assert came["answer"] == ANSWER
    assert server.vendors.counts() == (2, 2)
    messages = server.vendors.requests()[1][-1].body["messages"]
    assert [each["role"] for each in messages] == ["user", "assistant", "user"]
    assert ANSWER in str(messages[1]["content"])
    assert SECOND in str(messages[2]["content"])


def test_a_loop_of_calls_buys_one_chain_of_thought(server: Server, program: Program) -> None:
    calls = [
        claude_stream((), calls=[(f"toolu_{a}", "add", {"a": a, "b": b})], stop_reason="tool_use")
        for a, b in CALLS
    ]
    script(server, *calls, claude_stream(TEXTS))
    came = program.perform("tools", "Add 1 and 2, and so on.")
    assert came.get("answer") == ANSWER, came
    assert server.vendors.counts() == (1, len(CALLS) + 1)
    claudes = [request.body["messages"] for request in server.vendors.requests()[1]]
    assert all(THOUGHTS[-1] in str(messages) for messages in claudes)
    results = [str(message["content"]) for message in claudes[-1][2::2]]
    assert [str(a + b) in text for (a, b), text in zip(CALLS, results, strict=True)] == [True] * 3


def test_an_answer_that_fits_a_schema(server: Server, library: Library, program: Program) -> None:
    answer = claude_stream([json.dumps(CITY)])
    if library.tool:
        answer = claude_stream((), calls=[("toolu_1", library.tool, CITY)], stop_reason="tool_use")
    script(server, answer)
    came = program.perform("structured", "What is the capital of France?")
    assert came == {"found": CITY}
    assert server.vendors.counts() == (1, 1)
    body = server.vendors.requests()[1][0].body
    assert ("output_config" in body and "format" in body["output_config"]) is (library.tool is None)


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failing_claude_buys_no_second_chain_of_thought(
    server: Server, program: Program, failure: str
) -> None:
    for task in program.library.tasks[:2]:
        server.forget()
        script(server, FAILURES[failure])
        came = program.perform(task, f"What is 6 times 7? ({failure}, {task})")
        assert "error" in came or (program.library.hides and task == "stream"), came
        assert server.vendors.counts()[0] == 1, came
