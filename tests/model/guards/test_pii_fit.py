from __future__ import annotations

import pytest

from model.guards.fit import pii as fit
from model.guards.pii import Span

FOUND = (Span("name", 10, 20),)


@pytest.mark.parametrize(
    ("start", "end", "kind", "hit"),
    [
        (10, 20, "name", True),
        (10, 20, "address", False),
        (10, 20, None, True),
        (15, 25, "name", True),
        (16, 25, "name", False),
        (0, 10, None, False),
    ],
)
def test_a_span_is_found_where_one_covers_half_of_it(start: int, end: int, kind: str | None, hit: bool) -> None:
    assert fit.covers(FOUND, start, end, kind) is hit


def test_figures_count_by_entity_and_by_kind() -> None:
    row = {
        "spans": [
            {"entity_type": "PERSON", "start_position": 10, "end_position": 20},
            {"entity_type": "PERSON", "start_position": 30, "end_position": 40},
            {"entity_type": "ORGANIZATION", "start_position": 50, "end_position": 60},
        ]
    }
    found = [Span("name", 8, 20), Span("phone", 30, 40), Span("name", 50, 60)]
    figures = fit.compare([found], [row])
    assert figures.recall("PERSON") == 0.5
    assert figures.covered["PERSON"] == 2
    assert figures.precision("name") == 0.5
    assert figures.precision("phone") == 0.0
    assert "ORGANIZATION" not in figures.gold
