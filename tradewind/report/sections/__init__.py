"""What each section of the report says, shows and counts. One without data says so rather than vanish."""

from __future__ import annotations

from tradewind.report.document import Section
from tradewind.report.facts import Facts
from tradewind.report.sections.answers import service
from tradewind.report.sections.insights import insights
from tradewind.report.sections.key_figures import key_figures
from tradewind.report.sections.listings import coverage, funnel
from tradewind.report.sections.sales import orders, refunds, sales


def sections(facts: Facts) -> list[Section]:
    """All sections, in the order of the page."""
    return [
        key_figures(facts),
        sales(facts),
        orders(facts),
        funnel(facts),
        refunds(facts),
        service(facts),
        coverage(facts),
        insights(facts),
    ]
