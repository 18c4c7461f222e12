"""The key figures, in words, with their change against the period before."""

from __future__ import annotations

from tradewind.report.document import Section
from tradewind.report.facts import Facts
from tradewind.report.sums import acceptance, currencies, refund_rate, routed, total, within
from tradewind.report.words import compared, day, duration, money, percent, plain, plural, points, whole


def key_figures(facts: Facts) -> Section:
    """Sales, orders, units, refunds, questions and answers."""
    periods = (facts.period, facts.period.before)
    sales = [within(facts.sales, when) for when in periods]
    refunds = [within(facts.refunds, when) for when in periods]
    funnel = [within(facts.funnel, when) for when in periods]
    sentences = []
    for currency in [*currencies(sales[0]), *(c for c in currencies(sales[1]) if c not in currencies(sales[0]))]:
        now, before = (total(row.sales for row in rows if row.currency == currency) for rows in sales)
        sentences.append(f"Sales in {plain(currency)}: {money(now, currency)}, {compared(now, before)}.")
        rate, was = (refund_rate(row for row in rows if row.currency == currency) for rows in refunds)
        if rate is not None:
            sentences.append(f"Refunded of sales in {plain(currency)}: {_share(rate, was)}.")
    counts = (
        ("Orders", [sum(row.orders for row in rows) for rows in sales]),
        ("Units", [sum(row.units for row in rows) for rows in sales]),
        ("Questions", [sum(row.questions for row in rows) for rows in funnel]),
        ("Answers", [sum(row.answers for row in rows) for rows in funnel]),
    )
    sentences += [f"{name}: {whole(now)}, {compared(now, before)}." for name, (now, before) in counts]
    return Section("Key figures", (*sentences, *_service(facts)))


def _service(facts: Facts) -> list[str]:
    now, before = (within(facts.service, when) for when in (facts.period, facts.period.before))
    sentences = []
    if now:
        automatic = [routed(rows, lambda row: row.auto_share) for rows in (now, before)]
        sentences.append(f"Drafts that may be sent without a look: {_share(*automatic)}.")
    accepted = acceptance(now)
    if accepted is not None:
        reviews = plural(sum(row.reviewed for row in now), "review")
        sentences.append(f"Drafts accepted in {reviews}: {_share(accepted, acceptance(before))}.")
    slow = [(row.draft_p95_ms, row.day) for row in now if row.draft_p95_ms is not None]
    if slow:
        longest, when = max(slow)
        sentences.append(
            f"Slowest day for drafts: {day(when)}, with 95% there within {duration(longest / 1000)} of the question."
        )
    return sentences


def _share(now: float | None, before: float | None) -> str:
    if before is None:
        return f"{percent(now)} (nothing to compare with before)"
    return f"{percent(now)}, {points(now, before)} ({percent(before)})"
