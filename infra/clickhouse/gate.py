"""What a user may run. One statement a request, always; an analyst only reads, only our tables, within limits.

The engine runs every statement of a text one after another, so nothing that its own parser does not see as exactly one
statement is passed on. For an analyst the wall has several layers, since each of them alone was found to leak:

* the role (see `infra.clickhouse.config`): SELECT and SHOW on our database, without the log's own tables;
* ``readonly = 1``: no setting can be changed by the statement itself;
* this gate: the statement that runs is the one that the engine's formatter wrote out from what its parser understood
  (no comments, no other spelling), it is of the class READ_ONLY (`INTO OUTFILE`, `SET ROLE`, `KILL` and the like are
  not), begins with a known word, and names no system table and no table function but those listed here;
* the request's settings (see `infra.clickhouse.limits`).

`mailiu` may do everything inside the engine, and reaches no file and no other server either: what the role does not
forbid (the engines of tables, the sources of dictionaries, a client's own files) is forbidden here.
"""

import itertools
import re
from collections.abc import Iterator

from infra.clickhouse.config import FREE_TEXT
from infra.clickhouse.engine import Connection, Engine
from infra.clickhouse.errors import Refused

READABLE_SYSTEM_TABLES = frozenset(
    {
        "one", "numbers", "numbers_mt", "zeros", "zeros_mt", "settings", "databases", "tables", "columns",
        "functions", "formats", "data_type_families", "table_engines", "table_functions", "collations",
        "time_zones",  "licenses", "keywords", "build_options",
    }
)  # fmt: skip
READABLE_TABLE_FUNCTIONS = frozenset(
    {
        "numbers", "numbers_mt", "generate_series", "generateseries", "values", "view", "merge",
    }
)  # fmt: skip
SCALAR_TOO = frozenset({"format"})
"""Names of table functions that are scalar functions too (as tables, these need a grant that analysts lack)."""

SHOW = frozenset(
    {
        "CREATE", "TABLES", "DATABASES", "COLUMNS", "FULL", "EXTENDED", "INDEX", "INDEXES", "INDICES", "KEYS",
        "FUNCTIONS",
    }
)  # fmt: skip
READS = frozenset({"SELECT", "WITH", "EXPLAIN", "DESCRIBE", "EXISTS"})

_WRITTEN = "|".join(sorted({column for columns in FREE_TEXT.values() for column in columns}))
PARTS_OF_FREE_TEXT = re.compile(rf"(?:.*\.)?(?:{_WRITTEN})\.(?:null|size\d*)")
"""What the engine keeps beside a text (whether there is one, its length): the role forbids the text, but not these."""

TOKEN = re.compile(
    r"""(?P<string>'(?:[^'\\]|\\.|'')*')|(?P<quoted>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")|(?P<word>[^\W\d]\w*)"""
    r"|(?P<other>\d\w*|\S)",
    re.DOTALL,
)
OUTSIDE = re.compile(r"\b(?:INFILE|OUTFILE|ENGINE|SOURCE)\b", re.IGNORECASE)
ENGINES = re.compile(r"\w*mergetree|memory|null|set|join|\w*log|buffer|merge|dictionary|alias|atomic|materializedview")
SOURCES = frozenset({"clickhouse", "null"})
INSERTS = re.compile(r"\s*INSERT\b", re.IGNORECASE)
INSERT_HEAD = 1 << 16  # characters of an INSERT in which its data begin


def admit(engine: Engine, connection: Connection, user: str, sql: str, tag: str, reading: bool) -> tuple[str, bool]:
    """The text to run (with ``tag`` before it) and whether it only reads; raises `Refused` or the engine's error.

    ``reading``: the request came by GET, which changes nothing.
    """
    if user != "mailiu":
        sql = connection.canonical(tag + sql)
        _only_our_tables(engine, sql)
    elif OUTSIDE.search(sql):
        _inside_the_engine(connection.canonical(sql[:INSERT_HEAD] if INSERTS.match(sql) else sql))
    count, kind = connection.classify(tag + sql)
    if count == 0:
        connection.canonical(tag + sql)  # gives the engine's own syntax error, and runs nothing
        raise Refused(62, "SYNTAX_ERROR", "Syntax error: this is not one statement")
    if count > 1:
        raise Refused(62, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed)")
    if (user != "mailiu" or reading) and kind != "READ_ONLY":
        raise Refused(164, "READONLY", f"{user}: Cannot execute query in readonly mode")
    return tag + sql, kind == "READ_ONLY"


def _only_our_tables(engine: Engine, canonical: str) -> None:
    """Refuse what the role does not: system tables, table functions that reach outside, names given as parameters."""
    words = [text.upper() for kind, text in _tokens(canonical) if kind == "word"]
    opening = next((text for _, text in _tokens(canonical) if text != "("), "").upper()
    if opening not in READS and not (opening == "SHOW" and words[1:2] and words[1] in SHOW):
        raise Refused(164, "READONLY", "analyst: Cannot execute query in readonly mode")
    forbidden = engine.table_functions - READABLE_TABLE_FUNCTIONS - SCALAR_TOO
    for first, second, third in _triples(canonical):
        if first == "system" and second == "." and third not in READABLE_SYSTEM_TABLES:
            raise Refused(497, "ACCESS_DENIED", f"analyst: Not enough privileges to read system.{third}")
        if first in forbidden and second == "(":
            raise Refused(497, "ACCESS_DENIED", f"analyst: Not enough privileges to use {first}()")
        if (first, second, third) == (":", "identifier", "}"):
            raise Refused(497, "ACCESS_DENIED", "analyst: Not enough privileges to give names as parameters")
        if PARTS_OF_FREE_TEXT.fullmatch(first) or PARTS_OF_FREE_TEXT.fullmatch(first + second + third):
            raise Refused(497, "ACCESS_DENIED", "analyst: Not enough privileges to read what people wrote freely")
        if first == "settings" and third == "=":  # of a subquery: readonly does not cover them
            raise Refused(164, "READONLY", f"Cannot modify '{second}' setting in readonly mode")


def _inside_the_engine(canonical: str) -> None:
    """Refuse tables, dictionaries and results that lie in files or on other servers."""
    opening = [text.upper() for kind, text in itertools.islice(_tokens(canonical), 4) if kind == "word"]
    creates = bool({"CREATE", "ATTACH", "REPLACE"} & set(opening[:1]))
    dictionary = "DICTIONARY" in opening
    for first, second, third in _triples(canonical):
        if first in ("infile", "outfile") and second == "''":
            raise Refused(48, "NOT_IMPLEMENTED", "INTO OUTFILE and FROM INFILE are for a client's own files")
        if creates and first == "engine" and second == "=" and not ENGINES.fullmatch(third):
            raise Refused(497, "ACCESS_DENIED", f"Not enough privileges to use the engine {third}")
        if dictionary and first == "source" and second == "(" and third not in SOURCES:
            raise Refused(497, "ACCESS_DENIED", f"Not enough privileges to use the source {third}")


def _tokens(canonical: str) -> Iterator[tuple[str | None, str]]:
    return ((match.lastgroup, match.group()) for match in TOKEN.finditer(canonical))


def _triples(canonical: str) -> Iterator[tuple[str, str, str]]:
    """Each three tokens that follow one another: names without quotes, in lower case; a string is never a name."""
    plain = []
    for kind, text in _tokens(canonical):
        plain.append("''" if kind == "string" else text[1:-1].lower() if kind == "quoted" else text.lower())
    return zip(plain, [*plain[1:], ""], [*plain[2:], "", ""], strict=False)
