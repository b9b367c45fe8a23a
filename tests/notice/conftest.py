"""A stack of this folder's own that speaks to a message service, and a centre with people on duty."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from api.auth import Role
from infra import vault
from infra.settings import settings
from streams.sending.channels import secret
from tests.api.people import House
from tests.notice.receiver import Receiver
from tests.stack import Stack, own_stack
from tests.stack import wait_until as within

PATIENCE = 240  #: seconds that a busy machine may take
wait_until = partial(within, seconds=PATIENCE)


@pytest.fixture(scope="package")
def receiver() -> Iterator[Receiver]:
    """The message service."""
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="package")
def sending(receiver: Receiver) -> Iterator[Stack]:
    """Everything but the bridge; notices go to the message service."""
    with own_stack("notice", notice_webhook=receiver.url) as stack:
        receiver.secret = secret()
        stack.up("writer", "worker", "sender", "api")
        yield stack


class Centre(House):
    """An institution with staff on duty, and residents who agreed to messages."""

    def willing(self) -> str:
        """A resident who agreed to monitoring and messages."""
        resident = self.resident()
        scopes = {"scopes": ["monitoring", "messages"], "text_version": "2026-01"}
        self.post(self.event("mailiu.resident.consent-given.v1", resident, scopes, days=50))
        return resident

    def get(self, path: str, role: Role = "clinician", **parameters: Any) -> dict[str, Any]:
        """As `House.get`; a slow machine is asked again while the tables are behind."""
        found: dict[str, Any] = {}

        def answered() -> bool:
            wait = {"wait": self.position} if self.position else {}
            answer = self.api.get(path, headers=self.token(role), params={**wait, **parameters})
            if answer.status_code == 504:
                return False
            assert answer.status_code == 200, answer.text
            found.update(answer.json())
            return True

        wait_until(answered, f"{path} answers")
        return found

    def notices(self, resident: str, **more: Any) -> list[dict[str, Any]]:
        """The resident's notices, newest first, as they stand now."""
        answer = self.api.get("/v1/notices", headers=self.token(), params={"resident": resident, **more})
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


@pytest.fixture(scope="package")
def calling(sending: Stack) -> Iterator[httpx.Client]:
    """A client of this stack's API."""
    with httpx.Client(base_url=f"http://{settings().api}", timeout=30) as client:
        yield client


@pytest.fixture
def centre(calling: httpx.Client, receiver: Receiver) -> Centre:
    """A centre of the test's own."""
    receiver.status = 200
    vault.vault()  # made before the parts ask for it
    return Centre(calling)
