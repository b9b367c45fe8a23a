"""What a resident allows, and who may look in: `GET /v1/residents/{resident}/consents`."""

import asyncio
from datetime import date

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.auth import PersonReader
from api.backend import BackendDependency
from api.instant import Instant
from api.position import Wait
from api.problem import problems
from api.resident import ResidentId, find
from schemas.consent import Scope, View

router = APIRouter(prefix="/v1/residents", tags=["residents"])


class Consent(BaseModel):
    """What was said last of one scope."""

    scope: Scope
    given: bool = Field(description="allowed; false: withdrawn. A scope nobody was asked for is not in the list")
    time: Instant = Field(description="since when")
    text_version: str | None = Field(description="version of the text that was agreed to")
    witness: str | None
    guardian: str | None = Field(description="who gave or withdrew it in the resident's place")
    reason: str | None = Field(description="of a withdrawal")
    institution: str | None


class Guardian(BaseModel):
    """Somebody who may look in."""

    guardian: str
    relation: str | None
    scopes: list[View]
    time: Instant = Field(description="since when")
    until: date | None


class Consents(BaseModel):
    """Consents and guardians of a resident. 知情同意与监护人。"""

    resident: str
    consents: list[Consent]
    guardians: list[Guardian] = Field(description="those appointed and not revoked")


CONSENTS = """
SELECT scope, given, time, text_version, witness, guardian, reason, institution FROM consents
WHERE resident IN {records:Array(String)} ORDER BY scope, time DESC LIMIT 1 BY scope
"""
GUARDIANS = """
SELECT guardian, relation, scopes, time, until FROM guardians
WHERE resident IN {records:Array(String)} AND appointed = 1 ORDER BY guardian, time DESC LIMIT 1 BY guardian
"""


@router.get("/{resident}/consents", summary="Consents 知情同意", responses=problems(403, 404, 422, 504))
async def consents(who: PersonReader, backend: BackendDependency, resident: ResidentId, wait: Wait = None) -> Consents:
    """What the resident allows, with the text that was read, and who may look in."""
    await backend.progress.wait(wait)
    found = await find(backend, who, resident, "consents")
    parameters = {"records": found["records"]}
    given, guardians, _ = await asyncio.gather(
        backend.tables.rows(CONSENTS, parameters),
        backend.tables.rows(GUARDIANS, parameters),
        backend.viewed(who, "consents", found["records"]),
    )
    return Consents(
        resident=found["resident"],
        consents=[Consent.model_validate(row) for row in given],
        guardians=[Guardian.model_validate(row) for row in guardians],
    )
