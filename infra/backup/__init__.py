"""Backup and restore: the log as Kafka holds it, and what of the home cannot be made anew.

A backup is a folder::

    manifest.json                     what there is, up to which offsets, with the checksum of every file
    log/events/3/000000050000.parquet records of one partition, from that offset on, zstd inside
    home/secrets/rejected.zst         files of MAILIU_HOME; sealed under a passphrase where one is given

Tables are not in it. They are made anew from the log, which takes minutes, fits every version of ClickHouse and of the
tables' definitions, and is what `mailiu verify` compares with anyway. Only what Kafka itself has forgotten (refusals
after 90 days, compacted bindings) is read from the table `log`, which remembers it.
"""
