"""Tasks by the national specification (follow-up of hypertension and type 2 diabetes), decisions 3, 20, 25 and 31."""

from typing import Any

import pytest

from streams.calendar import day_number, day_text
from tests.core.resident import DAY, HOUR, START, Resident, at

TODAY = day_number("2026-03-05")


class Cared(Resident):
    """A resident whose tasks are looked at; ``tasks`` as last told."""

    @property
    def tasks(self) -> list[dict[str, Any]]:
        told: dict[str, dict[str, Any]] = {}
        for output in self.outputs:
            if output.type.startswith("mailiu.task."):
                data = output.value["data"]
                assert data["revision"] == told.get(data["task"], {}).get("revision", 0) + 1
                told[data["task"]] = data
        return list(told.values())

    def open(self, kind: str = "follow-up", programme: str | None = None) -> dict[str, Any]:
        """The one open task of a kind; fails if there is none or a second."""
        found = [
            task
            for task in self.tasks
            if task["kind"] == kind
            and task["status"] not in ("done", "cancelled")
            and programme in (None, task.get("programme"))
        ]
        assert len(found) == 1, found
        return found[0]

    def closed(self, kind: str) -> list[dict[str, Any]]:
        return [task for task in self.tasks if task["kind"] == kind and task["status"] in ("done", "cancelled")]

    def kinds(self) -> set[str]:
        return {task["kind"] for task in self.tasks if task["status"] not in ("done", "cancelled")}

    def diagnose(self, code: str, time: int) -> None:
        self.event("chronic.condition-diagnosed.v1", {"code": code, "certainty": "confirmed"}, time)

    def visit(self, time: int, programme: str = "hypertension", mode: str = "clinic", **data: Any) -> str:
        pressure = data.pop("bp", None)
        if pressure is not None:
            data["blood_pressure"] = {"systolic": pressure[0], "diastolic": pressure[1]}
        envelope = {name: data.pop(name) for name in ("recorded", "origin") if name in data}
        event = self.event(
            "chronic.follow-up-completed.v3", {"programme": programme, "mode": mode, **data}, time, **envelope
        )
        return event.identity

    def on_task(self, what: str, task: dict[str, Any], time: int, **data: Any) -> None:
        self.event(f"task.{what}.v1", {"task": task["task"], "kind": task["kind"], **data}, time, actor="N01")


@pytest.fixture
def hypertensive() -> Cared:
    r = Cared()
    r.diagnose("I10", START)
    return r


def day(task: dict[str, Any], of: str = "due") -> int:
    return day_number(task[of]) - TODAY


def test_a_diagnosis_opens_the_first_quarterly_visit_and_the_annual_check(hypertensive: Cared) -> None:
    visit, check = hypertensive.open(), hypertensive.open("annual-check")
    assert (visit["reason"], visit["status"], day(visit), day(visit, "opens")) == ("first-visit", "planned", 90, 76)
    assert (check["reason"], day(check)) == ("yearly", 365)
    assert visit["programme"] == "hypertension"


def test_time_alone_makes_it_due_and_overdue(hypertensive: Cared) -> None:
    hypertensive.ticks(START + 75 * DAY)
    assert hypertensive.open()["status"] == "planned"
    hypertensive.ticks(at("2026-05-20 00:00"))  # 76 days on
    assert hypertensive.open()["status"] == "due"
    hypertensive.ticks(at("2026-06-03 23:59"))
    assert hypertensive.open()["status"] == "due"
    hypertensive.ticks(at("2026-06-04 00:00"))
    assert hypertensive.open()["status"] == "overdue"
    kinds = [o.type.split(".")[2] for o in hypertensive.outputs if o.type.startswith("mailiu.task.")]
    assert kinds == ["opened", "opened", "fell-due", "overdue"]


@pytest.mark.parametrize(
    ("code", "born", "managed"),
    [
        ("I10", "1960-05-01", True), ("I11.0", "1960-05-01", True), ("E11.9", "1960-05-01", True),
        ("I15", "1960-05-01", False), ("O13", "1960-05-01", False), ("E10", "1960-05-01", False),
        ("I10", "1995-05-01", False),
    ],
)  # fmt: skip
def test_who_is_managed(code: str, born: str, managed: bool) -> None:
    r = Cared(born=born)
    r.diagnose(code, START)
    assert bool(r.tasks) is managed


def test_who_turns_35_is_managed_from_then_on() -> None:
    r = Cared(born="1991-04-01")
    r.diagnose("I10", START)
    assert not r.tasks
    r.ticks(at("2026-04-01 00:00"))
    assert day(r.open()) == 27 + 90


@pytest.mark.parametrize(
    ("born", "bp", "due", "reason"),
    [
        ("1970-05-01", (139, 89), 90, "quarterly"), ("1970-05-01", (140, 89), 14, "revisit-uncontrolled"),
        ("1970-05-01", (139, 90), 14, "revisit-uncontrolled"), ("1950-05-01", (149, 89), 90, "quarterly"),
        ("1950-05-01", (150, 89), 14, "revisit-uncontrolled"), ("1950-05-01", (149, 90), 14, "revisit-uncontrolled"),
    ],
)  # fmt: skip
def test_a_visit_is_classified_by_pressure_and_age(born: str, bp: tuple[int, int], due: int, reason: str) -> None:
    r = Cared(born=born)
    r.diagnose("I10", START - 60 * DAY)
    done = r.visit(START, bp=bp)
    assert r.closed("follow-up")[0]["done_by"] == done
    assert (day(r.open()), r.open()["reason"]) == (due, reason)
    assert r.kinds() == {"follow-up", "annual-check"}


@pytest.mark.parametrize(
    ("glucose", "due", "reason", "refer"),
    [
        (6.9, 90, "quarterly", False), (7.0, 14, "revisit-uncontrolled", False),
        (16.6, 14, "revisit-uncontrolled", False), (16.7, 14, "after-referral", True),
        (3.9, 14, "after-referral", True), (4.0, 90, "quarterly", False),
    ],
)  # fmt: skip
def test_a_diabetes_visit_is_classified_by_fasting_glucose(glucose: float, due: int, reason: str, refer: bool) -> None:
    r = Cared()
    r.diagnose("E11.9", START - 60 * DAY)
    r.visit(START, "diabetes", fasting_glucose=glucose)
    assert (day(r.open()), r.open()["reason"]) == (due, reason)
    assert ("referral" in r.kinds()) is refer


def test_two_failures_in_a_row_advise_referral_and_a_contact_within_two_weeks(hypertensive: Cared) -> None:
    hypertensive.visit(START + DAY, bp=(152, 94))
    assert hypertensive.open()["reason"] == "revisit-uncontrolled"
    second = hypertensive.visit(START + 14 * DAY, bp=(148, 92))
    referral = hypertensive.open("referral")
    assert (referral["reason"], referral["priority"], referral["cause"]) == ("uncontrolled-twice", "high", second)
    assert (hypertensive.open()["reason"], day(hypertensive.open())) == ("after-referral", 28)
    assert hypertensive.open()["detail"]["in_row"] == 2
    # any contact will do after a referral; what was found there is asked for two weeks later
    call = hypertensive.visit(START + 20 * DAY, mode="phone", referral={"reason": "uncontrolled twice"})
    assert {task["done_by"] for task in hypertensive.tasks if task["status"] == "done"} >= {call, second}
    assert "referral" not in hypertensive.kinds()
    assert (hypertensive.open()["reason"], day(hypertensive.open())) == ("revisit-uncontrolled", 34)
    hypertensive.visit(START + 30 * DAY, bp=(130, 80))
    assert (hypertensive.open()["reason"], day(hypertensive.open())) == ("quarterly", 120)


@pytest.mark.parametrize(
    ("data", "reason", "urgent"),
    [
        ({"bp": (180, 90)}, "emergency", True), ({"bp": (150, 110)}, "emergency", True),
        ({"bp": (130, 80), "symptoms": ["confusion"]}, "emergency", True),
        ({"bp": (130, 80), "complication": "new"}, "complication", False),
        ({"bp": (130, 80), "complication": "worse"}, "complication", False),
        ({"bp": (130, 80), "complication": "existing"}, None, False),
        ({"bp": (130, 80), "symptoms": ["headache-dizziness", "numb-limbs"]}, None, False),
        ({"bp": (130, 80), "adverse_reaction": True}, None, False),
    ],
)  # fmt: skip
def test_danger_signs_and_complications_are_referred_at_once(
    hypertensive: Cared, data: dict[str, Any], reason: str | None, urgent: bool
) -> None:
    hypertensive.visit(START + DAY, **data)
    if reason is None:
        assert "referral" not in hypertensive.kinds()
        return
    referral = hypertensive.open("referral")
    assert (referral["reason"], referral["priority"] == "urgent", day(referral)) == (reason, urgent, 1 if urgent else 4)
    assert day(hypertensive.open()) == 15


def test_an_adverse_reaction_is_seen_again_in_two_weeks_and_referred_if_it_persists(hypertensive: Cared) -> None:
    hypertensive.visit(START + DAY, bp=(130, 80), adverse_reaction=True)
    assert (hypertensive.open()["reason"], day(hypertensive.open())) == ("revisit-adverse-reaction", 15)
    hypertensive.visit(START + 15 * DAY, bp=(130, 80), adverse_reaction=True)
    assert hypertensive.open("referral")["reason"] == "reaction-persists"


def test_pregnancy_with_raised_pressure_is_an_emergency() -> None:
    r = Cared(born="1985-05-01")
    r.diagnose("I10", START - 40 * DAY)
    r.event("maternal.pregnancy-registered.v1", {"last_menstrual_period": "2025-12-01"}, START - 30 * DAY)
    r.visit(START, bp=(142, 88))
    assert r.open("referral")["detail"]["dangers"] == ["pressure-in-pregnancy"]


def test_a_call_is_no_quarterly_visit(hypertensive: Cared) -> None:
    hypertensive.visit(START + 80 * DAY, mode="phone", bp=(130, 80))
    assert not hypertensive.closed("follow-up")
    assert day(hypertensive.open()) == 90


def test_a_call_with_figures_settles_a_revisit(hypertensive: Cared) -> None:
    hypertensive.visit(START + DAY, bp=(150, 95))
    hypertensive.visit(START + 10 * DAY, mode="phone", bp=(132, 84))
    assert (hypertensive.open()["reason"], day(hypertensive.open())) == ("quarterly", 91)


def test_the_agreed_day_holds_where_it_is_sooner_than_the_specification(hypertensive: Cared) -> None:
    hypertensive.visit(START + DAY, bp=(130, 80), next_visit="2026-04-10")
    assert hypertensive.open()["due"] == "2026-04-10"
    hypertensive.visit(START + 2 * DAY, bp=(130, 80), next_visit="2026-12-10")
    assert day(hypertensive.open()) == 92


def test_copies_and_order_make_no_difference() -> None:
    happened = [(START + DAY, (150, 95)), (START + 5 * DAY, (146, 91)), (START + 9 * DAY, (130, 80))]
    outcomes = []
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0), (1, 1, 0, 2, 2)):
        r = Cared()
        r.diagnose("I10", START)
        for n, which in enumerate(order):
            r.event(
                "chronic.follow-up-completed.v3",
                {
                    "programme": "hypertension", "mode": "clinic",
                    "blood_pressure": {"systolic": happened[which][1][0], "diastolic": happened[which][1][1]},
                },
                happened[which][0], recorded=START + 10 * DAY + n, id=f"v/{which}",
            )  # fmt: skip
        outcomes.append([(t["kind"], t["due"], t["reason"], t["cause"]) for t in r.tasks if t["status"] == "planned"])
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_a_visit_that_is_taken_back_leaves_what_was_before(hypertensive: Cared) -> None:
    hypertensive.visit(START + DAY, bp=(130, 80))
    wrong = hypertensive.visit(START + 2 * DAY, bp=(190, 80))
    assert "referral" in hypertensive.kinds()
    hypertensive.event("reading.retracted.v1", {"reading": wrong, "reason": "entered-in-error"}, START + 3 * DAY)
    assert "referral" not in hypertensive.kinds()
    assert (hypertensive.open()["reason"], day(hypertensive.open())) == ("quarterly", 91)


def test_an_annual_examination_is_done_by_its_own_event_and_taken_back_with_it(hypertensive: Cared) -> None:
    examined = hypertensive.event("examination.health-examined.v1", {}, START + 30 * DAY)
    assert [task["done_by"] for task in hypertensive.closed("annual-check")] == [examined.identity]
    assert day(hypertensive.open("annual-check")) == 30 + 365
    wrong = {"reading": examined.identity, "reason": "entered-in-error"}
    hypertensive.event("reading.retracted.v1", wrong, START + 31 * DAY)
    assert day(hypertensive.open("annual-check")) == 365


def test_a_withdrawn_diagnosis_cancels_and_a_second_programme_stays() -> None:
    r = Cared()
    r.diagnose("I10", START)
    r.diagnose("E11", START)
    r.event("chronic.condition-resolved.v1", {"code": "I10"}, START + DAY)
    assert [(t["programme"], t["ended"]) for t in r.closed("follow-up")] == [("hypertension", "diagnosis-withdrawn")]
    assert r.open()["programme"] == "diabetes"


def test_a_diagnosis_said_again_does_not_put_off_the_first_visit(hypertensive: Cared) -> None:
    hypertensive.diagnose("I10", START + 30 * DAY)
    assert day(hypertensive.open()) == 90


def test_death_ends_every_task(hypertensive: Cared) -> None:
    hypertensive.event("resident.died.v1", {}, START + DAY)
    assert {(t["status"], t["ended"]) for t in hypertensive.tasks} == {("cancelled", "died")}
    hypertensive.ticks(START + 400 * DAY)
    assert not hypertensive.kinds()


def test_a_transfer_takes_the_tasks_along_without_who_had_them(hypertensive: Cared) -> None:
    hypertensive.on_task("assigned", hypertensive.open(), START + HOUR, assignee="N01")
    assert hypertensive.open()["assignee"] == "N01"
    hypertensive.event("resident.transferred.v1", {"to_institution": "I02"}, START + DAY)
    assert "assignee" not in hypertensive.open()
    assert {o.value["institution"] for o in hypertensive.new if o.type.startswith("mailiu.task.")} == {"I02"}
    hypertensive.on_task("assigned", hypertensive.open(), START + 2 * DAY, assignee="N01")  # by I01, which has no say
    assert "assignee" not in hypertensive.open()


def test_withdrawn_consent_stops_tasks_until_it_is_given_again(hypertensive: Cared) -> None:
    said = {"scopes": ["monitoring"], "text_version": "1", "witness": "N01"}
    hypertensive.event("resident.consent-given.v1", said, START + HOUR)
    hypertensive.event("resident.consent-withdrawn.v1", {"scopes": ["monitoring"]}, START + DAY)
    assert {t["ended"] for t in hypertensive.tasks} == {"consent-withdrawn"}
    hypertensive.event("resident.consent-given.v1", said, START + 2 * DAY)
    assert hypertensive.kinds() == {"follow-up", "annual-check"}


def test_what_is_due_close_together_is_one_appointment() -> None:
    r = Cared()
    r.diagnose("I10", START)
    r.diagnose("E11", START + 10 * DAY)
    first, second = r.open(programme="hypertension"), r.open(programme="diabetes")
    assert (first.get("merged_into"), second["merged_into"]) == (None, first["task"])
    r.visit(START + 11 * DAY, "both", bp=(130, 80), fasting_glucose=6.0)
    assert len(r.closed("follow-up")) == 2
    assert r.open(programme="diabetes")["due"] == r.open(programme="hypertension")["due"]
    # a failure of one sets it apart
    r.visit(START + 12 * DAY, "diabetes", fasting_glucose=8.0)
    assert "merged_into" not in r.open(programme="diabetes")
    assert "merged_into" not in r.open(programme="hypertension")


def test_three_calls_in_vain_ask_for_a_home_visit(hypertensive: Cared) -> None:
    for n in range(3):
        assert "step" not in hypertensive.open()
        hypertensive.on_task("contacted", hypertensive.open(), START + (n + 1) * HOUR, result="not-reached")
    assert (hypertensive.open()["calls"], hypertensive.open()["step"]) == (3, "home-visit")
    hypertensive.on_task("contacted", hypertensive.open(), START + DAY, result="appointment", day="2026-03-20")
    assert hypertensive.open()["planned"] == "2026-03-20"
    assert hypertensive.open().keys().isdisjoint(("calls", "step"))


def test_a_refusal_ends_this_turn_only(hypertensive: Cared) -> None:
    hypertensive.ticks(START + 80 * DAY)
    hypertensive.on_task("contacted", hypertensive.open(), START + 80 * DAY, result="refused", reason="harvest")
    assert hypertensive.closed("follow-up")[0]["ended"] == "refused"
    assert day(hypertensive.open()) == 170


@pytest.mark.parametrize("report", ["moved", "dead"])
def test_a_report_that_somebody_is_gone_stops_the_tasks_until_it_is_confirmed(hypertensive: Cared, report: str) -> None:
    hypertensive.on_task("contacted", hypertensive.open(), START + HOUR, result=report)
    assert hypertensive.kinds() == {"confirm-status"}
    confirm = hypertensive.open("confirm-status")
    assert (confirm["reason"], confirm["due"]) == (f"reported-{report}", "2026-03-09")  # third working day
    hypertensive.visit(START + DAY, bp=(130, 80))
    assert hypertensive.kinds() == {"follow-up", "annual-check"}
    hypertensive.on_task("contacted", hypertensive.open(), START + 2 * DAY, result=report)
    hypertensive.event("resident.died.v1", {}, START + 3 * DAY)
    assert [t["status"] for t in hypertensive.closed("confirm-status")] == ["cancelled", "done"]


def test_an_ordered_task_is_done_by_hand_and_a_visit_is_not(hypertensive: Cared) -> None:
    hypertensive.event(
        "task.ordered.v1",
        {"title": "Potassium", "due": "2026-03-20", "priority": "high", "assignee": "N01"},
        START,
        id="o",
    )
    task = hypertensive.open("ordered")
    assert (task["title"], task["due"], task["priority"], task["assignee"]) == (
        "Potassium",
        "2026-03-20",
        "high",
        "N01",
    )
    hypertensive.on_task("completed", task, START + DAY)
    assert [t["status"] for t in hypertensive.closed("ordered")] == ["done"]
    hypertensive.on_task("completed", hypertensive.open(), START + DAY)
    assert not hypertensive.closed("follow-up")


def test_calls_in_vain_on_a_red_alert_are_a_home_visit_task() -> None:
    r = Cared()
    r.bp(190, 115, START)
    for n in range(3):
        r.event("alert.contact-attempted.v1", {"result": "not-reached"}, START + n * HOUR, actor="N01")
    r.event("alert.contact-attempted.v1", {"result": "not-reached", "to": "contact"}, START + 4 * HOUR, actor="N01")
    alert = r.only("bp-crisis")
    task = r.open("home-visit")
    assert (alert["step"], task["priority"], task["due"]) == ("home-visit", "urgent", day_text(TODAY))
    r.event("alert.contact-attempted.v1", {"result": "reached", "channel": "visit"}, START + 5 * HOUR, actor="N01")
    assert [t["status"] for t in r.closed("home-visit")] == ["done"]


def test_imported_history_opens_what_is_open_now_and_calls_nothing_done() -> None:
    r = Cared(born=None)
    r.event("resident.registered.v1", {"sex": "male", "birth_date": "1960-05-01"}, START - 700 * DAY, origin="import")
    r.event("chronic.condition-diagnosed.v1", {"code": "I10"}, START - 600 * DAY, origin="import", recorded=START)
    r.visit(START - 120 * DAY, bp=(130, 80), origin="import", recorded=START)
    assert not r.tasks
    r.ticks(START + HOUR)
    assert [t["status"] for t in r.tasks] == ["overdue", "overdue"]
