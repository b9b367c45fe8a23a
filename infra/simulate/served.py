"""The alerts that a running Mailiu serves for a simulated district, from its ClickHouse."""

from analytics.simulator.score import Alert, Change
from infra.clients import clickhouse

QUERY = """
SELECT toString(alert), rule, resident, toUnixTimestamp64Milli(raised_time),
       toUnixTimestamp64Milli(ifNull(onset, raised_time)), toUnixTimestamp64Milli(ifNull(latest, raised_time)),
       toUnixTimestamp64Milli(updated_time), severity, condition, handling
FROM alert_events
WHERE startsWith(resident, {prefix:String}) OR startsWith(resident, {devices:String})
ORDER BY alert, revision
"""


def alerts_of(prefix: str) -> list[Alert]:
    """All alerts about residents and devices of the district with this prefix, with their history."""
    found: dict[str, Alert] = {}
    with clickhouse() as client:
        parameters = {"prefix": f"{prefix}-", "devices": f"device:{prefix}-"}
        for id, rule, resident, raised, onset, latest, at, *state in client.query(QUERY, parameters).result_rows:
            alert = found.setdefault(id, Alert(id, rule, resident, raised, onset, latest))
            alert.onset, alert.latest = min(alert.onset, onset), max(alert.latest, latest)
            alert.changes.append(Change(at, *state))
    return list(found.values())
