"""What the demo shows at its end: copy before and after, drafts with their evidence, dead letters, and tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from clickhouse_connect.driver.client import Client
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from schemas.events import AnswerDrafted, AnswerRoute, DeadLetter, ListingEnriched, ListingPublished
from tradewind.demo.count import Outcome, Report

_ROUTE_STYLE = {"AUTO": "green", "PUBLISH": "green", "REVIEW": "yellow", "HUMAN": "red"}


def show(client: Client, outcome: Outcome, report: Report, out: Console) -> None:
    """Print everything."""
    out.rule("[bold]Listings, before and after")
    by_id = {copy.listing_id: copy for copy in outcome.enriched}
    for listing in _three(outcome.listings, by_id):
        out.print(_before_and_after(listing, by_id[listing.listing_id]))
    out.rule("[bold]Drafted answers")
    for draft in _five(outcome.drafts):
        out.print(_draft(draft))
    out.rule("[bold]Dead letters")
    out.print(_letters(outcome.letters))
    out.rule("[bold]In ClickHouse")
    for title, sql in _TABLES.items():
        out.print(_table(client, title, sql))
    out.rule("[bold]Counted")
    out.print(_counts(report))


_TABLES = {
    "orders_by_merchant_minute: the merchants who sold most": (
        "SELECT merchant_id, currency, count() AS minutes, sum(lines) AS lines, sum(sales) AS sales"
        " FROM orders_by_merchant_minute GROUP BY merchant_id, currency ORDER BY sales DESC LIMIT 5"
    ),
    "answer_routes: who answers, and why": (
        "SELECT route, reason, sum(drafts) AS drafts FROM answer_routes GROUP BY route, reason ORDER BY drafts DESC"
    ),
    "enrichment_coverage: copy by merchant": "SELECT * FROM enrichment_coverage LIMIT 5",
}


def _three(listings: Sequence[ListingPublished], by_id: dict[str, ListingEnriched]) -> list[ListingPublished]:
    """An English one, a Chinese one and a sparse one, where there are such."""
    there = [listing for listing in listings if listing.listing_id in by_id]
    kinds: tuple[Callable[[ListingPublished], bool], ...] = (
        lambda it: it.language == "en" and by_id[it.listing_id].provenance.method.value == "MODEL",
        lambda it: (it.language or "").startswith("zh"),
        lambda it: not it.description,
    )
    chosen = [next((it for it in there if kind(it)), None) for kind in kinds]
    return [it for it in chosen if it is not None]


def _five(drafts: Sequence[AnswerDrafted]) -> list[AnswerDrafted]:
    """One for each route, one in Chinese, one with something redacted; then whatever fills up."""
    kinds: list[Callable[[AnswerDrafted], bool]] = [
        lambda it: it.route is AnswerRoute.AUTO,
        lambda it: it.route is AnswerRoute.REVIEW and it.language == "en",
        lambda it: it.language.startswith("zh") and bool(it.draft),
        lambda it: bool(it.redactions) and bool(it.draft),
        lambda it: it.route is AnswerRoute.HUMAN,
        lambda it: True,
    ]
    chosen: dict[str, AnswerDrafted] = {}
    for kind in [*kinds, *kinds]:
        found = next((it for it in drafts if it.question_id not in chosen and kind(it)), None)
        if found is not None and len(chosen) < 5:
            chosen[found.question_id] = found
    return list(chosen.values())


def _before_and_after(listing: ListingPublished, copy: ListingEnriched) -> Panel:
    before = Text.assemble(
        (listing.title, "bold"), "\n", listing.description or "(no description)", "\n",
        ("; ".join(f"{name}: {value}" for name, value in list(listing.attributes.items())[:5]), "dim"),
    )  # fmt: skip
    after = Text.assemble(
        (copy.titles[0] if copy.titles else "(no title)", "bold"), "\n", copy.description or "(no description)", "\n",
        *((f"• {highlight}\n", "") for highlight in copy.highlights[:5]),
        (copy.marketing_line, "italic"), "\n" if copy.marketing_line else "",
        (copy.route.value, _ROUTE_STYLE[copy.route.value]), f" {copy.reason}".rstrip(),
        (f"  {copy.provenance.method.value} {copy.provenance.model}, {copy.timings.total_ms / 1000:.1f} s", "dim"),
    )  # fmt: skip
    for check in copy.checks[:2]:
        after.append(f"\nrefused: {check.category} “{check.span}” in the {check.field}", "dim")
    return Panel(
        Group(Panel(before, title="as the seller wrote it", title_align="left", border_style="dim"), after),
        title=listing.listing_id,
        title_align="left",
    )


def _draft(draft: AnswerDrafted) -> Panel:
    body = Text.assemble((f"Q  {draft.question}\n", "bold"), f"A  {draft.draft or '(a person answers)'}\n")
    for evidence in draft.evidence[:2]:
        place = f"{evidence.source.value.lower()} {evidence.name}".strip()
        body.append(f"   from {place} [{evidence.start}:{evidence.end}] “{evidence.text}”\n", "dim")
    body.append(draft.route.value, _ROUTE_STYLE[draft.route.value])
    body.append(f" {draft.reason}  confidence {draft.confidence:.2f}, {draft.timings.total_ms / 1000:.1f} s")
    if draft.redactions:
        body.append(f"  redacted: {', '.join(draft.redactions)}", "magenta")
    return Panel(body, title=f"{draft.listing_id} {draft.question_id}", title_align="left")


def _letters(letters: Sequence[DeadLetter]) -> Table:
    table = Table("from", "stage", "error", "why", "bytes")
    for letter in {letter.event_id: letter for letter in letters}.values():
        place = f"{letter.source_topic}/{letter.source_partition}@{letter.source_offset}"
        head = (letter.source_value or b"")[:8].hex(" ")
        table.add_row(place, letter.stage, letter.error_class, letter.message, f"{head}…")
    return table


def _table(client: Client, title: str, sql: str) -> Table:
    result = client.query(sql)
    table = Table(*result.column_names, title=title, title_justify="left")
    for row in result.result_rows:
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row))
    return table


def _counts(report: Report) -> Table:
    table = Table(show_header=False)
    for name, value in report.as_json().items():
        style = "red" if name in ("lost", "duplicates") and value else ""
        table.add_row(name, str(value), style=style)
    return table
