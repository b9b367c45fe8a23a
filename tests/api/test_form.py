"""Forms and the report through the API, on the real parts: who sees them, what is in them, how they print."""

from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.api.people import House, bearer
from tests.api.test_identity import record

pytestmark = pytest.mark.stack

VISIT = "mailiu.chronic.follow-up-completed.v3"
EXAMPLE = Path(f"schemas/examples/{VISIT}/pass/clinic-visit-of-both-programmes.json")
DATA: dict[str, Any] = orjson.loads(EXAMPLE.read_bytes())["data"]


@pytest.fixture
def house(api: httpx.Client) -> House:
    return House(api)


def printed(house: House, path: str, role: Any = "clinician", **parameters: Any) -> httpx.Response:
    answer = house.api.get(path, headers=house.token(role), params=parameters, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer


def test_a_visit_fills_the_forms_of_its_programmes(house: House) -> None:
    resident = house.resident()
    assert record(house, resident, name="欧阳小明").status_code == 202
    house.post(
        house.event("mailiu.chronic.medication-prescribed.v1", resident, {"code": "C08CA01", "dose": "5 mg"}, days=2),
        house.event(VISIT, resident, {"programme": "hypertension", "mode": "phone"}, days=1),
        house.event(VISIT, resident, DATA),
    )
    path = f"/v1/residents/{resident}/forms"
    form = house.get(f"{path}/4.3")
    assert (form["title"], form["name"], len(form["sheets"])) == ("高血压患者随访服务记录表", None, 2)
    call, visit = ({field["field"]: field for field in sheet["fields"]} for sheet in form["sheets"])
    assert (visit["sbp"]["value"], visit["sbp"]["unit"], visit["sbp"]["ws"]) == (138, "mm[Hg]", "DE04.10.174.00")
    assert visit["followup_class"]["codes"] == ["3"]
    assert (call["visit_mode"]["codes"], call["sbp"]["missing"]) == (["3"], True)
    assert call["medications"]["rows"][0][0]["text"] == "C08CA01"
    assert len(house.get(f"{path}/4.4", lang="en")["sheets"]) == 1
    assert house.get(f"{path}/4.3", year=1999)["sheets"] == []
    page = printed(house, f"{path}/4.3", format="html", purpose="TREAT")
    assert "欧阳小明" in page.text
    assert page.headers["content-type"].startswith("text/html")
    assert "欧阳小明" not in printed(house, f"{path}/4.3", format="html").text
    paper = printed(house, f"{path}/4.3", format="pdf", purpose="TREAT")
    assert paper.content.startswith(b"%PDF")


def test_another_institutions_form_is_not_shown_and_a_manager_sees_none(house: House) -> None:
    resident = house.resident()
    house.get(f"/v1/residents/{resident}")
    path = f"/v1/residents/{resident}/forms/4.3"
    assert house.api.get(path, headers=bearer("clinician", "I-elsewhere")).status_code == 404
    assert house.api.get(path, headers=house.token("manager")).status_code == 403
    assert house.api.get(f"/v1/residents/{resident}/forms/9", headers=house.token()).status_code == 422
