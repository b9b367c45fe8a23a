"""compose.yaml, which no test can run here: valid by the specification's schema, and true to settings and engine."""

import re
import subprocess
import sys

import pytest
import yaml

from infra.clickhouse.on_server import statements
from infra.clients import clickhouse as client
from infra.settings import Settings
from tests.stack import ROOT, Stack

FILE = ROOT / "infra" / "compose.yaml"
SERVICES = yaml.safe_load(FILE.read_text())["services"]


def test_it_is_valid_by_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_it_names_is_there() -> None:
    whole = yaml.safe_load(FILE.read_text())
    settings = {f"MAILIU_{name.upper()}" for name in Settings.model_fields}
    for name, service in SERVICES.items():
        assert {n for n in service.get("environment", {}) if n.startswith("MAILIU_")} <= settings, name
        assert service.get("depends_on", {}).keys() <= SERVICES.keys(), name
        assert {each["source"] for each in service.get("secrets", [])} <= whole["secrets"].keys(), name
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in whole["volumes"], name
        if "build" in service:
            assert (FILE.parent / service["build"]["context"] / service["build"]["dockerfile"]).is_file(), name
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "healthcheck" in SERVICES[other], name


def test_its_kafka_is_that_of_the_local_stack() -> None:
    pom = (ROOT / "infra" / "kafka" / "pom.xml").read_text()
    pinned = re.search(r"kafka_2.13</artifactId>\s*<version>([0-9.]+)<", pom)
    assert pinned
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{pinned[1]}"
    local = (ROOT / "infra" / "stack" / "kafka.py").read_text()
    for name in ("message.max.bytes", "log.retention.ms", "offsets.retention.minutes", "auto.create.topics.enable"):
        value = SERVICES["kafka"]["environment"]["KAFKA_" + name.upper().replace(".", "_")]
        assert f"{name}={value}\n" in local, name


@pytest.mark.stack
def test_a_server_can_read_the_statements_that_make_the_analyst(clickhouse: Stack) -> None:
    made = statements("mailiu", "it's \\ secret")
    assert any(each.startswith("GRANT SELECT, SHOW ON mailiu.* TO analyst") for each in made)
    assert all(each.endswith((" TO analyst", " FROM analyst")) for each in made[2:])
    with client(database="default") as engine:
        for each in made:
            engine.query("SELECT formatQuerySingleLine({q:String})", {"q": each})
