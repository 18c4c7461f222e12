"""The queries of docs/tables.md run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from consumers.clickhouse.tables import TABLES
from tests.consumers.harness import World

pytestmark = pytest.mark.integration

TEXT = (Path(__file__).parents[3] / "docs" / "tables.md").read_text(encoding="utf-8")


def test_every_query_of_the_page_runs_and_every_table_and_view_has_one(world: World) -> None:
    queries = re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL)
    for query in queries:
        world.rows(query)
    names = {table.name for table in TABLES} | {
        name for (name,) in world.rows("SHOW TABLES WHERE name NOT LIKE '\\_%'")
    }
    asked = " ".join(queries)
    assert not [name for name in names if not re.search(rf"FROM {name}\b", asked)]
