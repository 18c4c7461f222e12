"""The page: one HTML file that loads nothing. Every text in it is escaped, and its policy forbids scripts."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined

from tradewind.report.draw import draw
from tradewind.report.facts import Facts
from tradewind.report.sections import sections
from tradewind.report.words import day, duration, moment, plain


def page(facts: Facts) -> str:
    """The report as HTML.

    Raises:
        ValueError: a chart can't be drawn.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, loader=FunctionLoader(_text))
    return environment.get_template("page.html").render(
        merchant=plain(facts.merchant_id),
        period=_period(facts),
        lines=_lines(facts),
        sections=sections(facts),
        draw=draw,
        style=_text("page.css"),
    )


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _period(facts: Facts) -> str:
    period = facts.period
    if period.length == 1:
        return day(period.last)
    return f"{day(period.first)} to {day(period.last)}, {period.length} days"


def _lines(facts: Facts) -> list[str]:
    period, made = facts.period, facts.made_at
    ago = max(0.0, (made - facts.fresh.stored).total_seconds())
    before = f"{day(period.before.first)} to {day(period.before.last)}"
    lines = [
        f"Made on {moment(made)}. Days are in UTC. Changes are against {before}.",
        f"Newest event of this merchant: {moment(facts.fresh.happened)}; last stored {duration(ago)} before that.",
    ]
    if made.date() in period:
        lines.append("The last day is not over yet, and the period before is whole.")
    if facts.nothing_in_period:
        lines.append("There is nothing of this merchant in this period.")
    return lines
