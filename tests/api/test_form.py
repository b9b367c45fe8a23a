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


def test_a_health_examination_fills_form_3(house: House) -> None:
    resident = house.resident()
    examples = Path("schemas/examples/mailiu.examination.health-examined.v1/pass")
    exam = orjson.loads(sorted(examples.glob("*.json"))[0].read_bytes())["data"]
    house.post(house.event("mailiu.examination.health-examined.v1", resident, exam, days=3))
    form = house.get(f"/v1/residents/{resident}/forms/3", lang="en")
    [sheet] = form["sheets"]
    assert form["title"] == "Health examination"
    assert len(sheet["fields"]) == 173, "191 of the catalogue, 18 of which are columns of tables"
    assert sum(bool(field["text"] or field["rows"]) for field in sheet["fields"]) > 3
    assert printed(house, f"/v1/residents/{resident}/forms/3", format="pdf").content.startswith(b"%PDF")


def test_a_report_says_what_is_known_and_prints(house: House) -> None:
    resident = house.resident()
    assert record(house, resident, name="欧阳小明").status_code == 202
    house.post(
        house.event("mailiu.chronic.condition-diagnosed.v1", resident, {"code": "I10"}, days=90),
        house.event("mailiu.chronic.condition-diagnosed.v1", resident, {"code": "E11.9"}, days=89),
        house.event("mailiu.chronic.medication-prescribed.v1", resident, {"code": "C08CA01", "dose": "5 mg"}, days=80),
        house.event(VISIT, resident, DATA, days=2),
        *(
            house.event(
                "mailiu.reading.blood-pressure-measured.v1",
                resident,
                {"systolic": 138 + n, "diastolic": 84},
                days=n / 2,
            )
            for n in range(1, 16)
        ),
        house.crisis(resident),
    )
    path = f"/v1/residents/{resident}/report"
    report = house.get(path)
    assert [(each["code"], each["label"]) for each in report["conditions"]] == [
        ("I10", "原发性高血压"), ("E11.9", "2型糖尿病"),
    ]  # fmt: skip
    assert [each["code"] for each in report["drugs"]] == ["C08CA01"]
    assert report["draft"] is True
    assert report["name"] is None
    [alert, *_] = report["alerts"]  # the latest; of one reading, the most severe
    assert "红色" in alert["text"]
    assert alert["sources"]
    assert {"blood-pressure", "glucose"} <= {each["area"] for each in report["control"]}
    assert report["scores"]
    assert any(each["status"] in ("planned", "due") for each in report["tasks"])
    [glucose] = [each for each in report["glucose"] if each["name"] == "fasting_glucose"]
    assert (glucose["text"], len(glucose["sources"])) == ("6.4", 1)
    page = printed(house, path, format="html", purpose="TREAT", lang="en").text
    assert "欧阳小明" in page
    assert page.count("<svg") == 4
    assert printed(house, path, format="pdf", style="plain").content.startswith(b"%PDF")


def test_another_institutions_form_is_not_shown_and_a_manager_sees_none(house: House) -> None:
    resident = house.resident()
    house.get(f"/v1/residents/{resident}")
    path = f"/v1/residents/{resident}/forms/4.3"
    assert house.api.get(path, headers=bearer("clinician", "I-elsewhere")).status_code == 404
    assert house.api.get(path, headers=house.token("manager")).status_code == 403
    assert house.api.get(f"/v1/residents/{resident}/forms/9", headers=house.token()).status_code == 422
