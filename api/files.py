"""Files that events name by their content: the trace of an electrocardiogram is sent here, the event says which."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from api.auth import Caller, EventWriter, ResidentReader
from api.backend import Backend, BackendDependency
from api.body_limit import BODY_BYTES
from api.position import Wait
from api.problem import Problem, invalid_field, problems
from api.resident import find
from api.tables import Row
from infra import files
from infra.vault import Erased
from schemas.envelope import SUBJECT

router = APIRouter(prefix="/v1/files", tags=["files"])
Sha256 = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of the content 内容的SHA-256")]
RESIDENT = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
ANY_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}

NAMED = """
SELECT resident, institution, any(trace_type) AS media_type FROM readings
WHERE trace = {sha256:String} GROUP BY resident, institution ORDER BY resident, institution
"""


class Kept(BaseModel):
    """The file is on disk; an event may name it."""

    resident: str
    sha256: str
    bytes: int = Field(description="length of the content")


@router.post(
    "", status_code=201, summary="Keep a file 保存文件", responses=problems(403, 410, 413, 422), openapi_extra=ANY_BODY
)
async def keep(
    who: EventWriter,
    request: Request,
    resident: Annotated[str, Query(pattern=RESIDENT, description="whose it is 居民编号（假名）")],
    institution: Annotated[str, Query(pattern=SUBJECT, description="who sends it, as in the event 机构编号")],
) -> Kept:
    """The body, as it is, encrypted under the resident's own key. Sent again it is the same file."""
    if not who.covers(institution):
        raise Problem(403, f"the token does not cover the institution {institution}")
    content = await request.body()
    if not content:
        raise invalid_field("body", "", f"a file of 1 to {BODY_BYTES} bytes is needed")
    try:
        sha256 = await asyncio.to_thread(files.keep, resident, content)
    except Erased as error:
        raise Problem(410, f"{resident} is erased") from error
    return Kept(resident=resident, sha256=sha256, bytes=len(content))


@router.get(
    "/{sha256}",
    summary="A file 文件内容",
    responses=problems(403, 404, 410, 422, 504)
    | {200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}},
    response_class=Response,
)
async def show(who: ResidentReader, backend: BackendDependency, sha256: Sha256, wait: Wait = None) -> Response:
    """The content of a file that an event names, for whoever may see that event's resident."""
    await backend.progress.wait(wait)
    row = await _seen(who, backend, sha256)
    resident = row["resident"]
    await backend.viewed(who, "file", resident)
    try:
        content = await asyncio.to_thread(files.read, resident, sha256)
    except FileNotFoundError as error:
        raise Problem(404, f"the file {sha256} was named and has not come") from error
    except Erased as error:
        raise Problem(410, f"{resident} is erased") from error
    headers = {"Content-Disposition": f'attachment; filename="{sha256}"', "Cache-Control": "no-store"}
    return Response(content, media_type=row["media_type"], headers=headers)


async def _seen(who: Caller, backend: Backend, sha256: str) -> Row:
    """The reading that names the file, of a resident whom the caller may see, or sent by the caller's institution."""
    rows = await backend.tables.rows(NAMED, {"sha256": sha256})
    for row in rows:
        if who.covers(row["institution"]):
            return row
    for row in rows:
        try:
            await find(backend, who, row["resident"])
        except Problem:
            continue
        return row
    raise Problem(404, f"no file {sha256}")
