"""The names of models as the catalog writes them, and as a hand writes them by mistake."""

from __future__ import annotations

import random
import string

from deepreasoning_cli.catalog.load import load_catalog

NAMES = sorted(
    {
        name
        for model in load_catalog().claude_models
        for name in (model.id, *model.aliases, model.family, f"claude-{model.family}")
    }
)
"""What the catalog itself calls its models."""


def misspellings(count: int) -> list[str]:
    """Known names with a letter or digit swapped, doubled, left out or replaced."""
    chance = random.Random(20261126)  # the same ones in every run
    found: set[str] = set()
    while len(found) < count:
        name = chance.choice(NAMES)
        at = chance.randrange(len(name) - 1)
        wrong = chance.choice(
            [
                name[:at] + name[at + 1] + name[at] + name[at + 2 :],
                name[:at] + name[at] + name[at:],
                name[:at] + name[at + 1 :],
                name[:at] + chance.choice(string.ascii_lowercase) + name[at + 1 :],
            ]
        )
        if wrong not in NAMES and f"claude-{wrong}" not in NAMES:
            found.add(wrong)
    return sorted(found)
