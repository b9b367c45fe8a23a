"""`mailiu backtest`: what another version of a rule or score would have done over the log, before it is activated."""

from datetime import datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.errors import Refusal

if TYPE_CHECKING:
    from infra.backtest import Backtest

SHOWN = 20  #: people listed on a terminal


def backtest(
    rule: Annotated[
        str, typer.Option(help="NAME@VERSION of a released rule or score, or the TOML file of one that is not yet.")
    ],
    approved: Annotated[bool, typer.Option(help="As if every institution had approved its (M) limits.")] = False,
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Count from this day on.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object, with every person.")] = False,
) -> None:
    """How many alerts and tasks a version would have made over the log, and about whom; needs no activation.

    Folds `events` twice in memory, as it is and with the version in force throughout. Writes and sends nothing.
    """
    import asyncio
    from dataclasses import replace

    from aiokafka.errors import KafkaError

    from infra.backtest import TRIED, over_the_log
    from infra.cli.progress import progress
    from infra.settings import settings
    from streams.trial import Trial

    name, versions, tried = _draft(Path(rule)) if rule.endswith(".toml") else _find(rule)
    if approved and hasattr(tried, "judged"):
        tried = replace(tried, judged=frozenset())
    from_day = datetime.combine(since, time(), settings().zone).timestamp() * 1000 if since else 0
    try:
        with progress("both folds") as tell:
            made = asyncio.run(over_the_log(Trial(name, versions, tried), round(from_day), tell))
    except (KafkaError, OSError) as error:
        raise Refusal(f"the log cannot be read: {error}") from error
    _show(made, name, tried.version, json)
    if failed := made.made[TRIED].unfoldable:
        raise Refusal(f"{len(failed):,} events cannot be folded with it; the first: {failed[0]}")


def _find(text: str) -> tuple[str, dict[int, Any], Any]:
    """Name, released versions and the one meant by NAME@VERSION."""
    from streams import rules
    from streams.scores import model

    name, _, version = text.partition("@")
    number = version.removeprefix("v")
    if not number.isdigit():
        raise Refusal(f"--rule is {text!r}: NAME@VERSION is needed, like bp-sustained-high@v2, or a TOML file")
    versions: dict[int, Any] | None = rules.released().get(name) or model.released().get(name)
    if versions is None:
        raise Refusal(
            f"there is no rule or score {name!r}; there are {', '.join([*rules.released(), *model.released()])}"
        )
    if int(number) not in versions:
        raise Refusal(f"{name} has no version {number}; it has {', '.join(map(str, sorted(versions)))}")
    return name, versions, versions[int(number)]


def _draft(path: Path) -> tuple[str, dict[int, Any], Any]:
    """A rule from a file; it must have every limit that the released version has, for the code reads them by name."""
    import tomllib

    from streams import rules

    try:
        draft = rules.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise Refusal(f"{path} is no rule: {error!r}") from error
    versions = rules.released().get(draft.rule)
    if versions is None:
        raise Refusal(f"{path}: there is no rule {draft.rule!r} whose code could use it")
    if missing := versions[max(versions)].limits.keys() - draft.limits.keys():
        raise Refusal(f"{path} lacks limits that the rule's code reads: {', '.join(sorted(missing))}")
    return draft.rule, versions, draft


def _show(made: "Backtest", name: str, version: int, json: bool) -> None:
    from infra.backtest import NOW, TRIED, counts, people
    from schemas.envelope import from_milliseconds

    rows, concerned = counts(made), people(made)
    if json:
        import orjson

        result: dict[str, Any] = {
            "rule": name, "version": version, "events": made.events, "until": from_milliseconds(made.until),
            "unfoldable": {which: len(made.made[which].unfoldable) for which in (NOW, TRIED)},
            "counts": rows,
            "people": [
                {
                    "resident": one.resident, "institution": one.institution, "change": one.change,
                    "alerts": dict(zip((NOW, TRIED), one.alerts, strict=True)),
                    "highest": dict(zip((NOW, TRIED), one.highest, strict=True)),
                    "tasks": dict(zip((NOW, TRIED), one.tasks, strict=True)),
                    "scores": {score: dict(zip((NOW, TRIED), said, strict=True)) for score, said in one.scores.items()},
                }
                for one in concerned
            ],
        }  # fmt: skip
        print(orjson.dumps(result, option=orjson.OPT_INDENT_2).decode())
        return
    from rich.console import Console
    from rich.table import Column, Table

    console = Console(highlight=False)
    console.print(
        f"{made.events:,} events until {from_milliseconds(made.until)[:10]}, as they are and with {name}@v{version}"
    )
    table = Table("", "severity", "now", f"with v{version}", "the same", box=None)
    for row in rows:
        numbers = (f"{row[which]:,}" for which in (NOW, TRIED, "same"))
        table.add_row(f"{row['kind']} {row['what']}", row["severity"] or "", *numbers)
    console.print(table)
    told = {change: sum(one.change == change for one in concerned) for change in ("new", "gone", "other")}
    console.print(
        f"another answer for {len(concerned):,} people: {told['new']:,} whom nothing concerned, {told['gone']:,} whom"
        f" nothing concerns any more, {told['other']:,} others"
    )
    whole = Column("resident", no_wrap=True)  # an id is copied from here: never on two lines
    listed = Table(whole, "institution", "alerts now", "with it", "tasks now", "with it", "scores", box=None)
    for one in concerned[:SHOWN]:
        alerts = [f"{n} {highest or ''}" for n, highest in zip(one.alerts, one.highest, strict=True)]
        listed.add_row(one.resident, one.institution, *alerts, *map(str, one.tasks), ", ".join(one.scores))
    if concerned:
        console.print(listed)
    if len(concerned) > SHOWN:
        console.print(f"… and {len(concerned) - SHOWN:,} more: --json names them all")
