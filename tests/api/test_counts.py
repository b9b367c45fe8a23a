"""Home control, home readings a day, alerts by severity and time to acknowledgement: small sets counted by hand."""

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID, uuid5

import pytest
from clickhouse_connect.driver import Client

from schemas.envelope import NAMESPACE, Event
from tests.api.database import event, mirror, scratch_database
from tests.api.test_indicators import READING, RETRACTED, ask
from tests.stack import Stack

pytestmark = pytest.mark.stack


@pytest.fixture
def client(clickhouse: Stack) -> Iterator[Client]:
    with scratch_database() as client:
        yield client


def home(resident: str, day: str, pairs: list[tuple[int, int]], institution: str = "I01", **data: Any) -> list[Event]:
    """Readings of one day, from 08:00 local time on."""
    return [
        event(READING, resident, f"{day}T00:0{i}:00Z", {"systolic": s, "diastolic": d, **data}, institution)
        for i, (s, d) in enumerate(pairs)
    ]


def test_home_control_needs_twelve_readings_on_three_days_and_a_mean_below_135_85(client: Client) -> None:
    days = ("2025-11-03", "2025-11-04", "2025-11-05")
    events = [
        *(e for day in days for e in home("below", day, [(134, 84)] * 4)),
        *(e for day in days for e in home("at-the-limit", day, [(134, 85)] * 4)),
        *(e for day in days for e in home("too-few", day, [(120, 70)] * 3)),
        *(e for day in days[:2] for e in home("two-days", day, [(120, 70)] * 6)),
        *(e for day in days for e in home("told", day, [(120, 70)] * 4, source="self-reported")),
        *(e for day in days for e in home("elsewhere", day, [(150, 90)] * 4, "I02")),
    ]
    worn = {"model": "Wrist-1", "maker": "M", "kinds": ["blood-pressure"], "site": "wrist"}
    events += [
        event("mailiu.device.model-registered.v1", "device:Wrist-1", "2025-11-01T00:00:00Z", worn),
        event("mailiu.device.bound.v1", "bound", "2025-11-01T00:00:00Z", {"device": "W1", "model": "Wrist-1"}),
        *(e for day in days for e in home("bound", day, [(120, 70)] * 4, device="W1")),
        *(e for day in days for e in home("known", day, [(120, 70)] * 4, device="W2", model="Wrist-1")),
        *(e for day in days for e in home("who", day, [(120, 70)] * 4, flags=["unknown-user"])),
    ]
    mirror(client, events)
    rows = ask(client, "control-home", "2025-11-01", "2025-11-30", by_institution=True)
    assert [(row["institution"], row["controlled"], row["measured"]) for row in rows] == [("I01", 1, 2), ("I02", 0, 1)]
    [row] = ask(client, "control-home", "2025-11-01", "2025-11-30")
    assert (row["controlled"], row["measured"]) == (1, 3)


def test_home_readings_a_day_are_divided_by_the_days_of_the_period_so_far(client: Client) -> None:
    readings = home("R1", "2025-11-03", [(130, 80)] * 4) + home("R1", "2025-11-04", [(130, 80)] * 2)
    late = event(READING, "R1", "2025-11-05T16:00:00Z", {"systolic": 130, "diastolic": 80})  # 6 November, local
    office = event(READING, "R1", "2025-11-06T02:00:00Z", {"systolic": 130, "diastolic": 80, "place": "office"})
    gone = event(
        RETRACTED, "R1", "2025-11-07T00:00:00Z", {"reading": str(readings[0].identity), "reason": "not-mine"}
    )  # fmt: skip
    mirror(client, [*readings, late, office, gone])
    month = ask(client, "home-readings-per-day", "2025-11-01", "2025-11-30", by_month=True)
    assert [(row["readings"], row["days"]) for row in month] == [(6, 30)]
    so_far = ask(client, "home-readings-per-day", "2025-11-01", "2025-11-30", today=date(2025, 11, 10), by_month=True)
    assert [(row["readings"], row["days"]) for row in so_far] == [(6, 10)]
    daily = ask(client, "home-readings-per-day", "2025-11-01", "2025-11-30", by_day=True)
    assert [(row["period"].day, row["readings"], row["days"]) for row in daily] == [(3, 3, 1), (4, 2, 1), (6, 1, 1)]
    before = ask(
        client, "home-readings-per-day", "2025-11-01", "2025-11-30", as_of="2025-11-04 12:00:00.000", by_month=True
    )
    assert [(row["readings"], row["days"]) for row in before] == [(6, 30)]


def alert(name: str, kind: str, time: str, institution: str = "I01", **fields: Any) -> Event:
    """A derived event of alert ``name``, which carries the whole alert."""
    fields.setdefault("raised_time", time)
    data = {
        "alert": str(alert_id(name)), "rule": "bp-crisis", "rule_version": 1, "severity": "red", "condition": "active",
        "handling": "new", "revision": 1, "onset": time, "latest": time, "evidence": [], "level": 0, "role": "nurse",
        "detail": {}, **fields,
    }  # fmt: skip
    return Event(
        id=f"{name}/{data['revision']}", source="fold", type=f"mailiu.alert.{kind}.v1", subject=f"R-{name}",
        time=time, recordedtime=time, institution=institution, data=data,
    )  # fmt: skip


def alert_id(name: str) -> UUID:
    return uuid5(NAMESPACE, name)


ALERTS = [
    alert("A", "raised", "2025-11-03T00:00:00.000Z"),
    alert("A", "handling-changed", "2025-11-03T00:02:00.000Z", revision=2, raised_time="2025-11-03T00:00:00.000Z",
          handling="acknowledged", acknowledged_time="2025-11-03T00:02:00.000Z"),
    alert("B", "raised", "2025-11-03T01:00:00.000Z"),
    alert("B", "severity-changed", "2025-11-03T01:10:00.000Z", revision=2, raised_time="2025-11-03T01:00:00.000Z",
          severity="orange"),
    alert("B", "handling-changed", "2025-11-03T01:20:00.000Z", revision=3, raised_time="2025-11-03T01:00:00.000Z",
          severity="orange", handling="acknowledged", acknowledged_time="2025-11-03T01:20:00.000Z"),
    alert("C", "raised", "2025-11-30T16:00:00.000Z", severity="yellow"),  # 1 December, local
    alert("D", "raised", "2025-11-04T00:00:00.000Z", "I02", severity="orange"),
]  # fmt: skip


def test_an_alert_counts_once_in_the_severity_it_has_and_the_local_month_it_was_raised(client: Client) -> None:
    mirror(client, ALERTS, "derived")
    rows = ask(client, "alerts-by-severity", "2025-11-01", "2025-12-31", by_month=True, by_severity=True)
    assert [(row["period"].month, row["severity"], row["raised"], row["all_raised"]) for row in rows] == [
        (11, "orange", 2, 3),
        (11, "red", 1, 3),
        (12, "yellow", 1, 1),
    ]
    then = ask(
        client, "alerts-by-severity", "2025-11-01", "2025-12-31", as_of="2025-11-03 01:05:00.000", by_month=True,
        by_severity=True,
    )  # fmt: skip
    assert [(row["severity"], row["raised"], row["all_raised"]) for row in then] == [("red", 2, 2)]


def test_the_median_time_to_acknowledgement_is_over_those_acknowledged(client: Client) -> None:
    mirror(client, ALERTS, "derived")
    [row] = ask(client, "median-acknowledge-time", "2025-11-01", "2025-11-30", by_month=True)
    assert (row["acknowledged"], row["raised"], row["median_seconds"]) == (2, 3, 660)  # of 120 s and 1,200 s
    [row] = ask(client, "median-acknowledge-time", "2025-11-01", "2025-11-30", by_month=True, institutions=["I02"])
    assert (row["acknowledged"], row["raised"], row["median_seconds"]) == (0, 1, None)
