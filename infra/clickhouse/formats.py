"""Formats: which can be streamed, their media types, and which statement carries data in the request's body."""

import re
from typing import NamedTuple

SELF_CONTAINED = frozenset(
    {
        "native", "tabseparated", "tsv", "tabseparatedraw", "tsvraw", "raw", "csv", "rowbinary", "jsoneachrow",
        "jsonlines", "ndjson", "jsonstringseachrow", "jsoncompacteachrow", "jsoncompactstringseachrow",
        "lineasstring", "tskv", "msgpack", "bsoneachrow",
    }
)  # fmt: skip
"""Formats whose blocks can follow one another; in the others a result has a beginning and an end."""

MEDIA_TYPES = (
    (re.compile("json.*eachrow|jsonlines|ndjson"), "application/x-ndjson; charset=UTF-8"),
    (re.compile("json"), "application/json; charset=UTF-8"),
    (re.compile("csv"), "text/csv; charset=UTF-8; header=absent"),
    (re.compile("tabseparated|tsv"), "text/tab-separated-values; charset=UTF-8"),
    (re.compile("xml"), "application/xml; charset=UTF-8"),
    (re.compile("native|rowbinary|msgpack|bson|arrow|parquet|orc|avro|npy"), "application/octet-stream"),
)

_GAP = r"(?:\s|--[^\n]*(?:\n|\Z)|\#[ !][^\n]*(?:\n|\Z)|/\*.*?\*/)"
_QUOTED = r"`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
INSERT = re.compile(
    rf"""^{_GAP}*INSERT{_GAP}+INTO{_GAP}+(?P<target>(?:{_QUOTED}|[^`"';])*?){_GAP}
    (?:SETTINGS{_GAP}+(?P<settings>(?:{_QUOTED}|[^`"';])*?){_GAP})?
    FORMAT{_GAP}+(?P<format>\w+)[ \t\r]*;?(?:\n|(?=\s)|\Z)""".encode(),
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_FORMAT_AT_END = re.compile(r"\bFORMAT\s+(\w+)\s*(?:SETTINGS\b[^;]*)?;?\s*\Z", re.IGNORECASE)
_SELECT = re.compile(rf"(?:{_GAP}|\()*(?:SELECT|WITH)\b", re.IGNORECASE | re.DOTALL)
_INPUT = re.compile(rf"{_GAP}*INSERT\b.*\bSELECT\b.*\binput{_GAP}*\(.*\bFORMAT\b", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"--|/\*|#")
_TOKENS = re.compile(rf"{_GAP}+|({_QUOTED}|\w+|.)", re.DOTALL)


class Insert(NamedTuple):
    """An INSERT whose data follow in the request's body, in one of ClickHouse's formats."""

    target: str
    settings: str
    format: str

    def reading(self, path: str) -> str:
        """The statement that takes the data from a file of ours."""
        settings = f"\nSETTINGS {self.settings}" if self.settings else ""
        return f"INSERT INTO {self.target}\nFROM INFILE '{path}' COMPRESSION 'none'{settings}\nFORMAT {self.format}"


def insert_in(head: bytes) -> tuple[Insert, bytes] | None:
    """The INSERT at the beginning of a request's text and what follows it; None when it is another statement."""
    match = INSERT.match(head)
    if match is None or re.search(rb"\b(?:SELECT|INFILE|FROM)\b", match["target"], re.IGNORECASE):
        return None
    parts = (match["target"], match["settings"] or b"", match["format"])
    return Insert(*(part.decode(errors="replace").strip() for part in parts)), head[match.end() :]


def format_of(sql: str, default: str) -> str:
    """The format that a statement's result will have."""
    if "format" not in sql.lower():
        return default
    if not _COMMENT.search(sql) and (match := _FORMAT_AT_END.search(sql)):
        return match[1]
    words = [text for text in _TOKENS.findall(sql) if text]
    at = next((i for i in range(len(words) - 2, -1, -1) if words[i].upper() == "FORMAT"), None)
    return words[at + 1] if at is not None and re.fullmatch(r"\w+", words[at + 1]) else default


def is_select(sql: str) -> bool:
    """Whether a statement is a query proper, the only kind whose result the engine gives block by block."""
    return _SELECT.match(sql) is not None


def takes_input(sql: str) -> bool:
    """Whether an INSERT SELECT wants its rows from the request's body; the engine would silently take none."""
    return _INPUT.match(sql) is not None


def self_contained(format: str) -> bool:
    """Whether a result in this format can be sent block by block."""
    return format.lower() in SELF_CONTAINED


def media_type(format: str) -> str:
    """The Content-Type of a result."""
    for pattern, media in MEDIA_TYPES:
        if pattern.match(format.lower()):
            return media
    return "text/plain; charset=UTF-8"
