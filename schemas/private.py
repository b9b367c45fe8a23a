"""Personal numbers where they do not belong: found and masked in texts, and what of a refused value may be told.

Identity travels only sealed (`schemas.identity`). An ID number or a mobile number in any other text of an event is a
mistake of its sender, and such an event is refused.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

#: 18 characters with a possible date of birth, by their shape only: a mistyped check character is as personal.
ID_NUMBER = r"[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx]"
MOBILE = r"(?:\+?86[ -]?)?1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}"
NUMBER = re.compile(rf"(?<![0-9A-Za-z])(?:({ID_NUMBER})|({MOBILE}))(?![0-9A-Za-z])")
#: What cannot hold such a number: no run of 11 digits, blanks and hyphens left out.
MAYBE = re.compile(rb"(?:[0-9][ -]?){11}")
#: Fields whose values are codes, never words of a person.
CODES = frozenset({"type", "institution", "device", "kind", "unit", "user_slot", "alert", "reading", "specversion"})
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/\[\]{}%*-]{0,80}")
PLAIN = re.compile(
    r"-|[+-]?[0-9]{1,8}(?:\.[0-9]{1,8})?(?:[eE][+-]?[0-9]{1,3})?|true|false|True|False|null|None|[nN]a[nN]|[+-]?[iI]nf"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.]{5,15}(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?|[0-9]{1,12} bytes"
)
FIELD = re.compile(r"[A-Za-z0-9_.\[\]-]{1,100}")


def found(text: str) -> Literal["id-number", "phone"] | None:
    """Which personal number stands in ``text``, if any. Of phones only mobile numbers have a shape of their own."""
    match = NUMBER.search(text)
    return None if match is None else "id-number" if match[1] else "phone"


def scrubbed(text: str) -> str:
    """``text`` with every personal number replaced by asterisks."""
    return NUMBER.sub(lambda match: "*" * len(match[0]), text)


def texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every text in a JSON value, keys among them, with the field it stands in."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield path, str(name)
            yield from texts(each, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from texts(each, f"{path}.{number}")


def harmless(field: str, value: str) -> bool:
    """Whether a refused ``value`` may be told outside its encrypted bytes: numbers, instants, codes; no words."""
    last = field.rpartition(".")[2]
    return bool(PLAIN.fullmatch(value) or (last in CODES and CODE.fullmatch(value))) and found(value) is None
