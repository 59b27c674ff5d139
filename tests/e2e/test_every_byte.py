"""Replies that are cut at every byte: what was shown is kept, and it is all that had been said.

On a network that is not there, for each way to break off, each format and each hand-off; a sample
of it on real sockets.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import pytest

from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.history.journal import Journal
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.keys import Key
from deepreasoning_cli.pipeline.events import Event, Handoff, Message, Prompt
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.run import Plan, run_turn
from deepreasoning_cli.pipeline.search import Search
from deepreasoning_cli.pipeline.tools import AnswerOptions, Tool
from deepreasoning_cli.providers.anthropic import ClaudeProvider
from deepreasoning_cli.providers.gateway import Endpoint, GatewayProvider, Parameters
from deepreasoning_cli.providers.linkup import LinkupProvider
from deepreasoning_cli.providers.openai_compatible import ReasonerProvider
from deepreasoning_cli.transport import Timeouts, Transport
from deepreasoning_cli.views.base import ViewGroup, error_lines
from support.cut_replies import (
    ANSWERERS,
    BREAKS,
    HEAD,
    HOSTED,
    REASONERS,
    Break,
    BreakingNetwork,
    Plays,
    RecordedReply,
    Said,
)
from support.loopback import Cut, Loopback, Reply, Reset, Stall
from support.often import AT_LENGTH, RecordProperty, often
from support.vendors import canary, traces

pytestmark = pytest.mark.no_cover  # the same lines at each cut: only slower
STRIDE, WIDE_STRIDE = (1, 7) if AT_LENGTH else (199, 199)  # bytes from one cut to the next
PROMPT = Prompt((Message("user", "What is 6×7?"),))
WITH_TOOLS = Prompt(
    PROMPT.messages, options=AnswerOptions(tools=(Tool("read", "Reads.", {"type": "object"}),))
)
KEY = Key("k", canary("sk-"), "a test")
TRACES = tuple(traces(KEY.value, "sk-"))
ECHO = json.dumps({"error": {"message": f"the key {KEY.value} is wrong, {KEY.value}"}}).encode()
"""What a careless vendor says of a request, with its key in it, also cut in two."""
R1 = load_catalog().reasoners[0]


@pytest.fixture(autouse=True)
def no_connection_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections opened ahead are real ones."""
    monkeypatch.setattr(Transport, "preconnect", lambda *_, **__: None)


class Shown:
    """The view behind the journal: what it is given has been shown."""

    def __init__(self) -> None:
        self.record = TurnRecord()

    def __call__(self, event: Event) -> None:
        self.record.apply(event)

    def close(self, failure: BaseException | None) -> None:
        pass


class Words(NamedTuple):
    """What a turn has said: the reasoner, and the answerer."""

    reasoner: Said
    answerer: Said

    @classmethod
    def of(cls, record: TurnRecord) -> Words:
        arguments = "".join(call.arguments for call in record.calls)
        answerer = Said(record.own_thinking, record.answer, arguments)
        return cls(Said(record.reasoning, record.draft), answerer)


@dataclass
class Cuts:
    """Turns whose replies are cut; `tried` counts them, `told` are the lines of their errors."""

    folder: Path
    tried: int = 0
    told: list[str] = field(default_factory=list)

    def words(
        self,
        plan: Callable[[str, Transport], Plan],
        network: BreakingNetwork | None = None,
        patience: float = 120,
    ) -> Words:
        """What one turn has said, seen to be kept as it was shown."""
        self.tried += 1
        said: list[str] = []
        turn, shown = f"turn{self.tried:06}", Shown()
        record = TurnRecord()
        try:
            with (
                Transport(
                    Timeouts(read=patience),
                    wrap_backend=lambda real: network or real,
                    log=self.told.append,
                    sleep=lambda _: None,
                ) as transport,
                ViewGroup(record, [shown], Journal(self.folder, record, said.append)) as show,
            ):
                for event in run_turn(plan(turn, transport)):
                    show(event)
        except DeepReasoningError as error:
            self.told += error_lines(error)
        with Store.open(self.folder, said.append) as store:
            kept = Words.of(store.turn(turn))
        assert (kept, said) == (Words.of(shown.record), [])
        return kept


def reasoner(transport: Transport) -> ReasonerProvider:
    return ReasonerProvider(
        preset=R1, base_url="http://reasoner", key=KEY, samplers={}, transport=transport
    )


def claude(transport: Transport, base_url: str = "http://claude") -> ClaudeProvider:
    return ClaudeProvider(
        model="claude-sonnet-5-5",
        base_url=base_url,
        key=KEY,
        max_tokens=100,
        samplers={},
        transport=transport,
    )


def two_stages(
    handoff: Handoff, prompt: Prompt = PROMPT, claude_at: str = "http://claude"
) -> Callable[[str, Transport], Plan]:
    """A turn of a reasoner and Claude, of which `none` asks Claude alone."""
    return lambda turn, transport: Plan(
        id=turn,
        backend="direct",
        question="What is 6×7?",
        prompt=prompt,
        reasoner=None if handoff is Handoff.NONE else reasoner(transport),
        answerer=claude(transport, claude_at),
        handoff=handoff,
    )


def cuts_of(reply: RecordedReply, handoff: Handoff = Handoff.REASONING) -> range:
    """Where it is cut: at every byte, at some of them with the other hand-offs."""
    return range(0, len(reply.wire) + 1, STRIDE if handoff is Handoff.REASONING else WIDE_STRIDE)


@pytest.fixture
def cuts(folder_in_memory: Path, record_property: RecordProperty) -> Iterator[Cuts]:
    cuts = Cuts(folder_in_memory)
    yield cuts
    record_property("cuts", cuts.tried)
    left = [file.read_bytes() for file in folder_in_memory.rglob("*") if file.is_file()]
    assert left
    for text in ("\n".join(cuts.told).encode(), *left):
        assert not any(trace in text for trace in TRACES)


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("handoff", [Handoff.REASONING, Handoff.ANSWER, Handoff.BOTH])
@pytest.mark.parametrize("field", REASONERS)
def test_a_reasoner_that_is_cut(field: str, handoff: Handoff, how: Break, cuts: Cuts) -> None:
    reply, answer = REASONERS[field], ANSWERERS["messages"]
    for cut in cuts_of(reply, handoff):
        network = BreakingNetwork(
            {"reasoner": (reply.wire, cut, how), "claude": (answer.wire, len(answer.wire), "FIN")}
        )
        words = cuts.words(two_stages(handoff), network)
        expected = reply.said_by(cut)
        assert words.reasoner.thoughts == expected.thoughts
        assert words.answerer.texts in ("", answer.said[-1].texts)


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("handoff", Handoff)
@pytest.mark.parametrize("kind", ANSWERERS)
def test_an_answerer_that_is_cut(kind: str, handoff: Handoff, how: Break, cuts: Cuts) -> None:
    thoughts, reply = REASONERS["reasoning_content"], ANSWERERS[kind]
    turn = two_stages(handoff, WITH_TOOLS if kind == "tools" else PROMPT)
    for cut in cuts_of(reply, handoff):
        network = BreakingNetwork(
            {
                "reasoner": (thoughts.wire, len(thoughts.wire), "FIN"),
                "claude": (reply.wire, cut, how),
            }
        )
        words = cuts.words(turn, network)
        assert words.answerer == reply.said_by(cut)
        assert handoff is Handoff.NONE or words.reasoner.thoughts == thoughts.said[-1].thoughts


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("status", [200, 401, 529])
@pytest.mark.parametrize("who", ["reasoner", "claude"])
def test_an_error_with_the_key_in_it_that_is_cut(
    who: str, status: int, how: Break, cuts: Cuts
) -> None:
    """As an event of a stream, and as the body of a refusal: no piece of the key is told."""
    thoughts = REASONERS["reasoning_content"].wire
    body = b"event: error\ndata: " + ECHO + b"\n\n" if status == 200 else ECHO
    kind = b"text/event-stream" if status == 200 else b"application/json"
    head = b"HTTP/1.1 %d Hm\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
    wire = head % (status, kind, len(body)) + body
    for cut in (*range(len(wire) - len(body), len(wire), STRIDE // 9 + 1), len(wire)):
        replies: dict[str, Plays] = {"reasoner": (thoughts, len(thoughts), "FIN")}
        words = cuts.words(
            two_stages(Handoff.REASONING), BreakingNetwork(replies | {who: (wire, cut, how)})
        )
        assert words.answerer == Said()
    assert "the key [key] is wrong" in "\n".join(cuts.told)


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("endpoint", HOSTED)
def test_a_hosted_model_that_is_cut(endpoint: Endpoint, how: Break, cuts: Cuts) -> None:
    reply = HOSTED[endpoint]

    def turn(name: str, transport: Transport) -> Plan:
        hosted = GatewayProvider(
            base_url="http://hosted",
            key=KEY,
            transport=transport,
            parameters=Parameters(anthropic_model="claude-x"),
            endpoint=endpoint,
        )
        return Plan(
            id=name,
            backend="gateway",
            question="What is 6×7?",
            prompt=PROMPT,
            reasoner=None,
            answerer=hosted,
            hosted=hosted,
        )

    for cut in cuts_of(reply):
        words = cuts.words(turn, BreakingNetwork({"hosted": (reply.wire, cut, how)}))
        expected = reply.said_by(cut)
        assert (words.reasoner.thoughts, words.answerer.texts) == expected[:2]


@pytest.mark.parametrize("how", BREAKS)
def test_a_search_that_is_cut(how: Break, cuts: Cuts) -> None:
    thoughts, answer = REASONERS["reasoning_content"], ANSWERERS["messages"]
    pages = [{"type": "text", "name": "Tables ×", "url": "https://example.org/7", "content": "42"}]
    body = json.dumps({"results": pages}, ensure_ascii=False).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    wire = head % len(body) + body

    def turn(name: str, transport: Transport) -> Plan:
        linkup = LinkupProvider(base_url="http://linkup", key=KEY, transport=transport)
        return replace(two_stages(Handoff.REASONING)(name, transport), search=Search(linkup, "6×7"))

    for cut in range(0, len(wire) + 1, STRIDE // 9 + 1):
        network = BreakingNetwork(
            {
                "linkup": (wire, cut, how),
                "reasoner": (thoughts.wire, len(thoughts.wire), "FIN"),
                "claude": (answer.wire, len(answer.wire), "FIN"),
            }
        )
        words = cuts.words(turn, network)
        whole = Words(thoughts.said[-1], answer.said[-1])
        found = (words.reasoner.thoughts, words.answerer.texts.partition("\n\nSources")[0])
        is_whole = cut == len(wire)
        assert found == ((whole.reasoner.thoughts, whole.answerer.texts) if is_whole else ("", ""))


@pytest.mark.parametrize("end", [Cut(), Reset(), Stall()], ids=BREAKS)
@pytest.mark.parametrize("kind", ANSWERERS)
def test_an_answerer_that_is_cut_on_a_real_socket(
    kind: str, end: Cut | Reset | Stall, cuts: Cuts
) -> None:
    """A reset, and a silence under load, may overtake what was sent before it."""
    reply = ANSWERERS[kind]
    tries = often(2, 6 if isinstance(end, Stall) else 60)
    for cut in random.Random(kind).sample(range(len(HEAD), len(reply.wire)), tries):
        broken = Reply(framing="raw", body=[reply.wire[:cut], end])
        with Loopback(broken) as vendor:
            turn = two_stages(Handoff.NONE, PROMPT, vendor.url)
            words = cuts.words(turn, patience=0.3 if isinstance(end, Stall) else 60)
        said = reply.said_by(cut)
        pairs = list(zip(words.answerer, said, strict=True))
        assert all(whole.startswith(shown) for shown, whole in pairs)
        assert words.answerer == said or not isinstance(end, Cut)
