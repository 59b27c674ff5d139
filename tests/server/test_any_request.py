"""Bodies of the three API formats, mutated at random: a turn, or a refusal in its words."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from typing import Any, Final

import pytest

from deepreasoning_cli import keys
from support.asgi_calls import call, pieces
from support.mutations import CanaryKey, mutated
from support.often import RecordProperty, often
from support.serving import CHAT, MESSAGES, PATHS, RESPONSES, Serve, post_scope, question, serve

pytestmark = pytest.mark.no_cover  # the same lines thousands of times: only slower
__all__ = ["serve"]
TIMES, SHARES = often(400, 10_000), 4
TOOL: Final = {"name": "add", "description": "Adds.", "parameters": {"type": "object"}}
MORE: Final[dict[str, dict[str, Any]]] = {
    CHAT: {
        "max_tokens": 50, "temperature": 0.5, "stop": ["x"], "n": 1, "user": "me",
        "stream_options": {"include_usage": True}, "tool_choice": "auto",
        "tools": [{"type": "function", "function": TOOL}], "response_format": {"type": "text"},
    },
    RESPONSES: {
        "max_output_tokens": 50, "reasoning": {"effort": "low"}, "instructions": "Be brief.",
        "store": False, "metadata": {"a": "b"}, "tools": [{"type": "function", **TOOL}],
        "text": {"format": {"type": "text"}},
    },
    MESSAGES: {
        "system": [{"type": "text", "text": "Be brief."}], "thinking": {"type": "adaptive"},
        "stop_sequences": ["x"], "metadata": {"user_id": "u"}, "tool_choice": {"type": "auto"},
        "tools": [{"name": "add", "input_schema": {"type": "object"}}],
    },
}  # fmt: skip
ODD_VALUES: Final[tuple[Any, ...]] = (
    *(None, True, -1, 0, 1.5, 10**30, 1e308, "", "x", "\ud800", "\0", "x" * 5_000),
    *([], [None], [[]], {}, {"type": "x"}, {"type": None}, [{"type": "text"}], [{"role": "tool"}]),
    *([{"type": "image_url", "image_url": {"url": "data:x"}}], {"role": "assistant"}, "NaN"),
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Each place in a document: what holds it, and its name there."""
    names = value if isinstance(value, dict) else range(len(value))
    found = [(value, name) for name in names]
    for _, name in list(found):
        if isinstance(value[name], dict | list):
            found += places(value[name])
    return found


def body_of(path: str, dice: random.Random) -> bytes:
    """A body with something wrong, in its values or in its bytes."""
    more = dice.sample(sorted(MORE[path]), dice.randint(0, 3))
    fields = {name: MORE[path][name] for name in more}
    whole = question(path, stream=dice.random() < 0.3, **fields)
    if dice.random() < 0.3:
        return mutated(whole, dice)
    document = json.loads(whole)
    for _ in range(dice.randint(1, 3)):
        inside, name = dice.choice(places(document))
        inside[name] = deepcopy(dice.choice(ODD_VALUES))
    return json.dumps(document).encode()


@pytest.mark.parametrize("share", range(SHARES))
def test_any_body_is_a_turn_or_a_refusal_in_the_words_of_its_format(
    serve: Serve,
    capsys: pytest.CaptureFixture[str],
    share: int,
    record_property: RecordProperty,
) -> None:
    key = CanaryKey()
    keys.validate_and_remember("deepseek", key.value, "a test")
    app = serve().app
    dice = random.Random(share)
    statuses = set()
    for _ in range(TIMES // SHARES):
        path = dice.choice(PATHS)
        sent = body_of(path, dice)
        answer = call(app, post_scope(path), pieces(sent))
        statuses.add(answer.status)
        assert answer.status == 200 or 400 <= answer.status < 500, (answer, sent)
        if answer.status != 200:
            said = answer.json
            assert said["error"]["message"], sent
            assert (said.get("type") == "error") == (path == MESSAGES), said
        assert b"Traceback" not in answer.body
        key.check(answer.body)
    key.check(*capsys.readouterr())
    assert {200, 400} <= statuses
    record_property("requests", TIMES // SHARES)
