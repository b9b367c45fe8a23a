"""Which rule version is in force, and which rules resting on a judgement a physician approved. For every partition."""

from typing import Annotated

from pydantic import Field

from schemas.envelope import Code, Data


class Activated(Data):
    """From this position of the log on, the rule runs in this version."""

    rule: Annotated[str, Code]
    version: int = Field(ge=1)


class Approved(Data):
    """A named physician approved a rule that rests on our judgement, for one institution."""

    rule: Annotated[str, Code]
    version: int = Field(ge=1)
    physician: Annotated[str, Code]


EVENTS: dict[str, type[Data]] = {
    "mailiu.rule.activated.v1": Activated,
    "mailiu.rule.approved.v1": Approved,
}
