"""How readings reach the gateway: at once, late, twice, in the wrong user's slot, or not at all."""

from dataclasses import dataclass, fields

import numpy as np

from analytics.simulator.device import NO_SLOT, UNKNOWN_USER, UNSET, Devices
from analytics.simulator.episode import Episode
from analytics.simulator.parameters import DAY, HOUR, YEAR, Bools, Floats, Ints, Parameters, between, chance
from analytics.simulator.programme import PRESSURE, Programme
from analytics.simulator.reading import Readings

NO_TIME = -(1 << 62)  #: the payload carries no time
MINUTE = 60_000


@dataclass
class Deliveries:
    """What devices send, in the order of receipt; times in ms from the start."""

    sent: Ints
    time: Ints  #: when it was truly measured
    stamp: Ints  #: by the device's clock, or `NO_TIME`
    number: Ints  #: names the measurement; a copy has the same
    patient: Ints  #: who was truly measured; below 0: a stranger at centre -1 - patient
    owner: Ints  #: patient whose device it is
    kind: Ints
    slot: Ints
    value: Floats
    second: Floats
    pulse: Floats
    irregular: Bools
    backlog: Bools
    failed: Bools  #: no values: the device gave an error code

    def __len__(self) -> int:
        return len(self.sent)

    def take(self, which: Ints | Bools | slice) -> "Deliveries":
        """Some of them."""
        return Deliveries(*(getattr(self, one.name)[which] for one in fields(self)))

    def taken(self, kind: int) -> tuple[Ints, Ints]:
        """Patients and times of the readings of one kind, each once, by patient and time."""
        mine = np.flatnonzero((self.kind == kind) & ~self.failed & (self.patient >= 0))
        _, once = np.unique(self.number[mine], return_index=True)
        patient, time = self.patient[mine][once], self.time[mine][once]
        order = np.lexsort((time, patient))
        return patient[order], time[order]


def deliver(
    readings: list[Readings], episodes: list[Episode], programme: Programme, devices: Devices, centres: int, days: int,
    seed: int, p: Parameters,
) -> Deliveries:  # fmt: skip
    """Everything that devices send until the end of the simulation, and what comes after it left out."""
    rng = chance(seed, "deliveries")
    parts = [_plain(one, devices) for one in readings]
    cuff = parts[PRESSURE]
    fails = rng.random(len(cuff)) < p["device.failed"] * np.where(cuff.irregular, 4, 1)
    parts.append(_failures(cuff.patient[fails], cuff.time[fails] - 80_000, devices))
    parts.append(_trouble(episodes, programme, devices, days))
    parts.append(_strangers(centres, days, seed, p))
    whole = Deliveries(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Deliveries)))
    whole = whole.take(np.argsort(whole.time, kind="stable"))
    n = len(whole)
    whole.number = np.arange(n)
    _mix_up_slots(rng.random((2, n)), whole, p)
    delay = rng.integers(2_000, 40_000, n)
    median, spread, longest = p["device.offline_hours"]
    late = rng.random(n) < p["device.offline"]
    wait = np.minimum(median * np.exp(spread * rng.normal(size=n)), longest) * HOUR
    whole.sent = whole.time + delay + np.where(late, np.maximum(wait, 15 * MINUTE), 0).astype(np.int64)
    whole.backlog = late
    again = np.flatnonzero(rng.random(n) < p["device.again"])
    copies = whole.take(again)
    copies.sent = copies.sent + rng.integers(30_000, 600_000, len(again))
    whole = Deliveries(*(np.concatenate([getattr(d, one.name) for d in (whole, copies)]) for one in fields(Deliveries)))
    whole = whole.take(np.argsort(whole.sent, kind="stable"))
    return whole.take(whole.sent < days * DAY)


def _plain(one: Readings, devices: Devices) -> Deliveries:
    n = len(one)
    owner = devices.owner[one.kind, one.patient]
    stamp = devices.stamp(one.kind, one.patient, one.time) // 1000 * 1000
    stamp = np.where(devices.clock[one.kind, owner] == UNSET, NO_TIME, stamp)
    no = np.zeros(n, bool)
    return Deliveries(
        one.time, one.time, stamp, np.zeros(n, np.int64), one.patient, owner, np.full(n, one.kind),
        devices.slot[one.kind, one.patient], one.value, one.second, one.pulse, one.irregular, no, no,
    )  # fmt: skip


def _failures(patient: Ints, time: Ints, devices: Devices) -> Deliveries:
    """Failed measurements with a cuff."""
    n = len(patient)
    none, no = np.zeros(n), np.zeros(n, bool)
    blank = _plain(Readings(PRESSURE, patient, time, none, none, none, no), devices)
    blank.failed = np.ones(n, bool)
    return blank


def _trouble(episodes: list[Episode], programme: Programme, devices: Devices, days: int) -> Deliveries:
    """Measurements that fail one after the other: the length of the episode's index decides how many."""
    can = programme.can(days)
    patients, times = [], []
    for number, one in enumerate(episode for episode in episodes if episode.what == "trouble"):
        if programme.measures[PRESSURE][one.patient] and can[one.patient, min(one.start // DAY, days - 1)]:
            for k in range(3 + number % 3):
                patients.append(one.patient)
                times.append(one.start // 1000 * 1000 + k * 4 * MINUTE)
    return _failures(np.array(patients, np.int64), np.array(times, np.int64), devices)


def _strangers(centres: int, days: int, seed: int, p: Parameters) -> Deliveries:
    """Crisis values from a cuff at each centre that is bound to nobody."""
    rng = chance(seed, "strangers")
    count = rng.poisson(p["device.stranger"] * days / YEAR, centres)
    centre = np.repeat(np.arange(centres), count)
    n = len(centre)
    time = (rng.uniform(0, days, n) * DAY // 1000 * 1000).astype(np.int64)
    no = np.zeros(n, bool)
    return Deliveries(
        time, time, time, np.zeros(n, np.int64), -1 - centre, -1 - centre, np.full(n, PRESSURE), np.full(n, NO_SLOT),
        np.round(between(rng, [182, 210], n)), np.round(between(rng, [95, 118], n)), np.full(n, 80.0), no, no, no,
    )  # fmt: skip


def _mix_up_slots(u: Floats, whole: Deliveries, p: Parameters) -> None:
    """On shared cuffs somebody presses the other's button, or none."""
    shared = whole.slot != NO_SLOT
    wrong = shared & (u[0] < p["device.wrong_slot"])
    whole.slot = np.where(wrong, 3 - whole.slot, whole.slot)
    whole.slot = np.where(shared & (u[1] < p["device.no_slot"]), UNKNOWN_USER, whole.slot)
