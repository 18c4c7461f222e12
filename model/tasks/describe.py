"""A listing in, its copy out: titles, description, highlights, a marketing line, keywords, normalised attributes.

The model writes description, highlights and line; titles, keywords and attributes are built from the seller's own
facts, and so is whatever of the model's did not pass the guards.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime

from model.evidence import as_source, passages
from model.guards import grounding, moderation
from model.language import detect, primary
from model.protocol import Engine
from model.tasks import attributes, description, drafting, listing_parts, templates
from model.tasks.copy_policy import CopyReason, DescribePolicy
from model.tasks.description import Description, is_sparse
from model.tasks.prompts import DESCRIBE_VERSION
from schemas.events import Check, CopyRoute, ListingEnriched, ListingPublished, Method


async def describe(
    engine: Engine,
    listing: ListingPublished,
    *,
    clock: Callable[[], datetime],
    event_id: uuid.UUID,
    policy: DescribePolicy = DescribePolicy(),
    timer: Callable[[], float] = time.perf_counter,
) -> ListingEnriched:
    """Writes the copy of one listing.

    Args:
        clock: gives `occurred_at`; aware, UTC.
        event_id: id of the event that is made.
        timer: seconds from an arbitrary start, for the durations.

    Raises:
        EngineError: only a transient one, so that the caller can try again; others end in a template.
    """
    started = timer()
    read = listing_parts.within_reach(listing)
    own = _own_findings(read, policy)
    if read is not listing:
        own = (*own, Check("moderation", "listing", "oversized", 0, 0, ""))
    listing = listing_parts.for_readers(read)
    language = detect(f"{listing.title} {listing.description or ''}", listing.language)
    sources = tuple(as_source(passage) for passage in passages(listing))
    text = await description.write(engine, listing, language, sources, policy, event_id)
    key = listing.listing_id
    title = listing_parts.clean_title(listing.title, policy.banned)
    extra: list[Check] = []

    def passed(part: str, field: str) -> str:
        """The text if the guards let it through, else nothing, and the reasons are kept."""
        checks = drafting.refused(part, field, [*sources, title], language, banned=policy.banned)
        extra.extend(checks)
        return "" if checks else part

    titles = [passed(candidate, "titles") for candidate in listing_parts.title_candidates(listing, title, language)]
    own_bullets = _own(text.parts.highlights, "highlights", sources, title, language, policy)
    stated = [passed(bullet, "highlights") for bullet in listing_parts.highlights(listing, language)]
    bullets = listing_parts.distinct([*own_bullets, *filter(None, stated)])
    own_line = _own((text.parts.short_line,), "marketing_line", sources, title, language, policy)
    line = (
        own_line[0]
        if own_line
        else passed(templates.marketing_line(title, listing.attributes, language, key), "marketing_line")
    )
    route, reason = _route(listing, language, text, bool(own), policy)
    seller_checks = own if route is CopyRoute.REVIEW else ()
    return ListingEnriched(
        event_id=event_id,
        occurred_at=clock(),
        merchant_id=listing.merchant_id,
        listing_id=listing.listing_id,
        source_event_id=listing.event_id,
        language=language,
        titles=tuple(dict.fromkeys(filter(None, titles))),
        description=text.text,
        highlights=bullets,
        marketing_line=line,
        keywords=listing_parts.keywords(listing, title, language),
        attributes=attributes.normalise(listing.attributes, listing.brand),
        route=route,
        reason=reason.value,
        checks=(*seller_checks, *text.checks, *extra),
        provenance=drafting.provenance(text.method, engine.info, text.completions, DESCRIBE_VERSION),
        timings=drafting.timings(text.completions, total_ms=(timer() - started) * 1000),
    )


def _own_findings(listing: ListingPublished, policy: DescribePolicy) -> tuple[Check, ...]:
    """What the seller's own texts have that may not be published, by field; no span is repeated."""
    stated = [listing.brand or "", *(part for fact in listing.attributes.items() for part in fact)]
    texts = {"listing": f"{listing.title}\n{listing.description or ''}", "attributes": "\n".join(stated)}
    return tuple(
        Check("moderation", field, found.category, found.start, found.end, "")
        for field, text in texts.items()
        for found in moderation.classify(text, policy.banned - {"refusal"})
    )


def _own(
    parts: Sequence[str], field: str, sources: Sequence[str], title: str, language: str, policy: DescribePolicy
) -> list[str]:
    """Those of the model's parts that the guards let through; the others are missed by nobody, so no reason is kept."""
    return [
        part
        for part in parts
        if part
        and part[-1] not in ":："  # a name whose value was forgotten
        and len(part) <= listing_parts.MAX_HIGHLIGHT
        and detect(part, language) == primary(language)
        and not drafting.repeats_itself(part)
        and grounding.support(part, [*sources, title], neutral=False).share >= policy.min_support
        and not drafting.refused(part, field, [*sources, title], language, banned=policy.banned)
    ]


def _route(
    listing: ListingPublished, language: str, text: Description, banned: bool, policy: DescribePolicy
) -> tuple[CopyRoute, CopyReason]:
    if banned:
        return CopyRoute.REVIEW, CopyReason.BANNED_CONTENT
    if primary(language) not in ("en", "zh"):
        return CopyRoute.REVIEW, CopyReason.UNSERVED_LANGUAGE
    if is_sparse(listing, policy):
        return CopyRoute.REVIEW, CopyReason.SPARSE_LISTING
    if text.reason is CopyReason.REFUSED:
        return CopyRoute.REVIEW, CopyReason.REFUSED
    if text.reason is CopyReason.SELLERS_PROSE:
        return CopyRoute.REVIEW, CopyReason.SELLERS_PROSE
    if text.method is Method.MODEL and not policy.publish_model_text:
        return CopyRoute.REVIEW, text.reason
    return CopyRoute.PUBLISH, text.reason
