"""What the user can set, and where each value came from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from deepreasoning_cli.lazy import deferred_imports
from deepreasoning_cli.settings.parts import (
    ADDRESS,
    BaseUrl,
    CustomReasoner,
    Dollars,
    GatewaySettings,
    KeyCommand,
    Number,
    SearchSettings,
    ServeSettings,
)

with deferred_imports("asyncio"):  # for command lines of its own, which this program does not have
    from pydantic_settings import (
        BaseSettings,
        InitSettingsSource,
        PydanticBaseSettingsSource,
        SettingsConfigDict,
    )

Share = Annotated[float, Number, Field(ge=0, le=1, allow_inf_nan=False)]
KEY = 'the key in quotes, or { command = "…" }'
MONEY = "an amount in USD above 0"
SWITCH = "true or false"


class Settings(BaseSettings):
    """Every setting with its default; money is USD, `timeout` seconds without any text."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    model: str | None = Field(default=None, min_length=1, description='a text such as "sonnet"')
    backend: Literal["auto", "direct", "gateway", "demo"] = Field(
        default="auto", description='"auto", "direct", "gateway" or "demo"'
    )
    reasoner: str | None = Field(
        default=None, min_length=1, description='a text such as "deepseek"'
    )
    temperature: Annotated[float, Number] = Field(
        default=0.7, ge=0, le=2, allow_inf_nan=False, description="a number from 0 to 2"
    )
    top_p: Share = Field(default=0.9, description="a number from 0 to 1")
    max_tokens: Annotated[int, Number] = Field(
        default=8192, ge=1, le=65536, description="a whole number from 1 to 65536"
    )
    web_search_linkup: bool = Field(default=False, description=SWITCH)
    disable_formatting: bool = Field(default=False, description=SWITCH)
    handoff: Literal["reasoning", "answer", "both", "none"] = Field(
        default="reasoning", description='"reasoning", "answer", "both" or "none"'
    )
    panels: Literal["box", "rules"] = Field(default="box", description='"box" or "rules"')
    history: bool = Field(default=True, description=SWITCH)
    max_cost: Dollars | None = Field(default=None, description=MONEY)
    daily_cost: Dollars | None = Field(default=None, description=MONEY)
    monthly_cost: Dollars | None = Field(default=None, description=MONEY)
    on_cap: Literal["stop", "answer"] = Field(default="stop", description='"stop" or "answer"')
    code_theme: str = Field(
        default="ansi_dark", min_length=1, description='a text such as "monokai"'
    )
    timeout: Annotated[float, Number] | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="a number of seconds above 0"
    )
    keys: dict[str, SecretStr | KeyCommand] = Field(
        default={}, description=f"a table: NAME = {KEY}"
    )
    reasoners: dict[str, CustomReasoner] = Field(default={}, description="tables: [reasoners.NAME]")
    base_urls: dict[str, BaseUrl] = Field(default={}, description=f"a table: NAME = {ADDRESS}")
    gateway: GatewaySettings = Field(default=GatewaySettings(), description="a table with endpoint")
    search: SearchSettings = Field(default=SearchSettings(), description="a table with depth")
    serve: ServeSettings = Field(default=ServeSettings(), description="a table: [serve]")

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
