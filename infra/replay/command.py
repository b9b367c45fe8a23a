"""Around the replay: the files in order, a progress bar on standard error, the table of accounts."""

import logging
from functools import partial
from pathlib import Path

import orjson
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from infra.clients import admin
from infra.log import ClockOff, Log
from infra.replay.account import Account
from infra.replay.formats import open_source
from infra.replay.ledger import Ledger
from infra.replay.mapping import Target
from infra.replay.run import Replay
from infra.settings import settings


class Unreachable(Exception):
    """Kafka does not answer, went away, or lives at another time; the text says what to do."""


async def replay_files(
    files: list[Path], target: Target, mapping: Path | None, dry_run: bool, console: Console
) -> list[Account]:
    """Replay ``files`` one after the other; all of them are looked at before the first is begun.

    Raises `UnknownFormat` for a file that nothing fits, ``OSError`` for one that cannot be read, and `Unreachable`.
    """
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it has to say comes as an exception
    sources = [open_source(path, target, mapping) for path in files]
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:

        async def each(ledger: Ledger, log: Log | None) -> list[Account]:
            accounts = []
            for source in sources:
                task = progress.add_task(source.path.name, total=source.size)
                accounts.append(await Replay(source, ledger, log).run(partial(progress.advance, task)))
                progress.update(task, completed=source.size)
            return accounts

        if dry_run:
            with Ledger(None) as ledger:
                return await each(ledger, None)
        try:
            with Ledger(settings().home / "replay" / f"{await _cluster()}.db") as ledger:
                async with Log() as log:
                    return await each(ledger, log)
        except ClockOff as error:
            raise Unreachable(str(error)) from error
        except KafkaError as error:
            where = settings().kafka
            raise Unreachable(f"Kafka does not answer at {where} ({error}): `mailiu up`, and run this again") from error


async def _cluster() -> str:
    """The identity of the Kafka cluster: what was replayed to another one says nothing of this one."""
    client = admin()
    try:
        await client.start()
        return str((await client.describe_cluster())["cluster_id"])
    finally:
        await client.close()


def show(accounts: list[Account], json: bool, dry_run: bool) -> None:
    """Print the accounts: a line of JSON a file, or a table with the reasons below it."""
    if json:
        for account in accounts:
            print(orjson.dumps(account.as_json()).decode())
        return
    console = Console(highlight=False, soft_wrap=True)
    table = Table("file", "format", box=None, header_style="bold", title="nothing was written" if dry_run else None)
    for column in ("rows", "accepted", "duplicate", "rejected", "unmapped", "events"):
        table.add_column(column, justify="right")
    for account in accounts:
        counts = account.rows, account.accepted, account.duplicate, account.rejected, account.unmapped
        cells = [f"{count:,}" for count in (*counts, account.events["accepted"])]
        table.add_row(Path(account.file).name, account.format, *cells)
    console.print(table)
    for account in accounts:
        for what, reasons in (("rejected", account.rejected_by_reason), ("unmapped", account.unmapped_by_reason)):
            for reason, count in reasons.most_common():
                console.print(f"{Path(account.file).name}: {count:,} {what}: {reason}")
        if account.resumed_at:
            console.print(
                f"{Path(account.file).name}: went on after row {account.resumed_at:,}", highlight=False, soft_wrap=True
            )
