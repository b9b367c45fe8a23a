"""The ClickHouse schema as numbered `.sql` files, the writer that mirrors the log, rebuild and verify."""
