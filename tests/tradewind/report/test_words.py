from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tradewind.report.charts import time_ticks
from tradewind.report.period import Period
from tradewind.report.words import compared, day, duration, listed, moment, money, percent, plain, points, shortened


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(None, "–"), (0, "0 s"), (0.35, "350 ms"), (2.44, "2.4 s"), (60, "1 min"), (90, "1.5 min"), (7200, "2 h"),
     (12_600, "3.5 h"), (172_800, "2 days")],
)  # fmt: skip
def test_durations(seconds: float | None, told: str) -> None:
    assert duration(seconds) == told


def test_amounts_shares_and_days() -> None:
    assert money(Decimal("1234.5"), "USD") == "1,234.50 USD"
    assert percent(0.1234) == "12.3%"
    assert percent(None) == "–"
    assert day(date(2026, 11, 3)) == "3 November 2026"
    east = timezone(timedelta(hours=8))
    assert moment(datetime(2026, 11, 4, 1, 5, tzinfo=east)) == "3 November 2026, 17:05 UTC"
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"


@pytest.mark.parametrize(
    ("now", "before", "told"),
    [(0, 0, "the same as before"), (3, 0, "up from none before"), (3, 2, "up 50.0% from 2"),
     (Decimal("0.00"), Decimal("1500.50"), "down 100.0% from 1,500.50")],
)  # fmt: skip
def test_changes(now: int | Decimal, before: int | Decimal, told: str) -> None:
    assert compared(now, before) == told


def test_points() -> None:
    assert points(0.3, 0.25) == "up 5.0 points"
    assert points(0.25, 0.3) == "down 5.0 points"
    assert points(0.25001, 0.25) == "the same as before"
    assert points(0.2, None) == ""


def test_plain_text_is_one_line_without_what_steers() -> None:
    assert plain("a\n\u202eb\x1b[2J") == "a b [2J"
    assert plain("\x00") == "–"


@given(st.text(max_size=80), st.integers(8, 40))
def test_shortened_fits_and_keeps_both_ends(text: str, width: int) -> None:
    short = shortened(text, width)
    if short != text:
        head, _, tail = short.partition("…")
        assert text.startswith(head)
        assert text.endswith(tail)
        assert len(short) <= width


@given(st.lists(st.floats(0, 3e7), max_size=20))
@example([3.6e-101, 2.3e-308])
@example([5e-5, 2e-6])
def test_a_time_axis_holds_all_of_its_values(seconds: list[float]) -> None:
    ticks, logarithmic = time_ticks(seconds)
    assert ticks == sorted(set(ticks))
    assert len(ticks) >= 2
    assert ticks[0] > 0 if logarithmic else ticks[0] == 0
    for value in seconds:
        assert value <= ticks[-1]
        assert value >= ticks[0] or value < 0.0001


def test_periods() -> None:
    period = Period(date(2026, 3, 2), 3)
    assert (period.first, period.end) == (date(2026, 2, 28), date(2026, 3, 3))
    assert period.days() == [date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 2)]
    assert period.before == Period(date(2026, 2, 27), 3)
    assert date(2026, 3, 2) in period
    assert date(2026, 3, 3) not in period
