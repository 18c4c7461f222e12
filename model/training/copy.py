"""Copy examples: facts of a product, and copy that says them and nothing else.

No public set has listings with copy that is true to their attributes, so examples are put together: an opening from
the seller's own sentences (whole, or broken into telegraphic facts, so that the model learns to write them out), then
people's sentences about single attributes (semiPQA data-to-text). What is kept passes the same guards as what the model
writes.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from model.guards import grounding
from model.language import sentences, terms
from model.tasks import templates
from model.tasks.copy_format import write
from model.tasks.prompts import describe_prompt
from model.training.examples import Example
from schemas.events import ListingPublished

Fact = tuple[str, str]  # 'ring size: 7', and a person's sentence that says it

_STOPS = re.compile(
    r"\b(?:this|these|that|its?|the|an?|our|your|you|with|and|features?|featuring|offers?|offering|ensur(?:es?|ing)|"
    r"makes?|making|perfect for|ideal for|designed|crafted|is|are|has|have|will|can|from|that|which|while|to|for|of|"
    r"any|in|on)\b|[,;:]",
    re.IGNORECASE,
)
_EMPTY_PRAISE = re.compile(
    r"\b(?:elevate|must-have|look no further|embark|whether|don't miss|treat yourself)\b", re.IGNORECASE
)


def from_facts(facts: Sequence[Fact], titles: Sequence[str], count: int, seed: int) -> list[Example]:
    """Products with a real title and two to six attributes drawn at random, each of another name."""
    order = random.Random(seed)
    pool = [fact for fact in [*facts, *_common(order)] if _says_all(*fact)]
    found = []
    for _ in range(count):
        title = _short(order.choice(titles))
        chosen = _distinct(order.sample(pool, min(40, len(pool))), order.randint(2, 6))
        opening = order.choice(("{t}.", "This is the {t}.", "{t}.", "The {t}.")).format(t=title)
        text = " ".join([opening, *(_sentence(sentence) for _, sentence in chosen)])
        lines = [fact for fact, _ in chosen]
        order.shuffle(lines)
        bullets = [_bullet(fact) for fact, _ in chosen[:3]]
        found.append(_example(title, lines, text, bullets, _line(title, lines, text), "semiPQA"))
    return found


def from_listings(
    listings: Sequence[ListingPublished], facts: Sequence[Fact], count: int, seed: int, source: str
) -> list[Example]:
    """Products with their seller's text, as sentences or in fragments, and up to four attributes beside it."""
    order = random.Random(seed)
    pool = [fact for fact in [*facts, *_common(order)] if _says_all(*fact)]
    found: list[Example] = []
    for listing in order.sample(list(listings), min(count, len(listings))):
        text = listing.description or ""
        told = [text[a:b].strip() for a, b in sentences(text)]
        told = [sentence for sentence in told if not _EMPTY_PRAISE.search(sentence)][: order.randint(1, 3)]
        if not told:
            continue
        broken = order.random() < 0.6
        lines = [fragment for sentence in told for fragment in _fragments(sentence)] if broken else list(told)
        own = [f"{name}: {value}" for name, value in listing.attributes.items() if len(value) < 60]
        if listing.category:
            own.insert(0, f"category: {listing.category}")
        extra = _distinct(order.sample(pool, 20), order.randint(0, 4))
        copy = " ".join([*map(_sentence, told), *(_sentence(sentence) for _, sentence in extra)])
        given = [*own[:2], *(fact for fact, _ in extra), *lines]
        if grounding.support(copy, [listing.title, *given], neutral=False).share < 0.85:
            continue
        bullets = [_bullet(fact) for fact, _ in extra[:3]]
        short = _line(listing.title, [fact for fact, _ in extra], listing.listing_id)
        found.append(_example(listing.title, given, copy, bullets, short, source))
    return found


def _example(title: str, lines: Sequence[str], text: str, bullets: Sequence[str], short: str, source: str) -> Example:
    prompt = describe_prompt([f"title: {title}", *lines])
    return Example(prompt, write(text, bullets, short), source=source)


def _says_all(fact: str, sentence: str) -> bool:
    """Whether the sentence says the fact's value, and nothing that the fact does not have."""
    value = fact.partition(": ")[2]
    wanted, said = set(terms(value)), set(terms(sentence))
    whole = bool(wanted) and len(wanted & said) >= 0.8 * len(wanted)
    return len(fact) < 160 and whole and not grounding.check(sentence, [fact], "en")


def _distinct(facts: Sequence[Fact], count: int) -> list[Fact]:
    """The first of them that are of different names and do not fight over a word such as 'size'."""
    chosen: dict[str, Fact] = {}
    for fact in facts:
        name = fact[0].partition(":")[0].split()[-1]
        chosen.setdefault(name, fact)
    return list(chosen.values())[:count]


def _common(order: random.Random) -> list[Fact]:
    """What most listings state and the public sentences hardly have, with numbers drawn at random."""
    found: list[Fact] = []
    for _ in range(60):
        a, b, c = (f"{order.uniform(0.5, 90):.{order.randint(0, 2)}f}" for _ in range(3))
        unit = order.choice(("cm", "inches", "mm"))
        size = f"{a} x {b} x {c} {unit}"
        weight = f"{a} {order.choice(('kg', 'g', 'oz', 'pounds', 'lbs'))}"
        warranty = f"{order.randint(1, 24)} {order.choice(('month', 'year', 'week'))} warranty"
        days, months = order.randint(7, 90), f"{order.randint(1, 5)}-{order.randint(6, 9)} business days"
        volume = f"{b} {order.choice(('ml', 'litres', 'l', 'oz'))}"
        amount = order.randint(2, 48)
        found += [
            (f"dimensions: {size}", order.choice(("It measures {}.", "Its dimensions are {}.")).format(size)),
            (f"weight: {weight}", order.choice(("It weighs {}.", "The weight is {}.")).format(weight)),
            (f"warranty: {warranty}", order.choice(("It comes with a {}.", "A {} is included.")).format(warranty)),
            (f"return policy: {days} days return policy", f"There is a {days} days return policy."),
            ("return policy: no return policy", "There is no return policy."),
            (f"shipping: ships in {months}", f"It ships in {months}."),
            (f"capacity: {volume}", f"It holds {volume}."),
            (f"minimum order quantity: {amount}", f"The minimum order quantity is {amount}."),
        ]
        material = order.choice(
            ("cotton", "stainless steel", "solid oak", "leather", "linen", "glass", "bamboo", "wool")
        )
        colour = order.choice(("black", "white", "navy blue", "red", "beige", "olive green", "silver", "pink", "grey"))
        found += [
            (f"material: {material}", order.choice(("It is made of {}.", "The material is {}.")).format(material)),
            (f"color: {colour}", order.choice(("It comes in {}.", "The color is {}.")).format(colour)),
            ("dishwasher safe: yes", "It is dishwasher safe."),
            ("dishwasher safe: no", "It is not dishwasher safe."),
            ("batteries included: no", "Batteries are not included."),
            ("batteries included: yes", "Batteries are included."),
        ]
    return found


def _fragments(sentence: str) -> list[str]:
    pieces = (piece.strip(" .!-–") for piece in _STOPS.split(sentence))
    return [piece for piece in pieces if len(piece) > 2]


def _bullet(fact: str) -> str:
    name, _, value = fact.partition(": ")
    return templates.highlight(name, value, "en")


def _line(title: str, facts: Sequence[str], key: str) -> str:
    attributes = dict(fact.split(": ", 1) for fact in facts)
    return templates.marketing_line(title, attributes, "en", key)


def _short(title: str) -> str:
    words = re.split(r"\s[-–|(]|,", title)[0].split()
    return " ".join(words[:9])


def _sentence(text: str) -> str:
    text = _capital(text.strip())
    return text if re.search(r"[.!?]$", text) else f"{text}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
