"""On the path of a stack's own processes: their clock is ahead by what the file `STEPPED_CLOCK` says, in seconds.

Kafka and Mosquitto keep the machine's clock, so that it is as if the machine with Mailiu's parts had been set wrong.
"""

import os
import time
from pathlib import Path

if "STEPPED_CLOCK" in os.environ:
    _real, _file = time.time, Path(os.environ["STEPPED_CLOCK"])

    def _stepped() -> float:
        return _real() + float(_file.read_text() or 0)

    time.time = _stepped
