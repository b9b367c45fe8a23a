"""How to measure at home, in both languages."""

import tomllib
from functools import cache
from importlib.resources import files


@cache
def steps() -> dict[str, dict[str, list[str]]]:
    """By kind of reading the steps (``zh``, ``en``)."""
    read = tomllib.loads(files(__package__).joinpath("measuring.toml").read_text(encoding="utf-8"))
    return {kind: {"zh": each["zh"], "en": each["en"]} for kind, each in read.items()}
