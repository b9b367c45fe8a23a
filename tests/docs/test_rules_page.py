"""The page on rules names every rule there is, and no other."""

import re

from streams.rules import released
from tests.stack import ROOT


def test_the_page_names_every_rule_and_no_other() -> None:
    page = (ROOT / "docs" / "rules.md").read_text()
    table = "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`([a-z-]+)`", table)) | {"alarm-age", "escalation"} == set(released())
