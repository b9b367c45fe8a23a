"""The report's charts as SVG, by Matplotlib: text stays text, a gap in the data is a gap in the line.

The same facts give the same bytes: no date, no random ids.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from io import StringIO
from statistics import mean
from threading import Lock
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter, MonthLocator, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analytics.report.course import changes
from analytics.report.facts import YEAR, Facts, Row

STYLE: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "mailiu", "svg.id": "mailiu", "font.family": ["Noto Sans CJK SC"],
    "font.size": 7.5, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25,
    "axes.unicode_minus": False, "lines.linewidth": 1, "legend.frameon": False, "legend.fontsize": 7,
}  # fmt: skip
SYSTOLIC, DIASTOLIC, OFFICE, DRUG = "#b42318", "#1d4f7c", "#333333", "#2f7d32"
_ONE = Lock()  # Matplotlib's style is the process's
BREAK = 14  # days without a reading that a line does not bridge


def trend(facts: Facts) -> str:
    """Twelve months: daily means of home pressure, office pressures, limits, changes of drugs."""
    figure, axes = _axes(7.1, 2.9)
    days: dict[date, list[Row]] = defaultdict(list)
    for row in facts.home_pressures:
        days[facts.day(row["time"])].append(row)
    for key, colour, zh, en in (("systolic", SYSTOLIC, "家庭收缩压", "home systolic"),
                                ("diastolic", DIASTOLIC, "家庭舒张压", "home diastolic")):  # fmt: skip
        points = [(_x(day), mean(row[key] for row in days[day])) for day in sorted(days)]
        for number, part in enumerate(_parts(points)):
            axes.plot(*zip(*part, strict=True), color=colour, marker=".", markersize=2,
                      label=facts.say(zh, en) if number == 0 else None)  # fmt: skip
        axes.axhline(facts.home["limit"][key], color=colour, linestyle="--", linewidth=0.7)
    office = facts.office_pressures
    if office:
        x = _days(facts, office)
        for key in ("systolic", "diastolic"):
            label = facts.say("诊室血压", "office") if key == "systolic" else None
            axes.plot(x, [row[key] for row in office], linestyle="", marker="D", markersize=3.5, color=OFFICE,
                      fillstyle="none", label=label)  # fmt: skip
    first, last = facts.day(facts.known - YEAR), facts.day(facts.known)
    axes.set_xlim(_x(first), _x(last))
    marked = [each for each in changes(facts) if each.day >= first][-6:]
    for number, change in enumerate(marked):
        axes.axvline(_x(change.day), color=DRUG, linewidth=0.8, linestyle=":")
        axes.annotate(str(number + 1), (_x(change.day), 1), xycoords=("data", "axes fraction"), color=DRUG,
                      fontsize=7, ha="center", va="bottom")  # fmt: skip
    axes.xaxis.set_major_locator(MonthLocator())
    axes.xaxis.set_major_formatter(DateFormatter("%y-%m"))
    axes.set_ylabel("mmHg")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=3)
    return _svg(figure)


def day(facts: Facts) -> str:
    """Ninety days of home pressure by the local time of day."""
    figure, axes = _axes(3.5, 2.3)
    rows = facts.since(facts.home_pressures, timedelta(days=90))
    for key, colour in (("systolic", SYSTOLIC), ("diastolic", DIASTOLIC)):
        hours = [(local := row["time"].astimezone(facts.zone)).hour + local.minute / 60 for row in rows]
        axes.plot(hours, [row[key] for row in rows], linestyle="", marker=".", markersize=3, color=colour, alpha=0.45)
        axes.axhline(facts.home["limit"][key], color=colour, linestyle="--", linewidth=0.7)
    axes.set_xlim(0, 24)
    axes.set_xticks(range(0, 25, 4))
    axes.set_xlabel(facts.say("时", "hour"))
    axes.set_ylabel("mmHg")
    return _svg(figure)


def spread(facts: Facts) -> str:
    """Ninety days of home pressure: how many readings at which height."""
    figure, axes = _axes(3.5, 2.3)
    rows = facts.since(facts.home_pressures, timedelta(days=90))
    for key, colour, zh, en in (
        ("systolic", SYSTOLIC, "收缩压", "systolic"),
        ("diastolic", DIASTOLIC, "舒张压", "diastolic"),
    ):
        axes.hist([row[key] for row in rows], bins=range(40, 221, 5), color=colour, alpha=0.6, label=facts.say(zh, en))
        axes.axvline(facts.home["limit"][key], color=colour, linestyle="--", linewidth=0.7)
    values = [row[key] for row in rows for key in ("systolic", "diastolic")]
    axes.set_xlim(min(values) - 10, max(values) + 10)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("mmHg")
    axes.set_ylabel(facts.say("次数", "readings"))
    axes.legend(loc="upper right")
    return _svg(figure)


def glucose(facts: Facts) -> str:
    """Twelve months of glucose, and HbA1c on its own scale."""
    figure, axes = _axes(7.1, 2.2)
    for each, colour, marker, zh, en in (
        ("fasting_glucose", DIASTOLIC, "o", "空腹血糖", "fasting"),
        ("glucose_2h", SYSTOLIC, "^", "餐后2小时", "2 h after a meal"),
    ):  # fmt: skip
        rows = facts.since(facts.values(each), YEAR)
        points = list(zip(_days(facts, rows), (row["value"] for row in rows), strict=True))
        for number, part in enumerate(_parts(points)):
            axes.plot(*zip(*part, strict=True), color=colour, marker=marker, markersize=3.5,
                      label=facts.say(zh, en) if number == 0 else None)  # fmt: skip
    axes.set_ylabel("mmol/L")
    rows = facts.since(facts.values("hba1c"), YEAR)
    if rows:
        other = axes.twinx()
        other.grid(False)
        other.spines["right"].set_visible(True)
        other.plot(_days(facts, rows), [row["value"] for row in rows], color=DRUG, marker="s",
                   markersize=3.5, linestyle="", label=facts.say("糖化血红蛋白", "HbA1c"))  # fmt: skip
        other.set_ylabel("%")
        other.legend(loc="upper right", bbox_to_anchor=(1, 1.16))
    axes.set_xlim(*(_x(facts.day(each)) for each in (facts.known - YEAR, facts.known)))
    axes.xaxis.set_major_locator(MonthLocator())
    axes.xaxis.set_major_formatter(DateFormatter("%y-%m"))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(0, 1.16), ncols=2)
    return _svg(figure)


CHARTS: Mapping[str, Callable[[Facts], str]] = {"trend": trend, "day": day, "spread": spread, "glucose": glucose}


def draw(name: str, facts: Facts) -> str:
    """The chart as an ``<svg>`` element."""
    with _ONE, matplotlib.rc_context(STYLE):
        return CHARTS[name](facts)


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _svg(figure: Figure) -> str:
    out = StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = out.getvalue()
    return text[text.index("<svg") :]


def _x(day: date) -> float:
    return float(date2num(day))


def _days(facts: Facts, rows: list[Row]) -> list[float]:
    return [_x(facts.day(row["time"])) for row in rows]


def _parts(points: list[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """The points cut where there is none for long."""
    parts: list[list[tuple[float, float]]] = []
    for point in points:
        if parts and point[0] - parts[-1][-1][0] <= BREAK:
            parts[-1].append(point)
        else:
            parts.append([point])
    return parts
