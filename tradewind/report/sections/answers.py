"""How questions are answered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from tradewind.report.charts import Chart, daily_bars, daily_lines
from tradewind.report.document import Section, Table
from tradewind.report.facts import Facts, ServiceDay
from tradewind.report.sums import acceptance, routed, within
from tradewind.report.words import duration, listed, percent, plural, whole


def service(facts: Facts) -> Section:
    """How questions are answered, and how fast."""
    title = "Answers: how many, which way, how fast"
    rows = within(facts.service, facts.period)
    if not rows:
        return Section(title, ("There are no drafted answers in this period.",))
    shares: dict[str, Callable[[ServiceDay], float | None]] = {
        "May be sent": lambda row: row.auto_share,
        "Review first": lambda row: row.review_share,
        "A person writes": lambda row: row.human_share,
    }
    days = facts.period.days()
    told = listed([f"{name} {percent(routed(rows, share))}" for name, share in shares.items()])
    routes = daily_bars(
        "Which way drafts go",
        f"Stacked bar chart of the share of drafts by day. {told}.",
        {name: {row.day: share(row) or 0.0 for row in rows} for name, share in shares.items()},
        days,
        share=True,
    )
    charts = [routes]
    charts += _times(
        "From question to draft",
        {
            "Half within": {row.day: row.draft_p50_ms / 1000 for row in rows if row.draft_p50_ms is not None},
            "95% within": {row.day: row.draft_p95_ms / 1000 for row in rows if row.draft_p95_ms is not None},
        },
        days,
    )
    charts += _times(
        "From draft to review",
        {
            "Half within": {row.day: row.review_p50_s for row in rows if row.review_p50_s is not None},
            "95% within": {row.day: row.review_p95_s for row in rows if row.review_p95_s is not None},
        },
        days,
    )
    reviewed, accepted = sum(row.reviewed for row in rows), sum(row.accepted for row in rows)
    reviews = (
        f"Of {plural(reviewed, 'reviewed draft')}, {accepted:,} were accepted ({percent(acceptance(rows))})."
        if reviewed
        else "No draft was reviewed."
    )
    drafts = f"{plural(sum(row.drafts for row in rows), 'draft')} on the questions of these days. {told}."
    columns = ("Day", "Drafts", "May be sent", "Review first", "A person writes", "Reviewed", "Accepted", "Acceptance")
    times = ("Draft, half", "Draft, 95%", "Review, half", "Review, 95%")
    table = Table("Answers by day", (*columns, *times), tuple(map(_service_row, rows)))
    return Section(title, (drafts, reviews), tuple(charts), tables=(table,))


def _times(title: str, series: dict[str, dict[date, float]], days: list[date]) -> list[Chart]:
    half, most = series.values()
    if not half or not most:
        return []
    spread = [f"{duration(min(line.values()))} to {duration(max(line.values()))}" for line in (half, most)]
    alt = f"Line chart of times by day. Half within {spread[0]}; 95% within {spread[1]}, by day."
    return [daily_lines(title, alt, series, days)]


def _service_row(row: ServiceDay) -> tuple[str, ...]:
    shares = (percent(row.auto_share), percent(row.review_share), percent(row.human_share))
    drafted = [duration(None if value is None else value / 1000) for value in (row.draft_p50_ms, row.draft_p95_ms)]
    reviewed = (duration(row.review_p50_s), duration(row.review_p95_s))
    accepted = (whole(row.reviewed), whole(row.accepted), percent(row.acceptance))
    return (str(row.day), whole(row.drafts), *shares, *accepted, *drafted, *reviewed)
