"""Runs the example on a Ray of its own, at the port that is named, until stdin is closed.

`serve run` does the same, but chooses no port.
"""

from __future__ import annotations

import sys

import ray
from ray import serve
from ray_serve import deployment


def main(port: int) -> None:
    ray.init("local", num_cpus=2, include_dashboard=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(deployment)
    print("ready", flush=True)
    sys.stdin.read()
    serve.delete("default")  # waits for its replicas


if __name__ == "__main__":
    main(int(sys.argv[1]))
