"""Who a resident is: recorded sealed, shown to those who care for the person, found by ID number or phone.

What is sent here is never repeated: not in an answer, not in a problem, not in a log line.
"""

import asyncio
from typing import Annotated, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field, model_validator

from api.alert_action import Key
from api.auth import Caller, Identifier
from api.backend import Backend, BackendDependency
from api.problem import Problem, problems
from api.rate import within
from api.resident import find
from infra.clock import clock
from infra.vault import Erased, Unknown, vault
from infra.vault.vault import Lookup
from schemas.envelope import Code, Event
from schemas.identity import CardNumber, Identity, IdNumber, Phone, masked

router = APIRouter(prefix="/v1/residents", tags=["identity"])
Resident = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="pseudonym 居民编号（假名）")]
#: HL7 v3 PurposeOfUse, as FHIR's AuditEvent and Consent use it.
Purpose = Literal["TREAT", "ETREAT", "CAREMGT", "COC", "PATRQT", "HOPERAT"]
PURPOSE = "HL7 v3 PurposeOfUse: treatment, emergency, care management, coordination, patient request, operations 目的"


class Recording(Identity):
    """Who the resident is, told by the institution that knows; the whole of it, each time."""

    institution: Annotated[str, Code]


class Taken(BaseModel):
    """The identity is sealed and in the log."""

    resident: str
    identity: UUID = Field(description="identity of the appended event")
    position: str = Field(description="position in `events`", examples=["3:120"])


class KnownContact(BaseModel):
    """Somebody who may be called."""

    id: str
    name: str
    phone: str
    relationship: str


class Known(BaseModel):
    """Who a resident is; masked but for clinicians and nurses. 居民身份；仅医护人员可见明文。"""

    resident: str
    masked: bool
    name: str
    id_number: str | None
    health_card: str | None
    passport: str | None
    phone: str | None
    contacts: list[KnownContact]


class Sought(BaseModel):
    """One of them."""

    id_number: IdNumber | None = Field(None, max_length=40)
    health_card: CardNumber | None = Field(None, max_length=40)
    passport: CardNumber | None = Field(None, max_length=40)
    phone: Phone | None = Field(None, max_length=40)
    purpose: Purpose = Field(description=PURPOSE)

    @model_validator(mode="after")
    def _one(self) -> "Sought":
        if len(self._told()) != 1:
            raise ValueError("one of id_number, health_card, passport and phone")
        return self

    def _told(self) -> list[tuple[Lookup, str]]:
        told: list[tuple[Lookup, str | None]] = [
            ("id-number", self.id_number), ("health-card", self.health_card), ("passport", self.passport),
            ("phone", self.phone),
        ]  # fmt: skip
        return [(kind, value) for kind, value in told if value]

    @property
    def key(self) -> tuple[Lookup, str]:
        """What to look for."""
        return self._told()[0]


class Found(BaseModel):
    """Residents of the token's institutions; a phone may be a family's."""

    residents: list[str]


@router.post(
    "/{resident}/identity",
    status_code=202,
    summary="Record who a resident is 登记身份",
    description="Name, ID number, phone and contacts are sealed under the resident's own key before they reach the "
    "log; nothing of it is repeated.\n\n姓名、证件号、电话与联系人以居民专用密钥加密后写入，任何应答均不回显。",
    responses=problems(400, 403, 404, 410, 413, 422),
)
async def record(
    who: Identifier, backend: BackendDependency, resident: Resident, body: Recording, key: Key = None
) -> Taken:
    """Seal an identity and append it."""
    if not who.covers(body.institution):
        raise Problem(403, "the token does not cover the institution")
    await _not_somebody_elses(backend, who, resident)
    identity = Identity.model_validate(body.model_dump(exclude={"institution"}))
    return await put(backend, who, resident, identity, body.institution, key)


async def put(
    backend: Backend, who: Caller, resident: str, identity: Identity, institution: str, key: str | None
) -> Taken:
    """Seal who the resident is and append it; 410 when that was erased."""
    try:
        sealed = await asyncio.to_thread(vault().seal, resident, identity)
    except Erased as error:
        raise gone(resident) from error
    event = Event(
        id=f"{resident}/identity/{key or uuid4()}",
        source="api",
        type="mailiu.resident.identity-recorded.v1",
        subject=resident,
        time=clock().now(),
        data={"sealed": sealed},
        institution=institution,
        actor=who.actor,
    )
    await backend.viewed(who, "identity", resident, action="recorded")
    [[position]] = await backend.append([event])
    await asyncio.to_thread(vault().keep, resident, sealed, position.offset)
    return Taken(resident=resident, identity=event.identity, position=str(position))


@router.get(
    "/{resident}/identity",
    summary="Who a resident is 查看身份",
    description="In the clear for clinicians and nurses of the resident's institution, masked for others; audited with "
    "its purpose.\n\n仅本机构医护人员可见明文，其他角色仅见脱敏信息；查看目的留审计记录。",
    responses=problems(403, 404, 410, 422),
)
async def show(
    who: Identifier,
    backend: BackendDependency,
    resident: Resident,
    purpose: Annotated[Purpose, Query(description=PURPOSE)],
) -> Known:
    """Open an identity."""
    await find(backend, who, resident)
    clear = who.may("names")
    await backend.viewed(who, "identity" if clear else "masked-identity", resident, purpose)
    try:
        identity = await asyncio.to_thread(vault().open, resident)
    except Erased as error:
        raise gone(resident) from error
    except Unknown as error:
        raise Problem(404, f"nobody recorded who {resident} is") from error
    shown = identity.model_dump() if clear else masked(identity)
    return Known.model_validate({**shown, "resident": resident, "masked": not clear})


@router.post(
    "/lookup",
    summary="Find a resident by a number or phone 按证件号或电话查找",
    description="The pseudonyms of residents of the token's institutions with this ID number, health card, passport or "
    "phone. Whoever is unknown or another institution's is not found, alike. Audited and rate limited.\n\n"
    "返回令牌所辖机构中具有该证件号或电话的居民编号；不存在与无权查看的应答相同。留审计记录并限速。",
    responses=problems(400, 403, 404, 413, 422, 429),
)
async def lookup(who: Identifier, backend: BackendDependency, body: Sought) -> Found:
    """Find residents."""
    within("lookup", who.actor)
    candidates = await asyncio.to_thread(vault().lookup, *body.key)
    residents = [resident for resident in candidates if await _covered(backend, who, resident)]
    await backend.viewed(who, f"lookup by {body.key[0]}", residents, body.purpose, action="looked-up")
    if not residents:
        raise Problem(404, "nobody is found")
    return Found(residents=residents)


def gone(resident: str) -> Problem:
    """A 410: the resident's key is destroyed."""
    return Problem(410, f"who {resident} is has been erased")


async def _covered(backend: Backend, who: Caller, resident: str) -> bool:
    try:
        await find(backend, who, resident)
    except Problem as problem:
        if problem.status_code != 404:
            raise
        return False
    return True


async def _not_somebody_elses(backend: Backend, who: Caller, resident: str) -> None:
    """404 when the tables know the resident as another institution's; one registered just now may not be there yet."""
    rows = await backend.tables.rows(
        "SELECT institution FROM residents WHERE resident = {resident:String}", {"resident": resident}
    )
    if any(row["institution"] and not who.covers(row["institution"]) for row in rows):
        raise Problem(404, f"no resident {resident}")
