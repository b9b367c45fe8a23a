"""The alert's life cycle: what a rule finds and what people do become revisions of one alert an episode.

*Condition* (active, cleared, withdrawn) follows the findings; *handling* (new, acknowledged, in-follow-up, closed)
follows people. `reconcile` compares a rule's findings with its alerts and puts out only the difference, so that a copy
or a tick that changes nothing says nothing. Evidence later than an alert's closing is a new episode.

In the state an alert is a dict of short keys: id, rule, v(ersion), sev(erity), cond(ition), hand(ling), rev(ision),
raised, onset, latest, ev(idence), lvl (escalation level), since (when this level's ladder began), esc (next step),
judg(ement), det(ail), mark, chg (last change), and once they apply who (assignee), snz (snoozed until), ack, ackby, end
(closed), out(come), com(ment), why, calm (cleared by the data, not by time), nobody (1: no clinician was reached, 2:
next shift is called; ``next``: at this level), calls and rings (unanswered by resident and contact), step (what follows
them), ntc and m120 (`streams.notice`).
"""

from typing import Any

from streams import notice
from streams.calendar import MINUTE
from streams.case import RANK, Case, Finding
from streams.escalation import ladder, schedule
from streams.event import Input, instant, rfc3339, uuid5
from streams.rules import Rule, released
from streams.state import State

StoredAlert = dict[str, Any]

EVIDENCE = 20  # ids an alert names, the latest
RED_OUTCOMES = frozenset(
    {
        "drug-changed",
        "advice",
        "visit-booked",
        "referred",
        "called-120",
        "measurement-error",
        "not-reached",
        "no-action",
    }
)
_OPTIONAL = (
    ("assignee", "who"), ("acknowledged_by", "ackby"), ("outcome", "out"), ("comment", "com"), ("reason", "why"),
    ("calls", "calls"), ("step", "step"),
)  # fmt: skip
_INSTANTS = (("snoozed_until", "snz"), ("acknowledged_time", "ack"), ("closed_time", "end"))


def of_rule(state: State, rule: str) -> list[StoredAlert]:
    """The remembered alerts of ``rule``, oldest first, withdrawn ones left out."""
    return [a for a in state["alerts"] if a["rule"] == rule and a["cond"] != "withdrawn"]


def reconcile(case: Case, rule: Rule, findings: list[Finding], gap: int | None) -> None:
    """Bring the alerts of ``rule`` into line with ``findings``.

    ``gap`` (ms) is set for rules of episodes: an alert is the finding's if their spans come that close. ``None`` is for
    a lasting condition, of which there is one at most.
    """
    state = case.state
    alerts = of_rule(state, rule.rule)
    due = case.wake
    if findings or alerts:
        ends = [a["end"] for a in alerts if "end" in a]
        left = alerts
        for finding in findings:
            if gap is None:
                mine, left = _lasting(case, left, finding), []
            else:
                mine = [a for a in left if _meets(a, finding, gap, ends)]
                left = [a for a in left if a not in mine]
            holds = finding.until is None or case.now < finding.until
            if mine:
                _update(case, mine[0], finding, holds)
                for other in mine[1:]:
                    _clear(case, other, merged_into=mine[0]["id"])
            elif holds:
                mine = [_raise(case, rule, finding)]
            if finding.ask is not None and mine:
                notice.ask(case, mine[0]["id"], rule, finding.ask, mine[0]["id"])
            if holds:
                if finding.until is not None:
                    due.append(finding.until)
                if finding.again is not None and mine and "end" in mine[0]:
                    due.append(mine[0]["end"] + finding.again)
        for alert in left:
            _lost(case, alert, lasting=gap is None)
    at = min((at for at in due if at > case.now), default=None)
    if at is not None:
        state["due"][rule.rule] = at
    else:
        state["due"].pop(rule.rule, None)


def _meets(alert: StoredAlert, finding: Finding, gap: int, ends: list[int]) -> bool:
    """Whether alert and finding are one episode: spans within ``gap`` and nobody closed an alert between them."""
    if finding.onset > alert["latest"] + gap or finding.latest < alert["onset"] - gap:
        return False
    first, second = sorted(((alert["onset"], alert["latest"]), (finding.onset, finding.latest)))
    return not any(first[1] <= end < second[0] for end in ends)


def _lasting(case: Case, alerts: list[StoredAlert], finding: Finding) -> list[StoredAlert]:
    """The alert that a lasting finding continues, if any: the active one, or one cleared too early as we now see."""
    for alert in reversed(alerts):
        if finding.again is not None and case.now >= alert.get("end", case.now) + finding.again:
            if alert["cond"] == "active":
                _clear(case, alert)
            continue
        if alert["cond"] == "active" or finding.began <= alert["latest"]:
            return [alert]
    return []


def _raise(case: Case, rule: Rule, finding: Finding) -> StoredAlert:
    alert: StoredAlert = {
        "id": uuid5(f"{rule.rule}\n{case.event.subject}\n{case.event.identity}"),
        "rule": rule.rule,
        "v": rule.version,
        "cond": "active",
        "hand": "new",
        "rev": 0,
        "raised": case.now,
    }
    ids = {a["id"] for a in case.state["alerts"]}
    while alert["id"] in ids:  # one event can open several episodes
        alert["id"] = uuid5(f"{alert['id']}\nnext")
    _fill(alert, finding)
    alert["sev"] = finding.severity
    case.state["alerts"].append(alert)
    _restart(case, alert)
    emit(case, alert, "raised")
    return alert


def _fill(alert: StoredAlert, finding: Finding) -> None:
    alert["onset"], alert["latest"] = finding.onset, finding.latest
    alert["ev"] = finding.evidence[-EVIDENCE:]
    alert["det"], alert["mark"], alert["judg"] = finding.detail, finding.mark, finding.judgement


def _restart(case: Case, alert: StoredAlert) -> None:
    """Begin the ladder of the alert's severity anew."""
    notice.drop(case, alert, "superseded")
    alert["lvl"], alert["since"] = 0, case.now
    for key in ("snz", "nobody", "next"):
        alert.pop(key, None)
    schedule(case, alert)


def _update(case: Case, alert: StoredAlert, finding: Finding, holds: bool) -> None:
    kind = None
    if finding.severity != alert["sev"]:
        kind = "severity-changed"
        worse = RANK[finding.severity] > RANK[alert["sev"]]
        alert["sev"] = finding.severity
        if worse and alert["hand"] != "new":  # somebody handled something milder: it is open again
            alert["hand"] = "new"
            for key in ("end", "out", "why", "ack", "ackby", "calls", "rings", "step"):
                alert.pop(key, None)
        _restart(case, alert)
    elif finding.mark != alert["mark"]:
        kind = "extended"
    if kind is not None:
        _fill(alert, finding)
    if holds and alert["cond"] != "active":
        alert["cond"] = "active"
        alert.pop("calm", None)
        schedule(case, alert)
        kind = kind or "extended"
    if kind is not None:
        emit(case, alert, kind)
    if not holds and alert["cond"] == "active":
        _clear(case, alert, settled=False)


def _clear(case: Case, alert: StoredAlert, *, settled: bool = True, **why: Any) -> None:
    """The condition is over: ``settled`` by what the data say, or only because time went by."""
    if alert["cond"] == "active":
        alert["cond"] = "cleared"
        if settled:
            alert["calm"] = 1
        alert["det"] = alert["det"] | why
        schedule(case, alert)
        emit(case, alert, "condition-cleared")


def _lost(case: Case, alert: StoredAlert, lasting: bool) -> None:
    """An alert that no finding supports any more: cleared by the data, or withdrawn if its evidence was taken back."""
    if lasting:
        taken_back = case.event.type == "mailiu.reading.retracted.v1" and alert["cond"] == "active"
    else:
        taken_back = alert["latest"] >= case.horizon
    if not taken_back:
        _clear(case, alert)
        return
    alert["cond"] = "withdrawn"
    schedule(case, alert)
    emit(case, alert, "withdrawn")


def clear_all(case: Case, why: str) -> None:
    """Clear every active alert because of what happened to the resident; nothing is due any more."""
    for alert in case.state["alerts"]:
        _clear(case, alert, ended=why)
    case.state["due"].clear()


def withdraw_all(case: Case, why: str, *, spare: str) -> None:
    """Withdraw every active alert but those of severity ``spare``: nobody may act on them any more."""
    for alert in case.state["alerts"]:
        if alert["cond"] == "active" and alert["sev"] != spare:
            alert["cond"] = "withdrawn"
            alert["det"] = alert["det"] | {"ended": why}
            schedule(case, alert)
            emit(case, alert, "withdrawn")


def handed_over(case: Case) -> None:
    """The resident moved to another institution: its people have seen none of the open alerts yet."""
    for alert in case.state["alerts"]:
        if alert["cond"] == "active" and alert["hand"] != "closed":
            alert["hand"] = "new"
            for key in ("who", "ack", "ackby"):
                alert.pop(key, None)
            _restart(case, alert)
            emit(case, alert, "handling-changed")


def handle(case: Case) -> None:
    """What somebody did with an alert. Unknown alerts, repetitions and what the rules forbid change nothing."""
    event = case.event
    alert = next((a for a in case.state["alerts"] if a["id"] == event.data["alert"]), None)
    if alert is not None and ACTIONS[event.type](case, alert, event):
        handled(case, alert)


def handled(case: Case, alert: StoredAlert) -> None:
    """Tell what somebody did; whoever took the alert was reached."""
    if alert["hand"] != "new":
        alert.pop("nobody", None)
        alert.pop("next", None)
    schedule(case, alert)
    emit(case, alert, "handling-changed")


def _acknowledged(case: Case, alert: StoredAlert, event: Input) -> bool:
    if alert["hand"] != "new":
        return False
    alert["hand"], alert["ack"] = "acknowledged", event.time
    if event.actor:
        alert["ackby"] = event.actor
    return True


def _assigned(case: Case, alert: StoredAlert, event: Input) -> bool:
    if alert["hand"] == "closed" or alert.get("who") == event.data["assignee"]:
        return False
    alert["hand"], alert["who"] = "in-follow-up", event.data["assignee"]
    return True


def _snoozed(case: Case, alert: StoredAlert, event: Input) -> bool:
    until = instant(event.data["until"])
    if alert["sev"] == "red":
        until = min(until, case.now + case.rule("escalation").limits["red_snooze_minutes"] * MINUTE)
    if alert["hand"] == "closed" or until <= case.now or alert.get("snz") == until:
        return False
    alert["snz"] = until
    return True


def _commented(case: Case, alert: StoredAlert, event: Input) -> bool:
    if alert.get("com") == event.data["text"]:
        return False
    alert["com"] = event.data["text"]
    return True


def _closed(case: Case, alert: StoredAlert, event: Input) -> bool:
    outcome, reason = event.data["outcome"], event.data.get("reason")
    refused = alert["sev"] == "red" and (outcome not in RED_OUTCOMES or (outcome == "no-action" and not reason))
    if refused or alert["hand"] == "closed":
        return False
    alert["hand"], alert["end"], alert["out"] = "closed", min(event.time, event.recorded), outcome
    if reason:
        alert["why"] = reason
    return True


ACTIONS = {
    "mailiu.alert.acknowledged.v1": _acknowledged,
    "mailiu.alert.assigned.v1": _assigned,
    "mailiu.alert.snoozed.v1": _snoozed,
    "mailiu.alert.commented.v1": _commented,
    "mailiu.alert.closed.v1": _closed,
}


def emit(case: Case, alert: StoredAlert, kind: str) -> None:
    """Put out the whole alert as it now is."""
    alert["rev"] += 1
    alert["chg"] = case.now
    rule = released()[alert["rule"]][alert["v"]]
    roles = ladder(case, alert["sev"])
    data: dict[str, Any] = {
        "alert": alert["id"],
        "rule": alert["rule"],
        "rule_version": alert["v"],
        "severity": alert["sev"],
        "condition": alert["cond"],
        "handling": alert["hand"],
        "revision": alert["rev"],
        "raised_time": rfc3339(alert["raised"]),
        "onset": rfc3339(alert["onset"]),
        "latest": rfc3339(alert["latest"]),
        "evidence": list(alert["ev"]),
        "level": alert["lvl"],
        "role": roles[min(alert["lvl"], len(roles) - 1)][0],
        "judgement": alert["judg"],
        "detail": {"title": rule.title, **({"text": rule.text} if rule.text else {}), **alert["det"]},
    }
    data.update((name, alert[key]) for name, key in _OPTIONAL if key in alert)
    data.update((name, rfc3339(alert[key])) for name, key in _INSTANTS if key in alert)
    if "nobody" in alert:
        data["unreached"] = True
    case.emit(f"mailiu.alert.{kind}.v1", f"{alert['id']}/{kind}/{case.event.identity}", data)
    notice.follow(case, alert)
