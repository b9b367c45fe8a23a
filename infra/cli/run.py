"""`mailiu run` (`make run`): everything, with a small district of cuffs, until Ctrl-C."""

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

COLOURS = {"red": "bold white on red", "orange": "black on dark_orange", "yellow": "black on yellow"}


def run(
    quiet: Annotated[bool, typer.Option(help="Without the district: only serve.")] = False,
    hours: Annotated[float, typer.Option(help="Hours for which the printed token holds.")] = 12,
) -> None:
    """Start everything, let a small district of cuffs publish, show alerts as they come; Ctrl-C stops it all."""
    from rich.console import Console

    from infra.cli.down import down
    from infra.cli.up import up

    console = Console(soft_wrap=True)
    try:
        up(None, timeout=180)
        _greet(console, hours)
        asyncio.run(_serve(console, district=not quiet))
    finally:
        down()


def _greet(console: "Console", hours: float) -> None:
    from api.auth import issue
    from infra.settings import settings

    token = issue("clinician", ["I01", "I02"], hours)
    api = f"http://{settings().api}"
    console.print(
        f"\n[bold]Mailiu 脉流[/bold] serves  (Ctrl-C stops it)\n  API         {api}/docs",
        highlight=False,
        soft_wrap=True,
    )
    console.print(f"  MQTT        {settings().mqtt}, user gateway, password in {settings().home}/secrets/mqtt-gateway")
    console.print(
        f"  ClickHouse  {settings().clickhouse}, user analyst, password in {settings().home}/secrets/clickhouse-analyst"
    )
    console.print(
        f"  Kafka       {settings().kafka}\n\n  A clinician's token for {hours:g} h:", highlight=False, soft_wrap=True
    )
    console.print(f"export TOKEN={token}", highlight=False)
    console.print("\n  Look at, in another terminal:", highlight=False)
    for line in (
        f'curl -s "{api}/v1/alerts?severity=red" -H "Authorization: Bearer $TOKEN"',
        f'curl -sN {api}/v1/alerts/stream -H "Authorization: Bearer $TOKEN"',
        f'curl -s {api}/v1/residents/R-2001 -H "Authorization: Bearer $TOKEN"',
    ):
        console.print(f"  {line}", highlight=False, markup=False)
    console.print()


async def _serve(console: "Console", district: bool) -> None:
    from infra.district import publish

    stop = asyncio.Event()
    for which in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(which, stop.set)
    following = asyncio.create_task(_show_alerts(console))
    await (publish(stop, console) if district else stop.wait())
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following


async def _show_alerts(console: "Console") -> None:
    """Print each alert as the stream brings it; connect again when the API was restarted."""
    import httpx
    import orjson

    from api.auth import issue
    from infra.settings import settings

    headers = {"Authorization": f"Bearer {issue('clinician', ['I01', 'I02'])}"}
    while True:
        with contextlib.suppress(httpx.HTTPError):
            async with (
                httpx.AsyncClient(timeout=httpx.Timeout(10, read=60)) as client,
                client.stream("GET", f"http://{settings().api}/v1/alerts/stream", headers=headers) as response,
            ):
                async for line in response.aiter_lines():
                    if line.startswith("data:"):
                        _show(console, orjson.loads(line[5:]))
        await asyncio.sleep(1)


def _show(console: "Console", alert: dict[str, Any]) -> None:
    severity = alert["severity"]
    title = alert.get("title") or {}
    console.print(
        f"[{COLOURS.get(severity, 'reverse')}] {severity:^9} [/] {alert['change']}: {title.get('zh', alert['rule'])} "
        f"{title.get('en', '')}  [dim]{alert['resident']} · {alert['institution']} · {alert['raised_time']}[/dim]",
        highlight=False,
    )
