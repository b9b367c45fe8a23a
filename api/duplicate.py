"""Records that may be of one person: they share a card's number, or a phone and a date of birth (clinical decision 33).

Whoever cares for both says so by `resident.merged`; nothing is merged by itself.
"""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api import paging
from api.auth import Caller, Identifier
from api.backend import Backend, BackendDependency
from api.identity import PURPOSE, Purpose
from api.position import Wait
from api.problem import problems
from api.rate import within
from infra.vault import vault
from infra.vault.vault import Lookup

router = APIRouter(prefix="/v1/residents", tags=["identity"])
AT_ONCE = 500  # pairs asked of the vault at a time
ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


class Duplicate(BaseModel):
    """Two records, and why they may be of one person. 疑似重复档案。"""

    residents: tuple[str, str]
    matched_by: list[Lookup] = Field(description="what both have: id-number, health-card, passport, phone")
    doubtful: bool = Field(
        description="a person has to look (`matched_by` of the merge: `person`): only a phone and the date of birth "
        "agree, or a card agrees and something else does not"
    )
    differs: list[Literal["birth_date", "sex"]] = Field(description="what the two records say differently")


class Duplicates(BaseModel):
    """A page of pairs, by their ids."""

    items: list[Duplicate]
    next: str | None


#: Each record as the one that stands for it, with what it is compared by.
RECORDS = """
SELECT asked.id AS record, if(a.survivor = '', asked.id, a.survivor) AS resident, r.sex AS sex,
    r.birth_date AS birth_date, r.institution AS institution
FROM (SELECT arrayJoin({ids:Array(String)}) AS id) AS asked
LEFT JOIN aliases AS a ON a.resident = asked.id
LEFT JOIN residents AS r ON r.resident = if(a.survivor = '', asked.id, a.survivor)
"""
#: Pairs that were merged and taken apart again: somebody looked, and they are two.
PARTED = """
SELECT resident, argMax(e.survivor, e.offset) AS survivor FROM merge_events AS e
WHERE resident IN {ids:Array(String)} GROUP BY resident HAVING argMax(e.event, e.offset) = 'unmerged'
"""


@router.get(
    "/duplicates",
    summary="Records that may be of one person 疑似重复档案",
    description="Pairs of records of the token's institutions that share the number of an identity card, health card "
    "or passport, or a phone and the date of birth. No number is shown. Pairs that are merged, or were and are two "
    "again, are left out. Audited and rate limited.\n\n"
    "返回令牌所辖机构中证件号相同、或电话与出生日期均相同的档案对，不显示任何号码；由人工确认后合并。留审计记录并限速。",
    responses=problems(403, 422, 429, 504),
)
async def duplicates(
    who: Identifier,
    backend: BackendDependency,
    purpose: Annotated[Purpose, Query(description=PURPOSE)],
    cursor: Annotated[str | None, Query(pattern=f"^{ID},{ID}$", description="`next` of the page before")] = None,
    limit: paging.Limit = 100,
    wait: Wait = None,
) -> Duplicates:
    """A page of pairs."""
    within("lookup", who.actor)
    await backend.progress.wait(wait)
    first, _, second = (cursor or ",").partition(",")
    after, found, more = (first, second), list[tuple[tuple[str, str], Duplicate]](), True
    while more and len(found) <= limit:
        pairs = await asyncio.to_thread(vault().pairs, after, AT_ONCE)
        more = len(pairs) == AT_ONCE
        if pairs:
            after = pairs[-1][:2]
            found += await _judged(backend, who, pairs)
    items = [pair for _, pair in found[:limit]]
    await backend.viewed(
        who, "duplicates", sorted({id for pair in items for id in pair.residents}), purpose, action="looked-up"
    )
    return Duplicates(items=items, next=",".join(found[limit - 1][0]) if len(found) > limit else None)


async def _judged(
    backend: Backend, who: Caller, pairs: list[tuple[str, str, set[str]]]
) -> list[tuple[tuple[str, str], Duplicate]]:
    """Of ``pairs`` those that the caller may see and that are worth a look, behind the pair as the vault has it."""
    ids = sorted({id for pair in pairs for id in pair[:2]})
    rows, parted = await asyncio.gather(
        backend.tables.rows(RECORDS, {"ids": ids}), backend.tables.rows(PARTED, {"ids": ids})
    )
    known = {row["record"]: row for row in rows if row["institution"] and who.covers(row["institution"])}
    two = {frozenset((row["resident"], row["survivor"])) for row in parted}
    found = []
    for one, other, kinds in pairs:
        if one in known and other in known and frozenset((one, other)) not in two:
            pair = _compared(known[one], known[other], kinds)
            if pair is not None:
                found.append(((one, other), pair))
    return found


def _compared(one: dict[str, Any], other: dict[str, Any], kinds: set[str]) -> Duplicate | None:
    """The pair, or None when it is one person already, or two who merely share a phone, as families do."""
    if one["resident"] == other["resident"]:
        return None
    differs = [name for name in ("birth_date", "sex") if one[name] and other[name] and one[name] != other[name]]
    if kinds == {"phone"} and (differs or not (one["birth_date"] and other["birth_date"])):
        return None
    return Duplicate.model_validate(
        {
            "residents": (one["resident"], other["resident"]), "matched_by": sorted(kinds), "differs": differs,
            "doubtful": kinds == {"phone"} or bool(differs),
        }
    )  # fmt: skip
