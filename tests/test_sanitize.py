"""The sanitising policy: every row of the table for every sink, at every cut."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.markdown import Markdown

from deepreasoning_cli import sanitize as sanitize_module
from deepreasoning_cli.sanitize import (
    Sanitiser,
    Sink,
    dump_json,
    repair_surrogates,
    safe_file_name,
    sanitize,
    single_line,
    split_trailing_surrogate,
    strip_controls,
)

ESC = "\x1b"
ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
HIGH, LOW = "\ud83d", "\ude00"  # together U+1F600

BIDI = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
FORMAT = [*range(0xFFF9, 0xFFFC), *range(0x2061, 0x2065), *range(0x206A, 0x2070)]
TAGS = list(range(0xE0000, 0xE0080))
BLANK = [0x3164, 0xFFA0, *range(0xE0100, 0xE01F0)]
INVISIBLE = [*BIDI, *FORMAT, *TAGS, *BLANK]
DROPPED = [0x200B, 0x2060, 0xAD, 0xFEFF]
LINE_ENDS = [0x0D, 0x85, 0x2028, 0x2029]
C0 = [code for code in range(0x20) if code not in (0x09, 0x0A, 0x0D)]
C1 = [code for code in range(0x80, 0xA0) if code != 0x85]
SURROGATES = range(0xD800, 0xE000)
POLICY = {*C0, 0x09, 0x0A, 0x7F, *C1, *LINE_ENDS, *INVISIBLE, *DROPPED, *SURROGATES}

# A text from outside: dense in what the policy names, and in what is decided only by the next.
NASTY = st.text(
    st.one_of(
        st.sampled_from(
            "\t\n\r\x00\x07\x08\x0b\x0c\x1b\x7f\x85\x9b\x9d\u2028\u2029[]0;ab \u00a0é漢👩"
        ),
        st.sampled_from(
            "\u200b\u2060\xad\ufeff\u200d\u200c\u200e\ufe0f\u202e\u2066\u206f\ufff9\u2063"
        ),
        st.sampled_from("\ud83c\udff4\udb40\udc67\udc7f"),
        st.sampled_from("\U0001f3f4\U000e0067\U000e0062\U000e0031\U000e0041\U000e007f"),
        st.characters(),
        st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"]),
    )
)
FLAGGY = st.lists(
    st.sampled_from([ENGLAND, ENGLAND[:-1], ENGLAND[0], ENGLAND[1], ENGLAND[-1], "\r", "a", HIGH])
).map("".join)
TEXTS = NASTY | FLAGGY

ATTACKS = {
    "OSC 52 writes the clipboard": f"a{ESC}]52;c;cm0gLXJmIC8={ESC}\\b",
    "OSC 0 sets the title": f"a{ESC}]0;PWNED{ESC}\\b",
    "an unterminated OSC swallows what follows": f"a{ESC}]0;swallow\x07 THIS\nand this",
    "an 8-bit OSC": "a\x9d52;c;AA==\x9cb",
    "cursor up and erase": f"ok{ESC}[1A{ESC}[2K\rline one: transfer $1",
    "an 8-bit CSI": "a\x9b2Jb\x9b1;1H",
    "CSI in UTF-16 halves around": f"{HIGH}{ESC}[2J{LOW}",
    "a device control string": f"a{ESC}P+q544e{ESC}\\b",
    "a reset and a charset": f"{ESC}c{ESC}(0lqqk",
    "backspaces": "safe\x08\x08\x08\x08evil",
    "a bidi override": "access \u202e\u2066// only admins\u2069 \u2066begin",
    "smuggled tags": "hi" + "".join(chr(0xE0000 + ord(c)) for c in "ignore all") + "\U000e007f",
    "tags smuggled after a flag": ENGLAND[:4] + "".join(chr(0xE0000 + ord(c)) for c in "evilcode"),
    "tags as halves": "\udb40\udc41\U0001f3f4\udb40\udc67\udb40\udc62\udb40\udc31\udb40\udc7f",
    "a flag": f"go {ENGLAND}!{ENGLAND}",
    "line ends": "a\r\nb\rc\r\r\nd\x85e\u2028f\r",
}


def in_pieces(pieces: Iterable[str], sink: Sink, ascii_only: bool = False) -> tuple[str, int]:
    sanitiser = Sanitiser(sink, ascii_only=ascii_only)
    text = "".join([*(sanitiser.feed(piece) for piece in pieces), sanitiser.close()])
    return text, sanitiser.escaped_count


def forbidden_on_a_terminal(text: str) -> list[str]:
    """Name what the policy never lets onto a screen, tags of the flag of England apart."""
    bad = {*POLICY} - {0x09, 0x0A}
    return [f"{ord(c):04X}" for c in text.replace(ENGLAND, "") if ord(c) in bad]


# The table, row by row


@pytest.mark.parametrize("sink", Sink)
def test_tab_and_line_feed_are_kept(sink: Sink) -> None:
    assert sanitize("a\tb\n\n", sink) == "a\tb\n\n"


@pytest.mark.parametrize(
    ("sink", "shown"), [(Sink.TERMINAL, "a\n\nb\n"), (Sink.PIPE, "a\r\n\r\nb\r\n")]
)
def test_cr_lf_is_one_line_end(sink: Sink, shown: str) -> None:
    assert sanitize("a\r\n\r\nb\r\n", sink) == shown


@pytest.mark.parametrize("code", LINE_ENDS)
@pytest.mark.parametrize("ascii_only", [False, True])
def test_other_line_ends_are_line_feeds_on_a_terminal_and_kept_in_a_pipe(
    code: int, ascii_only: bool
) -> None:
    text = f"a{chr(code)}b{chr(code)}"
    assert sanitize(text, ascii_only=ascii_only) == "a\nb\n"
    assert sanitize(text, Sink.PIPE, ascii_only=ascii_only) == text


@pytest.mark.parametrize(
    ("char", "picture", "caret", "escape"),
    [
        ("\x00", "␀", "^@", r"\x00"),
        ("\x07", "␇", "^G", r"\x07"),
        ("\x08", "␈", "^H", r"\x08"),
        ("\x0b", "␋", "^K", r"\x0b"),
        ("\x1b", "␛", "^[", r"\x1b"),
        ("\x1f", "␟", "^_", r"\x1f"),
        ("\x7f", "␡", "^?", r"\x7f"),
        ("\x80", "⟨80⟩", "<80>", r"\x80"),
        ("\x9b", "⟨9B⟩", "<9B>", r"\x9b"),
        ("\x9f", "⟨9F⟩", "<9F>", r"\x9f"),
    ],
)
def test_a_control_character_becomes_visible_and_is_counted(
    char: str, picture: str, caret: str, escape: str
) -> None:
    text = f"a{char}b"
    assert in_pieces([text], Sink.TERMINAL) == (f"a{picture}b", 1)
    assert in_pieces([text], Sink.TERMINAL, ascii_only=True) == (f"a{caret}b", 1)
    assert in_pieces([text], Sink.PIPE) == (f"a{escape}b", 1)


def test_every_control_character_has_its_own_visible_form() -> None:
    text = "".join(map(chr, [*C0, 0x7F, *C1]))
    assert sanitize(text) == (
        "".join(chr(0x2400 + code) for code in C0) + "␡" + "".join(f"⟨{code:02X}⟩" for code in C1)
    )
    assert sanitize(text, ascii_only=True) == (
        "".join("^" + chr(64 + code) for code in C0) + "^?" + "".join(f"<{n:02X}>" for n in C1)
    )
    assert sanitize(text, Sink.PIPE) == "".join(f"\\x{code:02x}" for code in [*C0, 0x7F, *C1])


def test_bidi_controls_format_characters_and_tags_are_named_on_a_terminal() -> None:
    text = "".join(map(chr, INVISIBLE))
    names = [f"U+{code:04X}" for code in INVISIBLE]
    assert in_pieces([text], Sink.TERMINAL) == (
        "".join(f"⟨{name}⟩" for name in names),
        len(INVISIBLE),
    )
    assert sanitize(text, ascii_only=True) == "".join(f"<{name}>" for name in names)
    assert in_pieces([text], Sink.PIPE) == (text, 0)


def test_what_scripts_and_emoji_need_is_kept() -> None:
    text = "\u200eא\u200f\u061cع\u200cی 👩\u200d💻 ☺\ufe0f☺\ufe0e"
    assert [sanitize(text, sink) for sink in Sink] == [text, text]


def test_what_is_only_invisible_is_dropped_on_a_terminal_uncounted() -> None:
    text = "a\u200bb\u2060c\xadd\ufeffe"
    assert in_pieces([text], Sink.TERMINAL) == ("abcde", 0)
    assert in_pieces([text], Sink.PIPE) == (text, 0)


@pytest.mark.parametrize("sink", Sink)
def test_surrogate_halves_are_joined_or_replaced(sink: Sink) -> None:
    text = f"{HIGH}{LOW}{LOW}a{HIGH}b{HIGH}{HIGH}{LOW}{HIGH}"
    assert in_pieces([text], sink) == ("😀�a�b�😀�", 0)


@pytest.mark.parametrize("sink", Sink)
def test_all_the_rest_of_unicode_is_kept(sink: Sink) -> None:
    text = "".join(chr(code) for code in range(0x110000) if code not in POLICY)
    assert sanitize(text, sink) == text


# Flags


@pytest.mark.parametrize("code", ["gbeng", "gbsct", "usca", "jp13", "fra", "123456"])
def test_the_flag_of_a_region_is_kept(code: str) -> None:
    flag = "\U0001f3f4" + "".join(chr(0xE0000 + ord(c)) for c in code) + "\U000e007f"
    assert in_pieces([f"{flag}{flag}."], Sink.TERMINAL) == (f"{flag}{flag}.", 0)


@pytest.mark.parametrize("code", ["", "gb", "toolong", "gbENG", "g eng"])
def test_tags_that_make_no_flag_are_named(code: str) -> None:
    tags = [*(0xE0000 + ord(c) for c in code), 0xE007F]
    flag = "\U0001f3f4" + "".join(map(chr, tags))
    named = "\U0001f3f4" + "".join(f"⟨U+{tag:04X}⟩" for tag in tags)
    assert in_pieces([flag], Sink.TERMINAL) == (named, len(tags))


def test_tags_after_a_whole_flag_are_named() -> None:
    assert sanitize(f"{ENGLAND}\U000e0041") == f"{ENGLAND}⟨U+E0041⟩"


def test_a_begun_flag_is_held_for_no_longer_than_a_flag_can_be() -> None:
    sanitiser = Sanitiser(Sink.TERMINAL)
    shown = [sanitiser.feed(char) for char in "\U0001f3f4" + 7 * "\U000e0061" + "\U000e0062"]
    tag = "⟨U+E0061⟩"
    assert shown == ["", "", "", "", "", "", "", "\U0001f3f4" + 7 * tag, "⟨U+E0062⟩"]


# Streams


@pytest.mark.parametrize("sink", Sink)
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_the_same_harmless_text_at_every_cut(name: str, sink: Sink) -> None:
    attack = ATTACKS[name]
    whole = in_pieces([attack], sink)
    cuts = range(len(attack) + 1)
    pairs = [[attack[:cut], attack[cut:]] for cut in cuts]
    triples = [[attack[:i], attack[i:j], attack[j:]] for i in cuts for j in cuts if i <= j]
    assert {in_pieces(pieces, sink) for pieces in [*pairs, *triples, list(attack)]} == {whole}
    allowed = {"\t", "\n"} if sink is Sink.TERMINAL else {"\t", "\n", "\r", "\x85"}
    assert {c for c in whole[0] if ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0} <= allowed


@pytest.mark.parametrize(
    ("name", "shown", "escaped_count"),
    [
        ("OSC 52 writes the clipboard", "a␛]52;c;cm0gLXJmIC8=␛\\b", 2),
        ("an unterminated OSC swallows what follows", "a␛]0;swallow␇ THIS\nand this", 2),
        ("cursor up and erase", "ok␛[1A␛[2K\nline one: transfer $1", 2),
        ("an 8-bit CSI", "a⟨9B⟩2Jb⟨9B⟩1;1H", 2),
        (
            "a bidi override",
            "access ⟨U+202E⟩⟨U+2066⟩// only admins⟨U+2069⟩ ⟨U+2066⟩begin",
            4,
        ),
        ("tags as halves", "⟨U+E0041⟩\U0001f3f4\U000e0067\U000e0062\U000e0031\U000e007f", 1),
        ("line ends", "a\nb\nc\n\nd\ne\nf\n", 0),
    ],
)
def test_an_attack_stays_as_evidence(name: str, shown: str, escaped_count: int) -> None:
    assert in_pieces(list(ATTACKS[name]), Sink.TERMINAL) == (shown, escaped_count)


def test_only_the_undecided_end_is_held_back() -> None:
    sanitiser = Sanitiser(Sink.TERMINAL)
    pieces = ["a\r", "\nb\r", "c", HIGH, LOW, "d", ENGLAND[:3], ENGLAND[3:], f"\r{HIGH}"]
    shown = [sanitiser.feed(piece) for piece in pieces]
    assert shown == ["a", "\nb", "\nc", "", "😀", "d", "", ENGLAND, ""]
    assert (sanitiser.close(), sanitiser.close()) == ("\n�", "")


def test_a_pipe_holds_back_half_a_pair_and_nothing_else() -> None:
    sanitiser = Sanitiser(Sink.PIPE)
    shown = [sanitiser.feed(piece) for piece in ["a\r", ENGLAND[:2], HIGH, LOW]]
    assert shown == ["a\r", ENGLAND[:2], "", "😀"]


@given(st.lists(TEXTS), st.sampled_from(Sink), st.booleans())
def test_any_cut_gives_the_text_and_the_count_of_the_whole(
    pieces: list[str], sink: Sink, ascii_only: bool
) -> None:
    whole = "".join(pieces)
    assert in_pieces(pieces, sink, ascii_only) == in_pieces([whole], sink, ascii_only)
    assert in_pieces(whole, sink, ascii_only)[0] == sanitize(whole, sink, ascii_only=ascii_only)


@given(NASTY, st.booleans())
def test_a_terminal_gets_nothing_it_would_obey(text: str, ascii_only: bool) -> None:
    shown = sanitize(text.replace("\U000e007f", ""), ascii_only=ascii_only)
    assert forbidden_on_a_terminal(shown) == []


@given(TEXTS, st.booleans())
def test_safe_text_is_safe_already(text: str, ascii_only: bool) -> None:
    shown = sanitize(text, ascii_only=ascii_only)
    assert sanitize(shown, ascii_only=ascii_only) == sanitize(shown) == shown


@given(TEXTS)
def test_a_pipe_gets_no_control_but_line_ends_and_tabs(text: str) -> None:
    shown = sanitize(text, Sink.PIPE)
    controls = {c for c in shown if ord(c) in range(0x20) or ord(c) in range(0x7F, 0xA0)}
    assert controls <= {"\t", "\n", "\r", "\x85"}
    assert not any(ord(c) in SURROGATES for c in shown)


@pytest.mark.parametrize("sink", Sink)
def test_plain_text_is_not_looked_at_character_by_character(
    monkeypatch: pytest.MonkeyPatch, sink: Sink
) -> None:
    """A megabyte takes 3 ms."""
    text = "The quick brown fox.\n" * 50_000
    monkeypatch.setattr(sanitize_module, "_translated", None)
    assert sanitize(text, sink) is text


# What Markdown brings back


@pytest.mark.parametrize("code", [0x09, 0x0A, *LINE_ENDS, *C0, 0x7F, *C1, *INVISIBLE, *DROPPED])
def test_a_rendered_line_keeps_its_width_without_the_character(code: int) -> None:
    text = f"a{chr(code)}b"
    assert strip_controls(text) == ("a�b" if code == 0xAD else "ab")
    assert cell_len(strip_controls(text)) == cell_len(text)


def test_a_lone_surrogate_in_a_rendered_line_keeps_its_cell() -> None:
    assert strip_controls(f"a{LOW}b") == "a�b"


@pytest.mark.parametrize("text", ["", "plain │ ╭─╮ 漢字", "a\u00a0b 👩\u200d💻", ENGLAND])
def test_a_clean_rendered_line_is_left_alone(text: str) -> None:
    assert strip_controls(text) == text


@given(TEXTS)
def test_a_rendered_line_holds_nothing_a_terminal_would_change(text: str) -> None:
    shown = strip_controls(text)
    assert sanitize(shown) == shown
    assert not {"\t", "\n"} & set(shown)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("x &#x202e;&#x2066;&#x200b;&#xE0041;&#x2028;y", "x y"),
        ("x&shy;y", "x�y"),
        ("<http://x/%1b]52;c;AA%07>", "http://x/]52;c;AA (http://x/%1b%5D52;c;AA%07)"),
        ("<http://x/%c2%9b2J>", "http://x/2J (http://x/%c2%9b2J)"),
    ],
)
def test_controls_that_safe_markdown_decodes_to_do_not_reach_the_screen(
    source: str, shown: str
) -> None:
    assert sanitize(source) == source  # they are not yet there when the source is sanitised
    console = Console(file=io.StringIO(), width=60)
    line, *rest = console.render_lines(Markdown(source, hyperlinks=False))
    text = "".join(strip_controls(segment.text) for segment in line)
    assert (text.rstrip(), cell_len(text), rest) == (shown, 60, [])


# JSON


def test_json_hides_no_control_character_and_keeps_the_rest_as_it_is() -> None:
    value = {"é\x9b": ["\x7f\x85\x1b\t\n", 1, 0.5, None, True], "e": f"漢{HIGH}{LOW}{LOW}"}
    assert dump_json(value) == (
        '{"é\\u009b": ["\\u007f\\u0085\\u001b\\t\\n", 1, 0.5, null, true], "e": "漢😀�"}'
    )


def test_json_is_one_line_for_the_line_readers_of_every_language() -> None:
    ends = "a\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029b"
    assert len(ends.splitlines()) == 11
    written = dump_json({ends: ends})
    assert written.splitlines() == [written]
    assert "\\u0085\\u2028\\u2029b" in written


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_loads_to_the_same_value_from_one_printable_line(value: object) -> None:
    text = dump_json(value)
    assert json.loads(text) == value
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in text)
    assert text.splitlines() == [text]


@given(TEXTS)
def test_json_of_any_text_can_be_written_and_read(text: str) -> None:
    written = dump_json(text)
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert json.loads(written.encode()) == whole


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_json_refuses_what_is_not_json(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump_json([value])


# Short forms


@pytest.mark.parametrize(
    ("text", "limit", "line"),
    [
        ("", 80, ""),
        ("  a\r\n\r\n b\tc\u2028d ", 80, "a b c d"),
        (f"{ESC}]0;x\x07", 80, "␛]0;x␇"),
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("abcd efg", 6, "abcd…"),
        ("ab", 1, "…"),
        (f"a{ENGLAND}b", 9, f"a{ENGLAND}b"),
        (f"a{ENGLAND}bc", 9, f"a{ENGLAND}…"),
        (f"a{ENGLAND}b", 8, "a…"),
        ("x" * 81, 80, "x" * 79 + "…"),
    ],
)
def test_a_title_is_one_safe_line(text: str, limit: int, line: str) -> None:
    assert single_line(text, limit) == line


@given(TEXTS, st.integers(1, 12))
def test_a_title_is_short_and_safe_wherever_it_is_cut(text: str, limit: int) -> None:
    line = single_line(text, limit)
    assert len(line) <= limit
    assert sanitize(line) == line
    assert not {"\t", "\n"} & set(line)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Why is √2 irrational?", "Why is 2 irrational"),
        ("../../etc/passwd", "etc passwd"),
        ("-rf .", "rf"),
        (".bashrc", "bashrc"),
        ("notes-1_final.md", "notes-1_final.md"),
        (f"a{ESC}]0;b\x00\\c\nd", "a 0 b c d"),
        ("漢字", "untitled"),
        ("", "untitled"),
        ("x" * 79 + " y", "x" * 79),
        ("x" * 100, "x" * 80),
    ],
)
def test_a_file_name_is_made_of_what_every_system_allows(text: str, name: str) -> None:
    assert safe_file_name(text) == name


@given(TEXTS | st.text("./-_ a\\"))
def test_a_file_name_is_never_a_path_hidden_or_an_option(text: str) -> None:
    name = safe_file_name(text)
    letters = name.replace(" ", "").replace(".", "").replace("_", "").replace("-", "")
    assert 1 <= len(name) <= 80
    assert name[0] not in " .-"
    assert name[-1] not in " ."
    assert letters == "" or (letters.isascii() and letters.isalnum())
    assert safe_file_name(name) == name


any_text = st.text(st.characters(codec=None) | st.characters(categories=["Cs"]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("é 中 \U0001f600", "é 中 \U0001f600"),
        ("\ud83d\ude00", "\U0001f600"),
        ("a\ud83db\ude00", "a\ufffdb\ufffd"),
        ("a\ud83d", "a\ufffd"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
    ],
)
def test_halves_are_joined_or_replaced(text: str, expected: str) -> None:
    assert repair_surrogates(text) == expected


@given(any_text)
def test_every_text_becomes_one_that_can_be_encoded_and_stays_that_way(text: str) -> None:
    once = repair_surrogates(text)
    assert (once.encode().decode(), repair_surrogates(once)) == (once, once)


@given(st.text())
def test_a_sound_text_is_not_touched(text: str) -> None:
    assert repair_surrogates(text) == text


@given(any_text, st.integers(min_value=0, max_value=8))
def test_text_mended_piece_by_piece_is_the_text_mended_whole(text: str, at: int) -> None:
    ready, half = split_trailing_surrogate(text[:at])
    assert repair_surrogates(ready) + repair_surrogates(half + text[at:]) == repair_surrogates(text)
    assert ready + half == text[:at]
