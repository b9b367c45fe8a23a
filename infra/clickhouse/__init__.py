"""ClickHouse on one machine: the engine (chDB) in a process of its own, served on ClickHouse's HTTP interface.

Clients speak to it exactly as to a ClickHouse server; `MAILIU_CLICKHOUSE` names a server instead.
"""
