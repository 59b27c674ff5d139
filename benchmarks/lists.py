"""How long `models` and `price` take beside `--help`, without network and history.

    python benchmarks/lists.py [ROUNDS]

The commands take turns, so that the ratio holds on any machine, first without and then with a
config file. They wait for nothing: what counts is the processor's time, which does not grow with
what else the machine does. The time on the clock stands beside it.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

LIMIT = 1.5
COMMANDS = (("--help",), ("models",), ("price",), ("price", "--backend", "gateway"))
CONFIG = """\
model = "sonnet"
reasoner = "lab"
temperature = 0.5
daily_cost = "5.00"

[keys]
anthropic = "sk-ant-nobodys-key"
lab = { command = "pass show lab" }

[reasoners.lab]
base_url = "http://gpu:8000/v1"
model = "deepseek-ai/DeepSeek-R1-0528"
key = "lab"
rates = { input = 0.5, output = 2.15 }

[gateway]
endpoint = "messages"
"""
Words = tuple[str, ...]
Took = tuple[float, float]


def seconds(words: Words, home: str) -> Took:
    """How long the program takes, from start to end: of the processors, and on the clock."""
    environment = {"PATH": os.environ["PATH"], "HOME": home, "LANG": "C.UTF-8"}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "deepreasoning_cli", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
        env=environment | {"DEEPREASONING_CONFIG": str(Path(home, "config.toml"))},
    )
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    user = after.ru_utime - before.ru_utime
    return user + after.ru_stime - before.ru_stime, took


def measured(home: str, rounds: int) -> dict[Words, Took]:
    """The medians of so many rounds."""
    for words in COMMANDS:
        seconds(words, home)  # compiles what is not compiled yet
    all_rounds = [[seconds(words, home) for words in COMMANDS] for _ in range(rounds)]
    by_command = zip(COMMANDS, zip(*all_rounds, strict=True), strict=True)
    return {
        words: (median(each[0] for each in took), median(each[1] for each in took))
        for words, took in by_command
    }


def shown(title: str, found: dict[Words, Took]) -> float:
    """Print the table; the largest ratio of the processor's time."""
    help_ = found[COMMANDS[0]]
    print(f"{title:<24} processor  ratio    clock  ratio")
    for words, (busy, took) in found.items():
        print(
            f"{' '.join(words):<24} {busy * 1000:6.0f} ms  {busy / help_[0]:5.2f}"
            f"  {took * 1000:4.0f} ms  {took / help_[1]:5.2f}"
        )
    return max(busy / help_[0] for busy, _ in found.values())


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as home:
        without = shown("without a config file", measured(home, rounds))
        config = Path(home, "config.toml")
        config.write_text(CONFIG, encoding="utf-8")
        config.chmod(0o600)
        with_one = shown("with a config file", measured(home, rounds))
    sys.exit(f"more than {LIMIT} times --help" if max(without, with_one) > LIMIT else 0)


if __name__ == "__main__":
    main()
