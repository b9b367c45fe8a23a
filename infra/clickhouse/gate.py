"""What a user may run. One statement a request, always; an analyst only reads, only our tables, within limits.

The engine runs every statement of a text one after another, so nothing that its own parser does not see as exactly one
statement is passed on. For an analyst the wall has several layers, since each of them alone was found to leak:

* the role (see `infra.clickhouse.config`): SELECT and SHOW on our database, without the log's own tables;
* ``readonly = 1``: no setting can be changed by the statement itself;
* this gate: the statement that runs is the one that the engine's formatter wrote out from what its parser understood
  (no comments, no other spelling), it is of the class READ_ONLY (`INTO OUTFILE`, `SET ROLE`, `KILL` and the like are
  not), begins with a known word, and names no system table and no table function but those listed here;
* settings of the request: a few, and limits can be lowered, never raised.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from infra.clickhouse.config import GIB, MIB
from infra.clickhouse.engine import Connection, Engine
from infra.clickhouse.errors import Refused

ANALYST_LIMITS = {
    "max_execution_time": Decimal(30),  # s
    "max_memory_usage": Decimal(GIB),  # bytes
    "max_result_rows": Decimal(1_000_000),
    "max_result_bytes": Decimal(512 * MIB),
    "max_threads": Decimal(1),
}
"""Limits of an analyst's statement; the request may lower them."""

ANALYST_FIXED = {
    "readonly": "1",
    "result_overflow_mode": "throw",
    "timeout_overflow_mode": "throw",
    "max_bytes_before_external_group_by": str(GIB // 2),
    "max_bytes_before_external_sort": str(GIB // 2),
    "allow_introspection_functions": "0",
}

ANALYST_SETTINGS = re.compile(
    r"output_format_json_\w+|output_format_native_\w+|output_format_arrow_\w+|output_format_parquet_\w+"
    r"|output_format_pretty_\w+|output_format_csv_\w+|output_format_tsv_\w+|date_time_output_format|session_timezone"
    r"|join_use_nulls|extremes|prefer_column_name_to_alias"
)
"""Other settings an analyst's request may carry: how the result looks."""

READABLE_SYSTEM_TABLES = frozenset(
    {
        "one", "numbers", "numbers_mt", "zeros", "zeros_mt", "settings", "databases", "tables", "columns",
        "functions", "formats", "data_type_families", "table_engines", "table_functions", "collations",
        "time_zones", "contributors", "licenses", "keywords", "build_options",
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

TOKEN = re.compile(
    r"""(?P<string>'(?:[^'\\]|\\.|'')*')|(?P<quoted>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")|(?P<word>[^\W\d]\w*)"""
    r"|(?P<other>\d\w*|\S)",
    re.DOTALL,
)
OUTSIDE = re.compile(r"\b(?:IN|OUT)FILE\b", re.IGNORECASE)
QUOTED = re.compile(r"'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.|``)*`|\"(?:[^\"\\]|\\.|\"\")*\"", re.DOTALL)


def settings_of(user: str, given: Mapping[str, str], reading: bool) -> dict[str, str]:
    """The settings a request runs with. ``reading``: it came by GET, which changes nothing (as on a server)."""
    for setting in given:
        if not re.fullmatch(r"[a-z_][a-z0-9_]*", setting):
            raise Refused(115, "UNKNOWN_SETTING", f"Unknown setting {setting[:64]!r}")
    if user == "mailiu":
        return {**given, **({"readonly": "2"} if reading else {})}
    settings = {limit: f"{value:f}" for limit, value in ANALYST_LIMITS.items()}
    for setting, value in given.items():
        if setting in ANALYST_LIMITS:
            settings[setting] = _lowered(setting, value)
        elif ANALYST_SETTINGS.fullmatch(setting):
            settings[setting] = value
        elif ANALYST_FIXED.get(setting) != value:
            raise Refused(164, "READONLY", f"Cannot modify '{setting}' setting in readonly mode")
    return {**settings, **ANALYST_FIXED}


def _lowered(setting: str, text: str) -> str:
    limit = ANALYST_LIMITS[setting]
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(0)
    if not re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,6})?", text) or value <= 0 or value > limit:
        raise Refused(452, "SETTING_CONSTRAINT_VIOLATION", f"Setting {setting} must be above 0 and at most {limit:f}")
    return text


def admit(engine: Engine, connection: Connection, user: str, sql: str, tag: str) -> tuple[str, bool]:
    """The text to run (with ``tag`` before it) and whether it only reads; raises `Refused` or the engine's error."""
    if user != "mailiu":
        sql = connection.canonical(sql)
        _read_only_our_tables(engine, sql)
    count, kind = connection.classify(tag + sql)
    if count == 0:
        connection.canonical(sql)  # gives the engine's own syntax error, and runs nothing
        raise Refused(62, "SYNTAX_ERROR", "Syntax error: this is not one statement")
    if count > 1:
        raise Refused(62, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed)")
    if user != "mailiu" and kind != "READ_ONLY":
        raise Refused(164, "READONLY", f"{user}: Cannot execute query in readonly mode")
    if OUTSIDE.search(sql) and OUTSIDE.search(QUOTED.sub("''", sql)):
        raise Refused(48, "NOT_IMPLEMENTED", "INTO OUTFILE and FROM INFILE are for a client's own files")
    return tag + sql, kind == "READ_ONLY"


def _read_only_our_tables(engine: Engine, canonical: str) -> None:
    """Refuse what the role does not: system tables, table functions that reach outside, names given as parameters."""
    tokens = [(match.lastgroup, match.group()) for match in TOKEN.finditer(canonical)]
    words = [text.upper() for kind, text in tokens if kind == "word"]
    opening = next((text for kind, text in tokens if text != "("), "").upper()
    if opening not in READS and not (opening == "SHOW" and words[1:2] and words[1] in SHOW):
        raise Refused(164, "READONLY", "analyst: Cannot execute query in readonly mode")
    forbidden = engine.table_functions - READABLE_TABLE_FUNCTIONS - SCALAR_TOO
    plain = [_plain(kind, text) for kind, text in tokens]
    for at, text in enumerate(plain):
        following, next_one = plain[at + 1 : at + 2], plain[at + 2 : at + 3]
        if text == "system" and following == ["."] and next_one and next_one[0] not in READABLE_SYSTEM_TABLES:
            raise Refused(497, "ACCESS_DENIED", f"analyst: Not enough privileges to read system.{next_one[0]}")
        if text in forbidden and following == ["("]:
            raise Refused(497, "ACCESS_DENIED", f"analyst: Not enough privileges to use {text}()")
        if text == ":" and following == ["identifier"] and next_one == ["}"]:
            raise Refused(497, "ACCESS_DENIED", "analyst: Not enough privileges to give names as parameters")


def _plain(kind: str | None, text: str) -> str:
    """A token as it is compared: names without quotes, in lower case; a string is never a name."""
    if kind == "string":
        return "''"
    if kind == "quoted":
        return text[1:-1].lower()
    return text.lower()
