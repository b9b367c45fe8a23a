"""What the API adds to its own SQL: a point query, and the control rate of 100,000 residents.

The reference is the very same statements by clickhouse-connect, one after the other as the endpoint sends them. Both
are asked in turn, so that a busy machine slows both.
"""

import statistics
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import httpx
from clickhouse_connect.driver import Client

from analytics.indicator import find
from api.auth import issue
from api.resident import READINGS, RESIDENT
from infra.clients import clickhouse
from infra.settings import settings
from projections import migrate

needs = ("api",)

RESIDENTS = 100_000
READERS = 20_000  # of them with home readings, ten each
ROUNDS, REQUESTS, STATISTICS = 3, 200, 60
REACH = "+ ≤ 15 ms p95"
PAGE = f"{READINGS} WHERE resident = {{resident:String}} ORDER BY time DESC, id DESC LIMIT 11"

#: Three years of a programme: registered and diagnosed, five visits with pressure and two prescriptions each.
EVENTS = """
INSERT INTO log (topic, partition, offset, key, type, identity, recordedtime, knowntime, value)
SELECT
    'events', r % 12, r * 32 + kind, concat('Q', toString(r)) AS key, type,
    UUIDNumToString(MD5(concat(key, toString(kind)))), at, at,
    concat('{"specversion":"1.0","id":"', key, '-', toString(kind), '","source":"bench","type":"', type,
        '","subject":"', key, '","time":"', formatDateTime(at, '%Y-%m-%dT%H:%i:%S'), '.000Z","recordedtime":"',
        formatDateTime(at, '%Y-%m-%dT%H:%i:%S'), '.000Z","institution":"I', leftPad(toString(r % 40), 2, '0'),
        '","data":',
        multiIf(
            kind = 0, '{"sex":"female","birth_date":"1950-05-01"}',
            kind = 1, '{"code":"I10"}',
            kind < 7, concat('{"programme":"hypertension","mode":"clinic","blood_pressure":{"systolic":',
                toString(110 + h % 60), ',"diastolic":', toString(60 + h % 40), '}}'),
            kind < 9, '{"code":"C08CA01"}',
            concat('{"systolic":', toString(110 + h % 50), ',"diastolic":', toString(60 + h % 35), '}')),
        '}')
FROM (
    SELECT
        intDiv(number, 19) AS r, number % 19 AS kind, cityHash64(number) AS h,
        toDateTime('2023-01-01 01:00:00', 'UTC') + (r * 7919 % 700) * 86400
            + if(kind < 2, 0, h % 1000 * 86400 + h % 36000) AS at,
        multiIf(
            kind = 0, 'mailiu.resident.registered.v1', kind = 1, 'mailiu.chronic.condition-diagnosed.v1',
            kind < 7, 'mailiu.chronic.follow-up-completed.v2', kind < 9, 'mailiu.chronic.medication-prescribed.v1',
            'mailiu.reading.blood-pressure-measured.v1') AS type
    FROM numbers({first:UInt64}, {many:UInt64})
    WHERE kind < 9 OR r < {readers:UInt64}
)
"""


def run(progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Rows of the bench: 95th percentiles in ms, medians of three rounds."""
    progress("making the tables")
    migrate.apply()
    headers = {"Authorization": f"Bearer {issue('admin', ['*'])}"}
    with (
        clickhouse() as client,
        httpx.Client(base_url=f"http://{settings().api}", headers=headers, timeout=60) as api,
    ):
        _fill(client, progress)
        point = compare(progress, "point query", REQUESTS, *_point(client, api))
        rate = compare(progress, "control rate", STATISTICS, *_rate(client, api))
    return [
        row("a resident's latest readings", point),
        row(f"control rate, 12 months by institution, {RESIDENTS:,} residents", rate),
    ]


def _fill(client: Client, progress: Callable[[str], None]) -> None:
    step = 10_000 * 19
    for first in range(0, RESIDENTS * 19, step):
        progress(f"{first // 19:,} of {RESIDENTS:,} residents")
        client.command(EVENTS, parameters={"first": first, "many": step, "readers": READERS})


Ask = Callable[[int], object]


def _point(client: Client, api: httpx.Client) -> tuple[Ask, Ask]:
    def over_api(n: int) -> object:
        answer = api.get(f"/v1/residents/Q{n * 7919 % READERS}/readings", params={"limit": 10})
        return len(answer.raise_for_status().json()["items"])

    def by_sql(n: int) -> object:
        resident = {"resident": f"Q{n * 7919 % READERS}"}
        client.query(RESIDENT, parameters=resident)
        return min(len(client.query(PAGE, parameters=resident).result_rows), 10)

    return over_api, by_sql


def _rate(client: Client, api: httpx.Client) -> tuple[Ask, Ask]:
    first, last = date(2025, 1, 1), date(2025, 12, 31)
    indicator = find("control-hearts")
    assert indicator is not None
    bound = {
        "from": first, "to": last, "today": datetime.now(UTC).date(), "as_of": "2199-12-31 00:00:00.000",
        "institutions": [], "zone": settings().zone.key, "by_day": False, "by_month": True, "by_institution": True,
        "by_severity": False,
    }  # fmt: skip

    def over_api(n: int) -> object:
        asked = {"from": str(first), "to": str(last), "by": "month,institution"}
        rows = api.get("/v1/statistics/control-hearts", params=asked).raise_for_status().json()["rows"]
        return sum(row["numerator"] for row in rows)

    def by_sql(n: int) -> object:
        return sum(row["controlled"] for row in client.query(indicator.sql, parameters=bound).named_results())

    return over_api, by_sql


def compare(
    progress: Callable[[str], None], name: str, requests: int, over_api: Ask, by_sql: Ask
) -> tuple[float, float, float, float]:
    """95th percentile over the API and by SQL, and what the API adds there and at the median, in ms: of the rounds."""
    rounds = []
    for number in range(ROUNDS + 1):
        progress(f"{name}: round {number} of {ROUNDS}")
        times: tuple[list[float], list[float]] = ([], [])
        for n in range(requests if number else 10):
            answers = []
            for ask, taken in zip((over_api, by_sql), times, strict=True):
                begun = time.perf_counter()
                answers.append(ask(n))
                taken.append((time.perf_counter() - begun) * 1000)
            if answers[0] != answers[1]:
                raise AssertionError(f"{name}: the API says {answers[0]}, its SQL {answers[1]}")
        if number:  # the first only warms up
            api, sql = (statistics.quantiles(taken, n=20)[-1] for taken in times)
            typical = statistics.median(times[0]) - statistics.median(times[1])
            rounds.append((api, sql, api - sql, typical))
    api, sql, added, typical = (statistics.median(each) for each in zip(*rounds, strict=True))
    return api, sql, added, typical


def row(measured: str, found: tuple[float, float, float, float]) -> dict[str, Any]:
    api, sql, added, typical = found
    return {
        "bench": "query",
        "measured": f"{measured}: + {added:.1f} ms (median + {typical:.1f})",
        "reference": "its own SQL, p95",
        "value": api,
        "reference_value": sql,
        "ratio": api / sql,
        "reach": REACH,
        "unit": "ms",
    }
