"""`mailiu restore`: bring a backup back into an empty home."""

from pathlib import Path
from typing import Annotated

import typer

from infra.cli.errors import Refusal


def restore(
    folder: Annotated[Path, typer.Argument(help="A folder that `mailiu backup` wrote.")],
    check: Annotated[bool, typer.Option("--check", help="Only compare every file with its checksum.")] = False,
) -> None:
    """Restore log and secrets into an empty MAILIU_HOME, every record at its old offset, and fill the tables.

    Every file is checked first; a damaged one is named and nothing is written. Interrupted, it goes on when called
    again. MAILIU_BACKUP_PASSPHRASE opens sealed secrets. Afterwards: `mailiu up`, `mailiu verify`.
    """
    import os

    from aiokafka.errors import KafkaError
    from clickhouse_connect.driver.exceptions import Error as ClickHouseError

    from infra.backup.bring_back import restore as bring_back
    from infra.backup.manifest import Unusable, load
    from infra.backup.manifest import check as compare
    from infra.cli.progress import progress
    from infra.cli.up import start

    try:
        with progress("restore") as seen:
            if check:
                manifest = load(folder)
                compare(folder, manifest, lambda _: None)
            else:
                manifest = bring_back(folder, os.environ.get("MAILIU_BACKUP_PASSPHRASE"), start, seen)
    except (Unusable, KafkaError, ClickHouseError, OSError) as error:
        raise Refusal(str(error) or repr(error)) from error
    records = sum(partition.records for partition in manifest.log)
    if check:
        print(f"{records:,} records and {len(manifest.home)} files of the home, made {manifest.made}: undamaged")
    else:
        print(f"{records:,} records of {manifest.made} are back. Now `mailiu up` starts the other parts.")
