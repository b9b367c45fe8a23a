"""The settings of a request: all for `mailiu`; for an analyst a few, and limits that can be lowered, never raised."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from infra.clickhouse.config import GIB, MIB
from infra.clickhouse.errors import Refused

ANALYST_LIMITS = {
    "max_execution_time": Decimal(30),  # s
    "max_memory_usage": Decimal(GIB),  # bytes
    "max_result_rows": Decimal(1_000_000),
    "max_result_bytes": Decimal(256 * MIB),
    "max_threads": Decimal(1),
}
"""Limits of an analyst's statement; the request may lower them."""

ANALYST_FIXED = {
    "readonly": "1",
    "result_overflow_mode": "throw",
    "timeout_overflow_mode": "throw",
    "max_bytes_before_external_group_by": str(GIB // 2),
    "max_bytes_before_external_sort": str(GIB // 2),
    "max_temporary_data_on_disk_size_for_query": str(2 * GIB),
    "allow_introspection_functions": "0",
    # `comment != ''` would read the column's length alone, for which it asks no right to the column.
    "optimize_functions_to_subcolumns": "0",
    "async_insert": "0",  # ClickHouse's JDBC driver always sends it
}

ANALYST_SETTINGS = re.compile(
    r"output_format_json_\w+|output_format_native_\w+|output_format_arrow_\w+|output_format_parquet_\w+"
    r"|output_format_pretty_\w+|output_format_csv_\w+|output_format_tsv_\w+|date_time_output_format|session_timezone"
    r"|join_use_nulls|extremes|prefer_column_name_to_alias"
)
"""Other settings an analyst's request may carry: how the result looks."""


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
