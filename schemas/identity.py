"""Who a resident is: name, numbers, contacts. They travel in the log only sealed under the resident's own key.

`Identity` is what the vault seals and opens; no event carries it in the clear. Residents' ids are pseudonyms.
"""

import re
import unicodedata
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from schemas.envelope import Code, Data

#: HL7 v3 RoleCode, as FHIR's Patient.contact.relationship uses it, for those who are called.
Relationship = Literal["SPS", "CHILD", "PRN", "SIB", "FAMMEMB", "NBOR", "GUARD", "FRND", "PAID"]
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK = "10X98765432"


def id_number(text: str) -> str:
    """A citizen's identity number, normalised: 18 characters, the last a digit or X.

    Raises ``ValueError`` when length, birth date or check character are wrong. Source: GB 11643-1999 (the check
    character is ISO 7064 MOD 11-2).
    """
    number = re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", text)).upper()
    if not re.fullmatch(r"[1-9][0-9]{16}[0-9X]", number):
        raise ValueError("17 digits and a check character are needed (GB 11643)")
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        raise ValueError("characters 7 to 14 are no date of birth (GB 11643)") from None
    if CHECK[sum(int(digit) * weight for digit, weight in zip(number, WEIGHTS, strict=False)) % 11] != number[17]:
        raise ValueError("the check character is wrong (GB 11643)")
    return number


def card_number(text: str) -> str:
    """The number of a health card or passport, normalised: capitals and digits, 5 to 32.

    Raises ``ValueError`` for anything else. Health cards differ from place to place; a passport's number is of letters
    and digits (ICAO Doc 9303-4).
    """
    number = re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", text)).upper()
    if not re.fullmatch(r"[A-Z0-9]{5,32}", number):
        raise ValueError("5 to 32 letters and digits are needed")
    return number


def phone(text: str) -> str:
    """A phone number, normalised: Chinese ones without country code (13800138000, 01062345678), others as +digits.

    Raises ``ValueError`` for anything else.
    """
    number = re.sub(r"[\s()./-]", "", unicodedata.normalize("NFKC", text))
    if chinese := re.fullmatch(r"(?:\+86|0086|86(?=1[3-9][0-9]{9}$))0?([0-9]+)", number):
        number = chinese[1] if re.fullmatch(r"1[3-9][0-9]{9}", chinese[1]) else f"0{chinese[1]}"
    if not re.fullmatch(r"1[3-9][0-9]{9}|0[1-9][0-9]{8,10}|\+[1-9][0-9]{6,14}", number):
        raise ValueError("a mobile number, a fixed line with its area code, or + and a country code are needed")
    return number


Name = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^\S(.*\S)?$")]
IdNumber = Annotated[str, AfterValidator(id_number)]
CardNumber = Annotated[str, AfterValidator(card_number)]
Phone = Annotated[str, AfterValidator(phone)]


class Address(Data):
    """Where somebody is reached beside the phone number."""

    channel: Annotated[str, Code] = Field(description="app, sms, wechat, phone …")
    reference: str = Field(min_length=1, max_length=120, description="what the channel knows them by: token, open id")


class Contact(Data):
    """Somebody who may be called for the resident."""

    id: Annotated[str, Code] = Field(examples=["c1"])
    name: Name
    phone: Phone
    relationship: Relationship = Field(description="HL7 v3 RoleCode")
    channels: list[Address] = Field([], max_length=4)


class Identity(Data):
    """Who a resident is. 居民身份信息。"""

    name: Name = Field(examples=["张三"])
    id_number: IdNumber | None = Field(None, description="GB 11643, 18 characters", max_length=40)
    health_card: CardNumber | None = Field(None, description="number of the health card 居民健康卡号", max_length=40)
    passport: CardNumber | None = Field(None, description="passport number 护照号", max_length=40)
    phone: Phone | None = Field(None, max_length=40)
    channels: list[Address] = Field([], max_length=4, description="the one preferred first")
    contacts: list[Contact] = Field([], max_length=8, description="whom to call, in this order 紧急联系人")


class IdentityRecorded(Data):
    """The resident's identity, sealed under the resident's own key; the latest counts."""

    sealed: str = Field(pattern=r"^[A-Za-z0-9_-]{32,20000}$", description="AES-SIV (RFC 5297), base64url")


class Erased(Data):
    """The resident's key is destroyed: nobody can read who this was; what is counted stays."""

    reason: Literal["requested", "retention-ended", "recorded-by-mistake"]


def masked(identity: Identity) -> dict[str, Any]:
    """``identity`` with enough left to tell whether it is the person meant: 张*, 138****8000, 110***********002X."""

    def middle(text: str | None, head: int, tail: int) -> str | None:
        return text and text[:head] + "*" * max(len(text) - head - tail, 1) + text[len(text) - tail :]

    return {
        "name": middle(identity.name, 1, 0),
        "id_number": middle(identity.id_number, 3, 4),
        "health_card": middle(identity.health_card, 0, 4),
        "passport": middle(identity.passport, 1, 3),
        "phone": middle(identity.phone, 3, 4),
        "contacts": [
            {
                "id": each.id,
                "name": middle(each.name, 1, 0),
                "phone": middle(each.phone, 3, 4),
                "relationship": each.relationship,
            }
            for each in identity.contacts
        ],
    }


RECORDED, ERASED = "mailiu.resident.identity-recorded.v1", "mailiu.resident.erased.v1"
EVENTS: dict[str, type[Data]] = {RECORDED: IdentityRecorded, ERASED: Erased}
