"""`POST /v1/events`: each event is judged by itself, and what is refused is kept as it was sent."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.event_body import split
from infra.clock import clock
from infra.rejected import raw
from schemas.envelope import rfc3339
from tests.api.stub import StubLog, bearer, client, nothing

JSON = {"content-type": "application/json"}


def event(**changed: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0", "id": str(uuid4()), "source": "rest/his", "type": "mailiu.reading.weight-measured.v1",
        "subject": "R1", "time": "2026-01-01T08:00:00+08:00", "institution": "I01", "data": {"value": 61.5}, **changed,
    }  # fmt: skip


def kept(log: StubLog) -> list[dict[str, Any]]:
    return [orjson.loads(value) for topic, value in log.producer.sent if topic == "rejected"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", orjson.dumps(event())),
        ("application/cloudevents+json; charset=utf-8", orjson.dumps(event())),
        ("application/json", orjson.dumps([event()])),
        ("application/cloudevents-batch+json", orjson.dumps([event()])),
        ("application/x-ndjson", orjson.dumps(event()) + b"\n"),
    ],
)
async def test_one_event_an_array_and_ndjson_are_taken(content_type: str, body: bytes) -> None:
    async with client() as (api, log):
        answer = await api.post("/v1/events", headers=bearer() | {"content-type": content_type}, content=body)
    assert answer.status_code == 202
    [result] = answer.json()["results"]
    assert (result["status"], result["position"]) == ("accepted", "0:0")
    assert result["identity"] == str(log.events[0].identity)


async def test_each_event_is_answered_in_order_and_the_bytes_of_the_refused_are_kept() -> None:
    bad = b'{"id":"b", "source":"rest/his" ,"type":"mailiu.reading.weight-measured.v1", "value": 1.50}'
    body = b"[" + orjson.dumps(event(id="a")) + b" ,\n " + bad + b"," + orjson.dumps(event(id="c")) + b"]"
    async with client() as (api, log):
        answer = await api.post("/v1/events", headers=bearer() | JSON, content=body)
    assert answer.status_code == 202
    results = answer.json()["results"]
    assert [(each["id"], each["status"]) for each in results] == [
        ("a", "accepted"), ("b", "rejected"), ("c", "accepted")
    ]  # fmt: skip
    assert results[1]["field"]
    assert set(results[1]["message"]) == {"zh", "en"}
    assert [each.id for each in log.events] == ["a", "c"]
    [record] = kept(log)
    assert raw(record) == bad
    assert (record["reason"], record["source"]) == ("invalid", "rest/clinician@I01")


@pytest.mark.parametrize(
    ("changed", "status", "reason", "field", "value"),
    [
        ({"data": {"value": 0.1}}, 422, "out-of-limits", "data.value", "0.1"),
        ({"data": {"value": 60, "colour": "red"}}, 422, "invalid", "data.colour", "red"),
        ({"type": "mailiu.reading.mood-measured.v1"}, 422, "invalid", "type", "mailiu.reading.mood-measured.v1"),
        ({"type": "mailiu.clock.ticked.v1", "data": {}}, 422, "invalid", "type", "mailiu.clock.ticked.v1"),
        ({"institution": "I02"}, 403, "wrong-institution", "institution", "I02"),
        ({"time": "2026-01-01T08:00:00"}, 422, "invalid", "time", "2026-01-01T08:00:00"),
        (
            {"type": "mailiu.organization.team-formed.v1", "data": {"team": "T1", "name": "one"}},
            403, "not-allowed", "type", "mailiu.organization.team-formed.v1",
        ),
    ],
)  # fmt: skip
async def test_what_is_refused_says_field_value_and_reason(
    changed: dict[str, Any], status: int, reason: str, field: str, value: str
) -> None:
    async with client() as (api, log):
        answer = await api.post("/v1/events", headers=bearer(), json=event(**changed))
    assert answer.status_code == status
    [result] = answer.json()["results"]
    assert (result["problem"], result["reason"], result["field"], result["value"]) == (status, reason, field, value)
    assert not log.events
    assert len(kept(log)) == 1


async def test_an_event_from_the_future_is_refused_beyond_five_minutes() -> None:
    async with client() as (api, _):
        soon = event(time=rfc3339(clock().now() + timedelta(minutes=4)))
        later = event(time=rfc3339(clock().now() + timedelta(minutes=6)))
        assert (await api.post("/v1/events", headers=bearer(), json=soon)).status_code == 202
        answer = await api.post("/v1/events", headers=bearer(), json=later)
    assert (answer.status_code, answer.json()["results"][0]["reason"]) == (422, "future")


async def test_a_body_that_cannot_be_read_is_kept_too() -> None:
    async with client() as (api, log):
        await api.post("/v1/events", headers=bearer() | JSON, content=b'{"id": ')
    [record] = kept(log)
    assert (raw(record), record["reason"]) == (b'{"id": ', "unreadable")


async def test_a_bad_line_of_ndjson_is_one_bad_event() -> None:
    lines = b"\n".join([orjson.dumps(event()), b"{not json", b"", orjson.dumps(event())])
    async with client() as (api, log):
        answer = await api.post(
            "/v1/events", headers=bearer() | {"content-type": "application/x-ndjson"}, content=lines
        )
    body = answer.json()
    assert (answer.status_code, body["accepted"], body["rejected"]) == (202, 2, 1)
    assert [raw(record) for record in kept(log)] == [b"{not json"]


async def test_an_event_larger_than_its_limit_is_refused_and_kept() -> None:
    large = orjson.dumps(event(correlationid="x" * (257 * 1024)))
    async with client() as (api, log):
        answer = await api.post("/v1/events", headers=bearer() | JSON, content=large)
    assert (answer.status_code, answer.json()["results"][0]["reason"]) == (413, "too-large")
    assert raw(kept(log)[0]) == large


async def test_sent_again_it_is_a_duplicate_and_appended_all_the_same() -> None:
    sent = event()
    async with client() as (api, log):
        first = (await api.post("/v1/events", headers=bearer(), json=sent)).json()["results"][0]
        again = (await api.post("/v1/events", headers=bearer(), json=sent)).json()["results"][0]
    assert (again["status"], again["first_position"], again["identity"]) == (
        "duplicate", first["position"], first["identity"],
    )  # fmt: skip
    assert len(log.events) == 2


async def test_twice_in_one_request_the_second_is_the_duplicate() -> None:
    sent = event()
    async with client() as (api, _):
        body = (await api.post("/v1/events", headers=bearer(), json=[sent, sent])).json()
    assert [each["status"] for each in body["results"]] == ["accepted", "duplicate"]


async def test_the_same_identity_with_other_content_is_a_conflict_and_not_appended() -> None:
    sent = event()
    async with client() as (api, log):
        await api.post("/v1/events", headers=bearer(), json=sent)
        answer = await api.post("/v1/events", headers=bearer(), json=sent | {"data": {"value": 62}})
    assert (answer.status_code, answer.json()["results"][0]["reason"]) == (409, "conflict")
    assert len(log.events) == 1
    assert [record["reason"] for record in kept(log)] == ["conflict"]


async def test_another_text_of_the_same_instant_and_number_is_no_conflict() -> None:
    sent = event(time="2026-01-01T08:00:00+08:00", data={"value": 61})
    async with client() as (api, _):
        await api.post("/v1/events", headers=bearer(), json=sent)
        same = sent | {"time": "2026-01-01T00:00:00.000Z", "data": {"value": 61.0}}
        answer = await api.post("/v1/events", headers=bearer(), json=same)
    assert answer.json()["results"][0]["status"] == "duplicate"


async def test_a_mixed_request_of_refusals_is_422() -> None:
    async with client() as (api, _):
        body = [event(institution="I02"), event(data={})]
        assert (await api.post("/v1/events", headers=bearer(), json=body)).status_code == 422


async def test_an_act_on_an_alert_sent_as_a_plain_event_obeys_the_same_rules() -> None:
    alert = str(uuid4())
    red = {"severity": "red", "handling": "new", "institution": "I01", "resident": "R1"}
    close = {"type": "mailiu.alert.closed.v1", "data": {"alert": alert, "outcome": "advice"}}
    async with client(nothing, {alert: red}) as (api, log):

        async def send(headers: dict[str, str], **changed: Any) -> tuple[int, str | None]:
            answer = await api.post("/v1/events", headers=headers, json=event(**{**close, **changed}))
            return answer.status_code, answer.json()["results"][0].get("reason")

        nurse, doctor = bearer("nurse", actor="N1"), bearer("clinician", actor="D1")
        assert await send(nurse, actor="N1") == (403, "not-allowed")
        assert await send(doctor, actor="N1") == (403, "not-allowed")
        assert await send(doctor, actor="D1", subject="R2") == (422, "unknown-alert")
        assert not log.events
        assert await send(doctor, actor="D1") == (202, None)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.lists(values, min_size=1, max_size=5), st.sampled_from(["", " ", "\n\t"]))
def test_the_bytes_of_each_element_say_that_element(elements: list[Any], gap: str) -> None:
    body = (gap + "[" + gap + (gap + "," + gap).join(orjson.dumps(e).decode() for e in elements) + gap + "]").encode()
    sent = split(body, "application/json", "")
    assert [orjson.loads(each.raw) for each in sent] == elements == [each.value for each in sent]
    assert b"".join(each.raw for each in sent) == b"".join(orjson.dumps(e) for e in elements)


def test_an_element_nested_very_deep_is_still_split() -> None:
    deep = b"[" * 1000 + b"]" * 1000
    sent = split(b"[1," + deep + b"]", "application/json", "")
    assert [each.raw for each in sent] == [b"1", deep]


@pytest.mark.parametrize("where", ["event", "data", "field", "extra"])
async def test_nesting_without_end_is_refused_not_an_error_of_ours(where: str) -> None:
    deep = b"[" * 900 + b"]" * 900
    whole = {
        "event": b"[" + deep + b"]",
        "data": orjson.dumps(event(data=None)).replace(b"null", deep),
        "field": orjson.dumps(event(data={"value": None})).replace(b"null", deep),
        "extra": orjson.dumps(event(colour=None)).replace(b"null", deep),
    }[where]
    async with client() as (api, log):
        answer = await api.post("/v1/events", headers=bearer() | JSON, content=whole)
    assert answer.status_code == 422
    assert not log.events
    assert len(kept(log)) == 1


async def test_a_manager_says_who_is_on_duty_at_the_own_institution_and_nothing_else() -> None:
    span = {"start": "2026-03-02T00:00:00+08:00", "end": "2026-03-09T00:00:00+08:00"}
    rota = {
        "type": "mailiu.organization.rota-set.v1",
        "subject": "I01",
        "data": {"role": "nurse", "shifts": [], **span},
    }
    leave = {"type": "mailiu.organization.leave-recorded.v1", "subject": "N1", "data": {"staff": "N1", **span}}
    staff = {
        "type": "mailiu.organization.staff-registered.v1",
        "subject": "N1",
        "data": {"staff": "N1", "role": "nurse"},
    }
    sent = [event(**rota), event(**leave), event(**rota, institution="I02"), event(**staff), event()]
    async with client() as (api, log):
        answer = await api.post("/v1/events", headers=bearer("manager", "I01"), json=sent)
        clinicians = await api.post("/v1/events", headers=bearer("clinician", "I01"), json=sent[:2])
    assert [(each["status"], each.get("field")) for each in answer.json()["results"]] == [
        ("accepted", None), ("accepted", None), ("rejected", "institution"), ("rejected", "type"), ("rejected", "type"),
    ]  # fmt: skip
    assert {each.type for each in log.events} == {rota["type"], leave["type"]}
    assert clinicians.status_code == 403
