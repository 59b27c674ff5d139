"""Models and hosts by name: what a chat can choose, at what price, and what would run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from deepreasoning_cli.catalog.models import (
    ANTHROPIC,
    Answerer,
    Catalog,
    ClaudeModel,
    Reasoner,
    Thinking,
)
from deepreasoning_cli.errors import ConfigError, DeepReasoningError, RefusedError
from deepreasoning_cli.pipeline.events import Handoff
from deepreasoning_cli.pipeline.money import MILLION, RateCard, format_usd
from deepreasoning_cli.providers.gateway import HOSTED
from deepreasoning_cli.settings.loaded import LoadedSettings
from deepreasoning_cli.views.table import Column
from deepreasoning_cli.wiring.backend import (
    GATEWAY,
    BackendNeeds,
    answerers_in_order,
    choose_backend,
    gateways_model,
    model_at,
    reasoners_in_order,
    typed_names,
    with_keys,
)

if TYPE_CHECKING:
    from deepreasoning_cli.cli.chat.turns import ChatState

MARK: Final = "*"
DEMO: Final = "demo"  # which calls no model
PRICES: Final = (Column("$ in", right=True), Column("$ out", right=True))
MODELS: Final = (Column(""), Column("name"), Column("model", drop_order=1), *PRICES)
HOSTS: Final = (
    *(Column(""), Column("name"), Column("model", drop_order=1, min_width=12)),
    *(Column("host", drop_order=2), *PRICES),
)
EFFORTS: Final = (
    *(Column(""), Column("level"), Column("thinks, tokens", right=True)),
    Column("$ a question", right=True),
)
SEE_MODELS: Final = "/model"  # where the prices of a host that has Claude stand
USUAL: Final = 1  # the place of a usual question in `ThinkingTokens.thinks`


class ModelsInForce(NamedTuple):
    """The models that the next question would go to; no reasoner where none would be asked."""

    answerer: str
    reasoner: str | None

    @property
    def words(self) -> str:
        """`claude-sonnet-5-5 ← deepseek-v4-pro`."""
        return f"{self.answerer} ← {self.reasoner}" if self.reasoner else self.answerer


class ChoiceList(NamedTuple):
    """What can be chosen, one a row, the one in force marked; `note` is what else there is."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    note: str


@dataclass(eq=False)
class ChatNames:
    """The names that a chat lists, completes and checks.

    `loaded` are the settings that it began with, `reload` reads those of now.
    """

    catalog: Catalog
    loaded: LoadedSettings
    reload: Callable[[], LoadedSettings]

    def __post_init__(self) -> None:
        hosts = answerers_in_order(self.loaded, self.catalog)
        self.default_answerer = next(iter(hosts), None)
        try:
            needs = BackendNeeds(True, True, False, Handoff.REASONING)
            backend = choose_backend(self.loaded, self.catalog, needs)
        except DeepReasoningError:  # the turn says what is missing
            backend = self.loaded.settings.backend
        self._is_hosted = backend == GATEWAY
        self._known: tuple[ChatState, ModelsInForce] | None = None

    def check(self) -> None:
        """Raise an error for a model or a host of no known name; of a flag's it is UsageError."""
        settings = self.loaded.settings
        with typed_names(self.loaded, "reasoner"):
            for name in settings.reasoner or ():
                self.describe_reasoner(name)
        with typed_names(self.loaded, "answerer"):
            for name in settings.answerer or ():
                self.describe_answerer(name)
        try:
            with typed_names(self.loaded, "model"):
                self.describe_model(settings.model)
        except RefusedError as error:
            if error.kind == "model_unknown":  # the rest depends on the backend of the turn
                raise

    def check_search(self, state: ChatState) -> None:
        """Raise ConfigError where the web cannot be searched for want of a key."""
        if self._backend_of(state) == "direct" and not self.reload().has_key("linkup"):
            raise ConfigError(
                "no key for linkup: the web cannot be searched",
                kind="key_missing",
                hint="`deepreasoning config set keys.linkup`, or export LINKUP_API_KEY=…",
            )

    def in_force(self, state: ChatState) -> ModelsInForce:
        """The models of the next turn; the names of the state where that turn cannot be run."""
        if self._known is None or self._known[0] != state:
            try:
                models = self._in_force(state)
            except DeepReasoningError:
                models = ModelsInForce(state.model or "no model", state.reasoner)
            self._known = state, models
        return self._known[1]

    def models(self) -> list[str]:
        """Families first, then the ids that are not retired; or the one of the host's own."""
        host = self._host(None)
        offered = self.catalog.alive(self._place(host), _today())
        if not offered and host.model:
            return [host.model]
        families = dict.fromkeys(model.family for model in offered if model.family)
        return [*families, *(model.id for model in offered)]

    def reasoners(self) -> list[str]:
        """The names of all reasoners."""
        return [reasoner.name for reasoner in self.catalog.reasoners]

    def answerers(self) -> list[str]:
        """The names of all answerers."""
        return [answerer.name for answerer in self.catalog.answerers]

    def list_models(self, state: ChatState) -> ChoiceList:
        """The newest model of each family, and the one in force."""
        host, current = self._host(state.answerer), self.in_force(state).answerer
        place = self._place(host)
        offered = self.catalog.alive(place, _today())
        families = dict.fromkeys(model.family for model in offered if model.family)
        newest = [self.catalog.newest(family, place, _today()) for family in families]
        shown = [model for model in newest if model]
        shown += [each for each in offered if _id_at(each, place) == current and each not in shown]
        rows = [
            _priced(_id_at(each, place) == current, each.family, _id_at(each, place))
            + _rates(each.rates.get(place))
            for each in shown
        ]
        if current != DEMO and not any(row[0] for row in rows):  # the host's own, or unknown
            rows.append(_priced(True, "", current) + _rates(host.rates))
        older = len(offered) - len(shown)
        note = f"{older} older ones: Tab behind /model" if older > 0 else ""
        return ChoiceList(MODELS, rows, note)

    def list_reasoners(self, state: ChatState) -> ChoiceList:
        """The reasoners that have a key, and the one in force."""
        current = state.reasoner or next(
            (row.name for row in reasoners_in_order(self.loaded, self.catalog)), ""
        )
        return self._list_hosts(self.catalog.reasoners, current)

    def list_answerers(self, state: ChatState) -> ChoiceList:
        """The answerers that have a key, and the one in force."""
        return self._list_hosts(self.catalog.answerers, self._host(state.answerer).name)

    def list_efforts(self, state: ChatState) -> ChoiceList:
        """The efforts that the model in force takes, and what a usual question costs at each."""
        current = state.effort or self.loaded.settings.effort
        rows = [[MARK * (current == "auto"), "auto", "", ""]]
        if self._is_hosted:
            return ChoiceList(EFFORTS, rows, "the gateway takes no effort")
        with_model = self._model_in_force(state)
        if with_model is None:
            return ChoiceList(EFFORTS, rows, "")
        model, card = with_model
        if model.thinking is not Thinking.UNASKED or model.thinking_off:
            rows.append([MARK * (current == "none"), "none", "0", "$0"])
        for effort in model.efforts:
            tokens = self.catalog.efforts[effort].thinks[USUAL]
            cost = card.base.output * tokens / MILLION if card else None
            words = [f"≈{tokens:,}", format_usd(cost, estimated=True)]
            rows.append([MARK * (current == effort), effort, *words])
        note = "auto: low after a whole chain of thought, else the model's own default"
        return ChoiceList(EFFORTS, rows, note)

    def describe_answerer(self, names: str) -> str:
        """Hosts, with the model of those that have one. Raises ConfigError for an unknown name."""
        hosts = [self.catalog.answerer(name) for name in names.split(",")]
        return ", then ".join(
            f"{host.model} at {host.base_url}" if host.model else host.label for host in hosts
        )

    def describe_model(self, name: str | None, answerer: str | None = None) -> str:
        """Id and rates of a model at the first of these hosts; that of no name is the host's own.

        Raises RefusedError for one that is retired or not offered there.
        """
        host = self._host(answerer)
        place = self._place(host)
        if place == GATEWAY:
            choice = self.catalog.claude(name or self.catalog.gateway_default, place, _today())
        else:
            choice = model_at(host, self.catalog, name, _today(), typed=True)
        price = "price unknown"
        if rates := choice.model.rates.get(place):
            base = rates.base
            price = f"{format_usd(base.input)} in, {format_usd(base.output)} out per million"
        return " · ".join(filter(None, (choice.model.id, price, choice.warning)))

    def describe_reasoner(self, name: str) -> str:
        """Host and model. Raises ConfigError for an unknown name."""
        reasoners = [self.catalog.reasoner(each) for each in name.split(",")]
        return ", then ".join(f"{each.model} at {each.label}" for each in reasoners)

    def _host(self, names: str | None) -> Answerer:
        """The first of these answerers, else the one that the settings choose."""
        if names:
            return self.catalog.answerer(names.partition(",")[0])
        return self.default_answerer or self.catalog.answerer(ANTHROPIC)

    def _place(self, host: Answerer) -> str:
        return GATEWAY if self._is_hosted else host.place

    def _model_in_force(self, state: ChatState) -> tuple[ClaudeModel, RateCard | None] | None:
        """The answering model and its rates; None where that turn cannot be run."""
        host = self._host(state.answerer)
        try:
            model = model_at(host, self.catalog, state.model, _today(), typed=True).model
        except DeepReasoningError:
            return None
        return model, model.rates.get(host.place)

    def _in_force(self, state: ChatState) -> ModelsInForce:
        loaded = self._loaded_with(state)
        match self._backend_of(state):
            case "demo":
                return ModelsInForce(DEMO, None)
            case "gateway":
                return ModelsInForce(
                    gateways_model(self.catalog, state.model, _today()).model.id, HOSTED
                )
        hosts = with_keys(loaded, answerers_in_order(loaded, self.catalog))
        host = hosts[0] if hosts else self.catalog.answerer(ANTHROPIC)
        typed = state.model is not None
        model = model_at(host, self.catalog, state.model, _today(), typed=typed).model.id
        reasoners = with_keys(loaded, reasoners_in_order(loaded, self.catalog))
        thinks = state.handoff is not Handoff.NONE and reasoners
        return ModelsInForce(model, reasoners[0].model if thinks else None)

    def _backend_of(self, state: ChatState) -> str:
        """Raises ConfigError where keys are missing."""
        needs = BackendNeeds(
            thinks=state.handoff is not Handoff.NONE,
            answers=True,
            has_reasoning=False,
            handoff=state.handoff,
        )
        return choose_backend(self._loaded_with(state), self.catalog, needs)

    def _loaded_with(self, state: ChatState) -> LoadedSettings:
        """The settings with the hosts that the commands have chosen."""
        values = {
            "reasoner": tuple(_split(state.reasoner)) or None,
            "answerer": tuple(_split(state.answerer)) or None,
        }
        return self.loaded.with_values(values, "of the chat")

    def _list_hosts(self, hosts: Sequence[Reasoner] | Sequence[Answerer], names: str) -> ChoiceList:
        """Those that have a key or need none, and what a key would add."""
        current = _split(names)[:1]
        able = [host for host in hosts if not host.key or self.loaded.has_key(host.key)]
        shown = [host for host in hosts if host in able or host.name in current]
        rows = [
            [
                *_priced(host.name in current, host.name, host.model or "Claude"),
                host.label,
                *(_rates(host.rates) if host.model else [SEE_MODELS] * 2),
            ]
            for host in shown
        ]
        others = ", ".join(host.name for host in hosts if host not in shown)
        return ChoiceList(HOSTS, rows, f"no key for: {others}" if others else "")


def _split(names: str | None) -> list[str]:
    return [name.strip() for name in (names or "").split(",") if name.strip()]


def _today() -> date:
    return datetime.now(UTC).date()


def _id_at(model: ClaudeModel, place: str) -> str:
    return model.ids.get(place, model.id)


def _priced(is_current: bool, name: str, model: str) -> list[str]:
    return [MARK * is_current, name, model]


def _rates(card: RateCard | None) -> list[str]:
    from deepreasoning_cli.cli.models.tables import rate_ranges

    return rate_ranges(card)
