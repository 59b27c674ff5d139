"""The reference: both stages in thirty lines, with no command line, no settings, no history.

    python benchmarks/min_httpx.py QUESTION

Takes the same keys and base URLs from the environment as `deepreasoning` does.
"""

import json
import os
import sys
from collections.abc import Iterator

import httpx


def payloads(response: httpx.Response) -> Iterator[dict]:
    for line in response.iter_lines():
        if line.startswith("data: {"):
            yield json.loads(line[6:])


def main() -> None:
    question = sys.argv[1]
    reasoner, answerer = os.environ["DEEPSEEK_BASE_URL"], os.environ["ANTHROPIC_BASE_URL"]
    reasoning = []
    body = {"model": "deepseek-flash", "stream": True}
    body["messages"] = [{"role": "user", "content": question}]
    key = {"authorization": f"Bearer {os.environ['DEEPSEEK_API_KEY']}"}
    with httpx.Client(timeout=60) as client:
        with client.stream("POST", f"{reasoner}/chat/completions", json=body, headers=key) as reply:
            for payload in payloads(reply):
                delta = payload["choices"][0]["delta"]
                if delta.get("content"):
                    break
                reasoning.append(delta.get("reasoning_content") or "")
        content = f"{question}\n\n<notes>{''.join(reasoning)}</notes>"
        body = {"model": "claude-sonnet-5-5", "max_tokens": 8192, "stream": True}
        body["messages"] = [{"role": "user", "content": content}]
        head = {"x-api-key": os.environ["ANTHROPIC_API_KEY"], "anthropic-version": "2023-06-01"}
        with client.stream("POST", f"{answerer}/v1/messages", json=body, headers=head) as reply:
            for payload in payloads(reply):
                if payload["type"] == "content_block_delta":
                    sys.stdout.write(payload["delta"]["text"])
                    sys.stdout.flush()


main()
