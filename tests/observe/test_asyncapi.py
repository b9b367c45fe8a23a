"""The AsyncAPI document: valid by the specification's own schema, and true of what the parts really write."""

import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest
from jsonschema import Draft7Validator

from api.asyncapi import document
from api.main import make
from mqtt_ingest.address import address
from mqtt_ingest.decoded import KINDS
from mqtt_ingest.formats import FORMATS
from mqtt_ingest.gate import Answer, Refusal
from mqtt_ingest.receipts import receipt
from mqtt_ingest.rejected import Rejected, records, resolution
from schemas.envelope import Event
from schemas.topics import TOPICS
from streams.sending.command import TOPICS as TOPICS_OF_COMMANDS
from streams.sending.command import Command
from tests.clients import install
from tests.schemas.test_schema_examples import FAIL, PASS, name

DOCUMENT = orjson.loads(orjson.dumps(document("127.0.0.1:9092", "127.0.0.1:1883")))
NOW = "2026-03-01T08:00:00Z"


def complaints(message: str, value: Any) -> list[str]:
    """What the document has against ``value`` as the payload of ``message``."""
    payload = DOCUMENT["components"]["messages"][message]["payload"]
    schema = payload | {"components": {"schemas": DOCUMENT["components"]["schemas"]}}
    return [error.message for error in Draft7Validator(schema).iter_errors(value)]


def test_the_document_is_valid_by_the_specifications_own_schema() -> None:
    schema = install.npm() / "node_modules" / "@asyncapi" / "specs" / "schemas" / "3.0.0-without-$id.json"
    assert [error.message for error in Draft7Validator(orjson.loads(schema.read_bytes())).iter_errors(DOCUMENT)] == []


@pytest.mark.parametrize("file", PASS, ids=name)
def test_an_event_that_passes_is_a_message_of_its_type(file: Path) -> None:
    assert complaints(file.parts[-3], orjson.loads(file.read_bytes())) == []


@pytest.mark.parametrize("file", [f for f in FAIL if "unknown-field" in f.stem or "missing" in f.stem], ids=name)
def test_an_event_that_fails_for_a_field_is_no_message_of_its_type(file: Path) -> None:
    assert complaints(file.parts[-3], orjson.loads(file.read_bytes())) != []


def test_every_channel_is_there_and_every_reference_leads_somewhere() -> None:
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert addresses >= {topic.name for topic in TOPICS}
    assert addresses >= {
        f"mailiu/{{institution}}/{{device}}/down/{what}" for what in ("receipt", *TOPICS_OF_COMMANDS.values())
    }
    kinds = DOCUMENT["channels"]["up"]["parameters"]["kind"]["enum"]
    assert {*KINDS, *FORMATS, "hello"} <= set(kinds)

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            mine = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return mine + [each for inner in value.values() for each in references(inner)]
        return [each for inner in value for each in references(inner)] if isinstance(value, list) else []

    for reference in set(references(DOCUMENT)):
        target: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def test_receipts_commands_and_refusals_are_as_described() -> None:
    at = address("mailiu/I01/D01/up/json")
    refusal = Refusal("out-of-limits", "systolic", "2047", {"zh": "超出", "en": "beyond"})
    event = Event(id="1", source="mqtt/I01/D01", type="mailiu.x.y.v1", subject="R1", time=NOW, data={})  # type: ignore[arg-type]
    accepted, refused = Answer(at, "1", b"{}", event), Answer(at, "2", b"{}", refusal=refusal)
    assert complaints("receipt", orjson.loads(receipt(accepted, "3:120"))) == []
    assert complaints("receipt", orjson.loads(receipt(refused, None))) == []
    (kept,) = records(refused, event.time)
    assert complaints("rejected", orjson.loads(kept)) == []
    assert complaints("rejected", orjson.loads(resolution(Rejected(orjson.loads(kept)), "3:4", event.time))) == []
    text = {"zh": "请复测", "en": "measure again"}
    for number, (kind, channel) in enumerate(TOPICS_OF_COMMANDS.items()):
        command = Command(str(UUID(int=number)), "R1", "I01", "D01", kind, NOW, text, {"unit": "mmHg"})
        (message,) = DOCUMENT["channels"][f"down-{channel}"]["messages"]
        assert complaints(message, orjson.loads(command.payload())) == []


async def test_it_is_served_and_printed() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(make()), base_url="http://api") as client:
        served = await client.get("/asyncapi")
    assert served.status_code == 200
    printed = subprocess.run([sys.executable, "-m", "infra.cli", "asyncapi"], capture_output=True, check=True)
    assert orjson.loads(printed.stdout)["channels"] == served.json()["channels"] == DOCUMENT["channels"]
