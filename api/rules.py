"""Which version of a rule the log activated, as far as the tables have come."""

from api.tables import Tables
from streams import rules
from streams.rules import Rule

#: In the order of the log, as the fold takes them.
ACTIVATED = """
SELECT argMax(r.rule_version, r.offset) AS version FROM rules AS r
WHERE r.rule = {rule:String} AND r.event = 'activated' HAVING count() > 0
"""


async def in_force(tables: Tables, name: str) -> Rule:
    """The version of rule ``name`` in force now; the initial one before any activation."""
    activated = await tables.rows(ACTIVATED, {"rule": name})
    return rules.in_force(name, {"rules": {name: activated[0]["version"]} if activated else {}})
