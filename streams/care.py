"""Which institution may say who cares for a resident: the one that manages the record, until it hands it over.

Whoever may append events for one institution could else register another's resident, or transfer it to himself, and so
see it. The institution that manages is that of the latest registration, contract or transfer that had effect; the first
one to register a resident manages it. What another one says of these matters has no effect, in the order of the log,
and a derived event names it, so that the tables leave it out too.
"""

from streams.case import Case

REFUSED = "mailiu.resident.event-refused.v1"
KEPT = 64  # identities of events that had effect: a late copy of one must not be refused
#: What only the managing institution may say. Consent may be withdrawn anywhere.
MANAGED = frozenset(
    f"mailiu.resident.{event}.v1"
    for event in (
        "registered", "contracted", "transferred", "merged", "unmerged", "consent-given", "guardian-appointed",
        "guardian-revoked",
    )
)  # fmt: skip


def may(case: Case) -> bool:
    """Whether the event's institution may say this of the resident; puts out a refusal where it may not."""
    event, stands = case.event, case.state.get("inst")
    heard: list[str] = case.state.setdefault("care", [])
    if stands is None or stands[2] == event.institution:
        heard.append(event.identity)
        del heard[:-KEPT]
        return True
    if event.identity not in heard:
        data = {
            "event": event.identity, "type": event.type, "reason": "managed-elsewhere", "field": "institution",
            "value": event.institution,
        }  # fmt: skip
        case.emit(REFUSED, f"{event.identity}/refused", data)
    return False
