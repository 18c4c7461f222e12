"""How settling is cut up."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from consumers.clickhouse.portions import Portion, portions

DAY = date(2026, 3, 1)


def no_days(merchant: str) -> list[tuple[date, int]]:
    raise AssertionError(f"asked for the days of {merchant}")


def test_nothing_is_no_portion_and_little_is_one_without_bounds() -> None:
    assert portions([], no_days, 10) == []
    assert portions([("a", 4), ("b", 6)], no_days, 10) == [Portion(rows=10)]


def test_merchants_are_taken_together_up_to_the_limit() -> None:
    assert portions([("a", 4), ("b", 7), ("c", 3)], no_days, 10) == [
        Portion(None, "b", rows=4),
        Portion("b", None, rows=10),
    ]


def test_a_large_merchant_is_cut_along_its_days() -> None:
    days = [(DAY, 6), (DAY.replace(day=2), 5), (DAY.replace(day=9), 20)]
    assert portions([("a", 1), ("b", 31), ("c", 1)], lambda merchant: days, 11) == [
        Portion(None, "b", rows=1),
        Portion("b", "c", None, DAY.replace(day=9), 11),
        Portion("b", "c", DAY.replace(day=9), None, 20),
        Portion("c", None, rows=1),
    ]


def test_the_condition_has_the_bounds_that_there_are() -> None:
    assert (Portion().condition("minute"), Portion().parameters()) == ("1", {})
    portion = Portion("b", "c", DAY, None)
    assert portion.condition("hour") == (
        "merchant_id >= {merchant_from:String} AND merchant_id < {merchant_before:String} "
        "AND toDate(hour) >= {day_from:Date}"
    )
    assert portion.parameters() == {"merchant_from": "b", "merchant_before": "c", "day_from": DAY}


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.dictionaries(st.integers(1, 28), st.integers(1, 9))), st.data())
def test_each_merchant_and_day_is_in_one_portion(rows: dict[str, dict[int, int]], data: st.DataObject) -> None:
    limit = data.draw(st.integers(1, 30))
    found = portions(
        [(merchant, sum(rows[merchant].values())) for merchant in sorted(rows) if rows[merchant]],
        lambda merchant: [(DAY.replace(day=day), count) for day, count in sorted(rows[merchant].items())],
        limit,
    )
    for merchant in "abcdefgh" if found else "":
        for day in range(1, 29):
            at = DAY.replace(day=day)
            inside = [
                portion
                for portion in found
                if (portion.merchant_from or "") <= merchant < (portion.merchant_before or "~")
                and (portion.day_from or date.min) <= at < (portion.day_before or date.max)
            ]
            assert len(inside) == 1
    assert all(portion.rows <= max(limit, 9) for portion in found)
    assert sum(portion.rows for portion in found) == sum(sum(days.values()) for days in rows.values())
