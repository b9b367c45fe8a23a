"""Example states that residents' states are compressed against: names, rules, reasons and the shape of every entry.

    python -m infra.simulate.examples DISTRICT.ndjson > streams/states.v1.txt

Nothing is trained, and nothing of anybody is in them: the district is simulated, ids and instants are taken out. To
change the file is to refold every store (`streams.store` stamps them with its checksum), so it is made anew only
together with another version of the fold.
"""

import re
import sys
from pathlib import Path

from infra.simulate.fold import Folder, lines

IDS = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
INSTANTS = re.compile(rb"\b1[67][0-9]{11}\b")
#: Examples, and bytes of them: twice as many make states 2 % smaller and slower to compress.
EXAMPLES, BYTES = 12, 16_384


def examples(states: list[bytes]) -> bytes:
    """Those around the median of who measures at home and, before them, of who is in care; what is usual last."""
    found: list[bytes] = []
    for mark in (b'"visits"', b'"plans"'):
        some = sorted((INSTANTS.sub(b"17", IDS.sub(b"", state)) for state in states if mark in state), key=len)
        middle = len(some) // 2
        found += some[max(0, middle - EXAMPLES // 2) : middle + EXAMPLES // 2]
    return b"\n".join(found)[-BYTES:]


if __name__ == "__main__":
    folder = Folder(0, 300_000, True)
    for recorded, line in lines(Path(sys.argv[1])):
        folder.take(recorded, line)
    folder.tick_until(folder.next_tick)
    sys.stdout.buffer.write(examples([state for _, state, _ in folder.partition.store.states()]))
