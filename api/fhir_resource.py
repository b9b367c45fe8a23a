"""Rows of our tables as FHIR R4 resources. Pure; what a value means is said in LOINC, UCUM, ICD-10 and ATC."""

from datetime import date, datetime
from typing import Any

from api.blood_pressure import HomePressure
from api.tables import Row
from mqtt_ingest.fhir import LOINC
from mqtt_ingest.fhir_clinical import CLASSES, MODE, PROGRAMME
from mqtt_ingest.fhir_lab import OWN
from schemas.envelope import identity, rfc3339
from schemas.measure import measures

Resource = dict[str, Any]
ICD10, ICD10_CN = "http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-10-cn"
ATC, UCUM = "http://www.whocc.no/atc", "http://unitsofmeasure.org"
HL7 = "http://terminology.hl7.org/CodeSystem"
CATEGORY = f"{HL7}/observation-category"
#: How many readings a mean is of: the extension of HL7's implementation guide on hypertension (CardX).
NUMBER = "http://hl7.org/fhir/us/cardx-htn/StructureDefinition/NumberOfMeasurementsExt"
#: LOINC of each kind of reading, and its category.
KINDS = {
    "heart-rate": ("8867-4", "vital-signs"), "weight": ("29463-7", "vital-signs"), "oxygen": ("59408-5", "vital-signs"),
    "temperature": ("8310-5", "vital-signs"), "glucose": ("15074-8", "laboratory"), "activity": ("55423-8", "activity"),
    "ecg": ("8867-4", "vital-signs"),
}  # fmt: skip
PRESSURE, AVERAGE = "85354-9", "96607-7"
BODY = ("height", "weight", "bmi", "waist", "heart_rate")
#: Reasons of a visit by programme.
REASONS = {"hypertension": ("I10",), "diabetes": ("E11",), "both": ("I10", "E11")}


def reading(row: Row) -> Resource:
    """A reading: pressures as a panel, others as a value."""
    if row["kind"] == "blood-pressure":
        parts = [("8480-6", "systolic", "mm[Hg]"), ("8462-4", "diastolic", "mm[Hg]"), ("8478-0", "mean", "mm[Hg]"),
                 ("8867-4", "pulse", "/min")]  # fmt: skip
        told = [(code, row[name], unit) for code, name, unit in parts if row[name] is not None]
        more: Resource = {"component": [{"code": _loinc(code), **_quantity(value, unit)} for code, value, unit in told]}
        made = _observation(row, PRESSURE, "vital-signs") | more
    else:
        code, category = KINDS[row["kind"]]
        made = _observation(row, code, category) | _quantity(row["value"], row["unit"] or "1")
    if row["place"] == "home":
        made["meta"] = {"tag": [{"code": "patient-supplied"}]}
        made["performer"] = [{"reference": f"Patient/{row['resident']}"}]
    if row["device"]:
        made["device"] = {"reference": f"Device/{row['device']}"}
    return made


def examination(row: Row) -> Resource:
    """A laboratory value, a body measure or a finding."""
    measure = measures()[row["name"]]
    category = "vital-signs" if row["name"] in BODY else "laboratory" if measure.loinc else "exam"
    made = _observation(row, "", category)
    codings = [{"system": LOINC, "code": code} for code in measure.loinc[:1]]
    made["id"] = f"{row['id']}.{row['name']}".replace("_", "-")
    made["code"] = {"coding": [*codings, {"system": OWN, "code": row["name"]}], "text": measure.zh}
    return made | ({"valueString": row["finding"]} if measure.words else _quantity(row["value"], row["unit"]))


def average(resident: str, home: HomePressure, issued: datetime) -> Resource | None:
    """The home mean over its days; nothing where there is none."""
    mean, period = home.mean, home.period
    if period is None or mean.systolic is None or mean.diastolic is None:
        return None
    halves = (("96608-5", mean.systolic), ("96609-3", mean.diastolic))
    return {
        "resourceType": "Observation",
        "id": str(identity(f"home-average/{resident}", f"{period.first}/{period.last}")),
        "extension": [{"url": NUMBER, "valueQuantity": {"value": mean.n}}],
        "status": "final" if home.enough else "preliminary",
        "category": [{"coding": [{"system": CATEGORY, "code": "vital-signs"}]}],
        "code": _loinc(AVERAGE),
        "subject": {"reference": f"Patient/{resident}"},
        "effectivePeriod": {"start": period.first.isoformat(), "end": period.last.isoformat()},
        "issued": rfc3339(issued),
        "note": [{"text": home.definition.en}],
        "component": [{"code": _loinc(code), **_quantity(value, "mm[Hg]")} for code, value in halves],
    }


def condition(row: Row) -> Resource:
    """A diagnosis as it stands: by the WHO's code, and as it was coded where that says more."""
    over = row["resolved_time"] is not None
    clinical, verification = "active", row["certainty"] or "confirmed"
    if over:
        clinical = row["reason"] if row["reason"] in ("inactive", "remission") else "resolved"
        if row["reason"] == "refuted":
            clinical, verification = "inactive", "refuted"
    code = _coded(ICD10, row["code"])
    if row["original"] not in ("", row["code"]):
        code["coding"].append({"system": ICD10_CN, "code": row["original"]})
    made: Resource = {
        "resourceType": "Condition", "id": str(identity(f"condition/{row['resident']}", row["code"])),
        "clinicalStatus": _coded(f"{HL7}/condition-clinical", clinical),
        "verificationStatus": _coded(f"{HL7}/condition-ver-status", verification),
        "code": code, "subject": {"reference": f"Patient/{row['resident']}"},
    }  # fmt: skip
    if row["category"]:
        made["category"] = [_coded(f"{HL7}/condition-category", row["category"])]
    if row["diagnoser"]:
        made["asserter"] = {"reference": f"Practitioner/{row['diagnoser']}"}
    if row["onset"]:
        made["onsetDateTime"] = row["onset"].isoformat()
    if row["diagnosed_time"]:
        made["recordedDate"] = rfc3339(row["first_diagnosed_time"] or row["diagnosed_time"])
    return made | ({"abatementDateTime": rfc3339(row["resolved_time"])} if over else {})


def request(row: Row) -> Resource:
    """A drug as it was prescribed last, or stopped."""
    made = _drug(row, "MedicationRequest") | {"intent": "order"}
    if row["prescribed_time"]:
        made["authoredOn"] = rfc3339(row["prescribed_time"])
    if row["stopped_time"] and row["reason"]:
        made["statusReason"] = {"text": row["reason"]}
    dosage = _dosage(row)
    return made | ({"dosageInstruction": [dosage]} if dosage else {})


def statement(row: Row) -> Resource:
    """The same drug as what the resident takes, or took: from when until when."""
    made = _drug(row, "MedicationStatement")
    start = (
        row["start"].isoformat()
        if row["start"]
        else rfc3339(row["prescribed_time"])
        if row["prescribed_time"]
        else None
    )
    period = {"start": start, "end": rfc3339(row["stopped_time"]) if row["stopped_time"] else None}
    if said := {name: value for name, value in period.items() if value is not None}:
        made["effectivePeriod"] = said
    if row["stopped_time"] and row["reason"]:
        made["statusReason"] = [{"text": row["reason"]}]
    dosage = _dosage(row)
    return made | ({"dosage": [dosage]} if dosage else {})


def _drug(row: Row, what: str) -> Resource:
    over = "completed" if row["reason"] == "completed" else "stopped"
    return {
        "resourceType": what, "id": str(identity(f"medication/{row['resident']}", row["code"])),
        "status": over if row["stopped_time"] is not None else "active",
        "medicationCodeableConcept": _coded(ATC, row["code"]), "subject": {"reference": f"Patient/{row['resident']}"},
    }  # fmt: skip


def _dosage(row: Row) -> Resource:
    dosage: Resource = {"text": row["dose"]} if row["dose"] else {}
    return dosage | ({"timing": {"code": {"text": row["frequency"]}}} if row["frequency"] else {})


def encounter(row: Row) -> Resource:
    """A follow-up visit; its figures are Observations of their own."""
    code = next((code for code, mode in CLASSES.items() if mode == row["mode"]), "VR")
    types = [_coded(PROGRAMME, row["programme"]), _coded(MODE, row["mode"])]
    return {
        "resourceType": "Encounter", "id": str(row["id"]), "status": "finished",
        "class": {"system": f"{HL7}/v3-ActCode", "code": code}, "type": types,
        "reasonCode": [_coded(ICD10, reason) for reason in REASONS[row["programme"]]],
        "subject": {"reference": f"Patient/{row['resident']}"}, "period": {"start": rfc3339(row["time"])},
        "serviceProvider": {"reference": f"Organization/{row['institution']}"},
    }  # fmt: skip


def patient(found: Row) -> Resource:
    """A resident without name and numbers: those are asked for at `/v1/residents/{resident}/identity`."""
    born: date | None = found["birth_date"]
    made: Resource = {"resourceType": "Patient", "id": found["resident"], "active": found["died_time"] is None}
    if found["sex"]:
        made["gender"] = found["sex"]
    if born is not None:
        made["birthDate"] = born.isoformat()
    if found["died_time"] is not None:
        made["deceasedDateTime"] = rfc3339(found["died_time"])
    if found["institution"]:
        made["managingOrganization"] = {"reference": f"Organization/{found['institution']}"}
    others = [one for one in found["records"] if one != found["resident"]]
    return made | (
        {"link": [{"other": {"reference": f"Patient/{one}"}, "type": "replaces"} for one in others]} if others else {}
    )


def _observation(row: Row, code: str, category: str) -> Resource:
    return {
        "resourceType": "Observation", "id": str(row["id"]), "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": category}]}], "code": _loinc(code),
        "subject": {"reference": f"Patient/{row['resident']}"}, "effectiveDateTime": rfc3339(row["time"]),
        "issued": rfc3339(row["recordedtime"]),
    }  # fmt: skip


def _quantity(value: float, unit: str) -> Resource:
    return {"valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit}}


def _loinc(code: str) -> Resource:
    return _coded(LOINC, code)


def _coded(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}
