"""`mailiu erase`: destroy what says who a resident is; what was measured and counted stays."""

from typing import Annotated

import typer

from infra.cli.errors import Refusal


def erase(
    resident: Annotated[str, typer.Argument(help="The resident's id.")],
    institution: Annotated[
        str | None,
        typer.Option(help="Who answers for it; default: the institution that manages the resident."),
    ] = None,
    reason: Annotated[str, typer.Option(help="requested, retention-ended or recorded-by-mistake.")] = "requested",
    actor: Annotated[str, typer.Option(help="Who does it; the log and the audit trail name them.")] = "operator",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Destroy a resident's key, for ever: name, ID number, phone and contacts can no longer be read, by anybody.

    Readings, alerts and statistics stay, under the pseudonym. Copies of the vault still hold the key until they are
    destroyed or restored (a restore erases again what the log says is erased).
    """
    import asyncio

    from aiokafka.errors import KafkaError
    from pydantic import ValidationError

    from infra.vault.erasure import destroy

    institution = institution or _manager(resident)
    if not yes:
        typer.confirm(f"Destroy the key of {resident}? Nobody will be able to read who this was", abort=True)
    try:
        had = asyncio.run(destroy(resident, institution, reason, actor))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise Refusal(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except KafkaError as error:
        raise Refusal(f"Kafka does not answer, nothing is erased: run `mailiu up` ({error})") from error
    print(f"{resident} is erased" if had else f"{resident} is erased; nobody had recorded who it was")


def _manager(resident: str) -> str:
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from infra.clients import clickhouse

    try:
        with clickhouse() as client:
            sql = "SELECT institution FROM residents WHERE resident = {resident:String} AND institution != ''"
            rows = client.query(sql, {"resident": resident}).result_rows
    except (ClickHouseError, OSError) as error:
        raise Refusal("ClickHouse does not answer: run `mailiu up`, or say --institution") from error
    if not rows:
        raise Refusal(f"no institution is known to manage {resident}: say --institution")
    return str(rows[0][0])
