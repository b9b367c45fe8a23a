"""Who asks: bearer tokens (JWT, HS256) with a role and the institutions it covers, and what each role may do.

Tokens are a matter of the machine's own time, not of Mailiu's clock: a simulated year must not outlive a token.
"""

import time
import uuid
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import jwt
from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.problem import Problem
from infra.settings import settings
from infra.vault.revocation import revocations

Role = Literal["clinician", "nurse", "manager", "analyst", "integrator", "admin", "resident", "guardian"]
Right = Literal[
    "append", "alerts", "act", "close-red", "residents", "identify", "names", "statistics", "exact", "operate",
    "administer", "roster", "look-in",
]  # fmt: skip
ROLES: tuple[Role, ...] = get_args(Role)
EVERYWHERE = "*"

CARE: frozenset[Right] = frozenset(
    {"append", "alerts", "act", "residents", "identify", "names", "statistics", "exact", "operate"}
)
#: A manager sees statistics and no person, and says who is on duty; an analyst sees statistics with small counts
#: suppressed. To identify is to record who somebody is and to find the resident of an ID number; names in the clear are
#: for those who care for the person.
RIGHTS: dict[Role, frozenset[Right]] = {
    "clinician": CARE | {"close-red"},
    "nurse": CARE,
    "manager": frozenset({"statistics", "exact", "operate", "roster"}),
    "analyst": frozenset({"statistics", "operate"}),
    "integrator": frozenset({"append", "identify", "operate"}),
    "admin": frozenset(get_args(Right)) - {"names", "look-in"},
    "resident": frozenset({"look-in"}),
    "guardian": frozenset({"look-in"}),
}
#: Their tokens cover no institution: the actor is the resident, or the pseudonym by which a guardian was appointed.
PRIVATE: frozenset[Role] = frozenset({"resident", "guardian"})


@dataclass(frozen=True)
class Caller:
    """The holder of a token: ``actor`` is written into the events and the audit trail."""

    actor: str
    role: Role
    institutions: frozenset[str]
    expires: float = float("inf")
    token: str | None = None  #: the id (jti) of the token
    issued: float = 0.0

    def may(self, right: Right) -> bool:
        """Whether the role has this right."""
        return right in RIGHTS[self.role]

    def covers(self, institution: str | None) -> bool:
        """Whether the token covers ``institution``; what belongs to none is for those who cover all."""
        return EVERYWHERE in self.institutions or (institution is not None and institution in self.institutions)

    @property
    def revoked(self) -> bool:
        """Whether the token was revoked since, by itself or with all of its actor's."""
        return revocations().covers(self.token, self.actor, self.issued)

    @property
    def scope(self) -> list[str]:
        """The institutions as a parameter of a query; empty means all."""
        return [] if EVERYWHERE in self.institutions else sorted(self.institutions) or [""]


def issue(role: Role, institutions: Iterable[str], hours: float = 12, actor: str | None = None) -> str:
    """A bearer token for ``role`` at ``institutions`` (``*`` covers all), good for ``hours``.

    A resident's or guardian's covers none: it is for the ``actor``. Raises ``ValueError`` for an unknown role, an
    institution or actor that is missing or out of place, or a time that is not above 0.
    """
    covered = sorted(set(institutions))
    if role not in ROLES:
        raise ValueError(f"no role {role!r}; roles are {', '.join(ROLES)}")
    if role in PRIVATE and (covered or not actor):
        raise ValueError(f"a token for a {role} names its actor, and no institution")
    if not covered and role not in PRIVATE:
        raise ValueError("a token covers at least one institution (`*` for all)")
    if not hours > 0:
        raise ValueError(f"hours must be above 0, not {hours:g}")
    now = int(time.time())
    claims = {
        "iss": settings().token_issuer,
        "aud": settings().token_issuer,
        "sub": actor or f"{role}@{covered[0]}",
        "iat": now,
        "exp": now + int(hours * 3600),
        "jti": str(uuid.uuid4()),
        "role": role,
        "institutions": covered,
    }
    return jwt.encode(claims, settings().secret("token"), "HS256")


def read(token: str) -> Caller:
    """The caller whom ``token`` names; raises a 401 problem when it is forged, expired, for another audience or odd."""
    try:
        claims = jwt.decode(
            token, settings().secret("token"), ["HS256"], audience=settings().token_issuer,
            issuer=settings().token_issuer, leeway=5, options={"require": ["exp", "iat", "sub", "aud", "iss"]},
        )  # fmt: skip
        role, institutions = claims["role"], claims["institutions"]
        if role not in ROLES or not isinstance(institutions, list) or (role in PRIVATE and institutions):
            raise ValueError("role or institutions")
        expires, issued = float(claims["exp"]), float(claims["iat"])
        who = Caller(claims["sub"], role, frozenset(map(str, institutions)), expires, claims.get("jti"), issued)
    except jwt.ExpiredSignatureError as error:
        raise unauthorized("the token has expired") from error
    except (jwt.PyJWTError, KeyError, ValueError) as error:
        raise unauthorized("the token is not valid") from error
    if who.revoked:
        raise unauthorized("the token was revoked")
    return who


def unauthorized(detail: str) -> Problem:
    """A 401 that says what is wrong with the token."""
    return Problem(401, detail, {"WWW-Authenticate": 'Bearer realm="mailiu"'})


_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="`mailiu token --role … --institution …`")


async def caller(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Caller:
    """Dependency: whoever holds a valid token."""
    if credentials is None:
        raise unauthorized("no bearer token")
    return read(credentials.credentials)


def allowed(right: Right, *or_else: Right) -> Callable[[Caller], Awaitable[Caller]]:
    """Dependency: a caller whose role has ``right`` (or another one that will do), else 403."""

    async def check(who: Annotated[Caller, Depends(caller)]) -> Caller:
        if not any(who.may(each) for each in (right, *or_else)):
            raise Problem(403, f"the role {who.role} has no right to {right}")
        return who

    return check


AnyCaller = Annotated[Caller, Depends(caller)]
EventWriter = Annotated[Caller, Depends(allowed("append"))]
#: What is more than rotas and leave needs the right to append (`api.events`).
RosterWriter = Annotated[Caller, Depends(allowed("append", "roster"))]
AlertReader = Annotated[Caller, Depends(allowed("alerts"))]
AlertActor = Annotated[Caller, Depends(allowed("act"))]
Identifier = Annotated[Caller, Depends(allowed("identify"))]
ResidentReader = Annotated[Caller, Depends(allowed("residents"))]
PersonReader = Annotated[Caller, Depends(allowed("residents", "look-in"))]
StatisticsReader = Annotated[Caller, Depends(allowed("statistics"))]
Operator = Annotated[Caller, Depends(allowed("operate"))]
