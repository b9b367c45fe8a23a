"""Blood pressure in figures: home means as the home guideline's protocol counts them, and the latest in the office."""

from analytics.report.facts import Facts, Row
from analytics.report.model import Figure

MEANS = {
    "mean": ("家庭血压均值", "home mean"),
    "morning": ("早晨均值", "morning mean"),
    "evening": ("晚间均值", "evening mean"),
}


def figures(facts: Facts) -> list[Figure]:
    """Means of the period, the latest office pressure, and how the year's home readings spread."""
    whole = facts.home.get("whole") or {}
    share, cv = whole.get("in_range"), (whole.get("systolic") or {}).get("cv")
    return [
        *(_mean(facts, key, *labels) for key, labels in MEANS.items()),
        _office(facts),
        Figure(
            name="in_range", label=facts.say("近1年家庭血压达标次数占比", "home readings in range, one year"),
            text="" if share is None else f"{share:.0%}", value=share,
        ),
        Figure(
            name="cv", label=facts.say("收缩压变异系数", "coefficient of variation, systolic"), unit="%", value=cv,
            text="" if cv is None else f"{cv:.1f}",
        ),
    ]  # fmt: skip


def _mean(facts: Facts, key: str, zh: str, en: str) -> Figure:
    mean, text = facts.home.get(key) or {}, ""
    if mean.get("n"):
        count = facts.say(f"（{mean['n']}次，{mean['days']}天）", f" ({mean['n']} on {mean['days']} days)")
        text = f"{mean['systolic']:.0f}/{mean['diastolic']:.0f}{count}"
        if key == "mean" and not facts.home.get("enough"):
            text += facts.say("；次数不足，不作判断", "; too few to judge")
    return Figure(
        name=f"home_{key}", label=facts.say(zh, en), text=text, value=mean.get("systolic"), unit="mmHg",
        sources=[row["id"] for row in _counted(facts)] if key == "mean" and text else [],
    )  # fmt: skip


def _counted(facts: Facts) -> list[Row]:
    """The readings of the period of the mean."""
    period = facts.home.get("period")
    if not period:
        return []
    return [
        row for row in facts.home_pressures
        if period["first"] <= facts.day(row["time"]) <= period["last"] and facts.day(row["time"]) != period["dropped"]
    ]  # fmt: skip


def _office(facts: Facts) -> Figure:
    latest = facts.office_pressures[-1] if facts.office_pressures else None
    return Figure(
        name="office", label=facts.say("最近诊室血压", "latest office pressure"), unit="mmHg",
        text=f"{latest['systolic']:g}/{latest['diastolic']:g}" if latest else "",
        value=latest["systolic"] if latest else None, time=latest["time"] if latest else None,
        sources=[latest["id"]] if latest else [],
    )  # fmt: skip
