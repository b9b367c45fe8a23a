"""The report of the facts: pure, in the order in which it is read."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from analytics.form.definition import Lang
from analytics.form.words import word
from analytics.report import course, gap, pressure, problem
from analytics.report.facts import Facts, Row
from analytics.report.model import Area, Figure, Picture, Point, Report, Score, Todo
from analytics.report.names import name, unit

GLUCOSE = ("fasting_glucose", "glucose_2h", "hba1c")
ORGANS = (
    "total_cholesterol", "ldl_cholesterol", "hdl_cholesterol", "triglycerides", "creatinine", "egfr", "potassium",
    "uric_acid", "uacr", "homocysteine", "sokolow_lyon", "cornell", "lvmi", "carotid_imt", "carotid_plaque", "fundus",
    "cfpwv", "bapwv", "abi", "height", "weight", "waist", "bmi",
)  # fmt: skip
HABITS = (
    "smoking_per_day", "alcohol_per_day", "exercise_per_week", "exercise_minutes", "salt", "staple_food_g",
    "psychological", "compliance",
)  # fmt: skip
OPEN = ("planned", "due", "overdue")


def build(facts: Facts) -> Report:
    """The whole report."""
    person, lang = facts.person, facts.lang
    died = person["died_time"]
    tasks = todo(facts)
    return Report(
        resident=person["resident"], name=person["name"], age=facts.age,
        sex=name("word", person["sex"], lang) if person["sex"] else None,
        institution=person["institution"], team=person["team"], doctor=person["doctor"],
        died=facts.day(died) if died else None, known=facts.known, day=facts.day(facts.known), draft=True,
        conditions=course.conditions(facts), control=[_area(facts, row) for row in facts.control],
        problems=problem.three(facts), drugs=course.drugs(facts), changes=course.changes(facts),
        pressure=pressure.figures(facts), glucose=[_latest(facts, each) for each in GLUCOSE],
        organs=[_latest(facts, each) for each in ORGANS], habits=habits(facts),
        scores=[_score(row) for row in facts.scores],
        alerts=[_alert(facts, row) for row in sorted(facts.alerts, key=lambda row: row["raised_time"], reverse=True)],
        reviews=[_review(facts, row) for row in facts.reviews],
        guidance=guidance(facts),
        next_visit=next_visit(facts, tasks), tasks=tasks, gaps=gap.gaps(facts), pictures=pictures(facts),
    )  # fmt: skip


def habits(facts: Facts) -> list[Figure]:
    """What was told at the latest visit that asked."""
    visits = facts.of("follow-up-completed")
    figures = []
    for each in HABITS:
        told = [(visit, (visit["data"].get("lifestyle") or {}).get(each)) for visit in visits]
        figures.append(_told(facts, each, [pair for pair in told if pair[1] is not None]))
    told = [(visit, visit["data"].get("adherence")) for visit in visits]
    return [*figures, _told(facts, "adherence", [pair for pair in told if pair[1] is not None])]


def guidance(facts: Facts) -> list[Point]:
    """What a physician signed last, and after it what would be said now and is not signed (clinical decision 21)."""
    points = []
    for event in facts.of("guidance-signed")[-1:]:
        data = event["data"]
        texts = [sentence["text"] for sentence in data["sentences"]] + ([data["note"]] if data.get("note") else [])
        points = [
            Point(text=text[facts.lang], time=event["time"], signed=True, sources=[event["id"]]) for text in texts
        ]  # fmt: skip
    said = {point.text for point in points}
    return points + [
        Point(text=row["text"][facts.lang], reason=row["reason"][facts.lang], sources=list(row["evidence"]))
        for row in facts.guidance if row["text"][facts.lang] not in said
    ]  # fmt: skip


def next_visit(facts: Facts, tasks: Iterable[Todo]) -> date | None:
    """The day agreed on at the latest visit if it is still to come, else the first day on which a task is due."""
    agreed = [each["data"].get("next_visit") for each in facts.of("follow-up-completed")][-1:]
    if agreed and agreed[0] and agreed[0] >= facts.day(facts.known).isoformat():
        return date.fromisoformat(agreed[0])
    return min((task.due for task in tasks), default=None)


def todo(facts: Facts) -> list[Todo]:
    """Open tasks, the first due first."""
    lang = facts.lang
    tasks = []
    for row in sorted(facts.tasks, key=lambda row: (row["due"], str(row["id"]))):
        if row["status"] not in OPEN or row["merged_into"]:
            continue
        kind = row["title"] or name("task", row["kind"], lang)
        programme = name("programme", row["programme"], lang) if row["programme"] else ""
        tasks.append(
            Todo(
                text=f"{programme}{kind}" if lang == "zh" else f"{kind} {programme}".strip(), due=row["due"],
                reason=name("why", row["reason"], lang), status=row["status"],
                status_label=name("state", row["status"], lang), sources=[row["cause"]] if row["cause"] else [],
            )
        )  # fmt: skip
    return tasks


def pictures(facts: Facts) -> list[Picture]:
    """The charts that have anything to show."""
    lang = facts.lang
    home, office = facts.home_pressures, facts.office_pressures
    both, recent = [*home, *office], facts.since(home, timedelta(days=90))
    glucose = [row for each in GLUCOSE for row in facts.since(facts.values(each), timedelta(days=365))]
    found = [
        ("trend", "近12个月血压：家庭日均值与诊室血压", "Blood pressure of a year: home (daily means), office", both),
        ("day", "近90天家庭血压：一天中的时间", "Home blood pressure of 90 days by time of day", recent),
        ("spread", "近90天家庭血压：分布", "Home blood pressure of 90 days: distribution", recent),
        ("glucose", "近12个月血糖与糖化血红蛋白", "Glucose and HbA1c of twelve months", glucose),
    ]  # fmt: skip
    return [
        Picture(name=each, caption=zh if lang == "zh" else en, n=len(rows), sources=[row["id"] for row in rows])
        for each, zh, en, rows in found if rows
    ]  # fmt: skip


def _area(facts: Facts, row: Row) -> Area:
    lang = facts.lang
    return Area(
        area=row["area"], label=name("area", row["area"], lang), status=row["status"],
        status_label=name("status", row["status"], lang), reasons=[each[lang] for each in row["reasons"]],
        patterns=[each[lang] for each in row["patterns"]],
        targets=[_target(each, lang) for each in row["targets"]],
        judgement=row["judgement"], sources=list(row["evidence"]),
    )  # fmt: skip


def _target(target: Row, lang: Lang) -> str:
    measure = name("measure", target["measure"].replace("-", "_"), lang)
    limit = f"{target['value']:g} {target['unit'].replace('mm[Hg]', 'mmHg')}"
    return f"{measure} < {limit} ({name('basis', target['basis'], lang)})"


def _latest(facts: Facts, each: str) -> Figure:
    row = facts.latest(each)
    if each == "bmi" and row is None:
        return _bmi(facts)
    value = row["value"] if row else None
    number = isinstance(value, int | float)
    return Figure(
        name=each, label=name("measure", each, facts.lang), unit=unit(each),
        text=f"{value:g}" if number else word(value, facts.lang) if value else "", value=value if number else None,
        time=row["time"] if row else None, sources=[row["id"]] if row else [],
    )  # fmt: skip


def _bmi(facts: Facts) -> Figure:
    """Of the latest weight and height, where nobody wrote it down."""
    weight, height = facts.latest("weight"), facts.latest("height")
    value = weight["value"] / (height["value"] / 100) ** 2 if weight and height else None
    return Figure(
        name="bmi", label=name("measure", "bmi", facts.lang), unit=unit("bmi"), value=value,
        text="" if value is None else f"{value:.1f}", time=weight["time"] if weight and height else None,
        sources=[weight["id"], height["id"]] if weight and height else [],
    )  # fmt: skip


def _told(facts: Facts, each: str, told: list[tuple[Row, Any]]) -> Figure:
    visit, value = told[-1] if told else (None, None)
    text = "" if value is None else name("word", value, facts.lang) if isinstance(value, str) else f"{value:g}"
    return Figure(
        name=each, label=name("habit", each, facts.lang), text=text, time=visit["time"] if visit else None,
        value=value if isinstance(value, int | float) else None, sources=[visit["id"]] if visit else [],
    )  # fmt: skip


def _score(row: Row) -> Score:
    return Score(
        model=row["model"], label=row["label"], text=row["text"], meaning=row["meaning"], note=row["note"],
        time=row["time"], sources=row["sources"],
    )  # fmt: skip


def _alert(facts: Facts, row: Row) -> Point:
    severity = name("severity", row["severity"], facts.lang)
    return Point(
        text=f"{severity}：{row['title'][facts.lang]}" if facts.lang == "zh" else f"{severity}: {row['title']['en']}",
        reason=str(row["handling"]), time=row["raised_time"], sources=list(row["evidence"]),
    )  # fmt: skip


def _review(facts: Facts, row: Mapping[str, Any]) -> Point:
    drugs = ", ".join(name("drug", code, facts.lang) for code in row["drugs"])
    return Point(text=row["text"][facts.lang], reason=drugs, time=row["since"], sources=list(row["evidence"]))
