"""`mailiu erase`: destroy what says who a resident is; what was measured and counted stays."""

from typing import Annotated

import typer

from infra.cli.errors import Refusal


def erase(
    resident: Annotated[str, typer.Argument(help="The resident's id.")],
    institution: Annotated[
        str | None,
        typer.Option(help="Who answers for it, for this record alone; default: who manages the person."),
    ] = None,
    reason: Annotated[str, typer.Option(help="requested, retention-ended or recorded-by-mistake.")] = "requested",
    actor: Annotated[str, typer.Option(help="Who does it; the log and the audit trail name them.")] = "operator",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Destroy a resident's key, for ever: name, ID number, phone and contacts can no longer be read, by anybody.

    Readings, alerts and statistics stay, under the pseudonym. Copies of the vault still hold the key until they are
    destroyed or restored (a restore erases again what the log says is erased). Records that were merged into one person
    are erased together.
    """
    import asyncio

    from aiokafka.errors import KafkaError
    from pydantic import ValidationError

    from infra.vault.erasure import destroy

    records = _records(resident) if institution is None else {resident: institution}
    if not yes:
        typer.confirm(f"Destroy the key of {', '.join(records)}? Nobody will be able to read who this was", abort=True)
    for record, manager in records.items():
        try:
            had = asyncio.run(destroy(record, manager, reason, actor))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise Refusal(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        except KafkaError as error:
            raise Refusal(f"Kafka does not answer, {record} is not erased: run `mailiu up` ({error})") from error
        print(f"{record} is erased" if had else f"{record} is erased; nobody had recorded who it was")


ONE_PERSON = """
WITH survivors AS (SELECT survivor FROM aliases WHERE resident = {resident:String} UNION ALL SELECT {resident:String})
SELECT resident FROM aliases WHERE survivor IN (SELECT survivor FROM survivors)
UNION DISTINCT SELECT survivor FROM survivors
"""
MANAGERS = (
    "SELECT resident, institution FROM residents WHERE resident IN {residents:Array(String)} AND institution != ''"
)


def _records(resident: str) -> dict[str, str]:
    """Every record of the person, by id, with the institution that manages it."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from infra.clients import clickhouse

    try:
        with clickhouse() as client:
            records = sorted(row[0] for row in client.query(ONE_PERSON, {"resident": resident}).result_rows)
            rows = client.query(MANAGERS, {"residents": records}).result_rows
    except (ClickHouseError, OSError) as error:
        raise Refusal("ClickHouse does not answer: run `mailiu up`, or say --institution") from error
    managers: dict[str, str] = {str(record): str(manager) for record, manager in rows}
    if not managers:
        raise Refusal(f"no institution is known to manage {resident}: say --institution")
    return {record: managers.get(record) or next(iter(managers.values())) for record in records}
