"""A backup's files by themselves: records, kept files, a damaged or foreign backup is named."""

import sqlite3
from pathlib import Path

import pytest

from infra.backup import home
from infra.backup.manifest import Manifest, Partition, Unusable, check, load
from infra.backup.segments import Record, Writer, read

RECORDS = [
    Record(0, 1_767_225_600_000, b"R1", b'{"a": 1}', (("ce_type", b"mailiu.x.v1"), ("ce_id", b"\xff\x00"))),
    Record(1, 1_767_225_600_000, None, None),
    Record(7, 1_767_225_600_123, b"", "脉".encode(), (("same", b"1"), ("same", b"2"))),
]


def manifest(folder: Path) -> Manifest:
    """A backup of one partition with `RECORDS` up to offset 8."""
    writer = Writer(folder, "events", 0)
    writer.add(RECORDS)
    writer.flush()
    partition = Partition(topic="events", partition=0, start=0, next=8, segments=tuple(writer.done))
    made = Manifest(mailiu="1", fold=1, made="2026-01-01T00:00:00Z", partitions=1, log=(partition,), groups={}, home=())
    made.save(folder)
    return made


def test_records_come_back_with_keys_headers_times_and_offsets(tmp_path: Path) -> None:
    (segment,) = manifest(tmp_path).log[0].segments
    assert list(read(tmp_path / segment.name)) == RECORDS
    assert list(read(tmp_path / segment.name, 1)) == RECORDS[1:]
    assert (segment.first, segment.next, segment.records) == (0, 8, 3)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    made = manifest(tmp_path)
    assert load(tmp_path) == made
    check(tmp_path, made, lambda _: None)
    path = tmp_path / made.log[0].segments[0].name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(Unusable, match=r"log/events/0/0{12}\.parquet is damaged"):
        check(tmp_path, made, lambda _: None)
    path.unlink()
    with pytest.raises(Unusable, match=r"0{12}\.parquet: No such file"):
        check(tmp_path, made, lambda _: None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Invalid JSON"),
        ("{}", "Field required"),
        ('{"format": 2}', "Field required"),
    ],
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(Unusable, match=why):
        load(tmp_path)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(Unusable, match="no finished backup"):
        load(tmp_path)


@pytest.mark.parametrize("passphrase", [None, "correct horse"])
def test_kept_files_come_back_with_their_rights_and_an_open_database_is_whole(
    tmp_path: Path, passphrase: str | None
) -> None:
    old, new, folder = tmp_path / "old", tmp_path / "new", tmp_path / "backup"
    for path, content in {"secrets/token": "s3cret", "vault/x": "", "kafka/data": "no", "run/api.ready": "no",
                          "mosquitto/passwords": "p", "mosquitto/mosquitto.db": "no"}.items():  # fmt: skip
        (old / path).parent.mkdir(parents=True, exist_ok=True)
        (old / path).write_text(content)
    (old / "secrets/token").chmod(0o600)
    database = sqlite3.connect(old / "vault/vault.db")
    database.execute("PRAGMA journal_mode=wal")
    database.execute("CREATE TABLE t AS SELECT 42 AS answer")
    database.commit()

    salt = home.new_salt(passphrase)
    kept = home.keep(old, folder, "home-1", home.cipher(passphrase, salt))
    database.close()
    assert [file.path for file in kept] == ["mosquitto/passwords", "secrets/token", "vault/vault.db", "vault/x"]
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*.zst")} == {0o600}

    if passphrase:
        with pytest.raises(Unusable, match="PASSPHRASE"):
            home.cipher(None, salt)
        with pytest.raises(Unusable, match="not that of the backup"):
            home.bring_back(new, folder, tuple(kept), home.cipher("wrong", salt))
    home.bring_back(new, folder, tuple(kept), home.cipher(passphrase, salt))
    assert (new / "secrets/token").read_text() == "s3cret"
    assert (new / "secrets/token").stat().st_mode & 0o777 == 0o600
    assert (new / "vault/x").read_text() == ""
    restored = sqlite3.connect(new / "vault/vault.db")
    assert restored.execute("SELECT answer FROM t").fetchone() == (42,)
    restored.close()
