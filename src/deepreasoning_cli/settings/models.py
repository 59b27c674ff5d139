"""Every setting: its type, its default, and what is said of a wrong value."""

from __future__ import annotations

import os
import re
import shlex
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)

from deepreasoning_cli.lazy import deferred_imports

STRICT = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
LONGEST_NAME = 24  # characters; keys are longer


def _no_bool(value: Any) -> Any:
    """Python counts `true` as 1; a person who writes it means something else."""
    if isinstance(value, bool):
        raise ValueError("not a number")  # noqa: TRY004 - pydantic translates only ValueError
    return value


ENDPOINT = re.compile(
    r"/+(chat/completions|(?<=/v1/)(completions|messages(/count_tokens)?|responses|search|models))$"
)
"""What other tools want behind a base URL, and we put there ourselves."""


def _address(value: str) -> str:
    """A base URL as requests are built on it, without endpoint and last slash."""
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":  # as docker --env-file keeps
        value = value[1:-1]
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("foreign characters")
    parts = urlsplit(value)  # refuses unbalanced brackets; reading `port` refuses a bad one
    plain = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    if not plain or "@" in parts.netloc or "?" in value or "#" in value:
        raise ValueError("not a base URL")
    return ENDPOINT.sub("", value.rstrip("/")).rstrip("/")


def _listed(value: Any) -> Any:
    """A list, or in the environment its members between commas."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    """An order of hosts: there is a first one, and none comes back."""
    if not names or not all(names) or len({name.lower() for name in names}) < len(names):
        raise ValueError("empty, or a name twice")
    return names


ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._~-]+)(:[0-9]{1,5})?")


def _origin(value: str) -> str:
    """An origin as browsers send it: in lower case, without a slash, without the usual port, and a
    name of other letters as the DNS knows it.
    """
    scheme, mark, host = value.lower().rstrip("/").partition("://")
    if not host.isascii():
        host = ".".join(label.encode("idna").decode() for label in host.split("."))
    origin = f"{scheme}{mark}{host}"
    if origin not in ("*", "null") and not ORIGIN.fullmatch(origin):
        raise ValueError("not an origin")
    for scheme, port in (("http", 80), ("https", 443)):
        if origin.startswith(f"{scheme}://"):
            origin = origin.removesuffix(f":{port}")
    return origin


def _command(value: str | list[str]) -> str | list[str]:
    words = shlex.split(value) if isinstance(value, str) else value
    if not words or not words[0].strip():
        raise ValueError("empty")
    return value


def _name_of_a_key(value: str) -> str:
    """A key that was put here by mistake would be named in errors."""
    if not value or len(value) > LONGEST_NAME or value.startswith("sk-"):
        raise ValueError("not a name")
    return value


Number = BeforeValidator(_no_bool)
Integer = Annotated[int, Number]
Real = Annotated[float, Number, Field(allow_inf_nan=False)]
KeyName = Annotated[str, AfterValidator(_name_of_a_key)]
BaseUrl = Annotated[str, AfterValidator(_address)]
Dollars = Annotated[Decimal, Number, Field(gt=0, le=1_000_000)]
Rate = Annotated[Decimal, Number, Field(ge=0, le=1_000_000)]


def _reasoning_limit(value: Any) -> str:
    """`4000` or `90s`, as text; a file may have the number without quotes."""
    text = str(_no_bool(value)).strip()
    from deepreasoning_cli.pipeline.budget import ReasoningLimit

    ReasoningLimit.parse(text)
    return text


def _cassette_use(value: str) -> str:
    name, _, mode = value.rpartition(":")
    if not name or mode not in ("record", "replay"):
        raise ValueError("neither recorded nor replayed")
    return value


CassetteUse = Annotated[str, AfterValidator(_cassette_use)]
ReasoningAmount = Annotated[str, BeforeValidator(_reasoning_limit)]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(_listed)]
Hosts = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_each_once)]

ADDRESS = (
    "an address such as https://host:8000/v1, with a scheme, and without user name, query or #part"
)


class ConfigTable(BaseModel):
    """A table of the file: it has the names of its fields and no others."""

    model_config = STRICT


class KeyCommand(ConfigTable):
    """A program of the user's that prints a key."""

    command: Annotated[str | list[str], AfterValidator(_command)] = Field(
        description="a command line in quotes, or a list of its words"
    )

    @property
    def arguments(self) -> str | list[str]:
        """What to start, without a shell. Windows takes the line apart by itself."""
        if isinstance(self.command, list) or os.name == "nt":
            return self.command
        return shlex.split(self.command)

    @property
    def masked(self) -> str:
        """The program's name alone: its arguments may hold a secret."""
        words = self.command if isinstance(self.command, list) else self.command.split()
        return f"command: {words[0]}{' …' if len(words) > 1 else ''}"


PER_MILLION = "USD per million tokens, 0 or more"


class CustomRates(ConfigTable):
    """What the user's own host charges."""

    input: Rate = Field(description=PER_MILLION)
    output: Rate = Field(description=PER_MILLION)
    cache_read: Rate | None = Field(default=None, description=PER_MILLION)
    cache_write: Rate | None = Field(default=None, description=PER_MILLION)


class CustomReasoner(ConfigTable):
    """A reasoner of the user's own that speaks Chat Completions."""

    base_url: BaseUrl = Field(description=ADDRESS)
    model: str = Field(min_length=1, description="a string: the model's name")
    key: KeyName | None = Field(
        default=None, description="a string: a name from [keys], never the key itself"
    )
    rates: CustomRates | None = Field(default=None, description="{ input = …, output = … } in USD")
    opens_thinking: bool = False
    images: bool = False
    context: Integer | None = Field(
        default=None, ge=1, description="a whole number of tokens above 0"
    )


class CustomAnswerer(ConfigTable):
    """An answerer of the user's own.

    Without `auth` its key is sent as its format has it. Without `model` it is asked for Claude.
    """

    base_url: BaseUrl = Field(description=ADDRESS)
    model: str | None = Field(
        default=None, min_length=1, description="a string: the model's name at this host"
    )
    format: Literal["messages", "chat_completions"] = "messages"
    auth: Literal["x-api-key", "bearer", "none"] | None = None
    key: KeyName | None = Field(
        default=None, description="a string: a name from [keys], never the key itself"
    )
    rates: CustomRates | None = Field(default=None, description="{ input = …, output = … } in USD")
    context: Integer | None = Field(
        default=None, ge=1, description="a whole number of tokens above 0"
    )
    max_output: Integer | None = Field(
        default=None, ge=1, description="a whole number of tokens above 0"
    )
    efforts: tuple[Literal["low", "medium", "high", "xhigh", "max"], ...] = Field(
        default=(), description='a list of those that it takes, such as ["low", "high"]'
    )

    @model_validator(mode="after")
    def _check_auth(self) -> Self:
        """A key is sent somehow, and what is sent is a key."""
        if self.auth and (self.auth == "none") == (self.key is not None):
            raise ValueError("auth and key contradict")
        return self


class GatewaySettings(ConfigTable):
    """How the hosted model is called."""

    endpoint: Literal["chat_completions", "responses", "messages"] = "chat_completions"


class SearchSettings(ConfigTable):
    """How the web is searched."""

    depth: Literal["standard", "deep"] = "standard"


class ServeSettings(ConfigTable):
    """How the API is served. The token that callers show is the key named `serve`."""

    host: str = Field(default="127.0.0.1", min_length=1, description="a host name or an address")
    port: Integer = Field(default=1337, ge=0, le=65535, description="a port from 0 to 65535")
    workers: Integer = Field(
        default=1, ge=1, le=256, description="a number of processes from 1 to 256"
    )
    drain: Real = Field(default=30, ge=0, le=86_400, description="a number of seconds, 0 or more")
    byok: bool = False
    reason: Literal["question", "always", "never"] = "question"
    hosts: Names = Field(default=(), description="a list of host names")
    origins: Origins = Field(default=(), description='a list such as ["https://app.example.com"]')
    streams: Integer = Field(
        default=256, ge=1, le=10_000, description="a number of replies from 1 to 10000"
    )
    body_limit: Integer = Field(
        default=16_777_216, ge=1024, description="a number of bytes, 1024 or more"
    )
    keep_alive: Real = Field(default=10, gt=0, le=600, description="a number of seconds above 0")
    log: Literal["text", "json"] = "text"
    metrics: bool = False


with deferred_imports("asyncio"):  # for command lines of its own, which this program does not have
    from pydantic_settings import (
        BaseSettings,
        InitSettingsSource,
        PydanticBaseSettingsSource,
        SettingsConfigDict,
    )

MONEY = "an amount in USD above 0"
HOSTS = "a host name, or a list without repeats such as "


class Settings(BaseSettings):
    """Every setting with its default; money is USD, `timeout` seconds without any text."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, case_sensitive=True
    )

    model: str | None = Field(default=None, min_length=1, description='a string such as "sonnet"')
    backend: Literal["auto", "direct", "gateway", "demo"] = "auto"
    reasoner: Hosts | None = Field(default=None, description=f'{HOSTS}["deepseek", "openrouter"]')
    answerer: Hosts | None = Field(default=None, description=f'{HOSTS}["anthropic", "openrouter"]')
    fallback: Hosts | None = Field(default=None, description=f'{HOSTS}["openrouter"]')
    effort: Literal["auto", "none", "low", "medium", "high", "xhigh", "max"] = "auto"
    think: Literal["auto", "low", "medium", "high", "max"] = "auto"
    max_reasoning: ReasoningAmount | None = Field(
        default=None, description='tokens such as 4000, or a time such as "90s"'
    )
    stop: Literal["end", "settled"] = "end"
    probe_model: str = Field(default="haiku", min_length=1, description='a string such as "haiku"')
    temperature: Real = Field(default=0.7, ge=0, le=2, description="a number from 0 to 2")
    top_p: Real = Field(default=0.9, ge=0, le=1, description="a number from 0 to 1")
    max_tokens: Integer = Field(
        default=8192, ge=1, le=65536, description="a whole number from 1 to 65536"
    )
    web_search_linkup: bool = False
    disable_formatting: bool = False
    handoff: Literal["reasoning", "answer", "both", "none"] = "reasoning"
    reasoning: Literal["show", "tail", "hide"] | None = None
    panels: Literal["box", "rules"] = "rules"
    history: bool = True
    clipboard: Literal["tool", "terminal"] = "tool"
    max_cost: Dollars | None = Field(default=None, description=MONEY)
    daily_cost: Dollars | None = Field(default=None, description=MONEY)
    monthly_cost: Dollars | None = Field(default=None, description=MONEY)
    on_cap: Literal["stop", "answer"] = "stop"
    code_theme: str = Field(
        default="ansi_dark", min_length=1, description='a string such as "monokai"'
    )
    timeout: Real | None = Field(default=None, gt=0, description="a number of seconds above 0")
    connect_ahead: bool = True
    cassette: CassetteUse | None = Field(default=None, description="FILE:record or FILE:replay")
    replay_pace: Real | None = Field(
        default=None, ge=0, le=1000, description="a number from 0 to 1000"
    )
    keys: dict[str, SecretStr | KeyCommand] = Field(
        default={}, description='a table: NAME = the key in quotes, or { command = "…" }'
    )
    reasoners: dict[str, CustomReasoner] = Field(default={}, description="tables: [reasoners.NAME]")
    answerers: dict[str, CustomAnswerer] = Field(default={}, description="tables: [answerers.NAME]")
    base_urls: dict[str, BaseUrl] = Field(default={}, description=f"a table: NAME = {ADDRESS}")
    gateway: GatewaySettings = Field(default=GatewaySettings(), description="a table with endpoint")
    search: SearchSettings = Field(default=SearchSettings(), description="a table with depth")
    serve: ServeSettings = Field(default=ServeSettings(), description="a table: [serve]")

    @property
    def is_replay(self) -> bool:
        """Whether nothing is sent: a cassette is replayed."""
        return self.cassette is not None and self.cassette.endswith(":replay")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Our own layers, strongest first: they know where each value stands."""
        layers = init_settings().get("layers", ())
        return tuple(InitSettingsSource(settings_cls, layer.values) for layer in layers)
