"""The origin of the last run: remembered, connected to before anything is read, or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.loopback import Loopback, claude_stream, reasoner_stream
from support.vendors import OWN_ANSWER, PRINTED, TEXTS, THOUGHTS, Vendors, canary

FILE = Path(".local/share/deepreasoning/last-origin")


def remembered(vendors: Vendors) -> str | None:
    file = vendors.home / FILE
    return file.read_text() if file.exists() else None


def line(vendor: Loopback) -> str:
    return f"{vendor.url}\n"


def know(vendors: Vendors, url: str) -> None:
    """Let the last run have asked `url`."""
    file = vendors.home / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{url}\n")
    file.chmod(0o600)


def test_the_reasoners_origin_is_remembered_and_one_connection_serves_each_run(
    vendors: Vendors,
) -> None:
    for _ in range(2):
        vendors.reply()
        assert vendors.ask("6 x 7?").stdout == PRINTED
        assert remembered(vendors) == line(vendors.reasoner)
    assert (len(vendors.reasoner.connections), vendors.counts()) == (2, (2, 2))


@pytest.mark.parametrize(
    ("words", "env"),
    [
        (("--no-save",), {}),
        ((), {"DEEPREASONING_HISTORY": "false"}),
        ((), {"DEEPREASONING_CONNECT_AHEAD": "false"}),
        (("--backend", "direct"), {}),
    ],
)
def test_nothing_is_remembered_of_a_run_that(
    vendors: Vendors, words: tuple[str, ...], env: dict[str, str]
) -> None:
    vendors.reply()
    assert vendors.ask(*words, "6 x 7?", env=env).stdout == PRINTED
    assert remembered(vendors) is None


def test_a_run_that_is_not_saved_connects_ahead_too_and_leaves_what_was_remembered(
    vendors: Vendors,
) -> None:
    know(vendors, vendors.novita.url)
    vendors.reply()
    assert vendors.ask("--no-save", "6 x 7?").stdout == PRINTED
    [connection] = vendors.novita.connections
    connection.wait_closed()
    assert (vendors.novita.requests, remembered(vendors)) == ([], line(vendors.novita))


@pytest.mark.parametrize("setting", ["history = false", "connect_ahead = false"])
def test_a_setting_that_says_no_removes_what_was_remembered(vendors: Vendors, setting: str) -> None:
    know(vendors, vendors.reasoner.url)
    vendors.config(f"{setting}\n")
    vendors.reply()
    assert vendors.ask("6 x 7?").stdout == PRINTED
    assert remembered(vendors) is None


def test_nothing_is_opened_or_remembered_where_there_is_a_proxy(vendors: Vendors) -> None:
    know(vendors, vendors.novita.url)
    vendors.reasoner.reply(reasoner_stream(THOUGHTS, OWN_ANSWER), claude_stream(TEXTS))
    assert vendors.ask("6 x 7?", env={"HTTP_PROXY": vendors.reasoner.url}).stdout == PRINTED
    assert [r.path.partition("://")[0] for r in vendors.reasoner.requests] == ["http", "http"]
    assert (remembered(vendors), vendors.novita.connections) == (None, [])


def test_nothing_is_sent_where_the_settings_name_another_origin(vendors: Vendors) -> None:
    know(vendors, vendors.novita.url)
    vendors.reply()
    assert vendors.ask("6 x 7?").stdout == PRINTED
    [connection] = vendors.novita.connections
    connection.wait_closed()
    assert (vendors.novita.requests, connection.closed_by) == ([], "peer")
    assert remembered(vendors) == line(vendors.reasoner)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("ask", "--help"), 0),
        (("ask", "--dry-run", "why?"), 0),
        (("ask", "--no-save", "--backend", "demo", "why?"), 0),
        (("ask", "--backend=demo", "why?"), 0),
        (("--config", "nowhere.toml", "ask", "why?"), 3),
        (("models",), 0),
        (("history", "list"), 0),
        (("resume",), 2),
    ],
)
def test_nothing_is_opened_for(vendors: Vendors, words: tuple[str, ...], code: int) -> None:
    know(vendors, vendors.novita.url)
    assert vendors.run(*words).code == code
    assert vendors.connections() == 0


@pytest.mark.parametrize(
    ("words", "env", "code"),
    [
        (("--nonsense", "why?"), {}, 2),
        (("why?",), {"DEEPSEEK_API_KEY": ""}, 3),
        (("-m", "claude-3-opus-latest", "why?"), {}, 4),
    ],
)
def test_a_run_that_is_refused_sends_nothing_and_ends_at_once(
    vendors: Vendors, words: tuple[str, ...], env: dict[str, str], code: int
) -> None:
    know(vendors, vendors.novita.url)
    assert vendors.ask(*words, env=env, timeout=60).code == code
    assert vendors.novita.requests == []
    for connection in vendors.novita.connections:
        connection.wait_closed()


def test_a_host_that_does_not_answer_holds_nothing_up(vendors: Vendors) -> None:
    know(vendors, "http://192.0.2.1:9")  # for documentation: nobody has it (RFC 5737)
    vendors.reply()
    assert vendors.ask("6 x 7?", timeout=60).stdout == PRINTED


def test_a_question_without_a_command_connects_too(vendors: Vendors) -> None:
    know(vendors, vendors.reasoner.url)
    vendors.reply()
    assert vendors.run("what is 6 x 7?").stdout == PRINTED
    assert len(vendors.reasoner.connections) == 1


def test_the_first_turn_of_a_chat_uses_it(vendors: Vendors) -> None:
    know(vendors, vendors.reasoner.url)
    vendors.reply()
    assert vendors.run("chat", stdin=b"6 x 7?\n").code == 0
    assert len(vendors.reasoner.connections) == 1
    assert remembered(vendors) == line(vendors.reasoner)


def test_a_key_in_the_base_url_or_elsewhere_never_gets_into_the_file(vendors: Vendors) -> None:
    vendors.reply()
    path = f"{vendors.reasoner.url}/{canary('tenant-')}"
    assert vendors.ask("6 x 7?", env={"DEEPSEEK_BASE_URL": path}).stdout == PRINTED
    assert remembered(vendors) == line(vendors.reasoner)


def test_the_whole_history_erased_takes_it_along(vendors: Vendors) -> None:
    vendors.reply()
    assert vendors.ask("6 x 7?").stdout == PRINTED
    assert vendors.run("history", "delete", "--all", "--yes").code == 0
    assert remembered(vendors) is None
