"""What the API adds to its own SQL for a page of the ward round over 100,000 contracted residents.

The reference is the very same statements by clickhouse-connect, one after the other as the endpoint sends them. Both
are asked in turn, so that a busy machine slows both.
"""

from collections.abc import Callable
from typing import Any

import httpx
from clickhouse_connect.driver import Client

from api.auth import issue
from api.round import COUNTS, PAGE, STATUS
from api.round_item import LATEST
from infra.bench.query import Ask, compare, row
from infra.clients import clickhouse
from infra.settings import settings
from projections import migrate

needs = ("api",)

RESIDENTS = 100_000
DOCTORS = 100
REQUESTS, LIMIT = 100, 50

#: Everybody registered and under contract; the fold's word on each: two reasons, one in three decided and waiting.
EVENTS = """
INSERT INTO log (topic, partition, offset, key, type, identity, recordedtime, knowntime, value)
SELECT
    if(kind < 2, 'events', 'derived'), r % 12, r * 3 + kind, concat('Q', toString(r)) AS key,
    concat('mailiu.', ['resident.registered', 'resident.contracted', 'round.need-assessed'][kind + 1], '.v1') AS type,
    UUIDNumToString(MD5(concat(key, toString(kind)))), at, at,
    concat('{"specversion":"1.0","id":"', key, '-', toString(kind), '","source":"bench","type":"', type,
        '","subject":"', key, '","time":"', formatDateTime(at, '%Y-%m-%dT%H:%i:%S'), '.000Z","recordedtime":"',
        formatDateTime(at, '%Y-%m-%dT%H:%i:%S'), '.000Z","institution":"I', leftPad(toString(r % 40), 2, '0'),
        '","data":',
        multiIf(
            kind = 0, '{"sex":"female","birth_date":"1950-05-01"}',
            kind = 1, concat('{"team":"T', toString(r % 200), '","doctor":"D', toString(r % {doctors:UInt32}), '"}'),
            concat('{"contracted":true,"open":', if(h % 3 = 0, 'false', 'true'), ',"points":', toString(h % 1500),
                ',"level":', toString(h % 4), if(h % 3 = 0, ',"next":"2026-06-01","level_before":2', ''),
                ',"reasons":[{"key":"alert/', id, '/red","kind":"alert","code":"bp-crisis","grade":"red","points":',
                toString(h % 1400), ',"new":true,"of":"', id, '","since":"2026-01-01T00:00:00.000Z","evidence":["', id,
                '"]},{"key":"control/blood-pressure","kind":"control","code":"blood-pressure","grade":"uncontrolled",',
                '"points":60,"new":false}],"gone":[],"labels":[],"conditions":["I10","E11"],"sex":"female","birth_date":"1950-05-01","team":"T',
                toString(r % 200), '","doctor":"D', toString(r % {doctors:UInt32}),
                '","rule":"round","rule_version":1}')),
        '}')
FROM (
    SELECT
        intDiv(number, 3) AS r, number % 3 AS kind, cityHash64(number) AS h,
        toString(UUIDNumToString(MD5(toString(number)))) AS id,
        toDateTime('2025-01-01 01:00:00', 'UTC') + r AS at
    FROM numbers({first:UInt64}, {many:UInt64})
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
        for first in range(0, RESIDENTS * 3, 60_000):
            progress(f"{first // 3:,} of {RESIDENTS:,} residents")
            client.command(EVENTS, parameters={"first": first, "many": 60_000, "doctors": DOCTORS})
        everybody = compare(progress, "page of everybody", REQUESTS, *_page(client, api, whole=True))
        doctor = compare(progress, "page of a doctor", REQUESTS, *_page(client, api, whole=False))
    return [
        row(f"ward round, {RESIDENTS:,} contracted residents: first page of {LIMIT}", everybody),
        row(f"ward round, {RESIDENTS:,} contracted residents: a doctor's page of {LIMIT}", doctor),
    ]


def _page(client: Client, api: httpx.Client, whole: bool) -> tuple[Ask, Ask]:
    """The page over the API, and its statements by SQL; both say how many there are and who comes first."""
    conditions = f"1 AND {STATUS['open']}" if whole else f"1 AND r.doctor = {{doctor:String}} AND {STATUS['open']}"

    def over_api(n: int) -> object:
        asked = {"limit": LIMIT} | ({} if whole else {"doctor": f"D{n % DOCTORS}"})
        page = api.get("/v1/rounds", params=asked).raise_for_status().json()
        return page["total"], page["items"][0]["resident"]

    def by_sql(n: int) -> object:
        bound: dict[str, Any] = {} if whole else {"doctor": f"D{n % DOCTORS}"}
        counts = client.query(COUNTS.format(conditions=conditions), parameters=bound)
        page = client.query(PAGE.format(conditions=conditions), parameters=bound | {"limit": LIMIT + 1})
        rows = list(page.named_results())[:LIMIT]
        before = [r["resident"] for r in rows if r["next"] is not None or r["level_before"] is not None]
        if before:
            client.query(LATEST, parameters={"residents": before})
        return sum(each["residents"] for each in counts.named_results()), rows[0]["resident"]

    return over_api, by_sql
