"""Personal numbers and names where they do not belong: found, masked, refused, left out."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.log import without_personal_note
from infra.rejected import quiet
from infra.settings import settings
from infra.vault import vault
from infra.vault.prose import betrayed
from schemas.envelope import Event, InvalidEvent
from schemas.identity import Contact, Identity
from schemas.private import found, harmless, scrubbed
from schemas.registry import parse

COMMENT = "mailiu.alert.commented.v1"


def event(subject: str = "R1", type: str = "mailiu.reading.weight-measured.v1", **data: Any) -> Event:
    return Event(
        id="1", source="rest/his", type=type, subject=subject, time=datetime.now(UTC), institution="I01", data=data
    )


@pytest.mark.parametrize(
    ("text", "which"),
    [
        ("致电13800138000无人接听", "phone"), ("+86 138-0013-8000", "phone"), ("tel:13800138000.", "phone"),
        ("身份证11010519491231002X", "id-number"), ("110105194912310021", "id-number"),
        ("120/80", None), ("1772323200000", None), ("6d0f7a52-13800138000a-2f0b", None), ("0:13800138000123", None),
        ("2026-03-01T08:00:00.000Z", None), ("序列号 138001380001", None), ("", None),
    ],
)  # fmt: skip
def test_numbers_of_persons_are_told_from_other_numbers(text: str, which: str | None) -> None:
    assert found(text) == which
    assert (scrubbed(text) == text) == (which is None)


@pytest.mark.parametrize(
    ("field", "value", "plain"),
    [
        ("systolic", "2047", True), ("systolic", "nan", True), ("time", "2026-03-01T08:00:00+08:00", True),
        ("type", "mailiu.reading.pulse.v1", True), ("institution", "I02", True), ("unit", "mm[Hg]", True),
        ("payload", "300000 bytes", True), ("name", "Wang", False), ("name", "王小明", False),
        ("unit", "王小明", False),
        ("systolic", "13800138000", False), ("institution", "13800138000", False), ("event", '{"name": "Wang"}', False),
        ("payload", "7b226e616d65223a", False),
    ],
)  # fmt: skip
def test_of_a_refused_value_only_numbers_instants_and_codes_are_told(field: str, value: str, plain: bool) -> None:
    assert harmless(field, value) is plain


def test_a_refusal_is_told_without_the_words_that_were_refused() -> None:
    message = {"zh": "name（王小明）不符合规定", "en": "name (王小明) does not follow its format"}
    assert quiet("name", "王小明", message) == (
        "name", "…", {"zh": "name（…）不符合规定", "en": "name (…) does not follow its format"}
    )  # fmt: skip
    field, value, told = quiet("王小明", "1", {"zh": "王小明（1）", "en": "王小明 (1)"})
    assert (field, value, told) == ("event", "1", {"zh": "event（1）", "en": "event (1)"})
    plain = ("systolic", "2047", {"zh": "高", "en": "systolic (2047) is outside"})
    assert quiet(*plain) == plain


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"data": {"value": 60, "note": "家属 138 0013 8000"}}, "data.note"),
        ({"subject": "11010519491231002X"}, "subject"),
        ({"id": "visit-13800138000"}, "id"),
        ({"actor": "13800138000"}, "actor"),
    ],
)
def test_an_event_with_a_personal_number_is_refused_and_the_number_not_repeated(
    changed: dict[str, Any], field: str
) -> None:
    sent = event(value=60).model_dump(mode="json", exclude_none=True)
    parse(sent)
    with pytest.raises(InvalidEvent) as caught:
        parse(sent | changed)
    assert (caught.value.field, caught.value.value) == (field, "…")


@pytest.fixture
def resident() -> Iterator[str]:
    """Somebody whom the vault of this test run knows."""
    contact = Contact(id="c1", name="Wang Fang", phone="13900139000", relationship="CHILD")
    identity = Identity(name="阿卜杜拉·买买提", phone="13800138000", contacts=[contact])
    sealed = vault().seal("R-prose", identity)
    vault().keep("R-prose", sealed, 1)
    yield "R-prose"
    assert settings().home in vault().file.parents
    vault().close()


def test_a_residents_own_name_in_prose_is_found_however_it_is_written(resident: str) -> None:
    assert betrayed(event(resident, note="患者阿卜杜拉 买买提头晕")) == "data.note"
    assert betrayed(event(resident, note="daughter WANG FANG called")) == "data.note"
    assert betrayed(event(resident, note="call:Wang-Fang")) == "data.note"
    assert betrayed(event(resident, note="daughter called, dizzy")) is None
    assert betrayed(event("R-nobody", note="患者阿卜杜拉·买买提头晕")) is None


def test_a_devices_reading_is_taken_without_the_note_that_names_a_person(resident: str) -> None:
    named = event(resident, value=60, note="阿卜杜拉·买买提，早晨")
    assert without_personal_note(named).data == {"value": 60}
    assert without_personal_note(event("R1", value=60, note="13800138000")).data == {"value": 60}
    kept = event(resident, value=60, note="早晨")
    assert without_personal_note(kept) is kept
