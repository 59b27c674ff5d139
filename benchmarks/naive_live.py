"""What panels are measured against: the whole answer rendered again at every piece."""

from __future__ import annotations

import json
import sys

import httpx
from rich.live import Live
from rich.markdown import Markdown


def main() -> None:
    text = ""
    with (
        httpx.stream("POST", f"{sys.argv[1]}/v1/messages", json={}, timeout=60) as response,
        Live(refresh_per_second=10, vertical_overflow="visible") as live,
    ):
        for line in response.iter_lines():
            if line.startswith("data: "):
                delta = json.loads(line[6:]).get("delta", {})
                text += delta.get("text", "")
                live.update(Markdown(text), refresh=True)


if __name__ == "__main__":
    main()
