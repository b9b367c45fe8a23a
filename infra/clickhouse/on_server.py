"""Make the user `analyst` on a ClickHouse server, with the rights it has on the embedded one.

``python -m infra.clickhouse.on_server`` does so as the user `mailiu` of the settings, who must be allowed to manage
users there (in the official image: ``CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT=1``). Calling it again changes nothing.
"""

from infra.clickhouse.config import grants
from infra.clients import clickhouse
from infra.settings import settings


def statements(database: str, password: str) -> list[str]:
    """What makes the user; ``password`` is stored as its hash only."""
    quoted = password.replace("\\", "\\\\").replace("'", "\\'")
    made = ["CREATE USER IF NOT EXISTS analyst", f"ALTER USER analyst IDENTIFIED WITH sha256_password BY '{quoted}'"]
    for grant in grants(database)["analyst"]:
        made.append(f"{grant} {'TO' if grant.startswith('GRANT') else 'FROM'} analyst")
    return made


def run() -> None:
    """Make or mend the user."""
    with clickhouse(database="default") as client:
        client.command(f"CREATE DATABASE IF NOT EXISTS {settings().clickhouse_database}")
        for statement in statements(settings().clickhouse_database, settings().secret("clickhouse-analyst")):
            client.command(statement)


if __name__ == "__main__":
    run()
