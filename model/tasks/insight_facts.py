"""What is known about something that stands out in a merchant's numbers, and the sentences that say it without a model.

Every number that a paragraph may hold is written here, once, in the one form that it may have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Driver:
    """A listing that moved with its merchant's numbers.

    Attributes:
        observed: its count in the window.
        usual: its mean count in the same window of the weeks before.
    """

    listing_id: str
    observed: int
    usual: float


@dataclass(frozen=True, slots=True)
class InsightFacts:
    """All that may be said.

    Attributes:
        metric: a name from `METRICS`.
        more: whether there is more than expected, else there is less.
        observed, expected: counts in the window.
        start: when the window began; aware.
        drivers: listings with the largest changes in the same direction, the strongest first.
        patience: how long a question waits before it counts as unanswered.
    """

    metric: str
    more: bool
    observed: float
    expected: float
    start: datetime
    drivers: tuple[Driver, ...] = ()
    patience: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is spoken of: 'Sales fell to 12 orders'."""

    name: str
    unit: str
    named_by: frozenset[str]  # a text with none of these words does not say what it is about


METRICS: Mapping[str, Metric] = {
    "sales": Metric("sales", "orders", frozenset({"sales", "sold", "orders"})),
    "refunds": Metric("refunds", "order lines", frozenset({"refunds", "refunded"})),
    "cancellations": Metric("cancellations", "order lines", frozenset({"cancellations", "cancelled"})),
    "unanswered_questions": Metric("unanswered questions", "questions", frozenset({"unanswered"})),
}

_SUGGESTIONS: Mapping[tuple[str, bool], str] = {
    ("sales", False): "Check that {these} are still live, in stock and priced as intended.",
    ("sales", True): "Check the stock of {these}, so that nothing sells out.",
    ("refunds", True): "Look at why {these} came back, and compare their pages with what is sent.",
    ("cancellations", True): "Check stock and dispatch times of {these}, and tell buyers early what is delayed.",
    ("unanswered_questions", True): "Answer the waiting questions on {these}, the oldest first; add to their "
    "descriptions what many ask.",
}
_OTHERWISE = "Look at what changed in {these} since then."


def sentences(facts: InsightFacts) -> tuple[str, ...]:
    """The facts as sentences: what, since when and against what in the first, then one for each listing behind it."""
    metric = METRICS[facts.metric]
    verb = "rose" if facts.more else "fell"
    unit = metric.unit.removesuffix("s") if facts.observed == 1 else metric.unit
    waited = f", each without an answer for {duration(facts.patience)}," if waits(facts) else ""
    change = percent(facts)
    how_much = f", so {change} {'more' if facts.more else 'less'}" if change else ""
    what = (
        f"{metric.name.capitalize()}{waited} {verb} to {count(facts.observed)} {unit} since {moment(facts.start)}, "
        f"against {count(facts.expected)} expected{how_much}."
    )
    which = (
        f"Listing {driver.listing_id} {verb} from its usual {count(driver.usual)} to {count(driver.observed)}."
        for driver in facts.drivers
    )
    return what, *which


def paragraph(facts: InsightFacts) -> str:
    """The facts as one paragraph that needs no model."""
    return " ".join(sentences(facts))


def suggestion(facts: InsightFacts) -> str:
    """What to look at, from a table by metric and direction."""
    these = "the listings named here" if len(facts.drivers) > 1 else "the listing named here"
    words = _SUGGESTIONS.get((facts.metric, facts.more), _OTHERWISE)
    return words.format(these=these if facts.drivers else "your listings")


def waits(facts: InsightFacts) -> bool:
    """Whether the facts tell how long an answer was waited for."""
    return facts.metric == "unanswered_questions"


def count(value: float) -> str:
    """A count: whole, or with one decimal where it is a small mean."""
    return f"{value:,.0f}" if value >= 10 or round(value, 1) == round(value) else f"{value:.1f}"


def percent(facts: InsightFacts) -> str:
    """How far observed is from expected, in whole percent; empty where nothing was expected."""
    if facts.expected <= 0:
        return ""
    return f"{abs(facts.observed - facts.expected) / facts.expected * 100:,.0f}%"


def moment(at: datetime) -> str:
    """A time of day and its date, in UTC."""
    return f"{clock_time(at)} UTC on {date(at)}"


def clock_time(at: datetime) -> str:
    """The time of day in UTC, with two digits each."""
    return f"{at.astimezone(timezone.utc):%H:%M}"


def date(at: datetime) -> str:
    """The date in UTC; not by the machine's language."""
    day = at.astimezone(timezone.utc)
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def duration(span: timedelta) -> str:
    """Hours where they are whole, else minutes."""
    minutes = round(span.total_seconds() / 60)
    amount, unit = (minutes // 60, "hour") if minutes % 60 == 0 else (minutes, "minute")
    return f"{amount} {unit}{'' if amount == 1 else 's'}"
