"""An electrocardiogram's way: the trace is sent, the event names it, the task opens, a clinician looks and reads it."""

import hashlib
from typing import Any
from uuid import uuid4

import httpx
import pytest

from api.body_limit import BODY_BYTES
from infra.vault import vault
from tests.api.people import House, bearer

pytestmark = pytest.mark.stack


def ecg(house: House, resident: str, content: bytes, **more: Any) -> dict[str, Any]:
    trace = {"sha256": hashlib.sha256(content).hexdigest(), "media_type": "application/dicom", "bytes": len(content)}
    data = {"leads": 1, "duration": 30, "sampling_rate": 300, "trace": trace, **more}
    return house.event("mailiu.reading.ecg-measured.v1", resident, data)


def send(house: House, resident: str, content: bytes, role: Any = "integrator") -> httpx.Response:
    return house.api.post(
        "/v1/files", params={"resident": resident, "institution": house.id}, headers=house.token(role), content=content
    )  # fmt: skip


def test_the_way_of_an_electrocardiogram(api: httpx.Client) -> None:
    house, content = House(api), uuid4().bytes * 100
    resident = house.resident()
    kept = send(house, resident, content)
    sha256 = hashlib.sha256(content).hexdigest()
    assert (kept.status_code, kept.json()) == (201, {"resident": resident, "sha256": sha256, "bytes": 1600})
    taken = ecg(house, resident, content, urgent=True, heart_rate=61)
    answer = house.post(taken)
    [alert] = [a for a in house.get("/v1/alerts")["items"] if a["rule"] == "ecg-unread"]
    assert (alert["resident"], alert["severity"]) == (resident, "orange")
    [reading] = house.get(f"/v1/residents/{resident}/readings", kind="ecg")["items"]
    assert (reading["value"], reading["ecg"]["trace"], reading["ecg"]["urgent"]) == (61, sha256, True)
    shown = api.get(f"/v1/files/{sha256}", headers=house.token())
    assert (shown.status_code, shown.content) == (200, content)
    assert shown.headers["content-type"] == "application/dicom"
    data = {"reading": answer["results"][0]["identity"], "conclusion": "normal"}
    house.post(house.event("mailiu.reading.ecg-read.v1", resident, data, actor="doctor-1"))
    [alert] = [a for a in house.get("/v1/alerts", condition="cleared")["items"] if a["rule"] == "ecg-unread"]
    assert alert["detail"]["conclusion"] == "normal"


def test_a_file_is_shown_to_nobody_who_may_not_see_the_resident(api: httpx.Client) -> None:
    house, stranger, content = House(api), House(api), uuid4().bytes
    resident = house.resident()
    assert send(house, resident, content).status_code == 201
    sha256 = hashlib.sha256(content).hexdigest()
    assert api.get(f"/v1/files/{sha256}", headers=house.token()).status_code == 404, "no event names it yet"
    house.post(ecg(house, resident, content))
    house.get(f"/v1/residents/{resident}/readings")
    assert api.get(f"/v1/files/{sha256}", headers=stranger.token()).status_code == 404
    assert api.get(f"/v1/files/{sha256}", headers=house.token("integrator")).status_code == 403
    assert api.get(f"/v1/files/{sha256}").status_code == 401
    assert api.get(f"/v1/files/{sha256}", headers=house.token("nurse")).status_code == 200
    vault().erase(resident)
    assert api.get(f"/v1/files/{sha256}", headers=house.token()).status_code == 410
    assert send(house, resident, content).status_code == 410


def test_an_event_may_name_a_file_that_comes_later(api: httpx.Client) -> None:
    house, content = House(api), uuid4().bytes
    resident, sha256 = house.resident(), hashlib.sha256(content).hexdigest()
    house.post(ecg(house, resident, content))
    house.get(f"/v1/residents/{resident}/readings")
    assert api.get(f"/v1/files/{sha256}", headers=house.token()).status_code == 404
    assert send(house, resident, content).status_code == 201
    assert api.get(f"/v1/files/{sha256}", headers=house.token()).content == content


@pytest.mark.parametrize(
    ("resident", "content", "status"), [("R1", b"", 422), ("../x", b"x", 422), ("R1", bytes(BODY_BYTES + 1), 413)]
)
def test_what_is_no_file_is_refused(api: httpx.Client, resident: str, content: bytes, status: int) -> None:
    assert send(House(api), resident, content).status_code == status


def test_a_file_is_sent_for_an_institution_of_the_token_only(api: httpx.Client) -> None:
    where = {"resident": "R1", "institution": "I-elsewhere"}
    answer = api.post("/v1/files", params=where, headers=bearer("integrator", "I-here"), content=b"x")
    assert answer.status_code == 403
