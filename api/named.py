"""The name at the head of a printed page: only for who may see it, only with a purpose, and audited."""

import asyncio
from contextlib import suppress
from typing import Annotated

from fastapi import Query

from api.auth import Caller
from api.backend import Backend
from api.identity import PURPOSE, Purpose
from api.problem import Problem
from infra.vault import Erased, Unknown, vault
from schemas.identity import Identity, masked

Named = Annotated[
    Purpose | None, Query(alias="purpose", description=f"with it the page bears the name. 填写则显示姓名。{PURPOSE}")
]


async def name_of(backend: Backend, who: Caller, records: list[str], purpose: Purpose | None) -> str | None:
    """The name of the person of ``records``, masked for whom it concerns less; None without purpose or record.

    403 where the role may not ask who somebody is.
    """
    if purpose is None:
        return None
    if not who.may("identify"):
        raise Problem(403, f"the role {who.role} has no right to identify")
    clear = who.may("names")
    await backend.viewed(who, "identity" if clear else "masked-identity", records[0], purpose)
    for record in records:
        with suppress(Unknown, Erased):
            identity: Identity = await asyncio.to_thread(vault().open, record)
            return str((identity.model_dump() if clear else masked(identity))["name"])
    return None
