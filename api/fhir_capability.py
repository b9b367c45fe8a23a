"""`GET /v1/fhir/metadata`: what this server speaks of FHIR, as FHIR's own CapabilityStatement. Needs no token."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Response

from api import fhir_answer, fhir_outcome
from api.fhir import TIMES
from api.fhir_search import TYPES

router = APIRouter(prefix="/v1", tags=["events"])
#: Search parameters and their types, of every resource and of some.
SEARCHED = {"patient": "reference", "subject": "reference", "date": "date"}
CODED = ("Observation", "Condition", "MedicationRequest", "MedicationStatement")
TOLD = {
    "create": "sent again under the same identifier, `ifNoneExist` or id it is the same event",
    "search-type": "of one patient; the next page by the link `next`",
    "read": "without name and numbers",
}


@router.get(
    "/fhir/metadata",
    response_class=Response,
    summary="FHIR capabilities FHIR 能力声明",
    description="What can be sent and searched, as a CapabilityStatement.\n\n支持的资源与检索。",
    responses={200: {"description": "CapabilityStatement", "content": {fhir_outcome.MEDIA_TYPE: {}}}},
)
async def metadata() -> Response:
    """The server's CapabilityStatement."""
    return fhir_answer.answer(200, statement())


def statement() -> dict[str, Any]:
    """Everything that `POST /v1/fhir` takes and `GET /v1/fhir/{type}` finds."""
    return {
        "resourceType": "CapabilityStatement", "status": "active", "date": "2026-11-25", "kind": "instance",
        "software": {"name": "Mailiu", "version": version("mailiu")}, "fhirVersion": "4.0.1", "format": ["json"],
        "implementation": {"description": "Mailiu 脉流: community health as events"},
        "rest": [{
            "mode": "server",
            "security": {"description": "Bearer token; its institutions bound what is seen, and every view is audited"},
            "resource": [_resource(type) for type in dict.fromkeys((*TYPES, *TIMES))],
            "interaction": [{"code": "transaction"}, {"code": "batch"}],
        }],
    }  # fmt: skip


def _resource(type: str) -> dict[str, Any]:
    able = ["create", "search-type", *(["read"] if type == "Patient" else [])]
    found = {"_id": "token", "patient": "reference"} if type == "Patient" else SEARCHED | _code(type)
    return {
        "type": type,
        "interaction": [{"code": code, "documentation": TOLD[code]} for code in able],
        "conditionalCreate": True,
        "searchParam": [{"name": name, "type": kind} for name, kind in found.items()],
    }


def _code(type: str) -> dict[str, str]:
    return {"code": "token"} if type in CODED else {}
