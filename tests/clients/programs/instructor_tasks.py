"""What instructor is for."""

from __future__ import annotations

from typing import Any

import tasks
from pydantic import BaseModel


class City(BaseModel):
    name: str
    country: str


def perform_with(client: Any) -> None:
    """Perform the tasks with the client."""

    def structured(text: str) -> dict[str, Any]:
        messages = [{"role": "user", "content": text}]
        return {"found": client.create(messages=messages, response_model=City).model_dump()}

    tasks.perform(structured)
