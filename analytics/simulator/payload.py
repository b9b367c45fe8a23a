"""What a device publishes: Mailiu JSON of one reading, with its own clock and its own idea of the user."""

from collections.abc import Iterator

import numpy as np
import orjson

from analytics.simulator.delivery import NO_TIME, Deliveries
from analytics.simulator.device import LETTERS, NO_SLOT
from analytics.simulator.names import Names
from analytics.simulator.parameters import DAY, HOUR, LOCAL, Ints
from analytics.simulator.programme import GLUCOSE, MEASURES, OXYGEN, PRESSURE

#: A glucose meter shows HI above and LO below (mmol/L).
HIGHEST, LOWEST = 33.3, 1.1


def publications(
    deliveries: Deliveries, persons: Ints, centre: Ints, names: Names, begin: int
) -> Iterator[tuple[int, str, bytes]]:
    """Instant of receipt (ms since 1970), topic and payload of each delivery; ``begin`` is the start in ms since 1970.

    ``persons`` and ``centre`` give number and centre of each patient.
    """
    stamps = _texts(deliveries.stamp + begin)
    columns = (
        deliveries.sent + begin, deliveries.number, deliveries.owner, deliveries.kind, deliveries.slot,
        deliveries.value, deliveries.second, deliveries.pulse, deliveries.irregular, deliveries.backlog,
        deliveries.failed, deliveries.stamp != NO_TIME, deliveries.time % DAY // HOUR,
    )  # fmt: skip
    person, where = persons.tolist(), centre.tolist()
    rows = zip(*(column.tolist() for column in columns), stamps, strict=True)
    for sent, number, owner, kind, slot, value, second, pulse, irregular, backlog, failed, timed, hour, stamp in rows:
        if owner < 0:
            institution, device = names.centre(-1 - owner), names.device("X", owner)
        else:
            institution, device = names.centre(where[owner]), names.device(LETTERS[kind], person[owner])
        reading: dict[str, object] = {"id": f"m{number}"}
        if kind != PRESSURE:
            reading["kind"] = MEASURES[kind]
        if timed:
            reading["time"] = f"{stamp}+08:00"
        if slot != NO_SLOT:
            reading["user"] = slot
        if failed:
            reading |= {"kind": MEASURES[kind], "error": "E3"}
        elif kind == PRESSURE:
            reading |= {"systolic": int(value), "diastolic": int(second), "pulse": int(pulse)}
            if irregular:
                reading["flags"] = ["irregular-pulse"]
        elif kind == GLUCOSE:
            reading["value"] = "HI" if value > HIGHEST else "LO" if value < LOWEST else value
            reading["context"] = "fasting" if hour < 10 else "random"
        else:
            reading["value"] = value
            if kind == OXYGEN:
                reading["pulse"] = int(pulse)
        if backlog:
            reading["backlog"] = True
        yield sent, f"mailiu/{institution}/{device}/up/json", orjson.dumps(reading)


def _texts(instants: Ints) -> list[str]:
    """Local wall-clock texts, in seconds."""
    seconds = (np.clip(instants, 0, 4_000_000_000_000) + LOCAL).astype("datetime64[ms]").astype("datetime64[s]")
    texts: list[str] = np.datetime_as_string(seconds).tolist()
    return texts
