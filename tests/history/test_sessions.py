"""Sessions, claims and forks."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.history import locks
from deepreasoning_cli.history import store as stores
from deepreasoning_cli.history.sessions import Session
from deepreasoning_cli.history.store import Store
from support.sample_turns import (
    WHEN,
    answer_events,
    no_warning,
    open_store,
    record_of,
    turn_events,
    turn_started,
)


def save(store: Store, turn: str, session: str) -> None:
    store.save(record_of(turn_events(turn, session)), began=WHEN)


def listed(
    name: str, turns: int, forked_from: str | None = None, first_prompt: str = "What is 6×7?"
) -> Session:
    return Session(
        name=name, turns=turns, last=WHEN, forked_from=forked_from, first_prompt=first_prompt
    )


def ids(store: Store, session: str) -> list[str]:
    return [turn.start.id for turn in store.session_turns(session)]


def test_a_session_is_claimed_by_one_and_free_again_afterwards(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        for _ in range(2):
            with store.claim("sums") as claim:
                assert (claim.name, claim.forked_from) == ("sums", None)
    assert list((tmp_path / "sessions").iterdir()) == []


def test_the_second_to_continue_a_session_gets_a_fork_of_it(tmp_path: Path) -> None:
    with open_store(tmp_path) as store, open_store(tmp_path) as other:
        save(store, "a", "sums")
        with store.claim("sums") as first, other.claim("sums") as second:
            assert (first.name, second.name, second.forked_from) == ("sums", "sums-2", "sums")
            save(store, "b", first.name)
            save(other, "c", second.name)
            with store.claim("sums") as third, store.claim("sums-2") as fourth:
                assert (third.name, fourth.name) == ("sums-3", "sums-2-2")
                save(store, "d", "sums-2")
                save(store, "e", "sums-2-2")
        assert {name: ids(store, name) for name in ("sums", "sums-2", "sums-3", "sums-2-2")} == {
            "sums": ["a", "b"],
            "sums-2": ["a", "c", "d"],
            "sums-3": ["a", "b"],
            "sums-2-2": ["a", "c", "e"],
        }
        last = store.last("sums-3")
        assert last is not None
        assert last.start.id == "b"
        assert store.sessions() == [
            listed("sums-2-2", 1, "sums-2"),
            listed("sums-2", 2, "sums"),
            listed("sums", 2),
        ]


def test_a_fork_takes_no_name_that_is_taken(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        save(store, "a", "sums-2")
        with store.claim("sums"), store.claim("sums") as second:
            assert second.name == "sums-3"


def test_a_session_whose_lock_was_just_removed_is_claimed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = iter([True, False])
    with open_store(tmp_path) as store:
        monkeypatch.setattr(locks, "is_removed", lambda _: next(gone))
        with store.claim("sums") as claim:
            assert claim.forked_from is None


def test_without_locks_a_session_goes_on_unclaimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(folder: Path, session: str) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(stores, "lock_session", none)
    with open_store(tmp_path) as store, store.claim("sums"), store.claim("sums") as second:
        assert (second.name, second.forked_from) == ("sums", None)


def test_the_name_of_a_lock_does_not_tell_the_session(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with open_store(folder) as store, store.claim("../../secret plans"):
        (lock,) = (folder / "sessions").iterdir()
    assert (len(lock.name), set(lock.name) <= set("0123456789abcdef")) == (64, True)


def test_a_fork_of_what_was_erased_is_forgotten(tmp_path: Path) -> None:
    with Store.open(tmp_path, no_warning) as store:
        save(store, "a", "secret")
        with store.claim("secret"), store.claim("secret") as second, store.claim(second.name):
            store.delete(["a"])
    assert b"secret" not in (tmp_path / "history.db").read_bytes()


def chained(store: Store) -> None:
    """`sums` has a and b, `branched` goes on from both."""
    save(store, "a", "sums")
    save(store, "b", "sums")
    store.branch("sums", "branched", 2)


def test_a_branch_begins_with_the_turns_it_is_told_to(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        chained(store)
        store.branch("branched", "shorter", 1)
        save(store, "c", "shorter")
        assert (ids(store, "branched"), ids(store, "shorter")) == (["a", "b"], ["a", "c"])


def test_a_branch_without_turns_of_its_own_can_be_made_again(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        chained(store)
        store.branch("sums", "branched", 1)
        assert ids(store, "branched") == ["a"]


def test_a_turn_leaves_its_session_and_stays_in_the_history(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        chained(store)
        save(store, "c", "branched")
        store.leave_session("c", "branched")
        assert (ids(store, "branched"), store.turn("c").start.session) == (["a", "b"], None)


def test_a_turn_that_leaves_a_branch_stays_where_it_came_from(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        chained(store)
        store.leave_session("b", "branched")
        save(store, "c", "branched")
        assert (ids(store, "sums"), ids(store, "branched")) == (["a", "b"], ["a", "c"])


def test_of_a_long_first_question_a_list_gets_the_beginning(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.save(
            record_of([turn_started("a", "long " * 1000, "sums"), *answer_events()]), began=WHEN
        )
        assert store.sessions() == [listed("sums", 1, first_prompt="long " * 59 + "long…")]


def test_a_turn_that_leaves_its_session_stays_in_its_branches(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        chained(store)
        store.branch("sums", "another", 2)
        store.branch("sums", "early", 1)
        save(store, "c", "branched")
        save(store, "d", "another")
        store.leave_session("b", "sums")
        save(store, "e", "sums")
        names = ("sums", "branched", "another", "early")
        assert {name: ids(store, name) for name in names} == {
            "sums": ["a", "e"],
            "branched": ["a", "b", "c"],
            "another": ["a", "b", "d"],
            "early": ["a"],
        }
        store.leave_session("e", "sums")
        store.leave_session("a", "sums")
        assert [ids(store, name) for name in names] == [[], ["a", "b", "c"], ["a", "b", "d"], ["a"]]


def test_a_turn_that_nobody_knows_leaves_nothing(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        chained(store)
        store.leave_session("z", "sums")
        assert ids(store, "sums") == ["a", "b"]


def test_a_session_that_another_process_is_in_keeps_its_name(tmp_path: Path) -> None:
    with open_store(tmp_path) as store, open_store(tmp_path) as other:
        save(store, "a", "sums")
        with store.claim("sums"):
            with pytest.raises(UsageError) as caught:
                other.rename_session("sums", "talk")
            assert (caught.value.kind, caught.value.message, caught.value.hint) == (
                "session_in_use",
                "session 'sums' is in use",
                "leave the chat that is in it first",
            )
            assert ids(store, "sums") == ["a"]
        other.rename_session("sums", "talk")
        assert (ids(store, "sums"), ids(store, "talk")) == ([], ["a"])
