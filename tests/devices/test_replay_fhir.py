"""Refused FHIR resources sent again by `mailiu rejected replay`, as they lie on `rejected`."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import orjson
import pytest

from infra.rejected import record
from mqtt_ingest.bindings import Bindings
from mqtt_ingest.gate import Gate
from mqtt_ingest.receipts import Publishing
from mqtt_ingest.rejected import Rejected
from mqtt_ingest.replay import Again
from schemas.envelope import Event
from tests.api.stub import StubProducer
from tests.api.test_fhir import bundle, named


class Kept:
    """A log that keeps what is appended."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.producer = StubProducer()

    async def append(self, event: Event) -> list[str]:
        self.events.append(event)
        return [f"0:{len(self.events) - 1}"]


def refused(raw: dict[str, Any], institution: str | None = "I01", reason: str = "invalid") -> Rejected:
    message = {"zh": "", "en": ""}
    value = record(
        uuid4(), "rest/his@I01", reason, "Observation", "-", message, orjson.dumps(raw), kind="fhir",
        institution=institution,
    )  # fmt: skip
    return Rejected(orjson.loads(orjson.dumps(value)))


@pytest.mark.parametrize(
    ("one", "outcome", "events"),
    [
        (lambda: refused(named("r-1")), "accepted", 1),
        (lambda: refused({"resource": named("r-2"), "request": {"ifNoneExist": "identifier=urn:x|1"}}), "accepted", 1),
        (lambda: refused(bundle("transaction", named("r-3"), named("r-4"))), "accepted", 2),
        (lambda: refused(bundle("transaction", named("r-3"), named("r-4", status="done"))), "rejected", 0),
        (lambda: refused(named("r-5"), institution=None), "rejected", 0),
        (lambda: refused(named("r-6", effectiveDateTime="2999-01-01T00:00:00Z")), "rejected", 0),
        (lambda: refused(named("r-7"), reason="wrong-institution"), "decided", 0),
        (lambda: refused({"resourceType": "Patient"}), "rejected", 0),
    ],
)
async def test_a_refused_resource_is_taken_whole_if_it_is_valid_now(
    one: Callable[[], Rejected], outcome: str, events: int
) -> None:
    log = Kept()
    assert await Again(log, Gate(Bindings()), Publishing()).one(one()) == outcome  # type: ignore[arg-type]
    assert len(log.events) == events
    assert len(log.producer.sent) == (outcome == "accepted")
    assert all(event.institution == "I01" for event in log.events)
