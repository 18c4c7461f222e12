"""What stood out."""

from __future__ import annotations

from datetime import date

from tradewind.report.ask import MOST_INSIGHTS
from tradewind.report.document import Note, Section
from tradewind.report.facts import Facts, Insight
from tradewind.report.words import listed, moment, plain


def insights(facts: Facts) -> Section:
    """What stood out, in the order of time."""
    if not facts.insights:
        return Section("Insights", ("Nothing stood out in this period.",))
    left_out = facts.insights_found - len(facts.insights)
    said = (f"The newest {MOST_INSIGHTS} of {facts.insights_found:,}.",) if left_out else ()
    notes = tuple(_note(number, insight) for number, insight in enumerate(facts.insights, 1))
    return Section("Insights", said, notes=notes)


def insight_marks(facts: Facts) -> dict[date, str]:
    """Numbers of the insights by the day on which their window begins, or the period's first day."""
    numbers: dict[date, list[int]] = {}
    for number, insight in enumerate(facts.insights, 1):
        day = max(insight.window_start.date(), facts.period.first)
        numbers.setdefault(day, []).append(number)
    return {day: str(own[0]) if len(own) == 1 else f"{own[0]}–{own[-1]}" for day, own in numbers.items()}


def _note(number: int, insight: Insight) -> Note:
    what = f"{plain(insight.metric)}, {plain(insight.kind).lower()}"
    when = f"{moment(insight.window_start)} to {moment(insight.window_end)}"
    measured = f"Measured {insight.observed:,.6g}, expected {insight.expected:,.6g}."
    driven = (
        f"Listings behind it: {listed([plain(one) for one in insight.listing_ids])}." if insight.listing_ids else ""
    )
    suggested = f"Suggestion: {plain(insight.suggestion)}" if insight.suggestion else ""
    text = plain(insight.text) if insight.text else ""
    return Note(f"{number}. {what}", tuple(part for part in (when, text, measured, driven, suggested) if part))
