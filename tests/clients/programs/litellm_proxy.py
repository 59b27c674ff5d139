"""LiteLLM's proxy, with OpenAI's package in front of it."""

from __future__ import annotations

import os
import runpy
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

CONFIG = """
model_list:
  - model_name: deepreasoning
    litellm_params:
      model: openai/deepreasoning
      api_base: {url}/v1
      api_key: unused
general_settings:
  master_key: sk-unused-unused-unused-unused
"""
with socket.create_server(("127.0.0.1", 0)) as taken:
    port = taken.getsockname()[1]
config = Path("litellm.yaml")
config.write_text(CONFIG.format(url=sys.argv[1]))
command = [str(Path(sys.executable).with_name("litellm")), "--config", str(config)]
proxy = subprocess.Popen(
    [*command, "--host", "127.0.0.1", "--port", str(port)],
    env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    stdout=sys.stderr,
)
try:
    sys.argv[1] = f"http://127.0.0.1:{port}"
    while proxy.poll() is None:
        try:
            urllib.request.urlopen(f"{sys.argv[1]}/health/liveliness")
            break
        except OSError:
            time.sleep(0.2)
    os.environ["OPENAI_API_KEY"] = "sk-unused-unused-unused-unused"
    runpy.run_path(str(Path(__file__).with_name("openai_chat.py")))
finally:
    proxy.kill()
