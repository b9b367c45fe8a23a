"""The README's shell blocks are run as they stand, against the tests' own stack; so are the generated pages."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from infra.district import District
from infra.settings import Settings, settings
from tests.stack import ROOT, Stack

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^## (.+?)$|^```sh\n(.*?)^```", README, re.M | re.S)


def blocks() -> list[tuple[str, str]]:
    """(heading, shell block) in the order of the page."""
    found, heading = [], ""
    for title, block in BLOCKS:
        heading = title or heading
        if block:
            found.append((heading, block))
    return found


@pytest.fixture(scope="module")
def district(stack: Stack) -> Stack:
    """The stack with the district of `make run` registered."""
    asyncio.run(District().found())
    return stack


@pytest.mark.stack
@pytest.mark.parametrize(("heading", "block"), blocks(), ids=[f"{n}-{h}" for n, (h, _) in enumerate(blocks())])
def test_a_block_of_the_readme_runs(district: Stack, heading: str, block: str) -> None:
    mqtt = urlsplit(f"//{settings().mqtt}")
    for written, here in (
        ("http://127.0.0.1:8000", f"http://{settings().api}"),
        ("http://127.0.0.1:8123", settings().clickhouse),
        ("-p 1883", f"-p {mqtt.port}"),
        ("-p 8883", f"-p {settings().mqtt_tls.rpartition(':')[2]}"),
        (".mailiu/", f"{settings().home}/"),
        (".venv/bin/mailiu", f"{Path(sys.executable).parent}/mailiu"),
    ):
        block = block.replace(written, here)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=ROOT, env=os.environ | district.environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    print(f"{heading}\n{done.stdout}{done.stderr}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"status":4' not in done.stdout.replace(" ", ""), "a problem document was answered"
    if heading == "One alert on the screen" and "curl" in block:
        assert "bp-crisis" in done.stdout
        assert "R-2003" in done.stdout


def test_every_setting_is_on_its_page_and_the_page_is_current() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    made = subprocess.run(
        [sys.executable, "-m", "infra.cli", "settings", "--markdown"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert page == made, "run `make docs`"
    assert all(f"MAILIU_{name.upper()}" in page for name in Settings.model_fields)


def test_every_link_within_the_docs_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page}: {target}"
