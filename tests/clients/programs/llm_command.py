"""The command `llm`, with `serve` as a model of its `extra-openai-models.yaml`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tasks import MODEL, SECOND, URL, perform

MODELS = f"""
- model_id: {MODEL}
  model_name: {MODEL}
  api_base: {URL}/v1
  api_key_name: unused
  supports_tools: true
  supports_schema: true
"""
ADD = """
def add(a: int, b: int) -> int:
    return a + b
"""
folder = Path("llm-home").absolute()
folder.mkdir()
(folder / "extra-openai-models.yaml").write_text(MODELS)
(folder / "keys.json").write_text('{"unused": "unused"}')


def llm(*words: str) -> str:
    command = [str(Path(sys.executable).with_name("llm")), *words]
    environ = os.environ | {"LLM_USER_PATH": str(folder)}
    ran = subprocess.run(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,  # what is there would be part of the prompt
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise RuntimeError(ran.stderr)
    return ran.stdout.removesuffix("\n")


def question(text: str) -> dict[str, Any]:
    return {"answer": llm("-m", MODEL, "--no-stream", text), "reasoning": ""}


def stream(text: str) -> dict[str, Any]:
    return {"answer": llm("-m", MODEL, text), "reasoning": "", "pieces": 2}


def second_turn(text: str) -> dict[str, Any]:
    llm("-m", MODEL, text)
    return {"answer": llm("-c", SECOND)}


def tools(text: str) -> dict[str, Any]:
    return {"answer": llm("-m", MODEL, "--functions", ADD, text)}


def structured(text: str) -> dict[str, Any]:
    return {"found": json.loads(llm("-m", MODEL, "--schema", "name, country", text))}


perform(question, stream, second_turn, tools, structured)
