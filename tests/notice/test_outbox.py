"""The outbox file and the ledger: each message once, whatever a crash left behind; and how a person reads it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from infra.clock import clock
from infra.settings import settings
from streams.sender import adapter
from streams.sending.channels import Message, Outbox, SignedWebhook, read
from streams.sending.ledger import KEPT, Ledger
from tests.stack import ROOT

BODY: dict[str, Any] = {
    "notice": "n1", "to": {"kind": "role", "ref": "nurse"}, "purpose": "alert", "level": 0, "person": "N1",
    "deadline": "2026-03-05T04:05:00.000Z", "resident": "R1", "institution": "I01",
    "text": {"zh": "红色告警：血压危急值。", "en": "Red alert: blood pressure at crisis level."},
}  # fmt: skip


async def test_a_message_is_in_the_outbox_once_also_after_a_crash(tmp_path: Path) -> None:
    file = tmp_path / "outbox.ndjson"
    for _ in range(2):
        outbox = Outbox(file)
        for id in ("m1", "m2", "m1"):
            assert await outbox.send(Message(id, "app", BODY, "N1")) == "delivered"
        await outbox.close()
    assert [line["message"] for line in read(file)] == ["m1", "m2"]
    with file.open("ab") as torn:
        torn.write(b'{"message":"m3","to":{"kind"')
    outbox = Outbox(file)
    assert await outbox.send(Message("m3", "app", BODY, "N1")) == "delivered"
    await outbox.close()
    assert [line["message"] for line in read(file)] == ["m1", "m2", "m3"]
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("variables", "kind"),
    [
        ({}, Outbox),
        ({"MAILIU_NOTICE_WEBHOOK": "https://messages.example/mailiu"}, SignedWebhook),
        # a simulated year calls nobody
        ({"MAILIU_NOTICE_WEBHOOK": "https://messages.example", "MAILIU_CLOCK": "2019-04-01T00:00:00Z@600"}, Outbox),
    ],
)
async def test_nothing_leaves_the_machine_without_a_service_or_on_another_clock(
    variables: dict[str, str], kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MAILIU_CLOCK", "MAILIU_NOTICE_WEBHOOK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"MAILIU_HOME": str(tmp_path), **variables}.items():
        monkeypatch.setenv(name, value)
    for cached in (settings, clock):
        cached.cache_clear()
    try:
        chosen = adapter()
        assert type(chosen) is kind
        await chosen.close()
    finally:
        monkeypatch.undo()
        for cached in (settings, clock):
            cached.cache_clear()


async def test_a_person_reads_it_in_a_terminal(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.ndjson")
    await outbox.send(Message("m1", "app", BODY, "N1", "13800138000"))
    await outbox.close()

    def mailiu(*arguments: str) -> str:
        environment = os.environ | {"MAILIU_HOME": str(tmp_path), "COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, "-m", "infra.cli", "outbox", *arguments], cwd=ROOT, env=environment, capture_output=True,
            text=True, check=True, timeout=120,
        ).stdout  # fmt: skip

    both, chinese = mailiu(), mailiu("--language", "zh")
    assert "红色告警" in both
    assert "Red alert" in both
    assert "值班" in chinese
    assert "Red alert" not in chinese
    assert orjson.loads(mailiu("--json"))["message"] == "m1"
    assert "13800138000" not in both + mailiu("--json")


def test_the_ledger_keeps_what_is_settled_and_forgets_what_is_long_past(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.settle("n1", 1000, 2000)
    ledger.learn([(3, b"a"), (5, b"b")], 7)
    ledger.learn([(5, b"again")], 9)
    ledger.close()
    ledger = Ledger(tmp_path / "ledger.db")
    assert ledger.settled("n1")
    assert not ledger.settled("n2")
    assert (list(ledger.duty()), ledger.next) == ([b"a", b"b"], 9)
    ledger.settle("n3", 1001 + KEPT, 1001 + KEPT)
    assert not ledger.settled("n1")
    ledger.forget_duty()
    assert (list(ledger.duty()), ledger.next) == ([], 0)
    ledger.close()
