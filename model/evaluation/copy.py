"""Listing copy: does it say only what the seller said, does it say what a buyer asks for, and who wrote it?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.evaluation.bootstrap import Resampling, mean_of, ratio_of, resampling, share_of
from model.evaluation.claims import Vocabulary, source_of, texts_of, unsupported
from model.evaluation.coverage import appears, asked_for, said
from model.evaluation.report import Figure, Finding, Report, percent
from model.language import sentences
from schemas.events import CopyRoute, ListingEnriched, ListingPublished, Method

#: Reasons: the model was asked, where it was, and its text did not pass.
_FALLBACKS = frozenset(("template", "sellers_prose", "refused"))


@dataclass(frozen=True, slots=True)
class Written:
    """A listing's copy, and what the model wrote on the way to it."""

    copy: ListingEnriched
    raw: tuple[str, ...] = ()


def evaluate(
    listings: Sequence[ListingPublished],
    systems: Mapping[str, Sequence[Written]],
    vocabulary: Vocabulary,
    *,
    seed: int,
    about: Mapping[str, Any],
) -> Report:
    """All figures for each system, whose copy stands in the order of the listings.

    The findings are the unsupported claims of the first system that left: span by span, published or for review.
    """
    draws = resampling(len(listings), seed=seed)
    over = f"{len(listings)} listings"
    figures: list[Figure] = []
    findings: list[Finding] = []
    for number, (system, written) in enumerate(systems.items()):
        found = [_claims(listing, w.copy, vocabulary) for listing, w in zip(listings, written, strict=True)]
        if number == 0:
            findings = [finding for claims in found for finding in claims]
        figures += _grounding(listings, written, found, vocabulary, system, draws)
        figures += _content(listings, written, system, draws)
        figures += _origin(written, system, draws, over)
    kinds = Counter(finding.category for finding in findings)
    return Report(
        "Listing copy",
        {**about, "listings": len(listings), "languages": dict(Counter(w.copy.language for w in _first(systems)))},
        tuple(figures),
        notes=(
            "unsupported: by a checker apart from the guards, which also reports true words said another way",
            f"unsupported by kind: {', '.join(f'{kind} {count}' for kind, count in kinds.items()) or 'none'}",
        ),
        findings=tuple(findings),
    )


def _first(systems: Mapping[str, Sequence[Written]]) -> Sequence[Written]:
    return next(iter(systems.values()), ())


def _claims(listing: ListingPublished, copy: ListingEnriched, vocabulary: Vocabulary) -> list[Finding]:
    source = source_of(listing)
    return [
        Finding(f"{listing.listing_id} {field} [{claim.start}:{claim.end}]", claim.category, claim.span, text)
        for field, text in texts_of(copy)
        for claim in unsupported(text, source, vocabulary)
    ]


def _grounding(
    listings: Sequence[ListingPublished],
    written: Sequence[Written],
    found: Sequence[Sequence[Finding]],
    vocabulary: Vocabulary,
    system: str,
    draws: Resampling,
) -> list[Figure]:
    published = [w.copy.route is CopyRoute.PUBLISH for w in written]
    counts = [len(claims) for claims in found]
    over = f"{len(written)} listings, {sum(counts)} claims"
    out = sum(count for count, p in zip(counts, published, strict=True) if p)
    figures = [
        percent("listings with an unsupported claim", system, draws.interval(mean_of([c > 0 for c in counts])), over),
        percent(
            "published with an unsupported claim",
            system,
            draws.interval(share_of([c > 0 for c in counts], published)),
            f"{sum(published)} published, {out} claims",
        ),
    ]
    asked = [bool(w.raw) for w in written]
    if any(asked):
        wrong = [
            any(unsupported(text, source_of(listing), vocabulary) for text in w.raw[:1])
            for listing, w in zip(listings, written, strict=True)
        ]
        interval = draws.interval(share_of(wrong, asked))
        figures.append(percent("model's text with one, before the guards", system, interval, f"{sum(asked)} asked"))
    return figures


def _content(
    listings: Sequence[ListingPublished], written: Sequence[Written], system: str, draws: Resampling
) -> list[Figure]:
    wanted = [list(asked_for(listing)) for listing in listings]
    told = [
        sum(appears(name, value, said(w.copy)) for name, value in attributes)
        for attributes, w in zip(wanted, written, strict=True)
    ]
    counts = [len(attributes) for attributes in wanted]
    over = f"{sum(counts)} attributes"
    return [percent("attributes that appear", system, draws.interval(ratio_of(told, counts)), over)]


def _origin(written: Sequence[Written], system: str, draws: Resampling, over: str) -> list[Figure]:
    asked = [bool(w.raw) for w in written]
    fallback = [bool(w.raw) and w.copy.reason in _FALLBACKS for w in written]
    template = [w.copy.provenance.method is Method.TEMPLATE for w in written]
    published = [w.copy.route is CopyRoute.PUBLISH for w in written]
    counted = [_by_model(w) for w in written]
    models, totals = [c[0] for c in counted], [c[1] for c in counted]
    figures = [
        percent("routed publish", system, draws.interval(mean_of(published)), over),
        percent("template fallback, model asked in vain", system, draws.interval(mean_of(fallback)), over),
        percent("template for whatever reason", system, draws.interval(mean_of(template)), over),
        percent(
            "description sentences by the model",
            system,
            draws.interval(ratio_of(models, totals)),
            f"{sum(models)} of {sum(totals)}",
        ),
    ]
    if any(asked):
        interval = draws.interval(share_of(fallback, asked))
        figures.insert(2, percent("template fallback, of those asked for", system, interval, f"{sum(asked)} asked"))
    return figures


def _by_model(written: Written) -> tuple[int, int]:
    """Sentences of the description that the model wrote, and all."""
    raw = " ".join(" ".join(text.split()) for text in written.raw).lower()
    text = written.copy.description
    parts = [" ".join(text[start:end].split()).lower() for start, end in sentences(text)]
    return sum(part.rstrip(".") in raw for part in parts), len(parts)
