"""`mailiu outbox`: what the local outbox sent to whom, for a person at a terminal."""

from typing import Annotated, Any, Literal

import typer


def outbox(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing what is sent, until Ctrl-C.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    language: Annotated[
        Literal["zh", "en", "both"], typer.Option("--language", "-l", help="Language of the texts.")
    ] = "both",
    last: Annotated[int, typer.Option("--last", "-n", min=0, help="Only so many of the latest; 0: all.")] = 0,
) -> None:
    """Read the notices of this home's outbox, oldest first.

    The outbox takes what would go to a message service (MAILIU_NOTICE_WEBHOOK); nothing in it has left this machine.
    """
    import time

    import orjson
    from rich.console import Console

    from streams.sending.channels import outbox_file, read

    path, console, printed = outbox_file(), Console(highlight=False, soft_wrap=True), 0
    first = max(len(read(path)) - last, 0) if last else 0
    while True:
        for line in read(path)[max(printed, first) :]:
            if json:
                print(orjson.dumps(line).decode(), flush=True)
            else:
                console.print(_text(line, language), markup=False)
            printed += 1
        printed = max(printed, first)
        if not follow:
            break
        time.sleep(0.5)
    if not json and not printed and not follow:
        console.print(f"the outbox {path} holds nothing")


WHOM = {
    "resident": ("居民", "resident"), "contact": ("紧急联系人", "emergency contact"), "role": ("值班", "on duty"),
    "staff": ("员工", "staff"),
}  # fmt: skip


def _text(line: dict[str, Any], language: str) -> str:
    to, texts = line["to"], line["text"]
    zh, en = WHOM[to["kind"]]
    whom = f"{to['ref']} {line['person']}" if line.get("person") else to["ref"]
    who = {"zh": f"{zh} {whom}", "en": f"{en} {whom}", "both": f"{zh} {en} {whom}"}[language]
    said = [texts[each] for each in ("zh", "en") if language in (each, "both") and each in texts]
    head = (
        f"{line['time']}  {line['channel']:<6} → {who}  [{line['purpose']}]  {line['resident']} {line['institution']}"
    )
    return "\n    ".join([head, *said])
