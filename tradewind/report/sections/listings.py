"""What listings bring in, and which have copy."""

from __future__ import annotations

from tradewind.report.ask import TOP_LISTINGS
from tradewind.report.charts import Bar, labelled_bars
from tradewind.report.document import Section, Table
from tradewind.report.facts import Coverage, Facts
from tradewind.report.words import listed, percent, plain, plural, shortened, whole

_HEADING_LETTERS = 34
_METHODS = {"MODEL": "by the model", "TEMPLATE": "from its attributes", "NONE": "without text"}
_ROUTES = {"PUBLISH": "ready", "REVIEW": "to review"}


def funnel(facts: Facts) -> Section:
    """From question to order, by listing."""
    title = "From question to order"
    if not facts.listings:
        return Section(title, ("There are no questions and no orders in this period.",))
    bars = []
    for listing in facts.listings:
        name = shortened(plain(listing.listing_id), _HEADING_LETTERS)
        counts = (
            (listing.questions, "question"),
            (listing.drafts, "draft"),
            (listing.answers, "answer"),
            (listing.orders, "order"),
        )
        for colour, (count, noun) in enumerate(counts):
            bars.append(Bar(plural(count, noun), count, colour, head="" if colour else name))
    first = facts.listings[0]
    alt = (
        f"Bars of questions, drafts, answers and orders of {plural(len(facts.listings), 'listing')}. First is "
        f"{plain(first.listing_id)}: {plural(first.questions, 'question')}, {plural(first.drafts, 'draft')}, "
        f"{plural(first.answers, 'answer')}, {plural(first.orders, 'order')}."
    )
    said = (
        f"The {TOP_LISTINGS} listings with the most questions, and then the most orders. An answer is a draft that may "
        "be sent without a look, or one that a person approved or edited."
    )
    table = Table(
        "Listings",
        ("Listing", "Questions", "Drafts", "Answers", "Orders", "Units"),
        tuple(
            (plain(row.listing_id), *map(whole, (row.questions, row.drafts, row.answers, row.orders, row.units)))
            for row in facts.listings
        ),
    )
    return Section(title, (said,), (labelled_bars("Listings", alt, bars),), tables=(table,))


def coverage(facts: Facts) -> Section:
    """Which listings have copy. It is the state when the report was made."""
    title = "Copy for listings"
    if not facts.coverage:
        return Section(title, ("There are no listings of this merchant.",))
    seen = max(row.listings_seen for row in facts.coverage)
    done = sum(row.listings_enriched for row in facts.coverage)
    written = [row for row in facts.coverage if row.listings_enriched]
    said = f"{done:,} of {plural(seen, 'listing')} have copy ({percent(done / seen if seen else None)}), as of now."
    table = Table(
        "Copy by route and method",
        ("Route", "Method", "Listings", "Share"),
        tuple(
            (plain(row.route), plain(row.method), whole(row.listings_enriched), percent(row.share))
            for row in facts.coverage
        ),
        words=2,
    )
    if not written:
        return Section(title, (said,), tables=(table,))
    bars = [
        Bar(f"{row.listings_enriched:,} ({percent(row.share)})", row.listings_enriched, head=_copy(row))
        for row in written
    ]
    told = listed([f"{_copy(row)} {row.listings_enriched:,}" for row in written])
    return Section(
        title, (said,), (labelled_bars("Listings with copy", f"Bars of listings: {told}.", bars),), tables=(table,)
    )


def _copy(row: Coverage) -> str:
    route = _ROUTES.get(row.route, plain(row.route))
    method = _METHODS.get(row.method, plain(row.method))
    return f"{route}, {method}"
