"""`mailiu vault`: the keys that say who residents are."""

import typer

from infra.cli.errors import Refusal

vault = typer.Typer(no_args_is_help=True, add_completion=False, help="The keys that say who residents are.")


@vault.command("rotate")
def rotate() -> None:
    """Wrap every key under a new master secret and destroy the old one; processes that run follow by themselves."""
    from infra.vault import vault as opened
    from infra.vault.seal import WrongKey

    try:
        print(f"{opened().rotate():,} keys are wrapped under a new master secret")
    except WrongKey as error:
        raise Refusal(str(error)) from error


@vault.command("rebuild")
def rebuild() -> None:
    """Follow the log from its beginning: after a restore, or when the vault was lost."""
    import asyncio

    from aiokafka.errors import KafkaError

    from infra.vault.rebuild import rebuild as follow

    try:
        counts = asyncio.run(follow())
    except KafkaError as error:
        raise Refusal(f"Kafka does not answer: run `mailiu up` ({error})") from error
    for what in sorted(counts):
        print(f"{counts[what]:,} {what}")
