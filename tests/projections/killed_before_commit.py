"""A writer that dies by SIGKILL after its first insert and before the commit to Kafka; for the tests."""

import asyncio
import os
import signal
import sys

from projections.writer import Writer


class Dying(Writer):
    """Dies where a repeated batch is made."""

    async def commit(self) -> None:
        """The last thing that this process does."""
        os.kill(os.getpid(), signal.SIGKILL)


async def serve() -> None:
    """Until it dies."""
    await Dying(group=sys.argv[1]).run()


asyncio.run(serve())
