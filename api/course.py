"""How a person's values went: monthly means of laboratory, visits and home, and where they are going."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

from api.tables import Row
from streams.rules import released

Trend = Literal["rising", "falling", "steady"]
#: Measures of a course, and the limit of the rule `control` within which two months of one are no trend.
STEADY = {
    "fasting-glucose": "steady_fasting_glucose", "glucose-2h": "steady_glucose_2h",
    "home-fasting-glucose": "steady_fasting_glucose", "home-glucose-2h": "steady_glucose_2h", "hba1c": "steady_hba1c",
    "ldl-cholesterol": "steady_ldl", "weight": "steady_weight", "home-weight": "steady_weight", "waist": "steady_waist",
}  # fmt: skip


class Mean(BaseModel):
    """The values of a local month."""

    month: date
    mean: float
    n: int


class Course(BaseModel):
    """Where a measure goes; measures are called as in `areas`."""

    measure: str
    unit: str = Field(description="UCUM")
    months: list[Mean] = Field(description="months with values of the last two years, oldest first")
    trend: Trend | None = Field(description="of the last two months with values; null below two")


COURSES = """
SELECT measure, any(unit) AS unit, arraySort(groupArray((month, mean, n))) AS months
FROM (
    SELECT measure, toStartOfMonth(toTimeZone(time, {zone:String})) AS month, any(unit) AS unit, avg(value) AS mean,
        count() AS n
    FROM (
        SELECT replaceAll(replaceOne(name, 'hba1c_percent', 'hba1c'), '_', '-') AS measure, time, value, unit
        FROM examinations
        WHERE resident IN {records:Array(String)} AND value IS NOT NULL
            AND name IN ('fasting_glucose', 'glucose_2h', 'hba1c_percent', 'ldl_cholesterol', 'weight', 'waist')
        UNION ALL
        SELECT
            multiIf(kind = 'weight', if(place = 'office', 'weight', 'home-weight'), context = 'fasting',
                'home-fasting-glucose', 'home-glucose-2h') AS measure,
            time, value, unit
        FROM readings
        WHERE resident IN {records:Array(String)} AND NOT retracted AND source = 'measured' AND clock != 'untrusted'
            AND value IS NOT NULL
            AND (kind = 'weight' OR kind = 'glucose' AND place != 'office' AND context IN ('fasting', 'after-meal-2h'))
    )
    WHERE time >= {two_years:DateTime64(3, 'UTC')}
    GROUP BY measure, month
)
GROUP BY measure ORDER BY measure
"""


def course(row: Row) -> Course:
    """A row of `COURSES`."""
    months = [Mean(month=month, mean=round(mean, 2), n=n) for month, mean, n in row["months"]]
    going = trend([one.mean for one in months], STEADY[row["measure"]])
    return Course(measure=row["measure"], unit=row["unit"], months=months, trend=going)


def trend(means: list[float], steady: str) -> Trend | None:
    """The course from the last mean but one to the last, by the limit ``steady``; None below two."""
    if len(means) < 2:
        return None
    limit, change = released()["control"][1].limits[steady], means[-1] - means[-2]
    return "rising" if change >= limit else "falling" if change <= -limit else "steady"
