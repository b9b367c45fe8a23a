"""Log lines of our own parts: text, or JSON objects a line for a collector; never a person's number in them."""

import logging
import sys
from datetime import UTC, datetime

import orjson

from schemas.private import scrubbed

TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"


class Text(logging.Formatter):
    """A readable line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, personal numbers masked."""
        return scrubbed(super().format(record))


class Json(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, and `error` with its trace."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, personal numbers masked."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname, "logger": record.name, "message": scrubbed(record.getMessage()),
        }  # fmt: skip
        if record.exc_info:
            line["error"] = scrubbed(self.formatException(record.exc_info))
        return orjson.dumps(line).decode()


def handler(form: str) -> logging.Handler:
    """A handler on standard error that writes ``form`` (text or json)."""
    made = logging.StreamHandler(sys.stderr)
    made.setFormatter(Json() if form == "json" else Text(TEXT))
    return made
