"""Who uses which device: cuffs of one person or two, their own error, and clocks that are wrong."""

from dataclasses import dataclass

import numpy as np

from analytics.simulator.parameters import DAY, YEAR, Floats, Ints, Parameters, between, chance
from analytics.simulator.programme import MEASURES, PRESSURE, Programme

#: What is wrong with a device's clock: nothing, never set, years off, drifting, in the future.
CLOCKS = ("right", "unset", "years-off", "drifting", "future")
RIGHT, UNSET, YEARS_OFF, DRIFTING, FUTURE = range(5)
NO_SLOT, UNKNOWN_USER = -1, 255
#: First letter of a device's name, by kind.
LETTERS = "CGWOT"


@dataclass
class Devices:
    """One device a patient and kind, except cuffs that two share; arrays of shape (kinds, patients)."""

    owner: Ints  #: the patient whose device it is
    slot: Ints  #: user slot, or `NO_SLOT` where one person has it alone
    clock: Ints  #: index in `CLOCKS`
    offset: Ints  #: ms that the clock is ahead at the start
    drift: Floats  #: ms a day
    error: Floats  #: a cuff's own error, systolic and diastolic, shape (2, patients)
    rise: Floats  #: a person's morning less evening systolic pressure, shape (patients,)

    def stamp(self, kind: int, patient: Ints, time: Ints) -> Ints:
        """What the device's clock says at ``time`` (ms from the start); `UNSET` clocks say nothing (see `clock`)."""
        owner = self.owner[kind, patient]
        drifted = np.round(self.drift[kind, owner] * time / DAY).astype(np.int64)
        stamps: Ints = time + self.offset[kind, owner] + drifted
        return stamps


def hand_out(programme: Programme, centre: Ints, seed: int, p: Parameters) -> Devices:
    """Every patient's devices; two of one centre may share a cuff."""
    rng, m, kinds = chance(seed, "devices"), len(programme), len(MEASURES)
    owner = np.tile(np.arange(m), (kinds, 1))
    slot = np.full((kinds, m), NO_SLOT)
    cuffs = np.flatnonzero(programme.measures[PRESSURE] & (programme.pregnancy < 0))
    sharing = cuffs[rng.random(len(cuffs)) < p["device.shared"]]
    for at in np.unique(centre[sharing]):
        group = sharing[centre[sharing] == at]
        for one, other in zip(group[::2].tolist(), group[1::2].tolist(), strict=False):
            owner[PRESSURE, other] = one
            slot[PRESSURE, [one, other]] = 1, 2
    shares = np.array(p["device.clock"])
    clock = rng.choice(len(CLOCKS), (kinds, m), p=[1 - shares.sum(), *shares])
    size = kinds * m
    small = np.round(rng.normal(0, 40_000, size)).reshape(kinds, m)
    years = -np.round(between(rng, [1, 9], size) * YEAR * DAY).reshape(kinds, m)
    ahead = np.round(between(rng, [1, 400], size) * DAY).reshape(kinds, m)
    offset = np.select([clock == YEARS_OFF, clock == FUTURE], [years, ahead], default=small)
    drift = np.where(clock == DRIFTING, between(rng, p["device.drift"], size).reshape(kinds, m) * 1000, 0)
    error = np.stack([rng.normal(0, spread, m) for spread in p["pressure.cuff"]])
    share, more = p["pressure.morning_type"]
    rise = rng.normal(p["pressure.morning"][0], p["pressure.morning"][1], m) + more * (rng.random(m) < share)
    error = error[:, owner[PRESSURE]]
    return Devices(owner, slot, clock, offset.astype(np.int64), drift, error, rise)
