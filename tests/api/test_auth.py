"""Tokens: what is accepted, what is not, and what each role may see and do."""

import base64
import json
import time
from typing import Any, get_args

import jwt
import pytest

from api.auth import RIGHTS, Caller, Right, Role, issue, read
from api.problem import Problem
from infra.settings import settings
from tests.stack import ROOT, Stack


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    house = settings().token_issuer
    return {
        "iss": house, "aud": house, "sub": "D1", "iat": now, "exp": now + 60, "role": "clinician",
        "institutions": ["I01"], **changed,
    }  # fmt: skip


def signed(payload: dict[str, Any], secret: str | None = None, algorithm: str = "HS256") -> str:
    return jwt.encode(payload, secret or settings().secret("token"), algorithm)


def test_a_token_of_ours_names_actor_role_and_institutions() -> None:
    who = read(issue("nurse", ["I02", "I01"], hours=1, actor="N7"))
    assert (who.actor, who.role, who.institutions) == ("N7", "nurse", frozenset({"I01", "I02"}))
    assert who.expires == pytest.approx(time.time() + 3600, abs=5)


def unsigned(payload: dict[str, Any]) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, payload)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


@pytest.mark.parametrize(
    "make",
    [
        lambda: signed(claims(), "another secret, thirty-two bytes long"),
        lambda: signed(claims(exp=int(time.time()) - 60)),
        lambda: signed(claims(aud="another house")),
        lambda: signed(claims(iss="another house")),
        lambda: signed(claims(role="king")),
        lambda: signed(claims(institutions="I01")),
        lambda: signed({name: value for name, value in claims().items() if name != "exp"}),
        lambda: signed({name: value for name, value in claims().items() if name != "role"}),
        lambda: signed(claims(), settings().secret("token") * 2, "HS512"),
        lambda: unsigned(claims()),
        lambda: "",
        lambda: "not.a.token",
    ],
    ids=[
        "forged", "expired", "audience", "issuer", "role", "institutions", "no expiry", "no role", "algorithm",
        "unsigned", "empty", "garbage",
    ],
)  # fmt: skip
def test_a_token_that_is_not_right_in_everything_is_refused(make: Any) -> None:
    with pytest.raises(Problem) as caught:
        read(make())
    assert caught.value.status_code == 401


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(("king", ["I01"]), "role"), (("nurse", []), "institution"), (("nurse", ["I01"], 0), "hours")],
)
def test_a_token_is_not_issued_for_nonsense(arguments: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        issue(*arguments)


#: Who may do what, from the design: a manager sees no person but says who is on duty, an analyst neither, a nurse
#: closes no red alert, and names in the clear are for clinicians and nurses.
ALLOWED: dict[Role, set[Right]] = {
    "clinician": {
        "append", "alerts", "act", "close-red", "residents", "identify", "names", "statistics", "exact", "operate",
    },
    "nurse": {"append", "alerts", "act", "residents", "identify", "names", "statistics", "exact", "operate"},
    "manager": {"statistics", "exact", "operate", "roster"},
    "analyst": {"statistics", "operate"},
    "integrator": {"append", "identify", "operate"},
    "admin": set(get_args(Right)) - {"names", "look-in"},
    "resident": {"look-in"},
    "guardian": {"look-in"},
}  # fmt: skip


def test_each_role_has_its_rights_and_no_other() -> None:
    assert {role: set(rights) for role, rights in RIGHTS.items()} == ALLOWED


@pytest.mark.parametrize("role", ["resident", "guardian"])
def test_a_private_token_names_its_actor_and_covers_no_institution(role: Role) -> None:
    who = read(issue(role, (), actor="G1"))
    assert (who.actor, who.role, who.covers("I01"), who.covers(None), who.scope) == ("G1", role, False, False, [""])
    for institutions, actor in (((), None), (("I01",), "G1"), (("*",), "G1")):
        with pytest.raises(ValueError, match="actor"):
            issue(role, institutions, actor=actor)
    with pytest.raises(Problem):
        read(signed(claims(role=role, institutions=["*"])))


def test_only_a_token_for_all_covers_what_belongs_to_no_institution() -> None:
    one, every = Caller("a", "admin", frozenset({"I01"})), Caller("a", "admin", frozenset({"*"}))
    assert one.covers("I01")
    assert not one.covers("I02")
    assert not one.covers(None)
    assert every.covers("I02")
    assert every.covers(None)
    assert (one.scope, every.scope) == (["I01"], [])


def test_the_command_prints_a_token_that_this_home_accepts() -> None:
    stack = Stack(settings().home)
    printed = stack.mailiu("token", "--role", "manager", "--institution", "I01", "--institution", "I02").stdout
    who = read(printed.strip())
    assert (who.role, who.institutions) == ("manager", frozenset({"I01", "I02"}))
    refused = stack.mailiu("token", "--role", "king", "--institution", "I01", check=False)
    assert refused.returncode == 1
    assert "king" in refused.stderr
    assert ROOT.exists()
