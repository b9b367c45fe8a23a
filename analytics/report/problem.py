"""The three things to see to first, for the first page (clinical decision 32).

In this order: what is urgent and open, what is not controlled, what a rule asks to review, what is overdue, drugs not
taken, what is missing. Within a kind the gravest first.
"""

from analytics.report import gap
from analytics.report.facts import Facts
from analytics.report.model import Point
from analytics.report.names import name

GRAVE = ("red", "orange", "yellow")


def three(facts: Facts) -> list[Point]:
    """At most three, each with its reason."""
    found = [*_alerts(facts), *_uncontrolled(facts), *_reviews(facts), *_overdue(facts), *_adherence(facts)]
    return [*found, *gap.gaps(facts)][:3]


def _alerts(facts: Facts) -> list[Point]:
    opened = [row for row in facts.alerts if row["handling"] != "closed" and row["condition"] == "active"]
    grave = [row for row in opened if row["severity"] in GRAVE[:2]]
    grave.sort(key=lambda row: (GRAVE.index(row["severity"]), row["raised_time"]))
    return [
        Point(text=row["title"][facts.lang], reason=facts.say("未处理完的告警", "an alert that is open"),
              time=row["raised_time"], sources=list(row["evidence"]))
        for row in grave
    ]  # fmt: skip


def _uncontrolled(facts: Facts) -> list[Point]:
    return [
        Point(
            text=facts.say("", ": ").join(name(kind, row[kind], facts.lang) for kind in ("area", "status")),
            reason=facts.say("；", "; ").join(each[facts.lang] for each in [*row["reasons"], *row["patterns"]]),
            sources=list(row["evidence"]),
        )
        for row in facts.control if row["status"] in ("uncontrolled", "undiagnosed")
    ]  # fmt: skip


def _reviews(facts: Facts) -> list[Point]:
    return [
        Point(
            text=row["text"][facts.lang], reason=", ".join(name("drug", code, facts.lang) for code in row["drugs"]),
            sources=list(row["evidence"]),
        )
        for row in facts.reviews
    ]  # fmt: skip


def _overdue(facts: Facts) -> list[Point]:
    return [
        Point(
            text=f"{name('task', row['kind'], facts.lang)}{facts.say('', ' ')}{name('state', 'overdue', facts.lang)}",
            reason=facts.say(f"应在 {row['due']} 前完成", f"was due on {row['due']}"),
            sources=[row["cause"]] if row["cause"] else [],
        )
        for row in sorted(facts.tasks, key=lambda row: (row["due"], str(row["id"])))
        if row["status"] == "overdue" and not row["merged_into"]
    ]  # fmt: skip


def _adherence(facts: Facts) -> list[Point]:
    told = [visit for visit in facts.of("follow-up-completed") if visit["data"].get("adherence")][-1:]
    return [
        Point(text=f"{name('habit', 'adherence', facts.lang)}{facts.say('：', ': ')}"
                   f"{name('word', visit['data']['adherence'], facts.lang)}", sources=[visit["id"]])
        for visit in told if visit["data"]["adherence"] != "regular"
    ]  # fmt: skip
