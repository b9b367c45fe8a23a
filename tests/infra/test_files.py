"""Files by their content: encrypted, each under its resident's key, gone when that is destroyed."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import files
from infra.settings import settings
from infra.vault import Erased, vault
from infra.vault.seal import WrongKey

TRACE = b"DICM 1.2.840 WANG^XIAOMING " + bytes(range(256)) * 40


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("MAILIU_HOME", str(tmp_path))
    settings.cache_clear()
    yield tmp_path
    vault().close()
    settings.cache_clear()


def test_a_file_is_kept_by_its_hash_and_read_again(home: Path) -> None:
    sha256 = files.keep("R1", TRACE)
    assert sha256 == hashlib.sha256(TRACE).hexdigest()
    assert files.read("R1", sha256) == TRACE
    assert files.keep("R1", TRACE) == sha256
    assert [path.name for path in (home / "files" / "R1").iterdir()] == [sha256]


def test_nothing_of_it_lies_open_on_disk(home: Path) -> None:
    files.keep("R1", TRACE)
    stored = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert b"WANG" not in stored
    assert TRACE[40:80] not in stored


def test_whose_key_is_destroyed_has_no_file_any_more(home: Path) -> None:
    sha256 = files.keep("R1", TRACE)
    other = files.keep("R2", TRACE)
    vault().erase("R1")
    with pytest.raises(Erased):
        files.read("R1", sha256)
    with pytest.raises(Erased):
        files.keep("R1", TRACE)
    assert files.read("R2", other) == TRACE


def test_a_file_that_was_changed_or_moved_does_not_open(home: Path) -> None:
    sha256 = files.keep("R1", TRACE)
    files.keep("R2", b"other")
    moved = files.path("R2", sha256)
    moved.write_bytes(files.path("R1", sha256).read_bytes())
    changed = files.path("R1", sha256)
    changed.write_bytes(changed.read_bytes()[:-1] + b"x")
    for resident in ("R1", "R2"):
        with pytest.raises(WrongKey):
            files.read(resident, sha256)


def test_a_file_that_never_came_is_not_found(home: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.read("R1", "0" * 64)
