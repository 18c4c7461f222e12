"""Sales, orders and refunds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from tradewind.report.charts import Chart, daily_bars
from tradewind.report.document import Section, Table
from tradewind.report.facts import Facts, RefundDay, SalesDay
from tradewind.report.sections.insights import insight_marks
from tradewind.report.sums import currencies, refund_rate, total, within
from tradewind.report.words import money, percent, plain, plural, whole

#: A merchant with more currencies finds the others in the table.
_CURRENCIES_DRAWN = 6


def sales(facts: Facts) -> Section:
    """A chart for each currency, since amounts of different ones do not add up; insights are marked on each."""
    rows = within(facts.sales, facts.period)
    if not rows:
        return Section("Sales by day", ("There are no sales in this period.",))
    marks = insight_marks(facts)
    charts = []
    for currency in currencies(rows)[:_CURRENCIES_DRAWN]:
        own = {row.day: float(row.sales) for row in rows if row.currency == currency}
        best = max(own, key=lambda day: (own[day], day))
        taken = total(row.sales for row in rows if row.currency == currency)
        alt = (
            f"Bar chart of sales in {plain(currency)} by day: {money(taken, currency)} in all, the most on {best} with "
            f"{own[best]:,.2f}." + (f" {plural(len(facts.insights), 'insight')} marked by number." if marks else "")
        )
        charts.append(daily_bars(f"Sales in {plain(currency)}", alt, {currency: own}, facts.period.days(), marks=marks))
    said = "What buyers pay for the order lines placed on each day (UTC), discounts taken off."
    marked = "Dashed lines are insights; their numbers are those of the list at the end."
    table = Table(
        "Sales by day and currency",
        ("Day", "Currency", "Orders", "Lines", "Units", "Sales", "Discounts"),
        tuple(_sales_row(row) for row in rows),
        words=2,
    )
    more = _not_drawn(rows)
    return Section("Sales by day", (said, *((marked,) if marks else ()), *more), tuple(charts), tables=(table,))


def orders(facts: Facts) -> Section:
    """Orders and units of all currencies, which do add up."""
    rows = within(facts.sales, facts.period)
    if not rows:
        return Section("Orders and units", ("There are no orders in this period.",))

    def chart(name: str, count: Callable[[SalesDay], int]) -> Chart:
        by_day: dict[date, float] = {}
        for row in rows:
            by_day[row.day] = by_day.get(row.day, 0) + count(row)
        best = max(by_day, key=lambda day: (by_day[day], day))
        most = f"the most on {best} with {by_day[best]:,.0f}"
        alt = f"Bar chart of {name.lower()} by day: {sum(map(count, rows)):,} in all, {most}."
        return daily_bars(name, alt, {name: by_day}, facts.period.days())

    said = "Orders and units placed on each day (UTC). The numbers are in the table of sales above."
    return Section(
        "Orders and units", (said,), (chart("Orders", lambda row: row.orders), chart("Units", lambda row: row.units))
    )


def refunds(facts: Facts) -> Section:
    """What was paid back, by currency."""
    rows = within(facts.refunds, facts.period)
    if not rows:
        return Section("Refunds", ("There are no sales and no refunds in this period.",))
    charts = []
    sentences = ["Paid back on each day as a share of that day's sales; a day may pay back more than it sells."]
    for currency in currencies(rows)[:_CURRENCIES_DRAWN]:
        own = [row for row in rows if row.currency == currency]
        rate, paid = refund_rate(own), total(row.refunds for row in own)
        sentences.append(
            f"{money(paid, currency)} paid back, {percent(rate)} of sales. Lines: "
            f"{sum(row.lines for row in own):,} placed, {sum(row.cancelled_lines for row in own):,} cancelled, "
            f"{sum(row.returned_lines for row in own):,} returned, {sum(row.refunded_lines for row in own):,} refunded."
        )
        by_day = {row.day: row.refund_rate for row in own if row.refund_rate is not None}
        if any(by_day.values()):
            worst = max(by_day, key=lambda day: (by_day[day], day))
            alt = (
                f"Bar chart of the refund rate in {plain(currency)} by day: {percent(rate)} in all, the most on "
                f"{worst} with {percent(by_day[worst])}."
            )
            name = f"Refund rate in {plain(currency)}"
            charts.append(daily_bars(name, alt, {name: by_day}, facts.period.days(), share=True))
    columns = (
        "Day",
        "Currency",
        "Lines",
        "Cancelled",
        "Returned",
        "Refunded",
        "Sales",
        "Refunds",
        "Rate",
        "Rate of lines",
    )
    table = Table("Refunds by day and currency", columns, tuple(map(_refund_row, rows)), words=2)
    return Section("Refunds", (*sentences, *_not_drawn(rows)), tuple(charts), tables=(table,))


def _not_drawn(rows: list[SalesDay] | list[RefundDay]) -> tuple[str, ...]:
    left = len({row.currency for row in rows}) - _CURRENCIES_DRAWN
    return (f"{left} more currencies are in the table only.",) if left > 0 else ()


def _sales_row(row: SalesDay) -> tuple[str, ...]:
    counts = map(whole, (row.orders, row.lines, row.units))
    return (str(row.day), plain(row.currency), *counts, f"{row.sales:,.2f}", f"{row.discounts:,.2f}")


def _refund_row(row: RefundDay) -> tuple[str, ...]:
    counts = (row.lines, row.cancelled_lines, row.returned_lines, row.refunded_lines)
    amounts = (f"{row.sales:,.2f}", f"{row.refunds:,.2f}")
    rates = (percent(row.refund_rate), percent(row.line_refund_rate))
    return (str(row.day), plain(row.currency), *map(whole, counts), *amounts, *rates)
