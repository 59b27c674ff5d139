"""Who only reads replies does not wait for what writes them."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("name", ["chat_completions", "messages", "responses"])
def test_a_client_imports_nothing_of_the_servers_side(name: str) -> None:
    program = (
        f"import sys; from deepreasoning_cli.wire.client import {name}; "
        f"{name}.read_reply; print(*sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    ours = {each for each in ran.stdout.split() if each.startswith("deepreasoning_cli.wire.")}
    servers = {each for each in ours if each.startswith("deepreasoning_cli.wire.server")}
    assert f"deepreasoning_cli.wire.client.{name}" in ours
    assert servers == set()
