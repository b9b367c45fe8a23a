"""A small district lived on a stack of its own, over MQTT and REST, a week in some minutes; verified and scored."""

from collections import Counter
from collections.abc import Iterator

import orjson
import pytest

from infra.clients import clickhouse
from tests.stack import Stack, own_stack

RESIDENTS, DAYS, SEED = 450, 6, 5  # some forty people with devices
#: Fast enough for a test, slow enough that a second of delay is an hour and not days: half a day before the first one.
CLOCK = "2025-03-09T04:00:00Z@5400"

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def lived() -> Iterator[tuple[Stack, str]]:
    """The stack after the district was lived on it, and what the command printed."""
    with own_stack("simulate", clock=CLOCK, tick_seconds="600") as stack:
        stack.up()
        done = stack.mailiu(
            "simulate", "--live", "--residents", str(RESIDENTS), "--days", str(DAYS), "--seed", str(SEED), timeout=600
        )
        yield stack, done.stderr


def told(output: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for line in output.splitlines():
        count, _, what = line.strip().partition(" ")
        if what and count.replace(",", "").isdigit():
            counts[what] += int(count.replace(",", ""))
    return counts


def test_every_reading_has_its_receipt_and_every_event_of_care_is_taken(lived: tuple[Stack, str]) -> None:
    counts = told(lived[1])
    assert counts["readings"] > 200
    assert counts["without receipt"] == 0
    assert counts["care accepted"] > RESIDENTS
    assert counts["care rejected"] == 0
    assert counts["accepted"] > 0.95 * counts["readings"]


def test_what_is_served_is_what_the_log_says(lived: tuple[Stack, str]) -> None:
    done = lived[0].mailiu("verify", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_readings_are_served_under_their_people(lived: tuple[Stack, str]) -> None:
    with clickhouse() as client:
        rows = client.query(
            "SELECT uniqExact(id), uniqExact(resident) FROM readings WHERE startsWith(resident, 'S5-')"
        ).result_rows
    readings, people = rows[0]
    assert readings >= 0.9 * told(lived[1])["accepted"]  # what was sent twice is one
    assert people >= 15


def test_the_running_stack_is_scored_against_the_truth(lived: tuple[Stack, str]) -> None:
    stack = lived[0]
    done = stack.mailiu("simulate", "score", str(stack.home / f"simulate-{SEED}.truth.ndjson"), "--json")
    result = orjson.loads(done.stdout)
    rows = {row["rule"]: row for row in result["rules"]}
    high = rows["bp-sustained-high"]  # within a week every true one is brief: it need not be found, and is not false
    assert high["alerts"] > high["false_alarms"]
    assert result["total"]["person_days"] > 100
    assert result["total"]["alerts"] == sum(row["alerts"] for row in rows.values())


def test_clinicians_took_and_closed_alerts_over_rest(lived: tuple[Stack, str]) -> None:
    counts = told(lived[1])
    assert counts["acknowledge"] > 0
    assert counts["close"] > 0
    with clickhouse() as client:
        closed = client.query("SELECT count() FROM alerts WHERE handling = 'closed'").result_rows[0][0]
    assert closed >= 0.8 * counts["close"]
