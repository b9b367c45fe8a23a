"""What analysts ask of ClickHouse is in the audit trail: who, what, how much came back; also while Kafka is away."""

import json
from uuid import uuid4

import httpx
import pytest

from infra.cli.rejected import FEW
from infra.settings import settings
from tests.stack import Stack, wait_until

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def served(_own_stack: Stack) -> Stack:
    """Kafka, ClickHouse and the API."""
    _own_stack.up("api")
    return _own_stack


def ask(sql: str, user: str = "analyst") -> httpx.Response:
    password = settings().secret(f"clickhouse-{user}")
    return httpx.post(
        settings().clickhouse, params={"database": "mailiu"}, auth=(user, password), content=sql, timeout=60
    )


def trail(stack: Stack, mark: str) -> list[dict[str, object]]:
    """What the trail says of statements with ``mark`` in them, and of their answers."""
    records = json.loads(stack.mailiu("audit", "list", "--actor", "analyst", "--json").stdout)
    ids = {record["query_id"] for record in records if mark in record.get("query", "")}
    return [record for record in records if record["query_id"] in ids]


def test_a_statement_is_in_the_trail_with_who_asked_what_and_how_much_came_back(served: Stack) -> None:
    mark = f"R-{uuid4().hex[:8]}"
    assert ask(f"SELECT number, '王小明' FROM numbers(3) WHERE '{mark}' != ''").status_code == 200
    assert ask(f"SELECT number FROM numbers(500000) WHERE '{mark}' != ''").status_code == 200
    assert ask(f"SELECT * FROM log WHERE key = '{mark}'").status_code >= 400
    assert ask(f"SELECT '{mark}'", "mailiu").status_code == 200
    wait_until(lambda: len(trail(served, mark)) == 5, "the statements are in the trail")
    asked, answered, _, many, refused = trail(served, mark)
    assert (asked["action"], asked["address"]) == ("queried", "127.0.0.1")
    assert asked["query"] == f"SELECT number, '***' FROM numbers(3) WHERE '{mark}' != ''"
    assert (answered["action"], answered["rows"]) == ("answered", 3)
    assert (many["action"], many["rows"]) == ("answered", 500_000)
    assert refused["action"] == "queried"
    listed = json.loads(served.mailiu("audit", "list", "--resident", mark, "--json").stdout)
    assert [record["action"] for record in listed] == ["queried"] * 3


def test_what_an_operator_does_is_in_the_trail(served: Stack) -> None:
    actor = f"D-{uuid4().hex[:8]}"
    token = served.mailiu("token", "--role", "nurse", "--institution", "I01", "--actor", actor).stdout.strip()
    served.mailiu("token", "revoke", token)
    served.mailiu("rejected", "list")

    def done() -> list[str]:
        records = json.loads(served.mailiu("audit", "list", "--actor", "operator", "--json").stdout)
        return [f"{record['action']} {record['what']}" for record in records]

    wait_until(lambda: done()[-3:] == ["issued token", "revoked token", "viewed rejected"], "they are in the trail")
    records = json.loads(served.mailiu("audit", "list", "--actor", "operator", "--json").stdout)
    issued, revoked, viewed = records[-3:]
    granted = issued["granted"]
    assert (granted["sub"], granted["role"], granted["institutions"]) == (actor, "nurse", ["I01"])
    assert revoked["revoked"] == {"jti": granted["jti"], "sub": None}
    assert len(viewed["records"]) == min(viewed["count"], FEW)
    assert all(record["user"] for record in records[-3:])
    assert token not in json.dumps(records)


def test_what_was_asked_while_the_log_was_away_is_in_the_trail_afterwards(served: Stack) -> None:
    mark = f"R-{uuid4().hex[:8]}"
    old = served.kill("kafka")
    for number in range(20):
        assert ask(f"SELECT {number}, '{mark}'").status_code == 200
    served.wait_restarted("kafka", old)
    wait_until(lambda: len(trail(served, mark)) == 40, "the statements are in the trail", 120)
    assert len({record["id"] for record in trail(served, mark)}) == 40
    assert served.mailiu("audit", "verify").stdout.startswith("clean")
