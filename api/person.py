"""Which records are of one person: an id that gave way by a merge is answered as its survivor."""

from typing import NamedTuple

from api.tables import Tables

RECORDS = """
SELECT tupleElement(each, 1) AS resident, tupleElement(each, 2) AS survivor
FROM (SELECT groupArray((resident, survivor)) AS every FROM aliases)
ARRAY JOIN every AS each
WHERE survivor IN (
    {resident:String}, tupleElement(arrayFirst(one -> tupleElement(one, 1) = {resident:String}, every), 2))
ORDER BY resident
"""


class Person(NamedTuple):
    """``resident`` is the record that stands for the person now, ``records`` are all of the person's, it first."""

    resident: str
    records: list[str]


async def person(tables: Tables, resident: str) -> Person:
    """The person whose record ``resident`` is or was."""
    rows = await tables.rows(RECORDS, {"resident": resident})
    survivor = next((row["survivor"] for row in rows if row["resident"] == resident), resident)
    return Person(survivor, [survivor, *(row["resident"] for row in rows if row["survivor"] == survivor)])
