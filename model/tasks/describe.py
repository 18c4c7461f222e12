"""A listing in, its copy out: titles, description, highlights, a marketing line, keywords, normalised attributes.

The model writes the description only; everything else is built from the seller's own facts. A description that says
more than the facts is asked for once more, then loses the offending sentences, then gives way to a template.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from model.evidence import as_source, passages
from model.guards import grounding, moderation, quantities
from model.language import detect, primary, sentences, terms
from model.protocol import Completion, Engine, EngineError, Priority
from model.tasks import attributes, drafting, listing_parts, templates
from model.tasks.prompts import DESCRIBE_VERSION, describe_prompt
from schemas.events import Check, CopyRoute, EvidenceSource, ListingEnriched, ListingPublished, Method


class CopyReason(str, Enum):
    """Why copy is routed as it is."""

    GROUNDED = "grounded"  # the model's description passed every guard; PUBLISH where the policy lets it
    TRIMMED = "trimmed"  # likewise, after sentences were left out
    TEMPLATE = "template"  # PUBLISH: built from the seller's facts, because the model's text did not pass
    TEMPLATE_LANGUAGE = "template_language"  # PUBLISH: built from the facts, the model does not write this language
    SPARSE_LISTING = "sparse_listing"  # REVIEW: the seller says too little for a page
    BANNED_CONTENT = "banned_content"  # REVIEW: the seller's own text has what may not be published
    UNSERVED_LANGUAGE = "unserved_language"  # REVIEW: neither English nor Chinese
    REFUSED = "refused"  # REVIEW: not even a text from the facts passed


@dataclass(frozen=True, slots=True)
class DescribePolicy:
    """How hard to try, and what may go to the page without a look.

    Attributes:
        model_languages: languages that the checkpoint writes; listings in others get templates.
        attempts: requests to the model for one listing, the first greedy; a sparse listing gets none.
        max_new_tokens: length of one description; `attempts` times this is the most that a listing costs.
        deadline_s: longest wait for one completion; None waits as long as it takes.
        min_facts: attributes, brand and description sentences that a listing must have to be published.
        min_words: a shorter description (words, or pairs of Chinese characters) is none.
        min_support: least share of a sentence's content words that must stand in the listing.
        publish_model_text: whether a description of the model's own may go to the page without a look. Not while the
            checkpoint is untuned: the guards see what a text says, not what it mixes up.
        allow_superlatives: whether copy may say 'best in the world' and the like.
    """

    model_languages: tuple[str, ...] = ("en",)
    attempts: int = 2
    max_new_tokens: int = 60
    deadline_s: float | None = None
    min_facts: int = 3
    min_words: int = 10
    min_support: float = 0.9
    publish_model_text: bool = False
    allow_superlatives: bool = False

    @property
    def banned(self) -> frozenset[str]:
        """Moderation categories that copy may not have."""
        banned = moderation.HARMFUL | moderation.COPY_BANS
        return banned if self.allow_superlatives else banned | {moderation.SUPERLATIVE}


@dataclass(frozen=True, slots=True)
class _Description:
    text: str
    method: Method
    reason: CopyReason
    checks: tuple[Check, ...] = ()
    completions: tuple[Completion, ...] = ()


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
    language = detect(f"{listing.title} {listing.description or ''}", listing.language)
    sources = tuple(as_source(passage) for passage in passages(listing))
    own = moderation.classify(f"{listing.title}\n{listing.description or ''}", policy.banned - {"refusal"})
    description = await _description(engine, listing, language, sources, policy, event_id)
    key = listing.listing_id
    title = listing_parts.clean_title(listing.title, policy.banned)
    extra: list[Check] = []

    def passed(text: str, field: str) -> str:
        """The text if the guards let it through, else nothing, and the reasons are kept."""
        checks = drafting.refused(text, field, [*sources, title], language, banned=policy.banned)
        extra.extend(checks)
        return "" if checks else text

    titles = [passed(text, "titles") for text in listing_parts.title_candidates(listing, title, language)]
    bullets = [passed(text, "highlights") for text in listing_parts.highlights(listing, language)]
    line = passed(templates.marketing_line(title, listing.attributes, language, key), "marketing_line")
    route, reason = _route(listing, language, description, bool(own), policy)
    seller_checks = (
        Check("moderation", "listing", f.category, f.start, f.end, "") for f in own if route is CopyRoute.REVIEW
    )
    return ListingEnriched(
        event_id=event_id,
        occurred_at=clock(),
        merchant_id=listing.merchant_id,
        listing_id=listing.listing_id,
        source_event_id=listing.event_id,
        language=language,
        titles=tuple(dict.fromkeys(filter(None, titles))),
        description=description.text,
        highlights=tuple(filter(None, bullets)),
        marketing_line=line,
        keywords=listing_parts.keywords(listing, title, language),
        attributes=attributes.normalise(listing.attributes, listing.brand),
        route=route,
        reason=reason.value,
        checks=(*seller_checks, *description.checks, *extra),
        provenance=drafting.provenance(description.method, engine.info, description.completions, DESCRIBE_VERSION),
        timings=drafting.timings(description.completions, total_ms=(timer() - started) * 1000),
    )


def _route(
    listing: ListingPublished, language: str, description: _Description, banned: bool, policy: DescribePolicy
) -> tuple[CopyRoute, CopyReason]:
    if banned:
        return CopyRoute.REVIEW, CopyReason.BANNED_CONTENT
    if primary(language) not in ("en", "zh"):
        return CopyRoute.REVIEW, CopyReason.UNSERVED_LANGUAGE
    if _is_sparse(listing, policy):
        return CopyRoute.REVIEW, CopyReason.SPARSE_LISTING
    if description.reason is CopyReason.REFUSED:
        return CopyRoute.REVIEW, CopyReason.REFUSED
    if description.method is Method.MODEL and not policy.publish_model_text:
        return CopyRoute.REVIEW, description.reason
    return CopyRoute.PUBLISH, description.reason


def _is_sparse(listing: ListingPublished, policy: DescribePolicy) -> bool:
    facts = sum(bool(value.strip()) for value in listing.attributes.values()) + bool(listing.brand)
    return facts + len(sentences(listing.description or "")) < policy.min_facts


async def _description(
    engine: Engine,
    listing: ListingPublished,
    language: str,
    sources: Sequence[str],
    policy: DescribePolicy,
    event_id: uuid.UUID,
) -> _Description:
    """The model's text if it passes, whole or trimmed; else a template."""
    checks: list[Check] = []
    completions: list[Completion] = []
    best = ""

    def finished(text: str, reason: CopyReason) -> _Description:
        """What the model wrote, and after it the facts that it left out."""
        text = templates.complete(text, listing.attributes, language, listing.listing_id)
        refused = drafting.refused(text, "description", sources, language, banned=policy.banned)
        return _Description(_trimmed(text, refused), Method.MODEL, reason, (*checks, *refused), tuple(completions))

    served = primary(language) in policy.model_languages and not _is_sparse(listing, policy)
    for attempt in range(policy.attempts if served else 0):
        try:
            completion = await drafting.ask(
                engine,
                describe_prompt(_facts(listing, policy)),
                attempt=attempt,
                seed=event_id.int,
                priority=Priority.DESCRIPTION,
                max_new_tokens=policy.max_new_tokens,
                stop=(),
                deadline_s=policy.deadline_s,
            )
        except EngineError as error:
            if error.transient:
                raise
            break  # this prompt breaks the model; another try would too
        completions.append(completion)
        text = drafting.tidy(completion)
        refused = _refused(text, listing.title, sources, language, policy)
        checks += refused
        if not refused and _is_proper(text, policy):
            return finished(text, CopyReason.GROUNDED)
        best = max(best, _trimmed(text, refused), key=len)
    if _is_proper(best, policy) and not _refused(best, listing.title, sources, language, policy):
        return finished(best, CopyReason.TRIMMED)
    reason = CopyReason.TEMPLATE if primary(language) in policy.model_languages else CopyReason.TEMPLATE_LANGUAGE
    return _from_template(listing, language, sources, policy, reason, tuple(checks), tuple(completions))


def _from_template(
    listing: ListingPublished,
    language: str,
    sources: Sequence[str],
    policy: DescribePolicy,
    reason: CopyReason,
    checks: tuple[Check, ...],
    completions: tuple[Completion, ...],
) -> _Description:
    title = listing_parts.clean_title(listing.title, policy.banned)
    seller = listing_parts.usable_sentences(listing.description or "", policy.banned)
    text = templates.describe(title, listing.brand, listing.attributes, seller, language, listing.listing_id)
    refused = drafting.refused(text, "description", [*sources, title], language, banned=policy.banned)
    text = _trimmed(text, refused)
    if not text or drafting.refused(text, "description", [*sources, title], language, banned=policy.banned):
        return _Description("", Method.NONE, CopyReason.REFUSED, (*checks, *refused), completions)
    return _Description(text, Method.TEMPLATE, reason, (*checks, *refused), completions)


def _facts(listing: ListingPublished, policy: DescribePolicy) -> list[str]:
    """Lines for the prompt: title and attributes, then the seller's sentences that may be repeated.

    The price is left out, because it changes.
    """
    found = [p for p in passages(listing) if p.name not in ("price", "category", "title")]
    found.sort(key=lambda passage: passage.source is EvidenceSource.DESCRIPTION)
    lines = [as_source(p) for p in found if not moderation.classify(p.text, policy.banned)]
    return [f"title: {listing_parts.clean_title(listing.title, policy.banned)}", *lines]


def _refused(text: str, title: str, sources: Sequence[str], language: str, policy: DescribePolicy) -> tuple[Check, ...]:
    """What the guards refuse, and sentences that are mostly about something else than the listing."""
    checks = drafting.refused(text, "description", sources, language, banned=policy.banned)
    if not text:
        return (Check("grounding", "description", "empty", 0, 0, ""),)
    if detect(text) != primary(language):
        checks += (Check("grounding", "description", "wrong_language", 0, len(text), ""),)
    for start, end in sentences(text):
        sentence = text[start:end]
        # about a quarter of Chinese bigrams run across word borders and can't be found elsewhere
        needed = policy.min_support * (0.75 if primary(language) == "zh" else 1.0)
        supported = grounding.support(sentence, sources, neutral=False).share >= needed
        if not supported or not _says_something(sentence, title, sources):
            checks += (Check("grounding", "description", "unsupported_sentence", start, end, sentence),)
    return checks


def _says_something(sentence: str, title: str, sources: Sequence[str]) -> bool:
    """Whether a sentence has a fact of an attribute or of the seller's text in it, not only the product's name."""
    facts = "\n".join(s for s in sources if s != title and not s.startswith(("category: ", "price: ")))
    if (set(terms(sentence)) - set(terms(title))) & set(terms(facts)):
        return True
    stated = quantities.find(facts)
    return any(quantities.same(said, fact) for said in quantities.find(sentence) for fact in stated)


def _trimmed(text: str, refused: Sequence[Check]) -> str:
    """The text without the sentences that a refused claim stands in."""
    kept = [
        text[start:end]
        for start, end in sentences(text)
        if not any(check.start < end and start < max(check.end, check.start + 1) for check in refused)
    ]
    return ("" if detect(text) == "zh" else " ").join(kept)


def _is_proper(text: str, policy: DescribePolicy) -> bool:
    """Long enough, without loops, and not beginning in the middle ('It is also ...')."""
    if re.match(r"(?:it|its|they|their|these|also)\b", text, re.IGNORECASE):
        return False
    return len(drafting.words_of(text)) >= policy.min_words and not drafting.repeats_itself(text)
