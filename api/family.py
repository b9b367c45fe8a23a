"""Who looks in on one resident: the resident, and the guardians whom the resident's institution appointed.

A guardian of a child under 14 is its representative (Personal Information Protection Law of the PRC, article 31); every
other guardian, and a child's from its 14th birthday on, sees only while the resident's consent to family view stands.
"""

from datetime import date
from typing import Literal

from api.auth import Caller
from api.tables import Row, Tables
from infra.clock import clock
from infra.settings import settings
from streams.calendar import birthday
from streams.consent import OWN_CONSENT

View = Literal["summary", "readings", "plan", "timeline", "consents"]

GUARDIAN = """
SELECT scopes, until, (
    SELECT argMax(c.given, c.time) FROM consents AS c
    WHERE c.resident IN {records:Array(String)} AND c.scope = 'family-view'
) AS consented
FROM guardians WHERE resident IN {records:Array(String)} AND guardian = {guardian:String} AND appointed = 1
"""


def looking_in(who: Caller) -> bool:
    """Whether ``who`` is a resident or a guardian rather than staff."""
    return who.may("look-in")


async def sees(tables: Tables, who: Caller, found: Row, records: list[str], view: View) -> bool:
    """Whether a resident or guardian may see ``view`` of the person ``found`` (birth_date) with these ``records``."""
    if who.role == "resident":
        return who.actor in records
    parameters = {"records": records, "guardian": who.actor}
    rows = await tables.rows(GUARDIAN, parameters)
    if not rows or (view not in rows[0]["scopes"] and view != "consents"):
        return False
    until = rows[0]["until"]
    if until is not None and today() > until:
        return False
    return bool(rows[0]["consented"]) or _represented(found["birth_date"])


def today() -> date:
    """The local day."""
    return clock().now().astimezone(settings().zone).date()


def _represented(born: date | None) -> bool:
    """Whether the resident is too young to consent."""
    if born is None:
        return False
    now = clock().now().timestamp() * 1000
    return now < birthday(settings().zone.key, born.isoformat(), OWN_CONSENT)
