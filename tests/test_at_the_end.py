"""After every other test: what the shared stack holds can be made anew from its log, and nobody touched its trail."""

import pytest

from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.last]


@pytest.mark.timeout(900)
def test_tables_and_alerts_can_be_made_anew(stack: Stack) -> None:
    done = stack.mailiu("verify", check=False, timeout=800)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_audit_trail_is_whole(stack: Stack) -> None:
    done = stack.mailiu("audit", "verify", check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
