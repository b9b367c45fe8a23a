"""The store: one transaction, one owner, and a file that may always be thrown away."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest

from streams.store import Fenced, Mark, Store

STATES = [("b", b'{"x":1}', 30), ("a", b'{"x":2}', 30), ("c", b'{"x":3}', 10), ("d", b'{"x":4}', None)]


def test_what_is_written_is_there_after_opening_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "s" / "0.sqlite", 1)
    assert store.mark == Mark()
    store.write(STATES, Mark(5, 77, 9, b"{}"))
    store.close()
    again = Store(tmp_path / "s" / "0.sqlite", 1)
    assert again.mark == Mark(5, 77, 9, b"{}")
    assert again.load("a") == b'{"x":2}'
    assert again.load("nobody") is None
    assert again.soonest() == 10
    assert [s for s, _ in again.due(30, 10)] == ["c", "a", "b"]
    assert [s for s, _ in again.due(30, 2)] == ["c", "a"]
    again.write([("c", b'{"x":5}', None)], Mark(6))
    assert again.soonest() == 30


def test_another_version_of_the_fold_starts_empty(tmp_path: Path) -> None:
    Store(tmp_path / "0.sqlite", 1).write(STATES, Mark(5))
    store = Store(tmp_path / "0.sqlite", 2)
    assert store.mark == Mark()
    assert list(store.states()) == []
    store.write(STATES, Mark(3))
    assert Store(tmp_path / "0.sqlite", 2).mark.next == 3


@pytest.mark.parametrize("damage", [b"no database at all, just text " * 400, b""])
def test_a_damaged_file_starts_empty(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "0.sqlite"
    store = Store(path, 1)
    store.write(STATES, Mark(5))
    store.close()
    path.write_bytes(damage)
    store = Store(path, 1)
    assert store.mark == Mark()
    store.write(STATES, Mark(4))
    assert Store(path, 1).mark.next == 4


def test_states_are_kept_small_and_come_back_as_they_were(tmp_path: Path) -> None:
    store = Store(tmp_path / "0.sqlite", 1)
    ids = [str(uuid5(NAMESPACE_URL, str(n))) for n in range(40)]
    state = json.dumps({"bp": {"id": ids}, "alerts": [{"rule": "bp-sustained-high", "ev": ids}], "seen": ids}).encode()
    store.write([("a", state, None)], Mark(1))
    assert store.load("a") == state
    assert store.sizes()["a"] < len(state) / 3


@pytest.mark.parametrize("damage", [b"", b"no state", None])
def test_a_damaged_state_is_no_event_s_fault(tmp_path: Path, damage: bytes | None) -> None:
    """What the worker sees is a damaged file: it throws the store away and folds again."""
    store = Store(tmp_path / "0.sqlite", 1)
    store.write(STATES, Mark(5))
    [packed] = store.db.execute("SELECT state FROM states WHERE subject = 'a'").fetchone()
    flipped = packed[:-1] + bytes([packed[-1] ^ 1]) if damage is None else damage
    store.db.execute("UPDATE states SET state = ? WHERE subject = 'a'", (flipped,))
    for read in (lambda: store.load("a"), lambda: store.due(30, 10), lambda: list(store.states())):
        with pytest.raises(sqlite3.DatabaseError, match="the state of a is damaged") as raised:
            read()
        assert type(raised.value) is sqlite3.DatabaseError


def test_a_former_owner_is_refused(tmp_path: Path) -> None:
    first = Store(tmp_path / "0.sqlite", 1)
    first.write(STATES[:1], Mark(1))
    second = Store(tmp_path / "0.sqlite", 1)
    assert second.mark.next == 1
    with pytest.raises(Fenced):
        first.write(STATES[1:], Mark(2))
    second.write(STATES[2:3], Mark(3))
    assert [s for s, _, _ in second.states()] == ["b", "c"]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "0.sqlite", 1)
    store.write(STATES[:1], Mark(1))
    with pytest.raises(sqlite3.Error):
        store.write([STATES[1], ("e", b"{}", object())], Mark(2))  # type: ignore[list-item]
    store.close()
    again = Store(tmp_path / "0.sqlite", 1)
    assert again.mark.next == 1
    assert [s for s, _, _ in again.states()] == ["b"]


def test_an_owner_that_stopped_within_a_write_does_not_hold_up_the_next(tmp_path: Path) -> None:
    """A process is paused with the write lock held: the next owner goes on with what was committed."""
    path = tmp_path / "0.sqlite"
    Store(path, 1).write(STATES[:2], Mark(2))
    script = (
        "import sys; from pathlib import Path; from streams.store import Store, Mark\n"
        f"s = Store(Path({str(path)!r}), 1)\n"
        "s.db.execute('BEGIN IMMEDIATE'); s.db.execute('UPDATE mark SET next = 99')\n"
        "print('holding', flush=True); sys.stdin.read(); s.db.execute('COMMIT')\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holding\n"
        os.kill(holder.pid, signal.SIGSTOP)
        store = Store(path, 1, lock_seconds=0.2)
        assert store.mark.next == 2
        store.write(STATES[2:], Mark(4))
        os.kill(holder.pid, signal.SIGCONT)
        holder.communicate("", timeout=20)
        assert holder.returncode == 0
        store.close()
        again = Store(path, 1)
        assert again.mark.next == 4
        assert len(list(again.states())) == 4
    finally:
        holder.kill()
        holder.wait()
