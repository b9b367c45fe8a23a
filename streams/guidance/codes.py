"""The meaning of the codes that control uses, in both languages."""

import tomllib
from functools import cache
from importlib.resources import files

Words = dict[str, str]


@cache
def codes(kind: str) -> dict[str, Words]:
    """The texts (``zh``, ``en``) of every code of ``kind``: reason or pattern."""
    found: dict[str, Words] = tomllib.loads(files(__package__).joinpath("codes.toml").read_text("utf-8"))[kind]
    return found
