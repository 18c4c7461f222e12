"""What a migration file says, and what is still to be applied."""

from __future__ import annotations

import re

import pytest

from consumers.clickhouse.errors import MigrationDrift
from consumers.clickhouse.migrate import Applied, Migration, migrations, pending, statements

ONE, TWO = Migration(1, "one", "SELECT 1;"), Migration(2, "two", "SELECT 2;")


def done(*those: Migration) -> dict[int, Applied]:
    return {each.version: Applied(each.version, each.name, each.sha256) for each in those}


def test_statements_end_with_a_semicolon_at_the_end_of_a_line() -> None:
    table = "CREATE TABLE a\n(\n    x String COMMENT 'one; two'\n)\nORDER BY x"
    sql = f"-- about; this\n{table};\n\n  \nSELECT ';' ;  \nSELECT 2"
    assert statements(sql) == [table, "SELECT ';'", "SELECT 2"]
    assert statements("") == []


def test_our_files_are_numbered_without_a_gap() -> None:
    ours = migrations()
    assert [migration.version for migration in ours] == list(range(1, len(ours) + 1))
    assert ours[0].file == "0001_events.sql"


def test_no_file_names_a_database_or_would_fail_on_a_second_run() -> None:
    for migration in migrations():
        for statement in statements(migration.sql):
            head = " ".join(statement.split()[:9])
            assert re.match(
                r"CREATE (TABLE IF NOT EXISTS|OR REPLACE VIEW) |"
                r"ALTER TABLE \w+ (ADD (COLUMN|INDEX) IF NOT EXISTS|MODIFY|MATERIALIZE INDEX) ",
                head,
            ), head
            assert "." not in head


def test_what_is_applied_is_not_pending() -> None:
    assert pending([ONE, TWO], {}) == [ONE, TWO]
    assert pending([ONE, TWO], done(ONE)) == [TWO]
    assert pending([ONE, TWO], done(ONE, TWO)) == []


def test_a_changed_file_is_drift() -> None:
    with pytest.raises(MigrationDrift, match=r"0001_one\.sql was changed after it was applied"):
        pending([Migration(1, "one", "SELECT 3;"), TWO], done(ONE))


def test_a_migration_that_we_do_not_have_is_drift() -> None:
    with pytest.raises(MigrationDrift, match="0002_two"):
        pending([ONE], done(ONE, TWO))
