from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepreasoning_cli import files
from deepreasoning_cli.errors import WriteError
from deepreasoning_cli.files import check_writable

posix_only = pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")
pytestmark = posix_only


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_private_file_and_its_folders_are_private_under_every_umask(
    tmp_path: Path, umask: int
) -> None:
    path = tmp_path / "a/b/config.toml"
    files.write_atomically(path, "x = 1\n")
    modes = [mode_of(one) for one in (path, path.parent, path.parent.parent)]
    assert (path.read_text(), modes) == ("x = 1\n", [0o600, 0o700, 0o700])


def test_an_ordinary_new_file_honours_the_umask(tmp_path: Path, umask: int) -> None:
    files.write_atomically(tmp_path / "out.md", "text", mode=None)
    assert mode_of(tmp_path / "out.md") == 0o666 & ~umask


def test_an_ordinary_old_file_keeps_its_mode(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "out.md"
    path.write_text("old")
    path.chmod(0o640)
    files.write_atomically(path, "new", mode=None)
    assert (path.read_text(), mode_of(path)) == ("new", 0o640)


def test_a_private_file_that_was_open_to_all_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("old")
    path.chmod(0o666)
    files.write_atomically(path, "new")
    assert mode_of(path) == 0o600


def test_a_folder_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    files.write_atomically(tmp_path / "config.toml", "x")
    assert mode_of(tmp_path) == 0o755


def test_line_ends_are_written_as_they_are(tmp_path: Path) -> None:
    files.write_atomically(tmp_path / "f", "a\r\nb\nc\r")
    assert (tmp_path / "f").read_bytes() == b"a\r\nb\nc\r"


def test_half_a_surrogate_pair_does_not_stop_the_writing(tmp_path: Path) -> None:
    files.write_atomically(tmp_path / "f", "a\ud83d")
    assert (tmp_path / "f").read_text() == "a?"


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "dotfiles/config.toml", tmp_path / "config.toml"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to(target)
    files.write_atomically(link, "new")
    assert (link.is_symlink(), target.read_text(), target.is_symlink()) == (True, "new", False)


def test_a_link_to_a_file_that_is_not_there_yet_creates_it(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "new")
    files.write_atomically(tmp_path / "link", "text")
    assert (tmp_path / "new").read_text() == "text"


def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    files.write_atomically(tmp_path / "f", "x")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["f", "home"]


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        files.write_atomically(pipe, "through", mode=None)
        assert (os.read(reader, 100), stat.S_ISFIFO(pipe.stat().st_mode)) == (b"through", True)
    finally:
        os.close(reader)


def test_the_null_device_is_still_a_device_afterwards() -> None:
    files.write_atomically(Path(os.devnull), "gone", mode=None)
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_an_open_stream_named_by_its_path_is_written_to(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file:
        files.write_atomically(Path(f"/dev/fd/{file.fileno()}"), "text", mode=None)
        assert os.fstat(file.fileno()).st_size == 4


def test_a_full_disk_keeps_the_old_file_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError) as caught:
        files.write_atomically(path, "new")
    assert (caught.value.message, caught.value.hint) == (
        f"cannot write {path}: No space left on device",
        "make room, or name another place",
    )
    assert (path.read_text(), sorted(one.name for one in tmp_path.iterdir())) == (
        "old",
        ["f", "home"],
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing/f", "No such file or directory"),
        ("file/f", "Not a directory"),
        (".", "Is a directory"),
        ("loop", "Too many levels of symbolic links"),
        ("nul\0", "the name is not usable"),
        ("n" * 300, "File name too long"),
    ],
)
def test_a_place_that_takes_no_file_is_named_with_the_reason(
    tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(WriteError) as caught:
        files.write_atomically(tmp_path / name, "x", mode=None)
    assert caught.value.message == f"cannot write {tmp_path / name}: {reason}"


def test_a_folder_that_cannot_be_synced_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    real = os.fsync

    def picky(descriptor: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        if synced[-1]:
            raise OSError(22, "Invalid argument")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", picky)
    files.write_atomically(tmp_path / "f", "x")
    assert (synced, (tmp_path / "f").read_text()) == ([False, True], "x")


@pytest.mark.parametrize(
    ("mode", "open_to_others"), [(0o600, False), (0o400, False), (0o640, True)]
)
def test_tighten_tells_whether_it_had_to(tmp_path: Path, mode: int, open_to_others: bool) -> None:
    path = tmp_path / "f"
    path.write_text("")
    path.chmod(mode)
    assert files.tighten(path) is open_to_others
    assert mode_of(path) == (0o600 if open_to_others else mode)


def test_a_stamp_is_first_once_a_day_and_always_where_it_cannot_be_written(tmp_path: Path) -> None:
    stamp = tmp_path / "data" / "note"
    assert [files.is_first_today(stamp), files.is_first_today(stamp)] == [True, False]
    for other in (b"2026-01-01", b"\xff"):
        stamp.write_bytes(other)
        assert files.is_first_today(stamp)
    assert [files.is_first_today(stamp / "below a file") for _ in range(2)] == [True, True]


@pytest.mark.parametrize("name", ["new.md", "link.md", "old.md"])
def test_a_file_that_can_be_written_is_left_as_it_is_by_the_check(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "old.md").write_text("old")
    (tmp_path / "link.md").symlink_to("old.md")
    check_writable(tmp_path / name)
    assert {each.name for each in tmp_path.iterdir()} - {"home"} == {"link.md", "old.md", name} - {
        "new.md"
    }
    assert (tmp_path / "old.md").read_text() == "old"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing/new.md", "No such file or directory"),
        ("old.md/new.md", "Not a directory"),
        ("", "Is a directory"),
        ("n" * 300, "File name too long"),
        ("loop", "Symlink loop|Too many levels|not usable"),
        ("a\0b", "the name is not usable"),
    ],
)
def test_a_file_that_cannot_be_written_is_found_before_anything_is_sent(
    tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "old.md").write_text("old")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(WriteError, match=reason) as caught:
        check_writable(tmp_path / name)
    assert caught.value.hint == "name another place; nothing was sent"
    assert (tmp_path / "old.md").read_text() == "old"


def test_a_full_disk_is_found_and_nothing_is_left_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, _data: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full(descriptor: int, _mode: str) -> Full:
        os.close(descriptor)
        return Full()

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(WriteError, match="No space left on device"):
        check_writable(tmp_path / "new.md")
    assert not list(tmp_path.glob("*.tmp")) + list(tmp_path.glob(".*.tmp"))


def test_a_pipe_is_not_opened_by_the_check(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # to open it would wait for a reader
    check_writable(tmp_path / "pipe")
    check_writable(Path("/dev/full"))
