"""The alert rules: Prometheus reads them, they name metrics that there are, and each says what to do."""

import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
import yaml

from api.auth import issue
from infra.settings import settings
from schemas.registry import EVENTS
from tests.stack import ROOT, Stack, wait_until

RULES = ROOT / "infra" / "observe" / "alerts.yml"
FOUND = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
PROMTOOL = shutil.which("promtool")
#: Made by Prometheus itself.
OWN = {"up"}


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian package prometheus)")
@pytest.mark.parametrize(
    "command",
    [
        ("check", "rules", "--lint-fatal", str(RULES)),
        ("test", "rules", str(Path(__file__).parent / "alerts.test.yml")),
        ("check", "config", "--syntax-only", str(RULES.with_name("prometheus.yml"))),
    ],
    ids=" ".join,
)
def test_prometheus_takes_the_rules_and_they_fire_as_written(command: tuple[str, ...]) -> None:
    done = subprocess.run([str(PROMTOOL), *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_has_severity_summary_and_a_section_that_says_what_to_do() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    assert len({rule["alert"] for rule in FOUND}) == len(FOUND)
    for rule in FOUND:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert re.search("[一-鿿]", rule["annotations"]["summary"]), rule["alert"]
        assert f"`{rule['alert']}`" in page, rule["alert"]


def test_every_event_type_that_a_rule_names_is_one() -> None:
    patterns = [found for rule in FOUND for found in re.findall(r'type=~?"([^"]+)"', rule["expr"])]
    assert patterns
    for pattern in patterns:
        assert any(re.fullmatch(pattern.replace("\\\\", "\\"), type) for type in EVENTS), pattern


@pytest.mark.stack
def test_every_metric_that_a_rule_names_is_there(stack: Stack) -> None:
    names = {name for rule in FOUND for name in re.findall(r"\b(?:mailiu_\w+|up)\b", rule["expr"])} - OWN
    token = {"Authorization": f"Bearer {issue('admin', ['*'])}"}

    def missing() -> set[str]:
        page = httpx.get(f"http://{settings().api}/metrics", headers=token).raise_for_status().text
        return {name for name in names if not re.search(rf"^{name}[ {{]", page, re.M)}

    wait_until(lambda: not missing(), f"all of {sorted(names)} are on /metrics")
