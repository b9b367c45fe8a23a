"""Residents of a test's own and what is sent about them."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx

from api.auth import Role, issue
from infra.clock import clock
from schemas.envelope import rfc3339

PATIENCE = 24  # times that an answer is asked for, each 5 s, when the tables are behind
READING = "mailiu.reading.blood-pressure-measured.v1"


def bearer(role: Role = "clinician", *institutions: str, actor: str | None = None) -> dict[str, str]:
    """The header of a token."""
    return {"Authorization": f"Bearer {issue(role, institutions, actor=actor)}"}


class House:
    """An institution of a test's own, with tokens and residents."""

    def __init__(self, api: httpx.Client) -> None:
        self.api = api
        self.id = f"I-{uuid4().hex[:10]}"
        self.position = ""

    def token(self, role: Role = "clinician", actor: str | None = None) -> dict[str, str]:
        """The header of a token for this institution."""
        return bearer(role, self.id, actor=actor)

    def event(self, type: str, resident: str, data: dict[str, Any], days: float = 0, **more: Any) -> dict[str, Any]:
        """An event that happened ``days`` ago."""
        return {
            "specversion": "1.0", "id": str(uuid4()), "source": "rest/test", "type": type, "subject": resident,
            "time": rfc3339(clock().now() - timedelta(days=days)), "institution": self.id, "data": data, **more,
        }  # fmt: skip

    def post(self, *events: dict[str, Any]) -> dict[str, Any]:
        """Append ``events``, all of which must be taken; remembers the position for `wait`."""
        answer = self.api.post("/v1/events", headers=self.token("integrator"), json=list(events))
        assert answer.status_code == 202, answer.text
        body: dict[str, Any] = answer.json()
        assert body["rejected"] == 0, answer.text
        self.position = body["position"]
        return body

    def get(self, path: str, role: Role = "clinician", **parameters: Any) -> dict[str, Any]:
        """The answer of ``path``, having seen what was posted last."""
        wait = {"wait": self.position} if self.position and "wait" not in parameters else {}
        for _ in range(PATIENCE):
            answer = self.api.get(path, headers=self.token(role), params={**wait, **parameters})
            if answer.status_code != 504:  # not projected yet: a busy machine
                break
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def resident(self, days: float = 100) -> str:
        """A resident registered here ``days`` ago, born on 1 May 1950."""
        id = f"R-{uuid4().hex[:12]}"
        person = {"sex": "female", "birth_date": "1950-05-01"}
        self.post(self.event("mailiu.resident.registered.v1", id, person, days))
        return id

    def administer(self, *events: dict[str, Any]) -> None:
        """Append what concerns many residents."""
        answer = self.api.post("/v1/events", headers=bearer("admin", "*"), json=list(events))
        assert answer.status_code == 202, answer.text
        assert answer.json()["rejected"] == 0, answer.text

    def staff(self, role: str, on_duty: bool = True) -> str:
        """A member of staff, on duty from yesterday until tomorrow or not at all."""
        id, now = f"S-{role}-{self.id}", clock().now()
        span = {"start": rfc3339(now - timedelta(days=1)), "end": rfc3339(now + timedelta(days=1))}
        shifts = [{"staff": id, **span}] if on_duty else []
        self.administer(
            self.event("mailiu.organization.staff-registered.v1", id, {"staff": id, "role": role}),
            self.event("mailiu.organization.rota-set.v1", self.id, {"role": role, "shifts": shifts, **span}),
        )
        return id

    def crisis(self, resident: str) -> dict[str, Any]:
        """A pressure at crisis level, measured now."""
        return self.event(READING, resident, {"systolic": 190, "diastolic": 112, "pulse": 80})
