"""The user's own catalog.toml: what it changes, and what is said of a mistake in it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from deepreasoning_cli.catalog.load import load_catalog
from deepreasoning_cli.catalog.models import Lifecycle
from deepreasoning_cli.errors import ConfigError, RefusedError
from deepreasoning_cli.pipeline.money import RateCard, Rates

TODAY = date(2026, 11, 23)
Write = Callable[[str], Path]


@pytest.fixture
def override(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        file = tmp_path / "catalog.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def test_an_override_that_does_not_exist_changes_nothing(tmp_path: Path) -> None:
    assert load_catalog(tmp_path / "none.toml") == load_catalog()


def test_an_empty_override_changes_nothing(override: Write) -> None:
    assert load_catalog(override("# nothing yet\n")) == load_catalog()


def test_one_field_of_a_known_row_changes_and_the_others_stay(override: Write) -> None:
    file = override(
        '[claude.claude-opus-4-5-20251101]\nretires = 2026-12-24\nstatus = "deprecated"'
    )
    model = load_catalog(file).claude("claude-opus-4-5", "direct", TODAY).model
    assert model.lifecycle(TODAY) is Lifecycle.DEPRECATED
    assert (model.ends, model.max_output) == (date(2026, 12, 24), 64_000)
    others = [m for m in load_catalog(file).claude_models if m.id != model.id]
    assert others == [m for m in load_catalog().claude_models if m.id != model.id]


def test_one_rate_changes_the_others_stay_and_the_source_is_the_users_file(override: Write) -> None:
    file = override('[claude.claude-haiku-5-5.direct]\ninput = "0.12"')
    before = load_catalog().claude("haiku", "direct", TODAY).model.rates["direct"]
    card = load_catalog(file).claude("haiku", "direct", TODAY).model.rates["direct"]
    assert before is not None
    assert card is not None
    assert card.base == Rates(
        Decimal("0.12"), before.base.output, before.base.cache_read, before.base.cache_write
    )
    assert card.bands == before.bands
    assert (card.source, card.as_of) == (str(file), "")


def test_a_source_and_date_of_the_users_own_are_kept(override: Write) -> None:
    file = override(
        '[reasoners.novita.rates]\noutput = 2\nas_of = 2026-12-01\nsource = "my contract"'
    )
    assert load_catalog(file).reasoner("novita").rates == RateCard(
        Rates(Decimal("0.70"), Decimal(2), Decimal("0.35")),
        as_of="2026-12-01",
        source="my contract",
    )


def test_a_gateway_rate_is_overridden_per_thousand_as_the_page_prints_it(override: Write) -> None:
    file = override('[claude.claude-haiku-4-5-20251001.gateway]\ninput = "0.005"')
    card = load_catalog(file).claude("haiku", "gateway", TODAY).model.rates["gateway"]
    assert card is not None
    assert tuple(map(str, card.base.per_thousand)) == ("0.005", "0.023")


def test_another_unit_leaves_nothing_of_the_old_rates(override: Write) -> None:
    table = "[claude.claude-haiku-4-5-20251001.gateway]\nper = 1_000_000\ninput = 5\n"
    card = load_catalog(override(f"{table}output = 25")).claude("haiku", "gateway", TODAY).model
    assert card.rates["gateway"] == RateCard(
        Rates(Decimal(5), Decimal(25)), source=str(override(f"{table}output = 25"))
    )
    with pytest.raises(ConfigError, match="output is missing"):
        load_catalog(override(table))


@pytest.mark.parametrize("written", ['"2.5"', "2.5", '"2.50"', "2.50"])
def test_a_rate_may_be_written_as_text_or_as_a_number(override: Write, written: str) -> None:
    card = (
        load_catalog(override(f"[reasoners.novita.rates]\ninput = {written}"))
        .reasoner("novita")
        .rates
    )
    assert card is not None
    assert card.base.input == Decimal("2.5")


def test_an_empty_table_of_rates_changes_nothing(override: Write) -> None:
    assert load_catalog(override("[reasoners.novita]\nrates = {}")) == load_catalog()


def test_a_new_model_is_added_and_its_family_finds_it(override: Write) -> None:
    file = override("""
        [claude.claude-sonnet-6]
        family = "Sonnet"
        released = 2026-12-01
        direct = {}
    """)
    choice = load_catalog(file).claude("sonnet", "direct", TODAY)
    assert (choice.model.id, choice.model.name) == ("claude-sonnet-6", "claude-sonnet-6")
    assert (choice.model.rates, choice.warning) == ({"direct": None}, None)


def test_a_new_model_without_a_backend_is_one_of_anthropics(override: Write) -> None:
    file = override("[claude.claude-next]\n")
    assert load_catalog(file).claude("claude-next", "direct", TODAY).model.rates == {"direct": None}
    with pytest.raises(RefusedError, match="there is no Claude model 'claude-'"):
        load_catalog(file).claude("claude-", "direct", TODAY)  # names no family either


def test_a_known_model_can_be_added_to_the_gateway(override: Write) -> None:
    file = override("[claude.claude-sonnet-5-5]\ngateway = {}")
    choice = load_catalog(file).claude("sonnet", "gateway", TODAY)
    assert (choice.model.id, choice.model.rates["gateway"]) == ("claude-sonnet-5-5", None)
    warned = load_catalog(file).claude("claude-sonnet-4-5", "gateway", TODAY).warning
    assert warned == (
        "claude-sonnet-4-5-20250929 is deprecated at Anthropic and retires on 2026-11-30;"
        " its successor is claude-sonnet-5-5"
    )


def test_an_alias_of_the_users_pins_a_family(override: Write) -> None:
    file = override('[claude.claude-sonnet-4-6]\naliases = ["sonnet"]')
    assert load_catalog(file).claude("Sonnet", "direct", TODAY).model.id == "claude-sonnet-4-6"


def test_a_status_without_dates_is_told_without_dates(override: Write) -> None:
    file = override("""
        claude.claude-a = { status = "retired", gateway = {}, direct = {} }
        claude.claude-b.status = "deprecated"
    """)
    catalog = load_catalog(file)
    assert catalog.claude("claude-b", "direct", TODAY).warning == "claude-b is deprecated"
    assert catalog.claude("claude-a", "gateway", TODAY).warning == (
        "claude-a is retired at Anthropic; the gateway may refuse it"
    )
    with pytest.raises(RefusedError) as caught:
        catalog.claude("claude-a", "direct", TODAY)
    assert caught.value.message == "claude-a was retired"
    assert caught.value.hint == "use sonnet instead"


def test_a_new_reasoner_needs_no_more_than_address_and_model(override: Write) -> None:
    file = override('[reasoners.lab]\nbase_url = "http://gpu:8000/v1/"\nmodel = "r1"')
    lab = load_catalog(file).reasoner("lab")
    assert (lab.label, lab.base_url, lab.key, lab.rates) == (
        "lab",
        "http://gpu:8000/v1",
        None,
        None,
    )


def test_a_reasoner_may_have_hours_of_its_own(override: Write) -> None:
    file = override("""
        [hours.weekend]
        weekdays = ["saturday", "sunday"]
        spans = [[00:00:00, 12:00:00]]
        [reasoners.novita.rates]
        peak = { input = 1, output = 2 }
        peak_hours = "weekend"
    """)
    card = load_catalog(file).reasoner("novita").rates
    assert card is not None
    assert card.at(datetime(2026, 11, 22, 11, tzinfo=UTC)) == Rates(Decimal(1), Decimal(2))
    assert card.at(datetime(2026, 11, 22, 12, tzinfo=UTC)) == card.base
    assert card.at(datetime(2026, 11, 23, 11, tzinfo=UTC)) == card.base


def test_bands_are_put_in_order(override: Write) -> None:
    file = override("""
        [reasoners.novita.rates]
        bands = [{ above = 20, input = 3, output = 3 }, { above = 10, input = 2, output = 2 }]
    """)
    card = load_catalog(file).reasoner("novita").rates
    assert card is not None
    assert [above for above, _ in card.bands] == [10, 20]


def test_a_vendor_and_a_search_price_change_field_by_field(override: Write) -> None:
    file = override('search.deep = 0.06\n[vendors.novita]\npage = "https://novita.ai/keys"')
    catalog = load_catalog(file)
    assert catalog.vendor("novita").page == "https://novita.ai/keys"
    assert catalog.vendor("novita").key_env == "NOVITA_API_KEY"
    assert (catalog.search.standard, catalog.search.deep) == (Decimal("0.005"), Decimal("0.06"))
    assert catalog.search.source == str(file)


def test_the_gateways_default_is_the_users_to_choose(override: Write) -> None:
    file = override('gateway_default = "claude-opus-4-5-20251101"')
    assert load_catalog(file).gateway_default == "claude-opus-4-5-20251101"


SONNET = "claude.claude-sonnet-5-5"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        # keys and tables
        ("[cloude]", "there is no key 'cloude'", "did you mean claude?"),
        (
            f"[{SONNET}]\ncontxt = 1",
            f"[{SONNET}] there is no key 'contxt'",
            "did you mean context?",
        ),
        (
            f"[{SONNET}.direct]\nouput = 1",
            f"[{SONNET}.direct] there is no key 'ouput'",
            "did you mean output or input?",
        ),
        ("[search]\nfast = 1", "[search] there is no key 'fast'", None),
        ("[vendors.x]\nbase_url_env = 'X'", "[vendors.x] base_url is missing", None),
        (
            "[vendors.x]\nbase_url = 'https://x'\nkey_env = 'sk-secret'",
            "[vendors.x] key_env must be the name of a variable such as ACME_API_KEY, not '…'",
            None,
        ),
        (
            "[vendors.x]\nbase_url = 'https://x'\nkey_check = 'key'",
            "[vendors.x] key_check must be a path that begins with /, not 'key'",
            None,
        ),
        (
            "[vendors.'a.b']\nbase_url = 'https://x'",
            "vendors must be tables with names of a-z, 0-9, - and _, not 'a.b'",
            None,
        ),
        ("[reasoners.lab]\nmodel = 'r1'", "[reasoners.lab] base_url is missing", None),
        (
            "reasoners.lab = { base_url = 'http://x', model = 'm', rates = { input = 1 } }",
            "[reasoners.lab.rates] output is missing",
            None,
        ),
        ("claude = 3", "claude must be a table, not 3", None),
        (f"{SONNET} = 'new'", "[claude] claude-sonnet-5-5 must be a table, not 'new'", None),
        (f"{SONNET}.direct = 2", f"[{SONNET}] direct must be a table, not 2", None),
        # types
        (f"{SONNET}.name = 5", f"[{SONNET}] name must be a text, not 5", None),
        (f"{SONNET}.name = ' '", f"[{SONNET}] name must be a text, not ' '", None),
        (f"{SONNET}.aliases = 'x'", f"[{SONNET}] aliases must be an array, not 'x'", None),
        (f"{SONNET}.aliases = [1]", f"[{SONNET}] aliases must be a text, not 1", None),
        (
            f"{SONNET}.context = '1M'",
            f"[{SONNET}] context must be a whole number above 0, not '1M'",
            None,
        ),
        (
            f"{SONNET}.context = 0",
            f"[{SONNET}] context must be a whole number above 0, not 0",
            None,
        ),
        (
            f"{SONNET}.context = true",
            f"[{SONNET}] context must be a whole number above 0, not True",
            None,
        ),
        (
            f"{SONNET}.retires = '2026-11-30'",
            "retires must be a date such as 2026-11-30, without quotes, not '2026-11-30'",
            None,
        ),
        (f"{SONNET}.retires = 2026-11-30T00:00:00Z", f"[{SONNET}] retires must be a date", None),
        (
            f"{SONNET}.status = 'gone'",
            f"[{SONNET}] status must be one of active, legacy, deprecated, retired, unknown, not",
            None,
        ),
        (
            f"{SONNET}.samplers = 'two'",
            f"[{SONNET}] samplers must be one of both, one, none, ignored, not 'two'",
            None,
        ),
        (
            f"{SONNET}.successor = 'claude-6'",
            f"[{SONNET}] successor must be the id of a model, not 'claude-6'",
            None,
        ),
        (
            f"{SONNET}.aliases = ['Claude-Opus-4-5']",
            "[claude.claude-opus-4-5-20251101] aliases must be names that no other model has"
            " (claude-sonnet-5-5 has one), not 'claude-opus-4-5'",
            None,
        ),
        (
            "reasoners.novita.builtin = 1",
            "[reasoners.novita] builtin must be true or false, not 1",
            None,
        ),
        (
            "reasoners.novita.base_url = 'novita.ai'",
            "[reasoners.novita] base_url must be an address",
            None,
        ),
        ("reasoners.novita.body = 'x'", "[reasoners.novita] body must be a table, not 'x'", None),
        (
            "reasoners.novita.body.seed = nan",
            "[reasoners.novita] body must be a table of JSON values",
            None,
        ),
        (
            "reasoners.novita.body.day = 2026-01-01",
            "[reasoners.novita] body must be a table of JSON",
            None,
        ),
        ("as_of = 'today'", "as_of must be a date", None),
        (
            "gateway_default = 'claude-opus-4-5'",
            "there is no model of the gateway 'claude-opus-4-5'",
            None,
        ),
        # rates
        *(
            (
                f"[{SONNET}.direct]\ninput = {written}",
                f"[{SONNET}.direct] input must be a number of USD, not",
                None,
            )
            for written in (
                *("'cheap'", "true", "-1", "'-0.1'", "inf", "nan", "'NaN'", "'1e9'", "'1e-30'"),
                *("[1]", "''", "2026-01-01", "1_000_001"),
            )
        ),
        (f"{SONNET}.direct.per = 100", f"[{SONNET}.direct] per must be 1_000 or 1_000_000", None),
        (
            f"{SONNET}.direct.per = 1000.0",
            f"[{SONNET}.direct] per must be 1_000 or 1_000_000",
            None,
        ),
        (f"{SONNET}.direct.bands = [{{ above = 5, input = 1 }}]", "output is missing", None),
        (
            f"{SONNET}.direct.peak = {{ input = 1, output = 1 }}",
            f"[{SONNET}.direct] peak_hours is missing",
            None,
        ),
        (f"{SONNET}.direct.peak_hours = 'deepseek'", f"[{SONNET}.direct] peak is missing", None),
        (
            "reasoners.deepseek.rates.peak_hours = 'deepsek'",
            "[reasoners.deepseek.rates] there is no table of hours 'deepsek'",
            "did you mean deepseek?",
        ),
        # hours
        (
            "hours.deepseek.weekdays = ['mon']",
            "[hours.deepseek] weekdays must be weekdays out of monday,",
            None,
        ),
        (
            "hours.deepseek.spans = [[01:00:00]]",
            "[hours.deepseek] spans must be spans of two times",
            None,
        ),
        (
            "hours.deepseek.spans = [[04:00:00, 01:00:00]]",
            "[hours.deepseek] spans must be spans of two times, the earlier one first",
            None,
        ),
        (
            "hours.deepseek.spans = [['1', '2']]",
            "[hours.deepseek] spans must be a time such as",
            None,
        ),
    ],
)
def test_a_mistake_is_named_with_file_table_and_key(
    override: Write, text: str, message: str, hint: str | None
) -> None:
    file = override(text)
    with pytest.raises(ConfigError) as caught:
        load_catalog(file)
    assert message in caught.value.message
    assert caught.value.message.startswith(f"{file}: ")
    assert caught.value.kind == "catalog"
    if hint:
        assert caught.value.hint == hint


def test_broken_toml_is_named_with_its_line(override: Write) -> None:
    file = override("[claude]\nx = \n")
    with pytest.raises(ConfigError, match=r"is not valid TOML: .*line 2") as caught:
        load_catalog(file)
    assert caught.value.message.startswith(f"{file}: ")


@pytest.mark.parametrize("value", ["9" * 5_000, "[" * 20_000])
def test_a_value_that_the_parser_gives_up_on_is_named(override: Write, value: str) -> None:
    file = override(f"[claude]\nx = {value}\n")
    with pytest.raises(ConfigError, match="has too long a number") as caught:
        load_catalog(file)
    assert caught.value.message.startswith(f"{file}: ")


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "catalog.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"cannot be read \(UnicodeDecodeError\)"):
        load_catalog(file)


def test_a_folder_in_the_files_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_catalog(tmp_path)
