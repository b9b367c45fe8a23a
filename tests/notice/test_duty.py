"""Who is on duty (clinical decision 2): rotas, leave, working hours, the district desk."""

from typing import Any

from streams.event import Input, rfc3339, uuid5
from streams.sending.duty import Channel, Duty
from tests.core.resident import DAY, HOUR, at

#: Thursday, a working day.
NOON = at("2026-03-05 12:00")


class Office:
    """Appends organization events to a `Duty`."""

    def __init__(self) -> None:
        self.duty, self.count = Duty("Asia/Shanghai"), 0

    def event(self, name: str, data: dict[str, Any], institution: str | None = "I01", time: int = NOON - DAY) -> Input:
        self.count += 1
        event = Input(
            0, self.count, uuid5(f"o/{self.count}"), f"mailiu.organization.{name}.v1", "I01", time, time, data,
            institution,
        )  # fmt: skip
        self.duty.learn(event)
        return event

    def staff(self, id: str, role: str, institution: str = "I01", **more: Any) -> None:
        self.event("staff-registered", {"staff": id, "role": role, **more}, institution)

    def rota(self, role: str, *shifts: tuple[str, int, int], institution: str = "I01", time: int = NOON - DAY) -> Input:
        data = {
            "role": role, "start": rfc3339(NOON - DAY), "end": rfc3339(NOON + DAY),
            "shifts": [{"staff": s, "start": rfc3339(a), "end": rfc3339(b)} for s, a, b in shifts],
        }  # fmt: skip
        return self.event("rota-set", data, institution, time)

    def on_duty(self, role: str = "nurse", now: int = NOON, institution: str = "I01") -> list[str | None]:
        return [person.id for person in self.duty.on_duty(institution, role, now)]


def test_the_shift_says_who_is_on_duty_and_its_end_is_the_next_ones_start() -> None:
    office = Office()
    office.rota("nurse", ("N1", NOON - HOUR, NOON), ("N2", NOON, NOON + HOUR), ("N3", NOON, NOON + HOUR))
    assert office.on_duty(now=NOON - 1) == ["N1"]
    assert office.on_duty() == ["N2", "N3"]
    assert office.on_duty(now=NOON + HOUR) == []
    assert office.on_duty(institution="I02") == []
    assert office.on_duty("doctor") == []


def test_the_rota_set_last_holds_whatever_the_order_of_arrival() -> None:
    for order in ((0, 1), (1, 0)):
        office = Office()
        rotas = [(("N1", NOON - HOUR, NOON + HOUR), NOON - DAY), (("N2", NOON - HOUR, NOON + HOUR), NOON - HOUR)]
        for which in order:
            shift, time = rotas[which]
            office.rota("nurse", shift, time=time)
        assert office.on_duty() == ["N2"]


def test_an_empty_rota_says_that_nobody_is_on_duty_and_copies_change_nothing() -> None:
    office = Office()
    office.staff("N1", "nurse")
    event = office.rota("nurse")
    office.duty.learn(event)
    assert office.on_duty() == []


def test_a_substitute_stands_in_and_may_be_away_too() -> None:
    office = Office()
    office.rota("nurse", ("N1", NOON - HOUR, NOON + HOUR))
    span = {"start": rfc3339(NOON - HOUR), "end": rfc3339(NOON + HOUR)}
    office.event("leave-recorded", {"staff": "N1", **span, "substitute": "N2"})
    assert office.on_duty() == ["N2"]
    office.event("leave-recorded", {"staff": "N2", **span, "substitute": "N3"})
    assert office.on_duty() == ["N3"]
    office.event("leave-recorded", {"staff": "N3", **span, "substitute": "N1"})
    assert office.on_duty() == []  # in a circle
    assert office.on_duty(now=NOON + HOUR - 1) == []


def test_leave_is_for_the_staffs_own_institution_to_say() -> None:
    office = Office()
    office.staff("N1", "nurse")
    office.rota("nurse", ("N1", NOON - HOUR, NOON + HOUR))
    office.rota("nurse", ("N1", NOON, NOON + HOUR), institution="D01")
    away = {"staff": "N1", "start": rfc3339(NOON - HOUR), "end": rfc3339(NOON + HOUR)}
    office.event("leave-recorded", away, "I02")
    assert office.on_duty() == ["N1"]
    office.event("leave-recorded", away, "D01")
    assert (office.on_duty(), office.on_duty(institution="D01")) == (["N1"], [])
    office.event("leave-recorded", away)
    assert office.on_duty() == []


def test_without_any_rota_registered_staff_are_on_duty_in_working_hours() -> None:
    office = Office()
    office.staff("N1", "nurse")
    office.staff("N9", "nurse", institution="I02")
    assert office.on_duty() == ["N1"]
    for text in ("2026-03-05 07:59", "2026-03-05 17:00", "2026-03-07 12:00"):  # before, after, Saturday
        assert office.on_duty(now=at(text)) == []
    calendar = {"year": 2026, "holidays": ["2026-03-05"], "workdays": ["2026-03-07"]}
    office.event("holiday-calendar-set", calendar, None)
    assert office.on_duty() == []
    assert office.on_duty(now=at("2026-03-07 12:00")) == ["N1"]


def test_the_district_desk_is_the_institutions_or_its_districts() -> None:
    office = Office()
    office.event("institution-registered", {"institution": "I01", "name": "Dongfeng", "district": "D01"})
    office.rota("district-desk", ("K1", NOON - HOUR, NOON + HOUR), institution="D01")
    assert office.on_duty("district-desk") == ["K1"]
    office.rota("district-desk", ("K2", NOON - HOUR, NOON + HOUR))
    assert office.on_duty("district-desk") == ["K2"]


def test_channels_are_the_registered_ones_or_the_app() -> None:
    office = Office()
    office.staff("N1", "nurse", channels=[{"channel": "wechat", "reference": "w1"}])
    office.staff("N2", "nurse")
    assert office.duty.person("N1").channels == (Channel("wechat", "w1"),)
    assert office.duty.person("N2").channels == (Channel("app", "N2"),)
    assert office.duty.person("nurse@I01").channels == (Channel("app", "nurse@I01"),)
