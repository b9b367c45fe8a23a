"""What an operator does at a terminal goes to the audit trail before it is done: by disk, so that it needs no Kafka."""

import getpass
import sqlite3
from typing import Any

from infra.cli.errors import Refusal

ACTOR = "operator"


def note(action: str, what: str, **more: Any) -> None:
    """Keep a record for the trail, with the name of the machine's user. Refuses what cannot be noted."""
    from infra.audit.spool import Spool
    from infra.settings import settings

    spool = Spool(settings().home)
    try:
        spool.put(ACTOR, action, what, user=getpass.getuser(), **more)
    except (sqlite3.Error, OSError) as error:
        raise Refusal(f"the audit trail cannot be noted in {settings().home}: {error}") from error
    finally:
        spool.close()
