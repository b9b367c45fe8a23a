"""A week's plan: the most urgent and the most overdue first, stable people spread evenly, each with its reason."""

from datetime import date, timedelta

from analytics.visit_plan import Candidate, Day, Plan, plan

MONDAY = date(2026, 3, 9)


def week(slots: int = 3, days: int = 5, villages: dict[int, str] | None = None) -> list[Day]:
    named = villages or {}
    return [Day(MONDAY + timedelta(n), slots, frozenset([named[n]] if n in named else [])) for n in range(days)]


def one(task: str, due: int, priority: str = "routine", opens: int | None = None, **more: object) -> Candidate:
    """A task due so many days after Monday."""
    first = due - 14 if opens is None else opens
    return Candidate(task, f"R{task}", priority, MONDAY + timedelta(due), MONDAY + timedelta(first), **more)  # type: ignore[arg-type]


def days(made: Plan) -> dict[str, int]:
    return {visit.task: (day.day - MONDAY).days for day in made.days for visit in day.visits}


def why(made: Plan) -> dict[str, tuple[str, ...]]:
    return {visit.task: visit.why for day in made.days for visit in day.visits}


def test_the_most_urgent_and_the_most_overdue_come_first() -> None:
    made = plan(
        [one("late", -5), one("later", -40), one("urgent", 3, "urgent"), one("week", 2)], week(slots=1), 20, MONDAY
    )
    assert days(made) == {"urgent": 0, "later": 1, "late": 2, "week": 3}
    assert why(made) == {
        "urgent": ("urgent", "due-this-week"), "later": ("overdue",), "late": ("overdue",), "week": ("due-this-week",)
    }  # fmt: skip


def test_who_is_due_this_week_is_seen_in_time_where_there_is_room() -> None:
    made = plan([one(f"o{n}", -1 - n) for n in range(3)] + [one("mon", 0)], week(slots=3), 20, MONDAY)
    assert days(made)["mon"] == 1  # Monday is full of the overdue
    made = plan([one("o", -1), one("mon", 0)], week(slots=3), 20, MONDAY)
    assert days(made)["mon"] == 0


def test_stable_people_are_spread_evenly_over_the_days_until_they_are_due() -> None:
    stable = [one(f"s{n:02}", 7 + n % 20, opens=-20) for n in range(40)]
    made = plan(stable, week(slots=10), 20, MONDAY)
    assert made.quota == 2
    assert [day.used for day in made.days] == [2, 2, 2, 2, 2]
    assert set(why(made).values()) == {("spread-evenly",)}
    assert not made.left


def test_a_person_is_seen_once_for_all_that_is_open() -> None:
    check = Candidate("check", "Rlate", "routine", MONDAY + timedelta(6), MONDAY - timedelta(50))
    made = plan([one("late", -5), check, one("other", -4)], week(slots=1), 20, MONDAY)
    assert days(made) == {"late": 0, "check": 0, "other": 1}
    assert why(made)["check"] == ("same-visit",)
    assert [day.used for day in made.days] == [1, 1, 0, 0, 0]


def test_nobody_is_asked_before_the_task_opens() -> None:
    made = plan([one("s", 20, opens=3)], week(), 20, MONDAY)
    assert days(made) == {"s": 3}


def test_appointments_keep_their_day_and_take_the_slot() -> None:
    made = plan(
        [one("fixed", 30, planned=MONDAY), one("late", -3), one("missed", -3, planned=MONDAY - timedelta(3)),
         one("next", -9, planned=MONDAY + timedelta(9))],
        week(slots=1), 20, MONDAY,
    )  # fmt: skip
    assert days(made) == {"fixed": 0, "late": 1, "missed": 2}
    assert why(made)["missed"] == ("overdue", "appointment-missed")


def test_what_finds_no_room_is_said_with_its_reason_and_an_urgent_one_goes_beyond_the_slots() -> None:
    made = plan([one("u1", 0, "urgent"), one("u2", 0, "urgent"), one("late", -1)], week(slots=1, days=1), 20, MONDAY)
    assert why(made) == {"u1": ("urgent", "due-this-week"), "u2": ("urgent", "due-this-week", "beyond-the-slots")}
    assert [(visit.task, visit.why) for visit in made.left] == [("late", ("overdue", "no-slot"))]


def test_a_household_is_one_appointment() -> None:
    made = plan(
        [one("wife", -2, household="H1"), one("husband", 10, household="H1"), one("other", -1)],
        week(slots=1),
        20,
        MONDAY,
    )
    assert days(made) == {"wife": 0, "husband": 0, "other": 1}
    assert why(made)["husband"] == ("household",)


def test_a_household_with_appointments_on_one_day_is_one_appointment_still() -> None:
    home = [one(name, -2, household="H1", planned=MONDAY) for name in ("husband", "wife")]
    made = plan(home, week(slots=1), 20, MONDAY)
    assert (days(made), made.days[0].used) == ({"husband": 0, "wife": 0}, 1)


def test_who_is_bound_to_the_day_of_the_village_chooses_first() -> None:
    made = plan(
        [one("far", -2, village="V1"), one("later", -9), one("late", -5)], week(slots=1, villages={0: "V1"}),
        20, MONDAY, frozenset({"V1"}),
    )  # fmt: skip
    assert days(made) == {"far": 0, "later": 1, "late": 2}


def test_a_village_is_seen_on_its_day() -> None:
    there = week(villages={2: "V1"})
    made = plan([one("far", -2, village="V1"), one("near", -1)], there, 20, MONDAY, frozenset({"V1", "V2"}))
    assert days(made) == {"near": 0, "far": 2}
    made = plan([one("far", -2, village="V2")], week(villages={2: "V1"}), 20, MONDAY, frozenset({"V1", "V2"}))
    assert made.left[0].why == ("overdue", "not-there")
    urgent = one("far", -2, "urgent", village="V2")
    assert days(plan([urgent], week(), 20, MONDAY, frozenset({"V2"}))) == {"far": 0}
