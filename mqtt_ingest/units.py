"""Units that devices send, and what turns their numbers into Mailiu's (mm[Hg], mmol/L, /min, kg, %, Cel, {steps}).

Factors: 1 mmHg = 133.322387 Pa; glucose 180.156 g/mol; 1 lb = 0.45359237 kg (exact); all others are definitions.
Converted values are rounded to three decimals, far below what any of the devices resolves.
"""

from collections.abc import Callable

from schemas.device import Kind

Conversions = dict[str, Callable[[float], float]]

KPA = 7.500617  # mmHg in a kPa


def _times(factor: float) -> Callable[[float], float]:
    return lambda value: round(value * factor, 3)


def _same(value: float) -> float:
    return value


_PRESSURE: Conversions = {"mmHg": _same, "mm[Hg]": _same, "kPa": _times(KPA)}
_RATE: Conversions = {"/min": _same, "{beats}/min": _same, "beats/min": _same, "bpm": _same, "{Beats}/min": _same}
_MASS: Conversions = {
    "kg": _same, "g": _times(1e-3), "mg": _times(1e-6), "ug": _times(1e-9), "ng": _times(1e-12), "pg": _times(1e-15),
    "fg": _times(1e-18), "Metric Ton": _times(1e3), "lb": _times(0.45359237), "[lb_av]": _times(0.45359237),
    "oz": _times(0.028349523125), "[oz_av]": _times(0.028349523125), "gr": _times(0.00006479891),
    "Ton": _times(907.18474), "jin": _times(0.5), "斤": _times(0.5),
}  # fmt: skip

#: kind -> unit as sent -> conversion to Mailiu's unit of that kind.
UNITS: dict[Kind, Conversions] = {
    "blood-pressure": _PRESSURE,
    "glucose": {
        "mmol/L": _same,
        "mg/dL": _times(1 / 18.0156),
        "mol/L": _times(1e3),
        "kg/L": _times(1e5 / 18.0156),
    },
    "heart-rate": _RATE,
    "weight": _MASS,
    "oxygen": {"%": _same},
    "activity": {"{steps}": _same, "steps": _same},
    "temperature": {
        "Cel": _same,
        "C": _same,
        "°C": _same,
        "℃": _same,
        "[degF]": lambda f: round((f - 32) / 1.8, 3),
        "F": lambda f: round((f - 32) / 1.8, 3),
        "°F": lambda f: round((f - 32) / 1.8, 3),
        "K": lambda k: round(k - 273.15, 3),
    },
}
#: The unit in which a kind is kept.
KEPT: dict[Kind, str] = {
    "blood-pressure": "mm[Hg]",
    "glucose": "mmol/L",
    "heart-rate": "/min",
    "weight": "kg",
    "oxygen": "%",
    "activity": "{steps}",
    "temperature": "Cel",
}
