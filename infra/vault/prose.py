"""Names in free text: whoever writes a resident's own name into a note or a comment is found out by the vault."""

import re
import unicodedata
from typing import Any

from infra.vault import Erased, Unknown, vault
from schemas.envelope import Event
from schemas.identity import Contact, Identity
from schemas.private import found, texts

#: Events whose texts are all codes (one word in one case) need no look into the vault.
PROSE = re.compile(r"[^\x00-\x7f]|\s|[A-Z][a-z]")


def personal(event: Event) -> str | None:
    """The field of ``event`` in which a person's number, or its resident's own name, stands; None where none does."""
    told = {"subject": event.subject, **_told(event)}
    return next((field for field, text in texts(told, "") if found(text)), None) or betrayed(event)


def betrayed(event: Event) -> str | None:
    """The field of ``event`` in which a name or number of its resident, or of a contact, stands; None where none does.

    Names that the vault does not know cannot be told from other words.
    """
    written = [(field, text) for field, text in texts(_told(event), "") if PROSE.search(text)]
    if not written:
        return None
    try:
        identity = vault().open(event.subject)
    except (Unknown, Erased):
        return None
    people: list[Identity | Contact] = [identity, *identity.contacts]
    secrets = {_plain(each) for person in people for each in (person.name, person.phone) if each}
    secrets |= {_plain(identity.id_number)} if identity.id_number else set()
    return next((field for field, text in written if any(secret in _plain(text) for secret in secrets)), None)


def _told(event: Event) -> dict[str, Any]:
    return {"id": event.id, "source": event.source, "actor": event.actor, "data": event.data}


def _plain(text: str) -> str:
    """``text`` without case, width and blanks."""
    return re.sub(r"[\s·-]", "", unicodedata.normalize("NFKC", text)).casefold()
