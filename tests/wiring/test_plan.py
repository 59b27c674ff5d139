"""The composition root: names in settings → live objects. Nothing is sent, nothing connects."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.errors import ConfigError, UsageError
from deepreasoning_cli.history.ledger import Ledger
from deepreasoning_cli.pipeline.budget import NO_CAPS, Cap
from deepreasoning_cli.pipeline.events import Handoff, Message, Prompt
from deepreasoning_cli.pipeline.run import Plan, ReasonerOutput
from deepreasoning_cli.pipeline.tools import Document
from deepreasoning_cli.providers.anthropic import ClaudeProvider
from deepreasoning_cli.providers.demo import DemoProvider
from deepreasoning_cli.providers.gateway import GatewayProvider
from deepreasoning_cli.providers.linkup import LinkupProvider
from deepreasoning_cli.providers.openai_compatible import ReasonerProvider
from deepreasoning_cli.settings.loaded import load_settings
from deepreasoning_cli.transport import Transport
from deepreasoning_cli.wiring.plan import build_plan
from deepreasoning_cli.wiring.resources import TurnRequest, written_catalog

LINE = Mock(spec=Transport)  # nothing is sent
DIRECT = ("deepseek", "anthropic")
OWN_REASONER = """
[reasoners.gpu]
base_url = "http://gpu.lan:8000/v1"
model = "qwq-32b"
context = 1000
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    monkeypatch.setenv("DEEPREASONING_CONFIG", str(path))
    return path


pytestmark = pytest.mark.usefixtures("config")


class Connections:
    """What opens the connections of a turn; it counts how often."""

    count = 0

    def __call__(self) -> Transport:
        self.count += 1
        return LINE


def unread() -> Ledger:
    raise AssertionError("the history is not needed")


def plan(
    keys: Sequence[str] = (),
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    connect: Connections | None = None,
    **request: Any,
) -> Plan:
    """The plan of a question under these flags, with a key for each of the vendors in `keys`."""
    found = {f"{name.upper()}_API_KEY": f"sk-{name}-0123456789" for name in keys}
    loaded = load_settings(None, flags or {}, {**found, **(environ or {})})
    asked = TurnRequest(loaded=loaded, **{"question": "6×7?", **request})
    return build_plan(asked, written_catalog(loaded), connect or Connections(), unread, saves=True)


def test_two_keys_make_a_reasoner_and_claude_on_one_line() -> None:
    connect = Connections()
    turn = plan(DIRECT, connect=connect)
    reasoner, answerer = turn.reasoner, turn.answerer
    assert isinstance(reasoner, ReasonerProvider)
    assert isinstance(answerer, ClaudeProvider)
    assert (turn.backend, turn.hosted, turn.search) == ("direct", None, None)
    assert (reasoner.preset.name, turn.reasoner_name) == ("deepseek", "deepseek")
    assert reasoner.key is not None
    assert answerer.key is not None
    assert (reasoner.key.name, reasoner.key.value) == ("deepseek", "sk-deepseek-0123456789")
    assert (answerer.key.name, answerer.key.value) == ("anthropic", "sk-anthropic-0123456789")
    assert answerer.model.startswith("claude-sonnet-")
    assert (answerer.base_url, answerer.max_tokens) == ("https://api.anthropic.com", 8192)
    assert (reasoner.transport, answerer.transport, connect.count) == (LINE, LINE, 1)
    assert turn.caps is NO_CAPS
    assert turn.prompt.messages == (Message("user", "6×7?"),)


def test_the_demo_opens_no_connection_and_needs_no_key() -> None:
    connect = Connections()
    turn = plan(flags={"backend": "demo", "web_search_linkup": True}, connect=connect)
    assert isinstance(turn.reasoner, DemoProvider)
    assert isinstance(turn.answerer, DemoProvider)
    assert (turn.backend, connect.count, turn.search) == ("demo", 0, None)
    assert turn.warnings == ("the demo does not search the web",)


def test_the_gateway_stands_in_the_place_of_the_answerer_and_searches_itself() -> None:
    flags = {"backend": "gateway", "web_search_linkup": True, "max_tokens": 99, "reasoner": "x"}
    turn = plan(["empiriolabs"], flags)
    assert isinstance(turn.hosted, GatewayProvider)
    assert (turn.answerer, turn.reasoner, turn.search) == (turn.hosted, None, None)
    assert (turn.hosted.parameters.max_tokens, turn.hosted.parameters.web_search_linkup) == (
        99,
        True,
    )
    assert "--reasoner ignored: the gateway decides" in turn.warnings


def test_the_gateway_reasons_alone_where_only_that_is_wanted() -> None:
    turn = plan(["empiriolabs"], reasoning_only=True)
    assert (turn.backend, turn.answerer) == ("gateway", None)
    assert isinstance(turn.reasoner, GatewayProvider)
    assert turn.reasoner.reasons


@pytest.mark.parametrize(
    ("keys", "flags", "message"),
    [
        ((), {}, "no keys are set"),
        ((), {"backend": "direct"}, "no key for a reasoner"),
        (("deepseek",), {"backend": "direct"}, "no key for anthropic"),
        (("anthropic",), {"backend": "direct", "reasoner": "openrouter"}, "no key for openrouter"),
        ((), {"backend": "gateway"}, "no key for empiriolabs"),
        (DIRECT, {"web_search_linkup": True}, "no key for linkup"),
    ],
)
def test_a_key_that_is_missing_is_named(
    keys: Sequence[str], flags: Mapping[str, object], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        plan(keys, flags)
    assert (caught.value.message, caught.value.kind) == (message, "key_missing")
    assert caught.value.hint


def test_names_in_the_settings_choose_model_reasoner_and_addresses() -> None:
    turn = plan(
        ("openrouter", "anthropic"),
        {"model": "haiku", "reasoner": "openrouter", "max_tokens": 50},
        {"ANTHROPIC_BASE_URL": "https://proxy.example/a"},
    )
    assert isinstance(turn.reasoner, ReasonerProvider)
    assert isinstance(turn.answerer, ClaudeProvider)
    assert turn.reasoner_name == "openrouter"
    assert "haiku" in turn.answerer.model
    assert (turn.answerer.base_url, turn.answerer.max_tokens) == ("https://proxy.example/a", 50)


def test_a_reasoner_of_the_users_own_needs_no_key(config: Path) -> None:
    config.write_text(OWN_REASONER)
    turn = plan(["anthropic"], {"reasoner": "gpu"})
    assert isinstance(turn.reasoner, ReasonerProvider)
    assert (turn.reasoner.model, turn.reasoner.base_url) == ("qwq-32b", "http://gpu.lan:8000/v1")
    assert (turn.reasoner.key, turn.reasoner.top_up) == (None, None)


def test_the_search_is_linkups_at_the_depth_that_is_set() -> None:
    flags = {"web_search_linkup": True, "search.depth": "deep", "disable_formatting": True}
    search = plan((*DIRECT, "linkup"), flags).search
    assert search is not None
    assert isinstance(search.searcher, LinkupProvider)
    assert (search.query, search.lists) == ("6×7?", False)
    assert (search.searcher.depth, search.searcher.price) == (
        "deep",
        load_catalog().search.deep,
    )


def test_kept_reasoning_leaves_the_reasoner_out() -> None:
    reused = ReasonerOutput("thoughts", "", "r1")
    turn = plan(["anthropic"], reused=reused, reasoning_from="t1", session="s")
    assert (turn.reasoner, turn.reused, turn.reasoning_from, turn.session) == (
        None,
        reused,
        "t1",
        "s",
    )
    assert isinstance(turn.answerer, ClaudeProvider)


def test_claude_alone_where_nothing_is_handed_over() -> None:
    turn = plan(["anthropic"], {"handoff": "none"})
    assert (turn.handoff, turn.reasoner) == (Handoff.NONE, None)
    assert isinstance(turn.answerer, ClaudeProvider)


def test_only_reasoning_leaves_claude_out() -> None:
    turn = plan(["deepseek"], reasoning_only=True)
    assert isinstance(turn.reasoner, ReasonerProvider)
    assert turn.answerer is None


def test_what_was_typed_and_is_not_sent_leaves_a_warning() -> None:
    turn = plan(DIRECT, {"temperature": 1.5, "model": "claude-haiku-4-5"})
    assert isinstance(turn.answerer, ClaudeProvider)
    assert turn.answerer.samplers == {"temperature": 1.0}
    assert turn.warnings == (
        f"{turn.answerer.model} takes at most temperature 1.0; 1.5 was lowered",
        "--temperature has no effect on deepseek-flash",
    )


def test_the_oldest_turns_are_left_out_where_the_models_read_no_more(config: Path) -> None:
    config.write_text(OWN_REASONER)
    earlier = (Message("user", "x" * 4000), Message("assistant", "y"))
    turn = plan(["anthropic"], {"reasoner": "gpu", "max_tokens": 100}, earlier=earlier)
    assert turn.prompt.messages == (Message("user", "6×7?"),)
    assert turn.warnings == ("the 1 oldest turn does not fit into 1,000 tokens and is not sent",)


@pytest.mark.parametrize("images", [1, 2])
def test_images_count_in_what_of_earlier_turns_the_models_read(images: int) -> None:
    size = 65_000  # of 200,000 tokens that this model reads; the answer has its share
    pages = Document("application/pdf", base64.b64encode(bytes(size * 20)).decode())
    assert pages.tokens == size
    earlier = (Message("user", "Look.", ("Look.", pages)), Message("assistant", "I did."))
    question = Message("user", "6×7?", ("6×7?", *[pages] * images))
    turn = plan(
        DIRECT,
        {"model": "claude-haiku-4-5"},
        earlier=earlier,
        conversation=Prompt((*earlier, question)),
    )
    assert len(turn.prompt.messages) == (3 if images == 1 else 1)


def test_a_question_that_no_model_reads_is_refused(config: Path) -> None:
    config.write_text(OWN_REASONER)
    with pytest.raises(UsageError):
        plan(["anthropic"], {"reasoner": "gpu"}, question="x" * 40_000)


def test_a_cap_that_is_set_holds_the_turn() -> None:
    turn = plan(DIRECT, {"max_cost": "0.5", "on_cap": "answer"})
    assert turn.caps.caps == (Cap("max_cost", Decimal("0.5")),)
    assert turn.caps.answers


def test_each_turn_has_an_id_of_its_own_and_they_sort_by_birth() -> None:
    first, second = plan(flags={"backend": "demo"}), plan(flags={"backend": "demo"})
    assert len(first.id) == len(second.id) == 16
    assert first.id[:9] <= second.id[:9]
    assert first.id != second.id
