"""A form filled from a record: every field with its value, the national code, and the text that is printed.

What the record does not know stays empty. A word without a code number in the form's list is never forced into one:
where the list has a number for "other" it is that, with the word in its text; else the field has the word and no code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analytics.form.definition import Code, Field, Form, Lang
from analytics.form.words import word

Record = Mapping[str, Any]
Event = Mapping[str, Any]  # id, type, time (aware), institution, actor, data
OTHER = "other"


@dataclass(frozen=True)
class Filled:
    """A field as filled: ``value`` (None: not known), ``codes`` of the field's list, ``text`` as printed."""

    field: Field
    value: Any
    codes: tuple[str, ...]
    text: str
    rows: tuple[tuple["Filled", ...], ...] = ()  #: of a table

    @property
    def missing(self) -> bool:
        """Whether the form asks for it and the record does not have it."""
        return self.field.required and self.value is None


def fill(form: Form, record: Record, lang: Lang) -> tuple[Filled, ...]:
    """Every field of ``form``, in its order."""
    return tuple(_filled(field, _at(record, field.source), lang) for field in form.fields)


def _filled(field: Field, value: Any, lang: Lang) -> Filled:
    if value is None or value in ("", []):
        return Filled(field, None, (), "")
    if field.type == "table":
        rows = tuple(tuple(_filled(item, _at(row, item.source), lang) for item in field.items) for row in value)
        return Filled(field, value, (), "", rows)
    if field.codes:
        words = [_word(each) for each in (value if isinstance(value, list) else [value])]
        codes = tuple(sorted({_code(field.codes, each) or each for each in words}, key=_order))
        labels = {code.code: code.label.of(lang) for code in field.codes}
        text = "; ".join(labels.get(each) or word(each, lang) for each in codes)
        extra = [word(each, lang) for each in words if _spelt_out(field.codes, each)]
        if extra:
            text += f" ({', '.join(extra)})"
        return Filled(field, value, tuple(each for each in codes if each in labels), text)
    return Filled(field, value, (), _number(value) if isinstance(value, float) else str(value))


def _code(codes: tuple[Code, ...], sought: str) -> str | None:
    """The number of a word; that of "other" for one without, where the list has it."""
    for each in (sought, OTHER):
        for code in codes:
            if each in code.words:
                return code.code
    return None


def _spelt_out(codes: tuple[Code, ...], sought: str) -> bool:
    """Whether the word goes under "other", and says more than that."""
    listed = frozenset[str]().union(*(code.words for code in codes))
    return sought not in listed and OTHER in listed


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _order(code: str) -> tuple[int, str]:
    return (int(code), "") if code.isdecimal() else (99, code)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _at(record: Any, path: str) -> Any:
    """What stands at a dotted path; None where any step is missing, or the form's field has no source."""
    if not path:
        return None
    for step in path.split("."):
        record = record.get(step) if isinstance(record, Mapping) else None
    return record
