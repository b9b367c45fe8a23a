"""No name, phone or ID number lies in the files of Kafka and ClickHouse, in logs or metrics, whatever was sent where.

People are recorded, measured, refused, looked for; names stand where they do not belong: in notes, comments, units,
ids, headers, statements, broken payloads. Then every byte that was written is searched, in every spelling.
"""

import asyncio
import json
import os
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from infra.clients import clickhouse
from infra.gateway import Gateway
from infra.rejected import raw
from infra.settings import settings
from schemas.topics import REJECTED
from tests.api.people import House
from tests.api.test_identity import number, values
from tests.stack import Stack, wait_until

pytestmark = pytest.mark.stack

#: Where parts keep what they were sent; `mosquitto` holds devices' own payloads until they are handed on.
SEARCHED = ("kafka", "clickhouse", "logs", "audit", "store", "run", "vault", "bridge", "sender", "metrics")
FAMILY = "慕容上官司马欧阳夏侯诸葛闻人东方赫连皇甫尉迟公羊澹台"
GIVEN = "鹏霄翊霖骞曦玥珩瑾琮璟瑄"


class Person:
    """Somebody whose name and numbers occur nowhere else."""

    def __init__(self) -> None:
        digits = uuid4().int
        self.name = "".join(FAMILY[digits >> 8 * n & 15] + GIVEN[digits >> 8 * n + 4 & 7] for n in range(3))
        self.latin = "Zq" + uuid4().hex[:10].translate(str.maketrans("0123456789", "ghijklmnop"))
        self.phone = f"139{digits % 10**8:08}"
        self.other = f"137{digits // 7 % 10**8:08}"
        self.id_number = number()

    def spellings(self) -> Iterator[bytes]:
        """Each secret as it might be written."""
        for text in (self.name, self.latin, self.phone, self.other, self.id_number):
            yield from {text.encode(), text.encode("utf-16-le"), text.encode("gb18030"), text.encode().hex().encode()}
            escaped = json.dumps(text)[1:-1]
            yield from {escaped.encode(), escaped.upper().replace("\\U", "\\u").encode()}
            yield urllib.parse.quote(text).encode()


@pytest.fixture(scope="module")
def person() -> Person:
    """The person."""
    return Person()


@pytest.fixture(scope="module")
def lived(stack: Stack, person: Person) -> Iterator[tuple[Stack, list[str]]]:
    """Everything that could tell of the person has happened; the metrics as they are then."""
    with httpx.Client(base_url=f"http://{settings().api}", timeout=60) as api:
        house = House(api)
        resident, device = house.resident(), f"D-{uuid4().hex[:8]}"
        wait_until(lambda: _known(house, resident), "the resident is in the tables", 180)
        _record(house, resident, person)
        _bind(house, resident, device)
        asyncio.run(_measure(house, device, person))
        _misplace(house, resident, person)
        _look(house, resident, person)
        house.post(house.crisis(resident))
        wait_until(lambda: house.get("/v1/alerts", wait="")["items"], "the crisis is an alert", 180)
        for statement in (f"SELECT '{person.name}', '{person.phone}'", f"SELECT broken('{person.name}"):
            auth = ("analyst", settings().secret("clickhouse-analyst"))
            httpx.post(settings().clickhouse, params={"database": "mailiu"}, auth=auth, content=statement.encode())
        metrics = api.get("/metrics", headers=house.token()).text
        wait_until(lambda: _projected(api, house), "everything is in the tables", 120)
        yield stack, [metrics]


def _known(house: House, resident: str) -> bool:
    return house.api.get(f"/v1/residents/{resident}", headers=house.token()).is_success


def _record(house: House, resident: str, person: Person) -> None:
    contacts = [{"id": "c1", "name": person.latin, "phone": person.other, "relationship": "SPS"}]
    body = {
        "name": person.name, "phone": person.phone, "id_number": person.id_number, "contacts": contacts,
        "institution": house.id,
    }  # fmt: skip
    path = f"/v1/residents/{resident}/identity"
    assert house.api.post(path, headers=house.token("integrator"), json=body).status_code == 202
    assert house.api.get(path, headers=house.token(), params={"purpose": "TREAT"}).json()["name"] == person.name
    for wrong in ({"id_number": person.id_number + "1"}, {"nickname": person.name}, {"phone": person.name}):
        assert house.api.post(path, headers=house.token(), json=body | wrong).status_code == 422
    assert house.api.post(path, headers=house.token(), content=json.dumps(body)[:-9]).status_code in (400, 422)


def _bind(house: House, resident: str, device: str) -> None:
    house.post(
        house.event("mailiu.device.registered.v1", f"device:{device}", {"device": device, "model": "X1"}),
        house.event("mailiu.device.bound.v1", resident, {"device": device}, days=1),
    )


async def _measure(house: House, device: str, person: Person) -> None:
    """The cuff sends readings, good and bad, with the person's name wherever there is room for it."""
    async with Gateway(f"names-{device}", resend=5.0) as gateway, asyncio.timeout(120):
        while (await gateway.send(house.id, device, _reading())).get("status") != "accepted":
            await asyncio.sleep(0.5)  # until the bridge knows whose the cuff is
        for words in (
            {"note": f"{person.name}早晨测量"}, {"note": f"家属电话{person.phone}"}, {"flags": [person.name]},
            {"systolic": person.name}, {"unit": person.name}, {"context": person.latin}, {"source": person.name},
            {"user": person.phone}, {"time": person.name}, {person.name: 1}, {"position": person.id_number},
        ):  # fmt: skip
            await gateway.send(house.id, device, _reading() | words)
        await gateway.send(house.id, device, _reading() | {"id": f"tel-{person.phone}"})
        broken = json.dumps(_reading() | {"name": person.name}, ensure_ascii=False).encode()
        for payload, kind in (
            (broken[:-3], "json"), (json.dumps({"name": person.name}).encode(), "open-mhealth"),
            (person.name.encode(), "ble-2a35"), (broken, "fhir"), (broken, "status"), (broken, person.latin.lower()),
        ):  # fmt: skip
            gateway.publish(house.id, device, payload, kind)
        await gateway.send(house.id, device, _reading())  # answered after all that came before


def _reading() -> dict[str, Any]:
    return {"id": str(uuid4()), "systolic": 128, "diastolic": 82, "pulse": 70}


def _misplace(house: House, resident: str, person: Person) -> None:
    """Names and numbers in events where they do not belong: each is refused."""
    comment = {"alert": str(uuid4()), "text": f"已电话联系{person.name}"}
    weight = "mailiu.reading.weight-measured.v1"
    for wrong in (
        house.event(weight, resident, {"value": 60, "note": f"本人{person.name}"}),
        house.event(weight, resident, {"value": 60, "note": f"contact: {person.latin} "}),
        house.event(weight, resident, {"value": 60, "note": person.id_number}),
        house.event(weight, resident, {"value": 60, "name": person.name}),
        house.event(weight, resident, {"value": person.name}),
        house.event(weight, person.id_number, {"value": 60}),
        house.event(weight, resident, {"value": 60}) | {"id": f"{person.phone}/1"},
        house.event(weight, resident, {"value": 60}) | {"institution": person.name},
        house.event(weight, resident, {"value": 60}) | {person.name: person.phone},
        house.event("mailiu.alert.commented.v1", resident, comment),
        house.event(f"mailiu.reading.{person.latin.lower()}.v1", resident, {"value": 60}),
    ):
        answer = house.api.post("/v1/events", headers=house.token("integrator"), json=wrong)
        assert answer.status_code in (403, 422), answer.text
    for path, content in (("events", f'{{"name": "{person.name}'), ("fhir", f'{{"resourceType": "{person.name}"}}')):
        kind = {"content-type": "application/json" if path == "events" else "application/fhir+json"}
        answer = house.api.post(f"/v1/{path}", headers=house.token("integrator") | kind, content=content.encode())
        assert 400 <= answer.status_code < 500
    patient = {"resourceType": "Patient", "id": resident, "name": [{"text": person.name}], "gender": "female"}
    house.api.post("/v1/fhir", headers=house.token("integrator"), json=patient)
    house.api.post(f"/v1/vendor/{person.latin}", headers=house.token("integrator"), json={"name": person.name})


def _look(house: House, resident: str, person: Person) -> None:
    """Somebody looks for the person by what they know, in every field of every address."""
    for sought in ({"id_number": person.id_number}, {"phone": person.phone}, {"phone": person.other}):
        body = {"purpose": "TREAT", **sought}
        house.api.post("/v1/residents/lookup", headers=house.token("integrator"), json=body)
    for text in (person.name, person.id_number, person.phone, person.latin):
        agent = {"User-Agent": urllib.parse.quote(text), "Idempotency-Key": "1"}
        for path in (f"/v1/residents/{text}", f"/v1/alerts?doctor={text}", f"/v1/{text}", f"/v1/alerts?cursor={text}"):
            house.api.get(path, headers=house.token() | agent)
        house.api.get("/v1/alerts", headers={"Authorization": f"Bearer {urllib.parse.quote(text)}"})


def _projected(api: httpx.Client, house: House) -> bool:
    lag = api.get("/v1/freshness", headers=house.token()).json()
    return bool(lag) and all(value == 0 for value in _numbers_named_lag(lag))


def _numbers_named_lag(value: Any, name: str = "") -> Iterator[int]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _numbers_named_lag(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from _numbers_named_lag(each, name)
    elif name in ("lag", "behind") and isinstance(value, int):
        yield value


def test_no_file_and_no_metric_names_the_person(lived: tuple[Stack, list[str]], person: Person) -> None:
    stack, texts = lived
    spellings = set(person.spellings())
    found = [text[:40] for text in texts for spelling in spellings if spelling in text.encode()]
    # os.walk passes over a folder that ClickHouse merges away meanwhile
    walked = (found for folder in SEARCHED for found in os.walk(stack.home / folder))
    files = sorted(Path(folder) / name for folder, _, names in walked for name in names)
    searched = 0
    for file in files:
        content = _content(file)
        searched += len(content)
        found += [f"{file.relative_to(stack.home)}: {spelling!r}" for spelling in spellings if spelling in content]
    assert searched > 1_000_000
    assert {file.relative_to(stack.home).parts[0] for file in files} >= {"kafka", "clickhouse", "logs", "vault"}
    assert found == []


def test_no_row_of_any_table_names_the_person(lived: tuple[Stack, list[str]], person: Person) -> None:
    """ClickHouse's files are compressed: what lies in them is searched as text, too."""
    spellings = [spelling.decode("latin-1") for spelling in person.spellings()]
    plain = (person.name, person.latin, person.phone, person.other, person.id_number)
    with clickhouse() as client:
        tables = client.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
        ).result_rows
        assert len(tables) > 10
        for (table,) in tables:
            line = "formatRow('JSONEachRow', *)"
            sql = f"SELECT count() FROM {table} WHERE multiSearchAny({line}, {{words:Array(String)}})"
            words = [*plain, *(text for text in spellings if text.isascii())]
            assert client.query(sql, {"words": words}).result_rows == [(0,)], table


async def test_what_was_refused_is_still_whole_for_whoever_has_the_key(
    lived: tuple[Stack, list[str]], person: Person
) -> None:
    kept = [raw(record) for value in await values(REJECTED) if "raw" in (record := json.loads(value))]
    assert any(person.name.encode() in each for each in kept)
    assert any(person.id_number.encode() in each for each in kept)


def test_the_trail_of_all_this_is_whole(lived: tuple[Stack, list[str]]) -> None:
    stack, _ = lived
    assert stack.mailiu("audit", "verify").returncode == 0


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:  # merged away meanwhile
        return b""
