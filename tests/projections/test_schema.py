"""What is declared is what is applied, described for those who read it, and applied once."""

import re

import pytest

from projections import migrate, rebuild
from projections.schema import declared, projection
from schemas.registry import DERIVED, EVENTS, UPCASTERS
from tests.projections.play import Database

pytestmark = pytest.mark.stack


def shape(database: Database) -> dict[str, str]:
    """How every table and view was made, by name."""
    query = "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase()"
    return dict(database.client.query(query).result_rows)


def test_a_second_apply_does_nothing(database: Database) -> None:
    query = "SELECT name, uuid, metadata_modification_time FROM system.tables WHERE database = currentDatabase()"
    before = sorted(database.client.query(query).result_rows)
    assert migrate.apply() == []
    assert sorted(database.client.query(query).result_rows) == before


def test_what_is_applied_is_what_is_declared(database: Database) -> None:
    applied = shape(database)
    for each in declared():
        for statement in [*each.fixed, *each.passing, *each.tables, *each.feeds, *each.served]:
            made = applied.pop(statement.name)
            comments = dict(re.findall(r"^    (\w+) .*COMMENT '((?:[^']|'')*)'", statement.text, flags=re.M))
            for column, comment in comments.items():
                assert re.search(
                    rf"`{column}` .*COMMENT '{re.escape(comment.replace(chr(39) * 2, chr(92) + chr(39)))}'", made
                )
            if statement.kind == "TABLE":
                engine = re.search(r"ENGINE = (\w+)", statement.text)
                assert engine is None or f"ENGINE = {engine[1]}" in made.replace("`", "")
    assert applied == {}, "a table that no file declares"


def test_a_changed_definition_is_rebuilt_and_a_tampered_view_is_served_anew(new: Database) -> None:
    reading = projection("reading")
    new.client.command("ALTER TABLE readings_v1 MODIFY COMMENT 'definition of-yesterday'")
    new.client.command("CREATE OR REPLACE VIEW follow_ups AS SELECT 1 AS one")
    assert sorted(migrate.apply()) == ["reading built as version 2", "view follow_ups"]
    assert rebuild.versions(new.client, reading) == {2}
    assert migrate.apply() == []
    as_declared = shape(new)
    with Database.new("declared") as fresh:
        declared_shape = shape(fresh)
    versions = {name.replace("_v2", "_v1") for name in as_declared}
    assert versions == set(declared_shape)

    def plain(text: str) -> str:
        return re.sub(r"version [0-9]+|_v[0-9]+|\bt_\w+\.", "", text)

    for name, text in as_declared.items():
        assert plain(text) == plain(declared_shape[name.replace("_v2", "_v1")])


def test_every_column_says_what_it_is(database: Database) -> None:
    rows = database.client.query(
        "SELECT table, name FROM system.columns"
        " WHERE database = currentDatabase() AND comment = '' AND table NOT LIKE '%_mv'"
    ).result_rows
    assert rows == []


def test_every_event_type_is_read_by_a_view() -> None:
    text = "\n".join(s.select for p in declared() for s in [*p.feeds, *p.afterwards])
    named = set(re.findall(r"'(mailiu\.[a-z.-]+\.v[0-9]+)'", text))
    timeline = ("monitoring", "maternal", "alert", "clock", "resident", "chronic", "device", "task")
    between_fold_and_carrier = "mailiu.resident.carry-requested.v1"
    for type in (EVENTS | DERIVED).keys() - {between_fold_and_carrier}:
        assert type in named or (type.split(".")[1] in timeline and type in EVENTS), type
    assert named <= EVENTS.keys() | DERIVED.keys(), "a view names a type that does not exist"
    for old, (new, _) in UPCASTERS.items():
        for feed in (f for p in declared() for f in p.feeds):
            assert (old in feed.select) == (new in feed.select), f"{feed.name} reads one version and not the other"
