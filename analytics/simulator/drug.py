"""The drugs of a district: names, doses, and who takes which when the simulation starts."""

from typing import Any

from analytics.simulator.people import BETA_BLOCKER, DRUGS, GLUCOSE_DRUGS, People

STATIN, INSULIN = "C10AA05", GLUCOSE_DRUGS[2]
#: Name, dose and frequency, by ATC code.
DOSES = {
    "C08CA01": ("氨氯地平", "5 mg", "qd"),
    "C09CA01": ("氯沙坦", "50 mg", "qd"),
    "C03AA03": ("氢氯噻嗪", "12.5 mg", "qd"),
    "C07AB02": ("美托洛尔", "47.5 mg", "qd"),
    "C09AA02": ("依那普利", "10 mg", "qd"),
    "A10BA02": ("二甲双胍", "0.5 g", "bid"),
    "A10BB12": ("格列美脲", "2 mg", "qd"),
    INSULIN: ("甘精胰岛素", "12 IU", "qn"),
    STATIN: ("阿托伐他汀", "20 mg", "qn"),
}


def prescribed(code: str) -> dict[str, Any]:
    """The data of a prescription."""
    name, dose, frequency = DOSES[code]
    return {"code": code, "name": name, "dose": dose, "frequency": frequency}


def taken(people: People, i: int) -> list[str]:
    """What person ``i`` takes against high pressure and diabetes; metformin is part of the latter."""
    drugs = [drug for k, drug in enumerate(DRUGS) if k != BETA_BLOCKER][: people.drugs[i]]
    if people.beta_blocker[i]:
        drugs.append(DRUGS[BETA_BLOCKER])
    which = int(people.glucose_drug[i])
    return [*drugs, *sorted({GLUCOSE_DRUGS[0], GLUCOSE_DRUGS[which]})] if which >= 0 else drugs
