"""The supervisor: what dies is started again, what is somebody else's is refused by name, `down` leaves nothing."""

from pathlib import Path

import orjson
import psutil
import pytest

from tests.stack import Stack, wait_until

pytestmark = pytest.mark.stack


def test_a_killed_part_is_started_again_and_down_leaves_nothing(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    stack.up("mosquitto")
    try:
        first = stack.kill("mosquitto")
        second = stack.wait_restarted("mosquitto", first)
        (row,) = orjson.loads(stack.mailiu("status", "--json").stdout)
        assert row["part"] == "mosquitto"
        assert row["state"] == "running"
        assert row["restarts"] == 1
        assert row["memory"] > 0
    finally:
        stack.down()
    assert not psutil.pid_exists(second)
    refused = stack.mailiu("status", check=False)
    assert refused.returncode == 1
    assert "mailiu up" in refused.stderr


def test_a_broker_that_refuses_our_password_is_named(tmp_path: Path) -> None:
    other = Stack(tmp_path / "other")
    other.up("mosquitto")
    ours = Stack(tmp_path / "ours", mqtt=other.environment["MAILIU_MQTT"])
    try:
        refused = ours.mailiu("up", "mosquitto", check=False)
        assert refused.returncode == 1
        assert "MAILIU_MQTT" in refused.stderr
        assert other.status("mosquitto")["state"] == "running"
    finally:
        ours.down()
        other.down()


def test_an_unknown_part_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    refused = Stack(tmp_path).mailiu("up", "zookeeper", check=False)
    assert refused.returncode == 1
    assert "zookeeper" in refused.stderr
    assert "kafka" in refused.stderr


def test_parts_die_with_their_supervisor(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    stack.up("mosquitto")
    part = stack.pid("mosquitto")
    supervisor = int((tmp_path / "run" / "supervisor.pid").read_text())
    psutil.Process(supervisor).kill()
    wait_until(lambda: not psutil.pid_exists(part) or psutil.Process(part).status() == "zombie", "mosquitto ends")
    stack.up("mosquitto")
    assert stack.pid("mosquitto") != part
    stack.down()
