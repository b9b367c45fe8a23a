"""From a posted event to feed, lists, resident and statistic, over the running parts."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from aiokafka import TopicPartition

from infra.clients import consumer
from infra.rejected import raw
from schemas.topics import AUDIT, REJECTED
from tests.api.people import House, bearer
from tests.stack import Stack

pytestmark = pytest.mark.stack


@pytest.fixture
def house(api: httpx.Client) -> House:
    """With a nurse on duty, so that no alert climbs while a test looks at it."""
    made = House(api)
    made.staff("nurse")
    return made


@contextmanager
def stream(house: House, **more: Any) -> Iterator[Iterator[tuple[str, str, dict[str, Any]]]]:
    """The alert stream as (event, id, data), comments too."""
    headers = house.token() | more.pop("headers", {})
    with house.api.stream("GET", "/v1/alerts/stream", headers=headers, params=more) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _events(answer.iter_lines())


def _events(lines: Iterator[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        elif fields:
            yield fields.get("event", ""), fields.get("id", ""), json.loads(fields.get("data", "{}"))
            fields = {}


def test_a_crisis_reading_is_an_alert_on_stream_list_and_resident(house: House) -> None:
    resident = house.resident()
    with stream(house) as events:
        assert next(events)[0] == ""  # says at once where it stands
        posted = house.post(house.crisis(resident))
        kind, _, alert = next(events)
    assert (kind, alert["change"], alert["severity"], alert["resident"]) == ("alert", "raised", "red", resident)
    assert alert["evidence"] == [posted["results"][0]["identity"]]
    [item] = house.get("/v1/alerts", resident=resident)["items"]
    assert item == {**item, **{name: value for name, value in alert.items() if name != "change"}}
    least = (
        "id",
        "resident",
        "institution",
        "rule",
        "rule_version",
        "severity",
        "condition",
        "handling",
        "raised_time",
    )
    assert not [name for name in least if item[name] is None]
    assert set(item["title"]) == {"zh", "en"}
    summary = house.get(f"/v1/residents/{resident}")
    assert [each["id"] for each in summary["open_alerts"]] == [alert["id"]]
    assert (summary["sex"], summary["birth_date"], summary["institution"]) == ("female", "1950-05-01", house.id)


def test_an_alert_is_answered_from_the_stream_before_any_table_has_it_and_its_writer_reads_that(house: House) -> None:
    resident = house.resident()
    with stream(house) as events:
        next(events)
        house.post(house.crisis(resident))
        _, _, alert = next(events)
        taken = house.api.post(f"/v1/alerts/{alert['id']}/acknowledge", headers=house.token("nurse", "N7"))
        assert taken.status_code == 202, taken.text
        _, _, changed = next(events)
    assert (changed["change"], changed["handling"]) == ("handling-changed", "acknowledged")
    detail = house.get(f"/v1/alerts/{alert['id']}", wait=taken.json()["position"])
    assert (detail["handling"], detail["acknowledged_by"]) == ("acknowledged", "N7")
    assert [each["change"] for each in detail["history"]] == ["raised", "handling-changed"]


def test_closed_by_a_clinician_it_leaves_the_open_ones(house: House) -> None:
    resident = house.resident()
    house.post(house.crisis(resident))
    [alert] = house.get("/v1/alerts", resident=resident)["items"]
    body = {"outcome": "drug-changed"}
    nurse = house.api.post(f"/v1/alerts/{alert['id']}/close", headers=house.token("nurse"), json=body)
    assert nurse.status_code == 403
    doctor = house.api.post(f"/v1/alerts/{alert['id']}/close", headers=house.token(actor="D1"), json=body)
    assert doctor.status_code == 202
    house.position = doctor.json()["position"]
    assert house.get("/v1/alerts", resident=resident, handling=["new", "acknowledged"])["items"] == []
    [closed] = house.get("/v1/alerts", resident=resident, handling="closed")["items"]
    assert (closed["outcome"], closed["handling"]) == ("drug-changed", "closed")
    assert house.get(f"/v1/residents/{resident}")["open_alerts"] == []


def test_the_stream_shows_only_the_institutions_of_the_token(house: House) -> None:
    other = House(house.api)
    with stream(house) as events:
        next(events)
        stranger = other.resident()
        other.post(other.crisis(stranger))
        other.get("/v1/alerts", resident=stranger)  # it has been raised
        mine = house.resident()
        house.post(house.crisis(mine))
        assert next(events)[2]["resident"] == mine


def test_list_and_stream_join_without_a_gap_and_a_cut_stream_goes_on(house: House) -> None:
    first = house.resident()
    house.post(house.crisis(first))
    listed = house.get("/v1/alerts")
    assert [item["resident"] for item in listed["items"]] == [first]
    second, third = house.resident(), house.resident()
    house.post(house.crisis(second), house.crisis(third))
    house.get("/v1/alerts")
    with stream(house, last_event_id=listed["stream_position"]) as events:
        next(events)
        got = [next(events), next(events)]
        # Before the list was made its own alert was on the stream already; nothing between is missing.
        assert {data["resident"] for _, _, data in got} == {second, third}
    with stream(house, headers={"Last-Event-ID": got[0][1]}) as events:
        next(events)
        assert next(events)[2]["id"] == got[1][2]["id"]


def test_another_institutions_resident_and_alert_do_not_exist(house: House) -> None:
    resident = house.resident()
    house.post(house.crisis(resident))
    [alert] = house.get("/v1/alerts", resident=resident)["items"]
    stranger = bearer("clinician", "I-elsewhere")
    for path in ("", "/timeline", "/readings", "/blood-pressure"):
        theirs = house.api.get(f"/v1/residents/{resident}{path}", headers=stranger)
        nobody = house.api.get(f"/v1/residents/R-nobody{path}", headers=stranger)
        assert theirs.status_code == nobody.status_code == 404
        assert theirs.text.replace(resident, "R-nobody") == nobody.text
    assert house.api.get(f"/v1/alerts/{alert['id']}", headers=stranger).status_code == 404
    assert house.api.post(f"/v1/alerts/{alert['id']}/acknowledge", headers=stranger).status_code == 404
    assert house.api.get("/v1/alerts", headers=stranger, params={"resident": resident}).json()["items"] == []
    everywhere = bearer("admin", "*")
    assert house.api.get(f"/v1/residents/{resident}", headers=everywhere).status_code == 200


def test_a_transferred_resident_is_seen_by_the_new_institution_only(house: House) -> None:
    resident, other = house.resident(), House(house.api)
    house.post(house.event("mailiu.resident.transferred.v1", resident, {"to_institution": other.id}))
    other.position = house.position
    assert other.get(f"/v1/residents/{resident}")["institution"] == other.id
    gone = house.api.get(f"/v1/residents/{resident}", headers=house.token())
    assert gone.status_code == 404


def test_somebody_not_registered_yet_is_seen_where_the_readings_came_in(house: House) -> None:
    resident = f"R-{uuid4().hex[:12]}"
    house.post(house.crisis(resident))
    summary = house.get(f"/v1/residents/{resident}")
    assert (summary["institution"], summary["sex"], len(summary["open_alerts"])) == (house.id, None, 1)


def test_pages_follow_each_other_without_loss_or_repeat(house: House) -> None:
    resident = house.resident()
    weights = [
        house.event("mailiu.reading.weight-measured.v1", resident, {"value": 60 + n}, days=n // 2) for n in range(11)
    ]
    for weight in weights[1::2]:  # pairs at one instant
        weight["time"] = weights[weights.index(weight) - 1]["time"]
    sent = house.post(*weights)
    for path, expected in (("readings", 11), ("timeline", 12)):
        seen: list[str] = []
        cursor: dict[str, Any] = {}
        while True:
            page = house.get(f"/v1/residents/{resident}/{path}", limit=3, **cursor)
            seen += [item["id"] for item in page["items"]]
            times = [item["time"] for item in page["items"]]
            assert times == sorted(times, reverse=True)
            if page["next"] is None:
                break
            assert len(page["items"]) == 3
            cursor = {"cursor": page["next"]}
        assert len(seen) == len(set(seen)) == expected
        assert {result["identity"] for result in sent["results"]} <= set(seen)


def test_alerts_are_paged_and_filtered(house: House) -> None:
    residents = [house.resident() for _ in range(3)]
    contract = {"team": "T1", "doctor": "D-Li"}
    house.post(house.event("mailiu.resident.contracted.v1", residents[0], contract, days=1))
    house.post(*map(house.crisis, residents))
    one = house.get("/v1/alerts", limit=2)
    two = house.get("/v1/alerts", limit=2, cursor=one["next"])
    assert {item["resident"] for item in one["items"] + two["items"]} == set(residents)
    assert (len(one["items"]), len(two["items"]), two["next"]) == (2, 1, None)
    assert [item["resident"] for item in house.get("/v1/alerts", doctor="D-Li")["items"]] == residents[:1]
    assert house.get("/v1/alerts", severity="yellow")["items"] == []
    assert len(house.get("/v1/alerts", severity=["yellow", "red"], condition="active", handling="new")["items"]) == 3


def test_the_timeline_holds_what_people_did_readings_and_alerts(house: House) -> None:
    resident = house.resident()
    house.post(
        house.event("mailiu.chronic.condition-diagnosed.v1", resident, {"code": "I10"}, days=50), house.crisis(resident)
    )
    types = [item["type"] for item in house.get(f"/v1/residents/{resident}/timeline")["items"]]
    assert sorted(type for type in types if ".notice." not in type) == [
        "mailiu.alert.raised.v1", "mailiu.chronic.condition-diagnosed.v1",
        "mailiu.reading.blood-pressure-measured.v1", "mailiu.resident.registered.v1",
    ]  # fmt: skip
    only = house.get(f"/v1/residents/{resident}/timeline", context=["chronic", "resident"])["items"]
    assert [item["type"].split(".")[1] for item in only] == ["chronic", "resident"]


def test_a_retracted_reading_stays_visible_and_is_marked(house: House) -> None:
    resident = house.resident()
    reading = house.event("mailiu.reading.weight-measured.v1", resident, {"value": 60})
    identity = house.post(reading)["results"][0]["identity"]
    house.post(house.event("mailiu.reading.retracted.v1", resident, {"reading": identity, "reason": "not-mine"}))
    [item] = house.get(f"/v1/residents/{resident}/readings")["items"]
    assert (item["id"], item["retracted"]) == (identity, True)


async def test_every_view_of_a_person_is_in_the_audit_trail(house: House) -> None:
    resident, actor = house.resident(), f"D-{uuid4().hex[:8]}"
    house.get(f"/v1/residents/{resident}")
    for path in ("", "/timeline", "/readings", "/blood-pressure"):
        house.api.get(f"/v1/residents/{resident}{path}", headers=house.token(actor=actor)).raise_for_status()
    records = [json.loads(value) for value in await _all(AUDIT)]
    views = [(each["what"], each["residents"], each["role"]) for each in records if each["actor"] == actor]
    assert views == [(what, [resident], "clinician") for what in ("summary", "timeline", "readings", "blood-pressure")]


async def test_what_the_gateway_refused_can_be_read_back_byte_for_byte(house: House) -> None:
    sent = f'{{"id": "{uuid4()}",  "source": "rest/test"}}'.encode()
    headers = house.token("integrator", actor=house.id) | {"content-type": "application/json"}
    assert house.api.post("/v1/events", headers=headers, content=sent).status_code == 422
    records = [json.loads(value) for value in await _all(REJECTED)]
    [mine] = [record for record in records if record["source"] == f"rest/{house.id}"]
    assert raw(mine) == sent
    assert sent not in json.dumps(mine).encode()


def test_sent_again_after_it_was_projected_it_is_a_duplicate_and_counts_once(house: House) -> None:
    resident = house.resident()
    reading = house.event("mailiu.reading.weight-measured.v1", resident, {"value": 60})
    first = house.post(reading)["results"][0]
    again = house.post(reading)["results"][0]
    assert (again["status"], again["first_position"]) == ("duplicate", first["position"])
    assert len(house.get(f"/v1/residents/{resident}/readings")["items"]) == 1
    conflict = house.api.post("/v1/events", headers=house.token(), json=reading | {"data": {"value": 61}})
    assert conflict.status_code == 409


def test_ten_thousand_events_are_one_request_and_known_to_an_api_that_was_killed(house: House, serving: Stack) -> None:
    resident = house.resident()
    events = [
        house.event("mailiu.reading.weight-measured.v1", resident, {"value": 60}, days=n / 1000) for n in range(10_000)
    ]
    lines = "\n".join(json.dumps(each, separators=(",", ":")) for each in events)
    headers = house.token() | {"content-type": "application/x-ndjson"}
    first = house.api.post("/v1/events", headers=headers, content=lines).json()
    assert (first["accepted"], first["rejected"]) == (10_000, 0)
    house.position = first["position"]
    assert len(house.get(f"/v1/residents/{resident}/readings", limit=500)["items"]) == 500
    serving.wait_restarted("api", serving.kill("api"))
    again = httpx.post(f"{house.api.base_url}/v1/events", headers=headers, content=lines, timeout=60).json()
    assert (again["duplicate"], again["accepted"]) == (10_000, 0)
    assert again["results"][0]["first_position"] == first["results"][0]["position"]


def test_freshness_names_every_projection_and_catches_up(house: House) -> None:
    house.resident()
    house.get("/v1/alerts")
    fresh = house.api.get("/v1/freshness", headers=house.token()).json()
    named = {each["name"]: each for each in fresh["projections"]}
    assert {"readings", "alerts", "programme", "timeline", "rejected_messages"} <= named.keys()
    assert named["readings"]["topics"] == ["events"]
    assert named["alerts"]["topics"] == ["derived"]
    assert named["rejected_messages"]["topics"] == ["rejected"]
    assert fresh["topics"].keys() == {"events", "derived", "rejected", "devices"}
    assert fresh["known"] <= fresh["now"]


def test_metrics_and_docs(house: House) -> None:
    house.get("/v1/statistics", role="manager")
    metrics = house.api.get("/metrics", headers=house.token("manager")).text
    assert 'mailiu_api_requests_total{method="GET",route="/v1/statistics",status="200"}' in metrics
    assert 'mailiu_lag_records{what="fold"}' in metrics
    assert "mailiu_alert_delay_seconds_bucket" in metrics
    page = house.api.get("/docs").text
    for path in house.api.get("/openapi.json").json()["paths"]:
        assert path in page
    assert "告警" in page


async def _all(topic: str) -> list[bytes]:
    """Every value on a topic of one partition."""
    partition, values = TopicPartition(topic, 0), list[bytes]()
    async with consumer() as reader:
        reader.assign([partition])
        await reader.seek_to_beginning(partition)
        end = (await reader.end_offsets([partition]))[partition]
        while await reader.position(partition) < end:
            for records in (await reader.getmany(timeout_ms=500)).values():
                values += [record.value for record in records]
    return values
