"""The parts of a listing's copy that need no model: titles, highlights, keywords, the seller's usable sentences."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from model.guards import concepts, moderation, pii
from model.language import STOP_WORDS, primary, sentences, terms
from model.tasks import templates
from model.tasks.attributes import in_order, is_fact
from schemas.events import ListingPublished

MAX_TITLE = 120  # characters; marketplaces cut between 80 and 200
MAX_HIGHLIGHTS = 6
MAX_HIGHLIGHT = 120
MAX_KEYWORDS = 12
#: Of a description and of an attribute so many characters are read, and so many attributes: more is no listing, and the
#: guards would hold up everybody else's for seconds.
READ_LENGTH = 10_000
READ_ATTRIBUTES = 200

_NOISE = re.compile(r"[!！?？*~★☆◆●■▶►→✔✓❤🔥⭐✨💥\U0001f300-\U0001faff]+|\s+")
_CALL = re.compile(
    r"(?:\b(?:call|text|phone|tel|contact|whatsapp|email|visit|see)\b[\s:.]*|(?:请?联系|电话|微信)[\s:：]*)$",
    re.IGNORECASE,
)
_NOT_BULLETS = frozenset(("brand", "price", "category"))


def clean_title(title: str, banned: Collection[str]) -> str:
    """The seller's title without shouting, decoration, contact details and banned phrases."""
    for finding in reversed(moderation.classify(title, banned)):
        before = _CALL.sub("", title[: finding.start]) if finding.category == "contact" else title[: finding.start]
        title = f"{before} {title[finding.end :]}"
    words = _NOISE.sub(" ", title).strip(" -–|,，。.;:：").split(" ")
    letters = [c for word in words for c in word if c.isascii() and c.isalpha()]
    if len(letters) > 5 and sum(c.isupper() for c in letters) > 0.7 * len(letters):
        words = [word if any(c.isdigit() for c in word) else _capitalised(word) for word in words]
    return _cut(" ".join(words))


def title_candidates(listing: ListingPublished, title: str, language: str) -> list[str]:
    """The cleaned title with brand and key facts, with brand, and as it is; without repetitions."""
    branded = title
    gap = "" if primary(language) == "zh" else " "
    if listing.brand and listing.brand.lower() not in title.lower():
        branded = f"{listing.brand}{gap}{title}"
    facts = [value for _, value in templates.title_facts(branded, listing.attributes)]
    joined = f"{branded} {' '.join(facts)}" if primary(language) == "zh" else ", ".join([branded, *facts])
    return list(dict.fromkeys(_cut(text) for text in (joined, branded, title) if text))


def highlights(listing: ListingPublished, language: str) -> list[str]:
    """Facts worth a bullet: attributes first, then short sentences of the seller."""
    bullets = [
        templates.highlight(name, value, language)
        for name, value in in_order(listing.attributes)
        if concepts.of_name(name) not in _NOT_BULLETS and len(value) <= MAX_HIGHLIGHT
    ]
    if len(bullets) < 3:
        text = listing.description or ""
        spans = [(start, end) for start, end in sentences(text) if end - start <= MAX_HIGHLIGHT]
        bullets += [text[start:end].strip("-•* ").rstrip(".。") for start, end in spans]
    return bullets[:MAX_HIGHLIGHTS]


def distinct(bullets: Sequence[str]) -> tuple[str, ...]:
    """The first ones, without those that say only what earlier ones have said."""
    kept: list[str] = []
    said: set[str] = set()
    for bullet in bullets:
        words = set(terms(bullet))
        if not words or not words <= said:
            kept.append(bullet)
            said |= words
    return tuple(kept[:MAX_HIGHLIGHTS])


def keywords(listing: ListingPublished, title: str, language: str) -> tuple[str, ...]:
    """Search words from brand, category, title and short attribute values; lower case, each once."""
    found: list[str] = [listing.brand or ""]
    found += [level.strip() for level in reversed((listing.category or "").split(">"))]
    if primary(language) == "zh":
        found += re.split(r"[\s,，、/|]+", title)
    else:
        found += re.findall(r"(?<![\w&/])[^\W\d_][\w'&\-]{2,}", title)
    found += [
        value
        for name, value in in_order(listing.attributes)
        if len(value) <= 24
        and concepts.named(name) in ("material", "color", "style", "pattern", "flavor", "scent", "shape")
    ]
    words = (" ".join(word.lower().split()) for word in found)
    kept = (word for word in words if len(word) > 1 and word not in STOP_WORDS and not pii.find_forms(word))
    return tuple(list(dict.fromkeys(kept))[:MAX_KEYWORDS])


def within_reach(listing: ListingPublished) -> ListingPublished:
    """As much of the listing as is read for its copy; the same one where that is all of it."""
    text = listing.description or ""
    stated = [(name, value) for name, value in listing.attributes.items() if len(name) + len(value) <= READ_LENGTH]
    if len(text) <= READ_LENGTH and len(listing.attributes) == len(stated) <= READ_ATTRIBUTES:
        return listing
    return replace(listing, description=text[:READ_LENGTH], attributes=dict(stated[:READ_ATTRIBUTES]))


def for_readers(listing: ListingPublished) -> ListingPublished:
    """The listing without attributes that have something in them for a machine."""
    kept = {
        name: value
        for name, value in listing.attributes.items()
        if not any(moderation.classify(text, moderation.FOR_MACHINES) for text in (name, value))
    }
    return listing if len(kept) == len(listing.attributes) else replace(listing, attributes=kept)


def count_facts(listing: ListingPublished) -> int:
    """How many attributes say something, the brand included."""
    return sum(bool(value.strip()) for value in listing.attributes.values()) + bool(listing.brand)


def is_all_facts(listing: ListingPublished) -> bool:
    """Whether title, brand and attributes read as facts, with no prose among them."""
    title = listing.title.strip()
    named = len(sentences(title)) <= 1 and not re.search(r"[.!?。！？]$", title)
    stated = [("brand", listing.brand or ""), *listing.attributes.items()]
    return named and all(is_fact(name, value) for name, value in stated)


def strays(listing: ListingPublished) -> bool:
    """Whether a sentence of the description has no word in common with what the listing states elsewhere."""
    stated = {term for name, value in listing.attributes.items() for term in terms(f"{name} {value}")}
    stated |= set(terms(f"{listing.title} {listing.brand or ''} {listing.category or ''}"))
    text = listing.description or ""
    return any(stated.isdisjoint(terms(text[start:end])) for start, end in sentences(text))


def usable_sentences(description: str, banned: Collection[str], limit: int = 2) -> list[str]:
    """The seller's first sentences that may be published as they are. Names in them are the seller's to publish."""
    found = [description[start:end] for start, end in sentences(description)]
    clean = [
        text
        for text in found
        if len(text) <= 300 and not moderation.classify(text, banned) and not pii.find_forms(text)
    ]
    return [text if re.search(r"[.!?。！？]$", text) else f"{text}." for text in clean[:limit]]


def _capitalised(word: str) -> str:
    return word[:1].upper() + word[1:].lower() if len(word) > 2 else word


def _cut(title: str) -> str:
    title = re.sub(r"\s+([,.;:])", r"\1", " ".join(title.split()))
    return title if len(title) <= MAX_TITLE else title[:MAX_TITLE].rsplit(" ", 1)[0].rstrip(" ,;-")
