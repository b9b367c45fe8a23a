"""The vault: what is sealed opens for its resident only, what is erased opens no more, a new master changes nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.vault.seal import Master, WrongKey, digest, new_key, seal, unseal
from infra.vault.vault import Erased, Unknown, Vault
from schemas.identity import Contact, Identity, id_number, masked, phone

WANG = Identity(
    name="王小明",
    id_number="11010519491231002X",
    phone="+86 138 0013 8000",
    contacts=[Contact(id="c1", name="王芳", phone="010-6234 5678", relationship="CHILD")],
)


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    made = Vault(tmp_path)
    yield made
    made.close()


def record(vault: Vault, resident: str, identity: Identity, offset: int) -> str:
    sealed = vault.seal(resident, identity)
    vault.keep(resident, sealed, offset)
    return sealed


def test_what_was_recorded_opens_and_is_found_by_number_and_phone(vault: Vault) -> None:
    record(vault, "R1", WANG, 7)
    assert vault.open("R1") == WANG
    assert vault.lookup("id-number", "11010519491231002X") == ["R1"]
    assert vault.lookup("phone", "13800138000") == ["R1"]
    assert vault.lookup("phone", "13800138001") == []


def test_neither_file_nor_sealed_text_holds_a_name_or_a_number(vault: Vault, tmp_path: Path) -> None:
    sealed = record(vault, "R1", WANG, 7)
    stored = b"".join(file.read_bytes() for file in (tmp_path / "vault").iterdir()) + sealed.encode()
    for text in ("王小明", "王芳", "11010519491231002X", "13800138000", "01062345678"):
        assert text.encode() not in stored


def test_a_phone_may_be_a_familys(vault: Vault) -> None:
    record(vault, "R2", Identity(name="李四", phone="13800138000"), 1)
    record(vault, "R1", WANG, 7)
    assert vault.lookup("phone", "13800138000") == ["R1", "R2"]


def test_the_later_record_counts_whatever_comes_first(vault: Vault) -> None:
    moved = WANG.model_copy(update={"phone": "13900139000"})
    late, early = vault.seal("R1", moved), vault.seal("R1", WANG)
    vault.keep("R1", late, 9)
    vault.keep("R1", early, 8)
    assert vault.open("R1") == moved
    assert vault.lookup("phone", "13800138000") == []


def test_of_merged_records_the_survivors_identity_counts_and_else_theirs(vault: Vault) -> None:
    record(vault, "R1", WANG, 1)
    vault.merge("R1", "R2")
    vault.merge("R2", "R3")
    assert vault.open("R3") == vault.open("R2") == vault.open("R1") == WANG
    other = WANG.model_copy(update={"name": "王小"})
    record(vault, "R3", other, 2)
    assert vault.open("R1") == other
    vault.unmerge("R2")
    assert (vault.open("R3"), vault.open("R2"), vault.open("R1")) == (other, WANG, WANG)
    vault.merge("R3", "R1")
    vault.merge("R2", "R3")  # round and round, which the fold refuses
    assert vault.open("R2") in (other, WANG)


def test_pairs_share_a_number_or_a_phone(vault: Vault) -> None:
    for number in range(4):
        record(vault, f"R{number}", Identity(name="x", phone="13800138000", health_card="AB 12-345"), number)
    record(vault, "R5", Identity(name="x", passport="AB12345"), 5)
    found = vault.pairs(("", ""), 500)
    assert [pair[:2] for pair in found] == [(f"R{a}", f"R{b}") for a in range(4) for b in range(a + 1, 4)]
    assert all(kinds == {"health-card", "phone"} for *_, kinds in found)
    assert vault.pairs(("R0", "R2"), 2) == found[2:4]


def test_what_is_erased_opens_no_more_and_cannot_be_recorded_again(vault: Vault, tmp_path: Path) -> None:
    sealed = record(vault, "R1", WANG, 7)
    before = vault.file.read_bytes() + vault.file.with_name("vault.db-wal").read_bytes()
    assert sealed.encode() in before
    assert vault.erase("R1")
    assert not vault.erase("R1")
    assert vault.erased("R1")
    for attempt in (lambda: vault.open("R1"), lambda: vault.keep("R1", sealed, 9), lambda: vault.seal("R1", WANG)):
        with pytest.raises(Erased):
            attempt()
    assert vault.lookup("id-number", "11010519491231002X") == []
    after = b"".join(file.read_bytes() for file in (tmp_path / "vault").iterdir())
    assert sealed.encode() not in after


def test_who_was_never_recorded_is_unknown(vault: Vault) -> None:
    with pytest.raises(Unknown):
        vault.open("R9")
    vault.seal("R1", WANG)  # sealed, and not in the log yet
    with pytest.raises(Unknown):
        vault.open("R1")


def test_a_new_master_secret_opens_everything_and_the_old_one_nothing(vault: Vault, tmp_path: Path) -> None:
    record(vault, "R1", WANG, 1)
    record(vault, "R2", Identity(name="李四"), 2)
    other = Vault(tmp_path)  # another process, which knows the old secret
    assert other.open("R1") == WANG
    old = Master((tmp_path / "secrets" / "vault-1").read_text())
    assert vault.rotate() == 2
    assert not (tmp_path / "secrets" / "vault-1").exists()
    for each in (vault, other):
        assert each.open("R1") == WANG
        assert each.lookup("phone", "13800138000") == ["R1"]
    with vault.reading() as db, pytest.raises(WrongKey):
        old.unwrap(db.execute("SELECT key FROM resident WHERE resident = 'R1'").fetchone()[0])
    other.close()


def test_without_its_master_secret_the_vault_says_so_and_makes_no_other(vault: Vault, tmp_path: Path) -> None:
    record(vault, "R1", WANG, 1)
    secret = tmp_path / "secrets" / "vault-1"
    secret.unlink()
    again = Vault(tmp_path)
    with pytest.raises(WrongKey, match="vault-1 is missing"):
        again.open("R1")
    again.close()
    assert not secret.exists()


def test_a_copy_made_while_in_use_opens_with_the_same_secret(vault: Vault, tmp_path: Path) -> None:
    record(vault, "R1", WANG, 1)
    home = tmp_path / "elsewhere"
    (home / "vault").mkdir(parents=True)
    vault.backup(home / "vault" / "vault.db")
    (home / "secrets").mkdir()
    (home / "secrets" / "vault-1").write_text((tmp_path / "secrets" / "vault-1").read_text())
    copy = Vault(home)
    assert copy.open("R1") == WANG
    copy.close()


def test_what_is_sealed_opens_for_its_resident_and_key_only_and_unchanged() -> None:
    key = new_key()
    sealed = seal(key, "R1", WANG)
    assert sealed == seal(key, "R1", WANG)  # the same again is the same event
    assert unseal(key, "R1", sealed) == WANG
    changed = ("A" if sealed[0] != "A" else "B") + sealed[1:]
    for arguments in ((key, "R2", sealed), (new_key(), "R1", sealed), (key, "R1", changed)):
        with pytest.raises(WrongKey):
            unseal(*arguments)


def test_the_index_says_nothing_without_its_key() -> None:
    assert digest(b"k" * 32, "phone", "13800138000") != digest(b"l" * 32, "phone", "13800138000")
    assert digest(b"k" * 32, "phone", "13800138000") != digest(b"k" * 32, "id-number", "13800138000")


@pytest.mark.parametrize("number", ["11010519491231002X", "440524188001010014"])
def test_the_standards_own_examples_of_identity_numbers_are_right(number: str) -> None:
    """The two examples of GB 11643-1999, annex A."""
    assert id_number(number) == number
    assert id_number(f" {number[:6]} {number[6:14]}-{number[14:].lower()}") == number


@pytest.mark.parametrize(
    "number",
    [
        "110105194912310021",  # check character
        "11010519491331002X",  # month 13
        "01010519491231002X",  # no region begins with 0
        "11010519491231002",  # too short
        "130503670401001",  # the 15 digits of before 1999
        "",
    ],
)
def test_a_wrong_identity_number_is_refused_without_being_repeated(number: str) -> None:
    with pytest.raises(ValueError, match="GB 11643") as caught:
        id_number(number)
    assert not number or number not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("138 0013 8000", "13800138000"), ("+86-138-0013-8000", "13800138000"), ("8613800138000", "13800138000"),
        ("１３８００１３８０００", "13800138000"), ("(010) 6234-5678", "01062345678"),
        ("+86 10 6234 5678", "01062345678"), ("0086 755 1234 5678", "075512345678"),
        ("+1 415 555 0100", "+14155550100"),
    ],
)  # fmt: skip
def test_one_phone_is_one_phone_however_it_is_written(written: str, normal: str) -> None:
    assert phone(written) == normal


@pytest.mark.parametrize("text", ["", "120", "6234 5678", "23800138000", "1380013800", "call me"])
def test_what_is_no_phone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="mobile number"):
        phone(text)


def test_masked_it_can_be_recognised_and_not_read() -> None:
    shown = masked(WANG)
    assert (shown["name"], shown["phone"], shown["id_number"]) == ("王**", "138****8000", "110***********002X")
    assert shown["contacts"] == [{"id": "c1", "name": "王*", "phone": "010****5678", "relationship": "CHILD"}]
