"""A home that an earlier version left is opened by this one: refolded in silence, tables rebuilt, nothing lost."""

import asyncio
import io
import re
import tarfile
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

from streams import fold
from tests.backup.test_restore import measure, rows
from tests.stack import ROOT, Stack, wait_until

pytestmark = pytest.mark.stack
#: Left by the version whose fold was 1 (`tests/backup/live_a_week.py`): readings, alerts, derived events.
HOME, READINGS, ALERTS, DERIVED = "home-of-fold-1.tar.zst", 86, 5, 164


@pytest.fixture
def old(tmp_path: Path) -> Any:
    """The old home under a stack of this version."""
    packed = zstandard.ZstdDecompressor().decompressobj().decompress((ROOT / "tests" / "data" / HOME).read_bytes())
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(tmp_path / "home", filter="data")
    stack = Stack(tmp_path / "home", partitions="2")
    yield stack
    stack.down()


def test_a_home_of_an_earlier_version_is_opened(old: Stack) -> None:
    assert fold.VERSION > 1
    old.up()
    with old.in_force():
        worker = (old.home / "logs" / "worker.log").read_text()
        assert re.search(rf"of version 1\.1, not \d+\.{fold.VERSION}\S*: it is refolded", worker)
        wait_until(lambda: rows("SELECT max(next_offset) > 0 FROM positions") == [(1,)], "the writer goes on")
        assert rows("SELECT count() FROM readings") == [(READINGS,)]
        # What the earlier version derived is there once, and what it sent is not sent again.
        wait_until(lambda: rows("SELECT count() FROM log FINAL WHERE topic = 'derived'")[0][0] > DERIVED, "it folds on")
        copies = (
            "SELECT identity FROM log WHERE topic IN ('events', 'derived') GROUP BY topic, partition, identity"
            " HAVING uniqExact(offset) > 1"
        )
        assert rows(copies) == []
        assert rows("SELECT count() FROM alerts WHERE rule = 'bp-crisis'") == [(ALERTS,)]
        lifted = "SELECT JSONExtractString(upcast, 'type') FROM log FINAL WHERE type LIKE '%follow-up-completed.v1'"
        assert rows(lifted) == [("mailiu.chronic.follow-up-completed.v3",)]

        (receipt,) = asyncio.run(measure(1))  # 190 mmHg
        assert receipt["status"] == "accepted"
        partition, offset = map(int, receipt["position"].split(":"))
        wait_until(
            lambda: (
                rows(
                    f"SELECT count() FROM alert_events WHERE cause_partition = {partition} AND cause_offset = {offset}"
                )
                != [(0,)]
            ),
            "an alert of this version",
        )
        verified = orjson.loads(old.mailiu("verify", "--json").stdout)
        assert verified["clean"], verified
        assert any("derived by earlier versions" in check["table"] for check in verified["checks"])
        versions = {row[0] for row in rows("SELECT comment FROM system.tables WHERE name = 'readings'")}
        assert all(" version " in version for version in versions)
