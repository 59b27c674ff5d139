from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli import prompt
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.pipeline.attachments import split_prompt, summarize_prompt
from deepreasoning_cli.prompt import (
    _block,
    check_fits,
    decode,
    read_prompt,
)

Pipe = Callable[[bytes], None]


@pytest.fixture(autouse=True)
def no_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    """Put bytes into a pipe and the pipe on stdin."""
    opened: list[io.TextIOWrapper] = []

    def fill(data: bytes) -> None:
        reading, writing = os.pipe()
        opened.append(open(reading, encoding="utf-8"))  # noqa: SIM115, PTH123
        monkeypatch.setattr(sys, "stdin", opened[-1])
        with os.fdopen(writing, "wb") as writer:
            writer.write(data)

    yield fill
    for stream in opened:
        stream.close()


def refusal(*words: str, files: list[str] | None = None, use_stdin: bool = True) -> tuple[str, str]:
    with pytest.raises(UsageError) as caught:
        read_prompt(words, files or [], use_stdin=use_stdin)
    return caught.value.kind, caught.value.message


def test_words_are_joined_by_a_space() -> None:
    assert read_prompt(["why", "is the  sky", "blue?"]) == "why is the  sky blue?"


def test_piped_text_alone_is_the_prompt_itself(pipe: Pipe) -> None:
    pipe("what is é?\n".encode())
    assert read_prompt([]) == "what is é?\n"


def test_piped_text_goes_in_front_of_the_words_in_a_block(pipe: Pipe) -> None:
    pipe(b"line one\nline two")
    assert read_prompt(["explain"]) == "<stdin>\nline one\nline two\n</stdin>\n\nexplain"


def test_files_come_first_then_stdin_then_the_words(pipe: Pipe, tmp_path: Path) -> None:
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_text("1\n")
    two.write_text("2")
    pipe(b"piped\n")
    assert read_prompt(["compare"], [str(one), str(two)]) == (
        f'<file name="{one}">\n1\n</file>\n\n<file name="{two}">\n2\n</file>\n\n'
        "<stdin>\npiped\n</stdin>\n\ncompare"
    )


def test_a_file_alone_makes_stdin_a_block_too(pipe: Pipe, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("1")
    pipe(b"piped")
    name = str(tmp_path / "f")
    assert read_prompt([], [name]) == (
        f'<file name="{name}">\n1\n</file>\n\n<stdin>\npiped\n</stdin>'
    )


def test_a_piped_text_of_blanks_is_none(pipe: Pipe) -> None:
    pipe(b" \n\n")
    assert read_prompt(["why?"]) == "why?"


@pytest.mark.parametrize("text", ["a</stdin>b", "</stdin></stdin-1>", "</stdin-1>"])
def test_no_piped_text_can_close_its_block(pipe: Pipe, text: str) -> None:
    pipe(text.encode())
    asked = read_prompt(["why?"])
    tag = asked[1 : asked.index(">")]
    assert asked == f"<{tag}>\n{text}\n</{tag}>\n\nwhy?"
    assert asked.count(f"</{tag}>") == 1


@given(st.lists(st.sampled_from(["</file>", "</file-1>", "</file-2>", "x"])).map("".join))
def test_no_file_can_close_its_block(tmp_path: Path, text: str) -> None:
    (tmp_path / "f").write_text(text)
    asked = read_prompt(["why?"], [str(tmp_path / "f")])
    tag = asked[1 : asked.index(" ")]
    assert asked.count(f"</{tag}>") == 1


@pytest.mark.skipif(os.name != "posix", reason="names that other systems refuse")
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ('a".txt', "a'.txt"),
        ("a\nb", "a b"),
        (os.fsdecode(b"a\xff"), "a\ufffd"),
        ("a\x1b]0;t", "a␛]0;t"),
    ],
)
def test_the_name_of_a_file_stays_on_its_line(tmp_path: Path, name: str, shown: str) -> None:
    (tmp_path / name).write_text("text")
    asked = read_prompt(["why?"], [str(tmp_path / name)])
    assert asked == f'<file name="{tmp_path / shown}">\ntext\n</file>\n\nwhy?'


@pytest.mark.skipif(os.name != "posix", reason="names that other systems refuse")
def test_the_name_of_a_file_cannot_close_the_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x><").mkdir()
    Path("x></file>").write_text("text")
    assert read_prompt(["?"], ["x></file>"]) == ('<file-1 name="x></file>">\ntext\n</file-1>\n\n?')


@pytest.mark.parametrize(("words", "files"), [(["-"], []), ([], ["-"])])
def test_a_dash_asks_for_stdin_even_with_no_stdin(
    pipe: Pipe, words: list[str], files: list[str]
) -> None:
    pipe(b"asked for")
    assert read_prompt(words, files, use_stdin=False) == "asked for"


def test_a_dash_among_words_is_a_word(pipe: Pipe) -> None:
    pipe(b"unread")
    assert read_prompt(["5", "-", "3"], use_stdin=False) == "5 - 3"


def test_no_stdin_leaves_a_pipe_unread(pipe: Pipe) -> None:
    pipe(b"unread")
    assert read_prompt(["why?"], use_stdin=False) == "why?"


def test_a_file_on_stdin_counts_as_piped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("from a file")
    with (tmp_path / "in").open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert read_prompt([]) == "from a file"


@pytest.mark.parametrize("words", [[], [""], [" ", "\n"]])
@pytest.mark.parametrize("data", [None, b"", b" \n"], ids=["no pipe", "empty", "blank"])
def test_an_empty_prompt_is_refused(pipe: Pipe, data: bytes | None, words: list[str]) -> None:
    if data is not None:
        pipe(data)
    assert refusal(*words) == ("empty_prompt", "the prompt is empty")


def test_the_null_device_is_no_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert read_prompt(["why?"]) == "why?"
        assert refusal() == ("empty_prompt", "the prompt is empty")


@pytest.mark.skipif(os.name != "posix", reason="terminals of POSIX")
def test_a_terminal_is_no_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    import pty

    master, slave = pty.openpty()
    try:
        with open(slave) as stream:  # noqa: PTH123
            monkeypatch.setattr(sys, "stdin", stream)
            assert refusal() == ("empty_prompt", "the prompt is empty")
    finally:
        os.close(master)


def test_a_closed_stdin_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_prompt(["why?"]) == "why?"
    assert refusal("-") == ("empty_prompt", "the prompt is empty")
    closed = Path(os.devnull).open()  # noqa: SIM115
    closed.close()
    monkeypatch.setattr(sys, "stdin", closed)
    assert read_prompt(["why?"]) == "why?"


@pytest.mark.skipif(os.name != "posix", reason="folders open as files on POSIX alone")
def test_a_folder_on_stdin_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    with io.FileIO(os.open(os.devnull, os.O_RDONLY)) as raw, io.BufferedReader(raw) as buffered:
        os.dup2(descriptor, raw.fileno())
        os.close(descriptor)
        with io.TextIOWrapper(buffered) as stream:
            monkeypatch.setattr(sys, "stdin", stream)
            assert refusal("-") == ("unreadable_file", "cannot read stdin: Is a directory")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"caf\xe9", "café"),
        (b"\xed\xa0\xbd", "\ufffd"),
        (b"\xed\xa0\xbd\xed\xb8\x80", "😀"),
        (b"\xef\xbb\xbfbom", "bom"),
        (b"cr\r\nlf", "cr\r\nlf"),
    ],
)
def test_bytes_become_text_whatever_they_are(
    pipe: Pipe, tmp_path: Path, data: bytes, expected: str
) -> None:
    (tmp_path / "f").write_bytes(data)
    pipe(data)
    name = str(tmp_path / "f")
    assert read_prompt([]) == expected
    assert read_prompt([], [name]) == f'<file name="{name}">\n{expected}\n</file>'


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (os.fsdecode(b"caf\xe9") if os.name == "posix" else "caf\udce9", "caf\ufffd"),
        ("\ud83d\ude00", "\U0001f600"),
        ("a\ud83d", "a\ufffd"),
    ],
)
def test_words_that_are_no_unicode_are_mended(word: str, expected: str) -> None:
    assert read_prompt([word]) == expected


@given(st.lists(st.text(st.characters(codec=None)), min_size=1))
def test_every_prompt_can_be_encoded(words: list[str]) -> None:
    asked = read_prompt(["why?", *words])
    assert asked.encode().decode() == asked


def test_binary_input_is_refused(pipe: Pipe, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"PNG\0")
    pipe(b"a" * 8191 + b"\0")
    assert refusal() == ("binary", "stdin looks binary")
    name = str(tmp_path / "f")
    assert refusal("x", files=[name]) == ("binary", f"{name} looks binary")


def test_a_nul_far_inside_is_text(pipe: Pipe) -> None:
    pipe(b"a" * 8192 + b"\0")
    assert read_prompt([]) == "a" * 8192 + "\0"


def test_the_largest_input_passes_and_a_byte_more_is_refused(
    pipe: Pipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt, "LARGEST_INPUT", 1000)
    (tmp_path / "f").write_bytes(b"a" * 1001)
    name = str(tmp_path / "f")
    pipe(b"a" * 1000)
    assert read_prompt([]) == "a" * 1000
    pipe(b"a" * 1001)
    assert refusal() == ("too_long", "stdin is larger than 0 MB")
    assert refusal("x", files=[name], use_stdin=False) == (
        "too_long",
        f"{name} is larger than 0 MB",
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "No such file or directory"),
        ("", "Is a directory"),
        ("nul\0", "the name is not usable"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(
    tmp_path: Path, name: str, reason: str
) -> None:
    path = f"{tmp_path}/{name}"
    assert refusal("x", files=[path]) == ("unreadable_file", f"cannot read {path}: {reason}")


def test_a_silent_pipe_is_announced_once_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    said: list[str] = []

    def announce(line: str) -> None:
        said.append(line)
        os.write(writing, b"late")
        os.close(writing)

    with open(reading) as stream:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdin", stream)
        assert (
            read_prompt(["why?"], announce=announce, announce_after=0.01)
            == "<stdin>\nlate\n</stdin>\n\nwhy?"
        )
    assert said == ["waiting for stdin; --no-stdin goes on without it"]


def test_a_pipe_that_has_spoken_is_not_announced(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    timers: list[threading.Timer] = []

    class Noted(threading.Timer):
        def start(self) -> None:
            timers.append(self)

    monkeypatch.setattr(threading, "Timer", Noted)
    pipe(b"here I am")
    read_prompt([])
    assert [(timer.interval, timer.finished.is_set()) for timer in timers] == [(2.0, True)]


def test_a_prompt_that_cannot_fit_is_refused_with_both_figures() -> None:
    check_fits(1000, 1000, "r1")
    check_fits(1_000_000, None, "r1")
    with pytest.raises(UsageError) as caught:
        check_fits(1001, 1000, "r1")
    assert (caught.value.kind, caught.value.message) == (
        "too_long",
        "the input is about 1,001 tokens; r1 reads 1,000",
    )


# --- text that is no UTF-8

CERTAIN = [
    *(("utf-16", "héllo 四\n", "UTF-16"), ("utf-32", "héllo\n", "UTF-32")),
    *(("utf-16-le", "plain text\n", "UTF-16"), ("utf-16-be", "plain text\n", "UTF-16")),
    *(("latin-1", "café\n", "Windows-1252"), ("latin-1", "Grüße aus Köln", "Windows-1252")),
    ("cp1252", "“quoted” – dash\n", "Windows-1252"),
    ("cp1252", "El niño comió 5 € de piñas en la montaña.", "Windows-1252"),
    ("cp932", "これは日本語の文章です。要約してください。", "Shift-JIS"),
    ("cp1251", "Это текст на русском языке, который нужно сократить.", "Windows-1251"),
    ("koi8_r", "Это текст на русском языке, который нужно сократить.", "KOI8-R"),
]


@pytest.mark.parametrize(("encoding", "text", "name"), CERTAIN)
def test_text_that_is_certainly_something_else_is_read_with_a_note(
    tmp_path: Path, encoding: str, text: str, name: str
) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(text.encode(encoding))
    said: list[str] = []
    prompt = read_prompt(["Q"], [str(file)], use_stdin=False, announce=said.append)
    assert f"\n{text.rstrip()}\n</file>" in prompt
    assert len(said) == 1
    assert said[0].startswith(f"note: {file} ")
    assert said[0].endswith(f"read as {name}")


UNCERTAIN = [
    *(("gb18030", "我"), ("big5", "中文內容"), ("cp932", "東京"), ("cp949", "한국어")),
    *(("cp1251", "Привет"), ("euc_jp", "日本語"), ("latin-1", "à")),
]


@pytest.mark.parametrize(("encoding", "text"), UNCERTAIN)
def test_text_that_may_be_several_things_is_refused_or_read_right(encoding: str, text: str) -> None:
    said: list[str] = []
    data = text.encode(encoding)
    read = None
    with suppress(UsageError):
        read = decode(data, "stdin", said.append)
    assert (read, len(said)) in ((text, 1), (None, 0))


def test_what_cannot_be_told_is_refused_with_the_way_to_convert_it() -> None:
    with pytest.raises(UsageError) as caught:
        decode("한국어".encode("cp949"), "notes.txt", lambda _: None)
    error = caught.value
    assert error.message == ("notes.txt is not UTF-8, and its encoding is unclear")
    assert (error.kind, error.exit_code, "iconv" in str(error.hint)) == ("encoding", 2, True)


@given(st.binary(min_size=1, max_size=60))
def test_no_bytes_become_replacement_characters_in_silence(data: bytes) -> None:
    said: list[str] = []
    try:
        text = decode(data, "stdin", said.append)
    except UsageError:
        return
    assert said or text == data.decode("utf-8-sig")


def test_utf_8_with_a_fault_stays_utf_8() -> None:
    said: list[str] = []
    data = "naïve Grüße, déjà vu".encode() + b"\xff" + "é".encode()[:1]
    assert decode(data, "a.log", said.append) == "naïve Grüße, déjà vu\ufffd\ufffd"
    assert said == ["note: 2 characters of a.log are not UTF-8 and became U+FFFD"]


@pytest.mark.parametrize("name", ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"])
def test_the_systems_names_of_stdin_are_stdin(name: str) -> None:
    code = f"print(read_prompt(['Q'], ['{name}']))"
    done = subprocess.run(
        [sys.executable, "-c", f"from deepreasoning_cli.prompt import read_prompt; {code}"],
        input="piped",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "<stdin>\npiped\n</stdin>\n\nQ\n"


# what was typed


@given(
    typed=st.text(min_size=1).filter(lambda text: text.strip() and "<" not in text),
    files=st.lists(st.text(), max_size=3),
    piped=st.none() | st.text().filter(str.strip),
)
def test_what_was_typed_is_found_again(typed: str, files: list[str], piped: str | None) -> None:
    blocks = [_block("file", text, f"f{number}") for number, text in enumerate(files)]
    blocks += [] if piped is None else [_block("stdin", piped)]
    found, attachments = split_prompt("\n\n".join([*blocks, typed]))
    names = [f"f{number}" for number in range(len(files))] + ["stdin"] * (piped is not None)
    assert (found, [each.name for each in attachments]) == (typed, names)


@pytest.mark.parametrize(
    ("prompt", "summary"),
    [
        ("Why?", "Why?"),
        ("two\nlines", "two lines"),
        ("<stdin>\nabc\n</stdin>\n\nWhy?", "Why? (+ stdin, 4 B)"),
        (f"<stdin>\n{'x' * 1999}\n</stdin>\n\nWhy?", "Why? (+ stdin, 2.0 kB)"),
        ('<file name="a.md">\nx\n</file>\n\nWhy?', "Why? (+ a.md, 2 B)"),
        ('<file name="a">\nx\n</file>\n\n<file name="b">\ny\n</file>', "(2 files)"),
        (
            '<file name="a">\nx\n</file>\n\n<file name="b">\ny\n</file>\n\n<stdin-1>\n</stdin>\n'
            "</stdin-1>\n\nWhy?",
            "Why? (+ 2 files + stdin, 9 B)",
        ),
        ("<stdin>\nnever closed", "<stdin> never closed"),
        ("<stdin>\nx\n</stdin> and", "<stdin> x </stdin> and"),
    ],
)
def test_a_prompt_is_summed_up_on_a_line(prompt: str, summary: str) -> None:
    assert summarize_prompt(prompt) == summary
