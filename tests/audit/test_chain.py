"""The chain shows whatever was done to a trail: and nothing where nothing was done."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError

from infra.audit import heads
from infra.audit.chain import Chain, Head, check, digest
from infra.audit.trail import Trail


class Kafka:
    """Keeps what is sent; ``fails`` are the numbers of sends that do not arrive."""

    def __init__(self, fails: set[int] | None = None) -> None:
        self.sent: list[tuple[int, bytes]] = []
        self.fails, self.count = fails or set(), 0

    async def send(self, topic: str, value: bytes, key: bytes, *, timestamp_ms: int) -> "asyncio.Future[Any]":
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.count += 1
        if self.count - 1 in self.fails:
            done.set_exception(KafkaTimeoutError())
        else:
            self.sent.append((len(self.sent), value))
            done.set_result(None)
        return done


async def trail_of(home: Path, kafka: Kafka, residents: int = 5) -> None:
    """One process: it opens a chain, records views, and ends."""
    trail = Trail(kafka, "api", home)
    for number in range(residents):
        await trail.append("D1", "viewed", "summary", [f"R{number}"], role="clinician")
    trail.close()


def two(home: Path) -> tuple[list[tuple[int, bytes]], dict[str, Head]]:
    """A trail of two processes, one after the other: 12 records, and the heads noted."""
    kafka = Kafka()

    async def both() -> None:
        await trail_of(home, kafka)
        await trail_of(home, kafka)

    asyncio.run(both())
    return kafka.sent, heads.read(home)


def test_a_trail_that_nobody_touched_is_clean(tmp_path: Path) -> None:
    records, known = two(tmp_path)
    assert len(records) == 12
    assert check(records, known) == []


def test_a_record_says_what_was_done_and_its_hash_is_sha_256_of_its_canonical_json(tmp_path: Path) -> None:
    records, _ = two(tmp_path)
    record = json.loads(records[1][1])
    told = (record["actor"], record["role"], record["action"], record["what"], record["residents"])
    assert told == ("D1", "clinician", "viewed", "summary", ["R0"])
    plain = {name: value for name, value in record.items() if name != "hash"}
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert record["hash"] == hashlib.sha256(canonical).hexdigest()
    assert record["previous"] == json.loads(records[0][1])["hash"]


def test_a_removed_record_is_named(tmp_path: Path) -> None:
    records, known = two(tmp_path)
    [fault] = check(records[:3] + records[4:], known)
    assert (fault.what, fault.sequence) == ("removed", 3)


def test_a_changed_record_is_named(tmp_path: Path) -> None:
    records, known = two(tmp_path)
    changed = json.loads(records[3][1]) | {"residents": ["R9"]}
    [fault] = check([*records[:3], (3, json.dumps(changed).encode()), *records[4:]], known)
    assert (fault.what, fault.sequence, fault.offset) == ("changed", 3, 3)


def test_a_record_changed_together_with_its_hash_no_longer_fits(tmp_path: Path) -> None:
    records, known = two(tmp_path)
    changed = json.loads(records[3][1]) | {"residents": ["R9"]}
    changed["hash"] = digest(changed)
    [fault] = check([*records[:3], (3, json.dumps(changed).encode()), *records[4:]], known)
    assert (fault.what, fault.sequence, fault.offset) == ("changed", 4, 4)


def test_two_records_in_another_order_are_named(tmp_path: Path) -> None:
    records, known = two(tmp_path)
    records[2], records[3] = (2, records[3][1]), (3, records[2][1])
    [fault] = check(records, known)
    assert (fault.what, fault.sequence, fault.offset) == ("moved", 2, 3)


def test_a_record_that_was_put_in_again_is_named(tmp_path: Path) -> None:
    records, known = two(tmp_path)
    [fault] = check([*records, (12, records[3][1])], known)
    assert (fault.what, fault.sequence, fault.offset) == ("repeated", 3, 12)


def test_the_cut_off_end_of_an_older_chain_is_held_fast_by_the_newer(tmp_path: Path) -> None:
    records, _ = two(tmp_path)
    [fault] = check(records[:4] + records[6:])  # even without the writers' own notes
    assert (fault.what, fault.sequence) == ("truncated", 5)


def test_the_cut_off_end_of_the_trail_is_known_from_the_writers_own_notes(tmp_path: Path) -> None:
    records, known = two(tmp_path)
    [fault] = check(records[:-2], known)
    assert (fault.what, fault.sequence) == ("truncated", 5)


def test_a_whole_chain_that_is_gone_is_named(tmp_path: Path) -> None:
    records, known = two(tmp_path)
    [fault] = check(records[6:], known)
    assert fault.what == "truncated"
    assert {each.what for each in check(records[:6], known)} == {"truncated"}


def test_a_chain_written_anew_with_right_hashes_does_not_end_where_it_ended(tmp_path: Path) -> None:
    records, _ = two(tmp_path)
    forged = Chain(json.loads(records[0][1])["writer"])
    linked = ("writer", "sequence", "previous", "hash")
    anew = []
    for offset, value in records[:6]:
        plain = {name: each for name, each in json.loads(value).items() if name not in linked}
        if offset == 3:
            plain["residents"] = ["R9"]
        anew.append((offset, json.dumps(forged.add(plain)).encode()))
    [fault] = check(anew + records[6:])
    assert (fault.what, fault.sequence) == ("changed", 5)


def test_what_belongs_to_no_chain_is_named_unless_it_is_older_than_all_chains(tmp_path: Path) -> None:
    records, known = two(tmp_path)
    old = (0, b'{"actor": "D1", "resident": "R1"}')
    assert check([old, *records], known) == []
    assert [each.what for each in check([*records, old, (13, b"?")], known)] == ["foreign", "unreadable"]


def test_where_kafka_did_not_answer_a_new_chain_says_so_and_the_trail_is_clean(tmp_path: Path) -> None:
    kafka = Kafka(fails={3, 4})  # the third view, and the opening of the chain after it

    async def failing() -> list[bool]:
        trail, shown = Trail(kafka, "api", tmp_path), []
        for number in range(6):
            try:
                await trail.append("D1", "viewed", "summary", [f"R{number}"])
                shown.append(True)
            except KafkaTimeoutError:
                shown.append(False)
        trail.close()
        return shown

    assert asyncio.run(failing()) == [True, True, False, False, True, True]
    assert check(kafka.sent, heads.read(tmp_path)) == []
    seen = [json.loads(value)["residents"] for _, value in kafka.sent if b'"viewed"' in value]
    assert seen == [["R0"], ["R1"], ["R4"], ["R5"]]


def test_what_was_shown_before_a_failure_cannot_be_removed_as_uncertain(tmp_path: Path) -> None:
    kafka = Kafka(fails={3})

    async def failing() -> None:
        trail = Trail(kafka, "api", tmp_path)
        for number in range(4):
            with pytest.raises(KafkaTimeoutError) if number == 2 else _fine():
                await trail.append("D1", "viewed", "summary", [f"R{number}"])
        trail.close()

    asyncio.run(failing())
    [fault] = check(kafka.sent[:1] + kafka.sent[2:], heads.read(tmp_path))
    assert (fault.what, fault.sequence) == ("removed", 1)


def test_two_processes_at_once_have_chains_of_their_own(tmp_path: Path) -> None:
    kafka = Kafka()

    async def at_once() -> None:
        one, other = Trail(kafka, "api", tmp_path), Trail(kafka, "api", tmp_path)
        views = [
            trail.append("D1", "viewed", "summary", [f"R{number}"]) for number in range(50) for trail in (one, other)
        ]
        await asyncio.gather(*views)
        for trail in (one, other):
            trail.close()

    asyncio.run(at_once())
    assert len({json.loads(value)["writer"] for _, value in kafka.sent}) == 2
    assert len(kafka.sent) == 102
    assert check(kafka.sent, heads.read(tmp_path)) == []
    assert len(check(kafka.sent[:-1], heads.read(tmp_path))) == 1


class _fine:
    def __enter__(self) -> None:
        return

    def __exit__(self, *_: object) -> None:
        return
