"""`mailiu backup`: the log, and the secrets that open it, to a folder."""

from pathlib import Path
from typing import Annotated

import typer

from infra.cli.errors import Refusal


def backup(
    folder: Annotated[Path, typer.Argument(help="Empty, or with an earlier backup, to which what is new is added.")],
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Back up the log and the home's secrets while everything runs; `mailiu restore` brings them back.

    MAILIU_BACKUP_PASSPHRASE seals the secrets. Without it whoever reads the folder can open what is encrypted.
    """
    import asyncio
    import os

    from aiokafka.errors import KafkaError
    from rich.console import Console

    from infra.backup.manifest import Unusable
    from infra.backup.take import backup as take
    from infra.cli.progress import progress

    passphrase = os.environ.get("MAILIU_BACKUP_PASSPHRASE")
    try:
        with progress("backup") as seen:
            manifest = asyncio.run(take(folder, passphrase, seen))
    except (Unusable, KafkaError, OSError) as error:
        raise Refusal(str(error) or repr(error)) from error
    records: dict[str, int] = {}
    for each in manifest.log:
        records[each.topic] = records.get(each.topic, 0) + each.records
    size = sum(file.bytes for file in manifest.files)
    if json:
        import orjson

        sealed = manifest.salt is not None
        print(orjson.dumps({"made": manifest.made, "records": records, "bytes": size, "sealed": sealed}).decode())
        return
    for topic, count in records.items():
        print(f"{topic:9} {count:>12,} records")
    print(f"{size:,} bytes in {folder}, whole up to {manifest.made}")
    if not manifest.salt:
        warning = "Its secrets lie open: keep the folder as safe as the home, or set MAILIU_BACKUP_PASSPHRASE."
        Console(stderr=True).print(warning, style="yellow")
