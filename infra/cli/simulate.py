"""`mailiu simulate`: a simulated district, to a file or live, and its score."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from infra.cli.errors import Refusal

simulate = typer.Typer(
    add_completion=False, invoke_without_command=True, help="Simulate a district, or score the rules against its truth."
)
Processes = Annotated[int, typer.Option(min=1, help="Processes that work at once.")]


@simulate.callback()
def run(
    context: typer.Context,
    residents: Annotated[int, typer.Option(min=1, help="Residents of the district, of all ages.")] = 2000,
    days: Annotated[int, typer.Option(min=1, help="Days to simulate.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 1,
    start: Annotated[str, typer.Option(help="First day; a live run starts on the clock's day.")] = "2025-03-03",
    out: Annotated[Path | None, typer.Option(help="Write events here: NDJSON, compressed if it ends in .zst.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Write the hidden truth here; default: beside OUT.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Live it on the running Mailiu, over MQTT and REST.")] = False,
    clinicians: Annotated[bool, typer.Option(help="Live: simulated clinicians take and close alerts.")] = True,
    processes: Processes = 2,
) -> None:
    """Simulate a district of residents with their devices, care, faults and true crises.

    With --out, to a file that `mailiu replay` and `mailiu simulate score` take; with --live, over real MQTT and REST
    at the speed of MAILIU_CLOCK. The hidden truth goes beside it, and never into the log.
    """
    if context.invoked_subcommand is not None:
        return
    if (out is None) != live:
        raise Refusal("say where to, one of: --out FILE, --live")
    try:
        first = date.fromisoformat(start)
    except ValueError as error:
        raise Refusal(f"--start is {start!r}: a day like 2025-03-03 is needed") from error
    for path in (out, truth):
        if path is not None and not path.parent.is_dir():
            raise Refusal(f"there is no folder {path.parent}")
    if out is None:
        _live(residents, days, seed, truth, clinicians)
        return
    _to_file(residents, days, seed, first, out, truth or _beside(out), processes)


def _beside(out: Path) -> Path:
    name = out.name.removesuffix(".zst").removesuffix(".ndjson")
    return out.with_name(f"{name}.truth.ndjson" + (".zst" if out.suffix == ".zst" else ""))


def _to_file(residents: int, days: int, seed: int, first: date, out: Path, truth: Path, processes: int) -> None:
    import time

    import orjson
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    from analytics.simulator.district import simulate as district_of
    from infra.simulate.log_file import sink, write

    console = Console(stderr=True, highlight=False)
    began = time.monotonic()
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("people and what happens to them", total=None)
        district = district_of(residents, days, seed, first)
        total = len(district.care) + len(district.deliveries)
        progress.update(task, description="through the gate", total=total)
        written = write(district, out, processes, lambda n: progress.advance(task, n))
        progress.update(task, description="the truth", total=None)
        with sink(truth) as file:
            for line in district.truth():
                file.write(orjson.dumps(line) + b"\n")
    took = time.monotonic() - began
    console.print(
        f"{written.events:,} events of {residents:,} residents, {district.monitored:,} of whom measure at home, in "
        f"{days} days: {out} ({written.events / took:,.0f} events/s)"
    )
    if written.refused:
        told = ", ".join(f"{count:,} {reason}" for reason, count in written.refused.most_common())
        console.print(f"refused by the gate, as in the field: {told}")
    console.print(f"the truth behind them: {truth}")


def _live(residents: int, days: int, seed: int, truth: Path | None, clinicians: bool) -> None:
    import asyncio
    import signal

    import orjson
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    from analytics.simulator.district import simulate as district_of
    from infra.settings import settings
    from infra.simulate.live import Live, Unreachable, first_day
    from infra.simulate.log_file import sink

    console = Console(stderr=True, highlight=False)
    district = district_of(residents, days, seed, first_day())
    truth = truth or settings().home / f"simulate-{seed}.truth.ndjson"
    with sink(truth) as file:
        for line in district.truth():
            file.write(orjson.dumps(line) + b"\n")
    console.print(
        f"{residents:,} residents, {district.monitored:,} measure at home; {days} days from {district.lives.start};"
        f" the truth: {truth}"
    )
    lived = Live(district, clinicians)

    async def until_over(advance: Any) -> None:
        stop = asyncio.Event()
        for which in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(which, stop.set)
        await lived.run(stop, advance)

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f} of {task.total:,.0f}")
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("registering", total=len(district.care) + len(district.deliveries))

        def advance(count: int, now: Any) -> None:
            progress.update(task, advance=count, description=f"{now.astimezone(settings().zone):%Y-%m-%d %H:%M}")

        try:
            asyncio.run(until_over(advance))
        except Unreachable as error:
            raise Refusal(str(error)) from error
    counts = lived.counts + lived.receipts + (lived.clinicians.counts if lived.clinicians else type(lived.counts)())
    console.print("\n".join(f"{count:9,} {what}" for what, count in sorted(counts.items())))


@simulate.command("score")
def score(
    truth: Annotated[Path, typer.Argument(help="The truth that `mailiu simulate` wrote.")],
    log: Annotated[Path | None, typer.Argument(help="The events; without them the running Mailiu is scored.")] = None,
    processes: Processes = 2,
    tick_minutes: Annotated[int, typer.Option(min=1, help="Minutes between ticks in a fold of LOG.")] = 5,
    clinicians: Annotated[bool, typer.Option(help="Simulated clinicians take and close alerts in a fold.")] = True,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """How the rules do against the truth: sensitivity, false alarms, delay, hand-work, automated share.

    With LOG the events are folded here, without any server; without it, the alerts that the running Mailiu serves are
    scored. docs/simulator.md defines every figure.
    """
    import orjson

    from analytics.simulator.score import Truth
    from analytics.simulator.score import score as scored
    from infra.simulate.fold import fold, read_truth
    from infra.simulate.table import show

    for path in (truth, log):
        if path is not None and not path.is_file():
            raise Refusal(f"there is no file {path}")
    try:
        told = Truth.read(read_truth(truth))
    except (ValueError, KeyError) as error:
        raise Refusal(f"{truth}: {error}") from error
    cost: dict[str, Any] = {}
    if log is not None:
        try:
            folded = fold(log, told.district["end"], processes, tick_minutes, clinicians)
        except (KeyError, TypeError, orjson.JSONDecodeError) as error:
            raise Refusal(f"{log} is no file of events from `mailiu simulate`: {error}") from error
        alerts = list(folded.alerts.values())
        cost = {
            "events": folded.events, "acts": folded.acts, "notices": folded.notices,
            "events_per_cpu_second": folded.events / folded.cpu, "state_bytes_median": folded.median_bytes,
            "unfoldable": len(folded.unfoldable),
        }  # fmt: skip
    else:
        from infra.simulate.served import alerts_of

        alerts = alerts_of(told.district["prefix"])
    result = scored(told, alerts) | ({"fold": cost} if cost else {})
    if json:
        print(orjson.dumps(result, option=orjson.OPT_INDENT_2).decode())
    else:
        show(result)
