"""A listing's description: asked of the model, held against the listing, trimmed or given up for a template.

A text that says more than the facts is asked for once more, then loses the offending sentences, then gives way.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from model.evidence import as_source, passages
from model.guards import grounding, moderation, quantities
from model.language import detect, primary, sentences, terms
from model.protocol import Completion, Engine, EngineError, Priority
from model.tasks import copy_format, drafting, listing_parts, templates
from model.tasks.copy_format import CopyText
from model.tasks.copy_policy import CopyReason, DescribePolicy
from model.tasks.prompts import describe_prompt
from schemas.events import Check, EvidenceSource, ListingPublished, Method


@dataclass(frozen=True, slots=True)
class Description:
    """What the description came to, and what the model wrote beside it, unjudged."""

    text: str
    method: Method
    reason: CopyReason
    checks: tuple[Check, ...] = ()
    completions: tuple[Completion, ...] = ()
    parts: CopyText = field(default_factory=CopyText)


async def write(
    engine: Engine,
    listing: ListingPublished,
    language: str,
    sources: Sequence[str],
    policy: DescribePolicy,
    event_id: uuid.UUID,
) -> Description:
    """The model's text if it passes, whole or trimmed; else a template.

    Raises:
        EngineError: only a transient one.
    """
    checks: list[Check] = []
    completions: list[Completion] = []
    best, parts = "", CopyText()

    def finished(text: str, reason: CopyReason) -> Description:
        """What the model wrote, and after it the facts that it left out."""
        text = templates.complete(text, listing.attributes, language, listing.listing_id)
        refused = drafting.refused(text, "description", sources, language, banned=policy.banned)
        return Description(
            _trimmed(text, refused), Method.MODEL, reason, (*checks, *refused), tuple(completions), parts
        )

    served = primary(language) in policy.model_languages and not is_sparse(listing, policy)
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
        written = copy_format.parse(completion.text)
        parts = parts if parts.description else written
        text = drafting.tidy(replace(completion, text=written.description))
        refused = refused_description(text, listing.title, sources, language, policy)
        checks += refused
        if not refused and _is_proper(text, policy):
            return finished(text, CopyReason.GROUNDED)
        best = max(best, _trimmed(text, refused), key=len)
    if _is_proper(best, policy) and not refused_description(best, listing.title, sources, language, policy):
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
) -> Description:
    title = listing_parts.clean_title(listing.title, policy.banned)
    # Facts are published as they are. A seller's prose could say anything, so it is used where a person looks anyway.
    prose = listing_parts.usable_sentences(listing.description or "", policy.banned)
    unseen = primary(language) in ("en", "zh") and listing_parts.count_facts(listing) >= policy.min_facts
    seller = [] if unseen else prose
    if seller or not listing_parts.is_all_facts(listing) or (completions and listing_parts.strays(listing)):
        reason = CopyReason.SELLERS_PROSE
    text = templates.describe(title, listing.brand, listing.attributes, seller, language, listing.listing_id)
    refused = drafting.refused(text, "description", [*sources, title], language, banned=policy.banned)
    text = _trimmed(text, refused)
    if not text or drafting.refused(text, "description", [*sources, title], language, banned=policy.banned):
        return Description("", Method.NONE, CopyReason.REFUSED, (*checks, *refused), completions)
    return Description(text, Method.TEMPLATE, reason, (*checks, *refused), completions)


def _facts(listing: ListingPublished, policy: DescribePolicy) -> list[str]:
    """Lines for the prompt: title and attributes, then the seller's sentences that may be repeated.

    The price is left out, because it changes.
    """
    found = [p for p in passages(listing) if p.name not in ("price", "category", "title")]
    found.sort(key=lambda passage: passage.source is EvidenceSource.DESCRIPTION)
    lines = [as_source(p) for p in found if not moderation.classify(p.text, policy.banned)]
    return [f"title: {listing_parts.clean_title(listing.title, policy.banned)}", *lines]


def refused_description(
    text: str, title: str, sources: Sequence[str], language: str, policy: DescribePolicy
) -> tuple[Check, ...]:
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


def is_sparse(listing: ListingPublished, policy: DescribePolicy) -> bool:
    """Whether the seller says too little for a page."""
    return listing_parts.count_facts(listing) + len(sentences(listing.description or "")) < policy.min_facts
