"""`python -m infra.cli`: the same as `mailiu`."""

import os
import signal
import sys

if sys.argv[1:2] == ["part"]:  # stopped before it has begun (imports take a second) it has nothing to put in order
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

from infra.cli import main

if __name__ == "__main__":  # a process that prints pages loads this module, too
    main()
