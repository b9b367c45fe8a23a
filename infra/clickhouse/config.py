"""The engine's configuration: where its files lie, how little memory it may hold, and the roles of our users.

The engine knows one user, `default`, that nobody can log in as. It has roles and no grants of its own, so that
``SET ROLE`` narrows a connection to what that role may do. No role may reach files, URLs or other servers.
"""

from pathlib import Path
from xml.sax.saxutils import escape

import psutil

MIB = 1 << 20
GIB = 1 << 30

HIDDEN = ("log", "rejected_messages", "unparsed")
"""Tables (by the beginning of their names) that analysts do not see: they hold the log's own text."""

FREE_TEXT = {
    "alert_events": ("comment", "reason"),
    "alerts": ("comment", "reason"),
    "chronic_events": ("reason",),
    "command_events": ("reason",),
    "contact_events": ("note",),
    "examinations": ("text",),
    "history": ("reaction",),
    "notice_events": ("text_zh", "text_en"),
    "reading_remarks": ("text",),
    "round_decisions": ("note",),
    "round_events": ("note",),
    "task_events": ("title",),
    "tasks": ("title",),
    "timeline": ("data",),
}
"""Columns that analysts do not read, through whatever view: people may write a name or a story there."""

VERSIONS = range(1, 201)
"""Of each table with free text, these versions are closed: a rebuild makes the next one while the engine runs."""


def grants(database: str) -> dict[str, list[str]]:
    """The grants of each role; a ClickHouse server takes the same statements."""
    return {
        "mailiu": ["GRANT ALL ON *.*", "REVOKE SOURCES ON *.*"],
        "analyst": [
            f"GRANT SELECT, SHOW ON {database}.*",
            *(f"REVOKE SELECT, SHOW ON {database}.{name}*" for name in HIDDEN),
            *(
                f"REVOKE SELECT({', '.join(columns)}) ON {database}.{table}_v{version}"
                for table, columns in FREE_TEXT.items()
                for version in VERSIONS
            ),
        ],
    }


def memory_limit() -> int:
    """Bytes the engine may use in all: 3 GiB, or half of a small machine's memory."""
    return min(3 * GIB, psutil.virtual_memory().total // 2)


def write(folder: Path, database: str) -> Path:
    """Write the engine's two files into ``folder``; the path of the one that names the other."""
    users = folder / "users.xml"
    config = folder / "config.xml"
    users.write_text(_users(database))
    config.write_text(_config(folder, users))
    return config


def _config(folder: Path, users: Path) -> str:
    values: dict[str, object] = {
        "users_config": users,
        "tmp_path": f"{folder}/tmp/",
        "user_files_path": f"{folder}/user_files/",
        "format_schema_path": f"{folder}/format_schemas/",
        "max_server_memory_usage": memory_limit(),
        "mark_cache_size": 64 * MIB,
        "primary_index_cache_size": 64 * MIB,
        "index_mark_cache_size": 16 * MIB,
        "uncompressed_cache_size": 0,
        "query_condition_cache_size": 16 * MIB,
        "compiled_expression_cache_size": 16 * MIB,
        "vector_similarity_index_cache_size": 0,
        "text_index_tokens_cache_size": 16 * MIB,
        "text_index_header_cache_size": 16 * MIB,
        "text_index_postings_cache_size": 16 * MIB,
        "max_thread_pool_free_size": 16,
        "background_pool_size": 2,
    }
    lines = "".join(f"  <{name}>{escape(str(value))}</{name}>\n" for name, value in values.items())
    # An acknowledged insert is on disk, not only in the page cache.
    durable = "  <merge_tree><fsync_after_insert>1</fsync_after_insert><fsync_part_directory>1</fsync_part_directory></merge_tree>\n"  # noqa: E501
    backups = f"  <backups><allowed_path>{escape(str(folder.parent))}/backups/</allowed_path></backups>\n"
    return f"<clickhouse>\n  <logger><level>none</level></logger>\n{lines}{durable}{backups}</clickhouse>\n"


def _users(database: str) -> str:
    roles = ""
    for role, statements in grants(database).items():
        queries = "".join(f"<query>{escape(statement)}</query>" for statement in statements)
        roles += f"    <{role}><grants>{queries}</grants></{role}>\n"
    granted = "".join(f"<query>GRANT {role}</query>" for role in grants(database))
    return f"""<clickhouse>
  <profiles><default>
    <implicit_select>0</implicit_select><async_insert>0</async_insert><log_queries>0</log_queries>
  </default></profiles>
  <quotas><default/></quotas>
  <roles>
{roles}  </roles>
  <users><default>
    <password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
    <grants>{granted}</grants>
  </default></users>
</clickhouse>
"""
