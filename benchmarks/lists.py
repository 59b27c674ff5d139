"""How long `models` and `price` take beside `--help`, without network and history.

    python benchmarks/lists.py [ROUNDS]

The commands take turns, so that the ratio holds on any machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from statistics import median

LIMIT = 1.5
COMMANDS = (("--help",), ("models",), ("price",), ("price", "--backend", "gateway"))


def seconds(words: tuple[str, ...], home: str) -> float:
    """How long the program takes, from start to end."""
    environment = {"PATH": os.environ["PATH"], "HOME": home, "LANG": "C.UTF-8"}
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "deepreasoning_cli", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
        env=environment,
    )
    return time.perf_counter() - began


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    took: dict[tuple[str, ...], list[float]] = {words: [] for words in COMMANDS}
    with tempfile.TemporaryDirectory() as home:
        for words in COMMANDS:
            seconds(words, home)  # compiles what is not compiled yet
        for _ in range(rounds):
            for words in COMMANDS:
                took[words].append(seconds(words, home))
    help_ = median(took[COMMANDS[0]])
    worst = 0.0
    for words in COMMANDS:
        ratio = median(took[words]) / help_
        worst = max(worst, ratio)
        print(f"{' '.join(words):<24} {median(took[words]) * 1000:6.0f} ms  {ratio:.2f}")
    sys.exit(f"more than {LIMIT} times --help" if worst > LIMIT else 0)


if __name__ == "__main__":
    main()
