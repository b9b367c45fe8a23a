"""Programme indicators: counts worked out by hand from Simple's rules, and against an independent computation."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from clickhouse_connect.driver import Client

from analytics.indicator import find, released
from schemas.envelope import Event, rfc3339
from tests.api.database import event, mirror, scratch_database
from tests.stack import Stack

pytestmark = pytest.mark.stack

LATER = "2199-12-31 00:00:00.000"
DIAGNOSED = "mailiu.chronic.condition-diagnosed.v1"
RESOLVED = "mailiu.chronic.condition-resolved.v1"
PRESCRIBED = "mailiu.chronic.medication-prescribed.v1"
FOLLOW_UP = "mailiu.chronic.follow-up-completed.v2"
REGISTERED = "mailiu.resident.registered.v1"
TRANSFERRED = "mailiu.resident.transferred.v1"
DIED = "mailiu.resident.died.v1"
READING = "mailiu.reading.blood-pressure-measured.v1"
RETRACTED = "mailiu.reading.retracted.v1"
ZONE = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def client(clickhouse: Stack) -> Iterator[Client]:
    with scratch_database() as client:
        yield client


def ask(client: Client, id: str, first: str, last: str, as_of: str = LATER, **parameters: Any) -> list[dict[str, Any]]:
    indicator = find(id)
    assert indicator is not None
    groups = {f"by_{name}": False for name in ("day", "month", "institution", "severity")}
    bound = {
        "from": date.fromisoformat(first), "to": date.fromisoformat(last), "today": date(2026, 6, 30), "as_of": as_of,
        "institutions": [], "zone": "Asia/Shanghai", **groups, **parameters,
    }  # fmt: skip
    return list(client.query(indicator.sql, parameters=bound).named_results())


def member(resident: str, time: str, institution: str = "I01") -> list[Event]:
    return [
        event(REGISTERED, resident, time, {"sex": "female", "birth_date": "1950-01-01"}, institution),
        event(DIAGNOSED, resident, time, {"code": "I10"}, institution),
    ]


def visit(
    resident: str, time: str, systolic: float | None = None, diastolic: float | None = None, **more: Any
) -> Event:
    pressure = {"blood_pressure": {"systolic": systolic, "diastolic": diastolic}} if systolic else {}
    return event(FOLLOW_UP, resident, time, {"mode": "clinic", **pressure}, **more)


#: Seven residents, each of whom stands for one rule.
PROGRAMME: list[Event] = [
    # controlled: two pressures in November, the later one below 140/90
    *member("controlled", "2025-01-10T02:00:00Z"),
    visit("controlled", "2025-11-03T02:00:00Z", 152, 96),
    visit("controlled", "2025-11-20T02:00:00Z", 139, 89),
    # uncontrolled until December (two months after the visit), a missed visit from January on
    *member("high", "2025-02-10T02:00:00Z"),
    visit("high", "2025-10-15T02:00:00Z", 138, 90),
    # never seen again: a missed visit while newly registered, lost from the twelfth month on
    *member("never-back", "2025-03-10T02:00:00Z"),
    # died in December: dead from that month on, still among the registered
    *member("died", "2025-06-10T02:00:00Z"),
    visit("died", "2025-11-01T02:00:00Z", 120, 70),
    event(DIED, "died", "2025-12-20T02:00:00Z", {}),
    # moved to I02 in November; a prescription is a visit, and the last pressure is four months old in December
    *member("moved", "2024-01-10T02:00:00Z"),
    visit("moved", "2025-08-10T02:00:00Z", 120, 70),
    event(TRANSFERRED, "moved", "2025-11-20T02:00:00Z", {"to_institution": "I02"}),
    event(PRESCRIBED, "moved", "2025-12-01T02:00:00Z", {"code": "C09AA02"}, "I02"),
    # a suspected diagnosis registers nobody
    event(REGISTERED, "suspected", "2025-01-10T02:00:00Z", {"sex": "male", "birth_date": "1950-01-01"}),
    event(DIAGNOSED, "suspected", "2025-01-10T02:00:00Z", {"code": "I10", "certainty": "suspected"}),
    # registered at 00:30 of 1 December, local time, though November in UTC
    *member("new", "2025-11-30T16:30:00Z"),
]


def counts(rows: list[dict[str, Any]], month: str, institution: str = "") -> dict[str, int]:
    wanted = date.fromisoformat(f"{month}-01")
    found = [row for row in rows if row["period"] == wanted and row["institution"] == institution]
    return {
        name: value for row in found for name, value in row.items() if name not in ("period", "institution") and value
    }


def test_each_resident_counts_where_the_rules_of_the_programme_put_them(client: Client) -> None:
    mirror(client, PROGRAMME)
    rows = ask(client, "control-hearts", "2025-10-01", "2026-03-31", by_institution=True)
    assert counts(rows, "2025-10", "I01") == {
        "registered": 5, "assigned": 5, "under_care": 5, "counted_under_care": 5,
        # the one that died was measured only in November; the last pressure of the one that moved is two months old
        "missed_visit": 3, "uncontrolled": 1, "controlled": 1,
    }  # fmt: skip
    assert counts(rows, "2025-11", "I01") == {
        "registered": 4, "assigned": 4, "under_care": 4, "counted_under_care": 4,
        "missed_visit": 1, "uncontrolled": 1, "controlled": 2,
    }  # fmt: skip
    assert counts(rows, "2025-12", "I01") == {
        "registered": 5, "assigned": 4, "under_care": 4, "counted_under_care": 3,
        "missed_visit": 1, "uncontrolled": 1, "controlled": 1,
    }  # fmt: skip
    assert counts(rows, "2025-12", "I02") == {
        "registered": 1, "assigned": 1, "under_care": 1, "counted_under_care": 1, "visited_without_pressure": 1,
    }  # fmt: skip
    assert counts(rows, "2026-01", "I01") == {
        "registered": 5, "assigned": 4, "under_care": 4, "counted_under_care": 3, "missed_visit": 2, "controlled": 1,
    }  # fmt: skip
    assert counts(rows, "2026-03", "I01") == {
        "registered": 5, "assigned": 4, "under_care": 3, "lost": 1, "counted_under_care": 3, "missed_visit": 3,
    }  # fmt: skip


def test_without_institutions_a_resident_counts_once_for_the_district(client: Client) -> None:
    mirror(client, PROGRAMME)
    rows = ask(client, "control-hearts", "2025-12-01", "2025-12-31")
    assert counts(rows, "2025-12") == {
        "registered": 6, "assigned": 5, "under_care": 5, "counted_under_care": 4,
        "missed_visit": 1, "visited_without_pressure": 1, "uncontrolled": 1, "controlled": 1,
    }  # fmt: skip


def test_a_scope_counts_only_its_institutions(client: Client) -> None:
    mirror(client, PROGRAMME)
    rows = ask(client, "registered", "2025-10-01", "2025-12-31", institutions=["I02"], by_institution=True)
    assert [(row["period"].month, row["institution"], row["registered"]) for row in rows] == [
        (11, "I02", 1),
        (12, "I02", 1),
    ]


def test_what_came_twice_counts_once(client: Client) -> None:
    mirror(client, PROGRAMME)
    before = ask(client, "control-hearts", "2025-10-01", "2026-03-31", by_institution=True)
    mirror(client, PROGRAMME)
    assert ask(client, "control-hearts", "2025-10-01", "2026-03-31", by_institution=True) == before


def test_as_of_answers_from_what_was_known_then(client: Client) -> None:
    mirror(
        client,
        [
            *member("R1", "2025-01-10T02:00:00Z"),
            # measured in November, entered in January
            visit("R1", "2025-11-20T02:00:00Z", 130, 80, recorded="2026-01-08T02:00:00Z"),
        ],
    )
    now = ask(client, "control-hearts", "2025-11-01", "2025-11-30")
    then = ask(client, "control-hearts", "2025-11-01", "2025-11-30", as_of="2026-01-08 01:59:59.999")
    assert counts(now, "2025-11")["controlled"] == 1
    assert "controlled" not in counts(then, "2025-11")
    assert counts(then, "2025-11")["missed_visit"] == 1


def test_a_retracted_office_reading_no_longer_counts_once_that_is_known(client: Client) -> None:
    reading = event(READING, "R1", "2025-11-20T02:00:00Z", {"systolic": 130, "diastolic": 80, "place": "office"})
    mirror(
        client,
        [
            *member("R1", "2025-01-10T02:00:00Z"),
            reading,
            event(RETRACTED, "R1", "2026-02-01T02:00:00Z", {"reading": str(reading.identity), "reason": "not-mine"}),
        ],
    )
    assert counts(ask(client, "control-hearts", "2025-11-01", "2025-11-30"), "2025-11")["missed_visit"] == 1
    then = ask(client, "control-hearts", "2025-11-01", "2025-11-30", as_of="2026-01-31 00:00:00.000")
    assert counts(then, "2025-11")["controlled"] == 1


def test_a_diagnosis_taken_back_ends_the_registration_from_that_month_on(client: Client) -> None:
    mirror(
        client,
        [*member("R1", "2025-01-10T02:00:00Z"), event(RESOLVED, "R1", "2025-11-05T02:00:00Z", {"code": "I10"})],
    )
    rows = ask(client, "registered", "2025-10-01", "2025-11-30")
    assert counts(rows, "2025-10")["registered"] == 1
    assert counts(rows, "2025-11") == {}


def test_a_home_reading_never_enters_the_programme(client: Client) -> None:
    mirror(
        client,
        [
            *member("R1", "2025-01-10T02:00:00Z"),
            event(READING, "R1", "2025-11-20T02:00:00Z", {"systolic": 120, "diastolic": 70, "place": "home"}),
            event(FOLLOW_UP, "R1", "2025-11-21T02:00:00Z", {"mode": "phone"}),
        ],
    )
    assert counts(ask(client, "control-hearts", "2025-11-01", "2025-11-30"), "2025-11")["missed_visit"] == 1


def test_the_sql_equals_an_independent_computation_for_a_random_population(client: Client) -> None:
    events = _population(random.Random(7), 400)
    mirror(client, events)
    for as_of in (None, "2025-09-15T04:00:00.000Z"):
        bound = LATER if as_of is None else as_of.replace("T", " ").rstrip("Z")
        rows = ask(client, "control-hearts", "2024-06-01", "2026-02-28", as_of=bound, by_institution=True)
        ours = {
            (f"{row['period']:%Y-%m}", row["institution"], name): row[name]
            for row in rows
            for name in row.keys() - {"period", "institution"}
            if row[name]
        }
        known = [e for e in events if as_of is None or rfc3339(e.recordedtime) <= as_of]  # type: ignore[arg-type]
        theirs = _independent(known, 2024 * 12 + 5, 2026 * 12 + 1)
        assert ours == theirs
        assert len(theirs) > 300


def _population(chance: random.Random, size: int) -> list[Event]:
    """Residents of three institutions with visits, moves and deaths over three years; some events come late."""
    start, events = datetime(2023, 1, 1, tzinfo=UTC), []

    def at(low: int, high: int) -> datetime:
        return start + timedelta(days=chance.randint(low, high), seconds=chance.randint(0, 86399))

    def add(type: str, resident: str, time: datetime, data: dict[str, Any], institution: str) -> None:
        late = timedelta(days=chance.choice([0, 0, 0, 0, 3, 40, 200]))
        events.append(event(type, resident, rfc3339(time), data, institution, rfc3339(time + late)))

    for number in range(size):
        resident, home = f"P{number}", chance.choice(["I01", "I02", "I03"])
        begun = chance.randint(0, 1000)
        add(REGISTERED, resident, at(begun, begun), {"sex": "male", "birth_date": "1960-01-01"}, home)
        add(DIAGNOSED, resident, at(begun, begun + 30), {"code": chance.choice(["I10", "I11.9"])}, home)
        for _ in range(chance.randint(0, 9)):
            systolic = chance.randint(110, 180)
            pressure = {"blood_pressure": {"systolic": systolic, "diastolic": chance.randint(60, systolic - 10)}}
            data = {"mode": "clinic", **(pressure if chance.random() < 0.8 else {})}
            add(FOLLOW_UP, resident, at(begun, 1200), data, home)
        if chance.random() < 0.2:
            add(PRESCRIBED, resident, at(begun, 1200), {"code": "C08CA01"}, home)
        if chance.random() < 0.2:
            add(TRANSFERRED, resident, at(begun, 1200), {"to_institution": chance.choice(["I01", "I02"])}, home)
        if chance.random() < 0.1:
            add(DIED, resident, at(begun + 100, 1200), {}, home)
    return events


def _independent(events: list[Event], first: int, last: int) -> dict[tuple[str, str, str], int]:
    """The same counts by other means: a table of facts in polars, one filter and group a month."""
    facts = []
    for e in events:
        local = e.time.astimezone(ZONE)
        what = {DIAGNOSED: "registered", FOLLOW_UP: "visit", PRESCRIBED: "visit", DIED: "died"}.get(e.type, "assigned")
        pressure = e.data.get("blood_pressure") or {}
        at = e.data.get("to_institution", e.institution)
        month = local.year * 12 + local.month - 1
        facts.append((e.subject, what, e.time, month, at, pressure.get("systolic"), pressure.get("diastolic")))
    schema = ["resident", "what", "time", "month", "institution", "systolic", "diastolic"]
    table = pl.DataFrame(facts, schema=schema, orient="row", infer_schema_length=None).sort("time")
    result = {}
    for month in range(first, last + 1):
        known = table.filter(pl.col("month") <= month)

        def latest(what: pl.Expr, *columns: str, known: pl.DataFrame = known) -> pl.DataFrame:
            return known.filter(what).group_by("resident", maintain_order=True).agg(pl.col(*columns).last())

        people = (
            known.filter(pl.col("what") == "registered")
            .group_by("resident")
            .agg(since=month - pl.col("month").min())
            .join(latest(pl.col("what") == "assigned", "institution"), on="resident")
            .join(latest(pl.col("what") == "visit", "month").rename({"month": "visited"}), on="resident", how="left")
            .join(
                latest(pl.col("systolic").is_not_null(), "month", "systolic", "diastolic").rename(
                    {"month": "measured"}
                ),
                on="resident",
                how="left",
            )
            .with_columns(dead=pl.col("resident").is_in(known.filter(pl.col("what") == "died")["resident"].to_list()))
            .with_columns(
                visited=month - pl.col("visited").fill_null(-10_000),
                measured=month - pl.col("measured").fill_null(-10_000),
                target=(pl.col("systolic") < 140) & (pl.col("diastolic") < 90),
            )
            .with_columns(cared=~pl.col("dead") & ((pl.col("since") < 12) | (pl.col("visited") < 12)))
            .with_columns(counted=pl.col("cared") & (pl.col("since") >= 3))
        )
        outcome = (
            pl.when(pl.col("visited") >= 3)
            .then(pl.lit("missed_visit"))
            .when(pl.col("measured") >= 3)
            .then(pl.lit("visited_without_pressure"))
            .when(pl.col("target"))
            .then(pl.lit("controlled"))
            .otherwise(pl.lit("uncontrolled"))
        )
        people = people.with_columns(outcome=outcome)
        for (institution,), group in people.group_by("institution"):
            counted = group.filter("counted")
            named = {
                "registered": len(group), "assigned": len(group.filter(~pl.col("dead"))),
                "under_care": len(group.filter("cared")), "counted_under_care": len(counted),
                "lost": len(group.filter(~pl.col("dead") & ~pl.col("cared"))),
                **dict(counted.group_by("outcome").len().iter_rows()),
            }  # fmt: skip
            for name, count in named.items():
                if count:
                    result[f"{month // 12}-{month % 12 + 1:02}", str(institution), name] = count
    return result


def test_every_indicator_says_in_both_languages_what_it_is_and_by_whose_rule() -> None:
    for versions in released().values():
        for version, indicator in versions.items():
            assert indicator.version == version
            assert {"zh", "en"} == indicator.title.keys() == indicator.text.keys()
            assert all(indicator.title.values())
            assert all(indicator.text.values())
            assert indicator.source
            assert indicator.numerator in indicator.sql
            assert indicator.denominator in indicator.sql


def test_a_released_indicator_version_is_found_and_an_unknown_one_is_not() -> None:
    assert find("control-hearts", 1) == find("control-hearts")
    assert find("control-hearts", 99) is None
    assert find("control-everything") is None
