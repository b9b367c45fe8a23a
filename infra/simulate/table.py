"""The score as a table."""

from typing import Any

from rich.console import Console
from rich.table import Table


def show(result: dict[str, Any]) -> None:
    """Print one row a rule, then the whole against its budget."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = 160
    table = Table("rule", box=None, header_style="bold")
    headings = (
        "episodes", "sensitivity", "of those measured", "alerts", "false alarms", "per 100 patient-months",
        "delay, median h", "p95 h", "hand-work", "settled alone",
    )  # fmt: skip
    for heading in headings:
        table.add_column(heading, justify="right")
    for row in result["rules"]:
        table.add_row(
            row["rule"], str(row["episodes"]), _share(row["sensitivity"]), _share(row["sensitivity_measured"]),
            str(row["alerts"]), "" if row["false_alarms"] is None else str(row["false_alarms"]),
            _number(row["false_per_100_patient_months"]), _number(row["delay_median_hours"]),
            _number(row["delay_p95_hours"]), str(row["hand_work"]), str(row["settled"]),
        )  # fmt: skip
    console.print(table)
    total = result["total"]
    hand, share = total["hand_work_per_100_people_a_day"], total["automated_share"]
    console.print(
        f"\n{total['monitored']:,} people, {total['person_days']:,.0f} person-days under a plan,"
        f" {total['alerts']:,} alerts"
        f"\nhand-work per 100 people a day: {_number(hand)} (budget {total['budget']:g})"
        f"\nautomated share of {sum(total['occasions'].values()):,} occasions: {_share(share)}"
        f" (wanted {_share(total['automated_share_wanted'])})"
        f"\nof what waited for a person, settled before anybody's turn: {_share(total['settled_share'])}"
    )
    if hand is not None and hand > total["budget"]:
        worst = sorted(result["rules"], key=lambda row: -row["hand_work"])[:3]
        parts = ", ".join(f"{row['rule']} {_number(row['hand_work_per_100_people_a_day'])}" for row in worst)
        console.print(f"over the budget; most of it from {parts}")
    if "fold" in result:
        cost = result["fold"]
        console.print(
            f"folded {cost['events']:,} events and {cost['acts']:,} acts, with {cost['notices']:,} notices, at "
            f"{cost['events_per_cpu_second']:,.0f} events/s of one core;"
            f" median state {cost['state_bytes_median']:,} bytes"
        )


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"
