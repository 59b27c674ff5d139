"""Which proxy an address is asked through, as the environment of a desktop or a company says."""

from __future__ import annotations

import httpx
import pytest

from deepreasoning_cli.transport.proxy import ProxySettings, is_exception, without_login


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {}),
        ({"NO_PROXY": "a.example"}, {}),
        ({"HTTPS_PROXY": "http://p:1"}, {"https": "http://p:1"}),
        ({"http_proxy": "p:1"}, {"http": "http://p:1"}),
        ({"ALL_PROXY": "socks5://p:1", "TRAVIS_PROXY": "x"}, {"all": "socks5://p:1"}),
        ({"ALL_PROXY": "socks://p:1/"}, {"all": "socks5://p:1/"}),
        ({"all_proxy": "SOCKS://me@p:1"}, {"all": "socks5://me@p:1"}),
        ({"https_proxy": ' "http://p:1" '}, {"https": "http://p:1"}),
        ({"https_proxy": " "}, {}),
    ],
)
def test_proxies_are_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ProxySettings.read().proxies == expected


def test_the_proxy_of_a_scheme_comes_before_the_one_for_all() -> None:
    settings = ProxySettings({"https": "http://a:1", "all": "http://b:1"})
    urls = ("https://x.example", "http://x.example")
    assert [settings.proxy_for(httpx.URL(url)) for url in urls] == ["http://a:1", "http://b:1"]


@pytest.mark.parametrize(
    ("entry", "direct", "proxied"),
    [
        ("a.example", ["https://a.example", "http://b.a.example"], ["https://ba.example"]),
        ("A.Example.", ["https://a.example", "https://B.a.example"], []),
        (".a.example", ["https://b.a.example"], ["https://a.example"]),
        ("*.a.example", ["https://b.a.example"], ["https://a.example", "https://a.example.org"]),
        ("localhost", ["http://localhost:1"], ["http://my.localhost"]),
        ("127.0.0.1", ["http://127.0.0.1:1"], ["http://127.0.0.2", "http://1.127.0.0.1.example"]),
        ("10.0.0.1/8", ["http://10.0.0.1", "http://10.9.9.9:1"], ["http://11.0.0.1"]),
        ("192.168.0.0/16", ["http://192.168.7.7"], ["http://192.169.0.1", "http://a.example"]),
        ("192.168.*", ["http://192.168.7.7"], ["http://192.169.0.1"]),
        ("::1", ["http://[::1]:1", "http://[0:0::1]"], ["http://[::2]"]),
        ("[::1]", ["http://[::1]:1"], ["http://[::2]"]),
        ("[::1]:8080", ["http://[::1]:8080"], ["http://[::1]"]),
        ("fd00::/8", ["http://[fd12::1]"], ["http://[fe80::1]"]),
        ("[fd00::]/8", ["http://[fd12::1]"], ["http://[fe80::1]"]),
        ("a.example:8080", ["http://a.example:8080"], ["http://a.example", "https://a.example"]),
        ("a.example:443", ["https://a.example", "https://a.example:443"], ["http://a.example"]),
        ("127.0.0.1:80", ["http://127.0.0.1"], ["http://127.0.0.1:81"]),
        ("https://a.example", ["https://a.example"], ["http://a.example"]),
        ("http://a.example:8080/", ["http://a.example:8080"], ["http://a.example"]),
        ("<local>", ["http://intranet"], ["http://a.example"]),
        (" a.example , , b.example", ["https://a.example", "https://b.example"], []),
        ("a.example b.example", ["https://a.example", "https://b.example"], []),
        ("127.0.0.0/8", ["http://[::ffff:127.0.0.1]"], ["http://[::ffff:10.0.0.1]"]),
        ("[::ffff:10.0.0.1]", ["http://10.0.0.1"], ["http://10.0.0.2"]),
        ("b\u00fccher.example", ["http://xn--bcher-kva.example"], ["http://bucher.example"]),
        ("xn--bcher-kva.example", ["http://b\u00fccher.example"], []),
        (f"a.example:{'9' * 5000},a.example:443x", [], ["https://a.example"]),
        ("a.example,*", ["https://anywhere.example"], []),
        ("10.0.0.0/99,[,:::,/,http://", [], ["https://a.example", "http://10.0.0.1"]),
    ],
)
def test_exceptions_are_called_without_the_proxy(
    monkeypatch: pytest.MonkeyPatch, entry: str, direct: list[str], proxied: list[str]
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://p:1")
    monkeypatch.setenv("NO_PROXY", entry)
    settings = ProxySettings.read()
    assert [settings.proxy_for(httpx.URL(url)) for url in direct] == [None] * len(direct)
    assert [settings.proxy_for(httpx.URL(url)) for url in proxied] == ["http://p:1"] * len(proxied)


def test_an_empty_host_excepts_nothing() -> None:
    assert not is_exception("https://", httpx.URL("https://a.example"))


@pytest.mark.parametrize(
    "login", ["me:pass", "me:pa\nss", "me:pa\r\nss", "me:p@ss", "me:pa//ss", "pass"]
)
def test_a_login_in_a_proxy_address_is_never_shown(login: str) -> None:
    assert without_login(f"http://{login}@proxy:8080") == "http://…@proxy:8080"
    assert "ss" not in without_login(f"{login}@proxy:8080")
