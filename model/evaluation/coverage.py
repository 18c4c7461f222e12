"""Which of a listing's attributes a reader of its copy learns."""

from __future__ import annotations

import re
from collections.abc import Iterator

from model.evaluation.measures import read, stands_in
from model.language import terms
from schemas.events import ListingEnriched, ListingPublished

_ENOUGH = 0.8  # of a value's words; copy may say 'cotton and linen' for 'cotton/linen blend'
_YES_NO = frozenset(("yes", "no", "true", "false", "是", "否", "有", "无"))
# What identifies or counts stock, and no buyer asks for.
_INTERNAL = re.compile(
    r"\b(?:sku|upc|ean|gtin|asin|isbn|bar ?code|id|item number|stock)\b|货号|条码|库存", re.IGNORECASE
)


def asked_for(listing: ListingPublished) -> Iterator[tuple[str, str]]:
    """The attributes that a buyer would ask for, by name and value: all that are stated, and the brand."""
    stated = dict(listing.attributes)
    if listing.brand and not any(name.lower() in ("brand", "品牌") for name in stated):
        stated["brand"] = listing.brand
    for name, value in stated.items():
        if value.strip() and not _INTERNAL.search(name.replace("_", " ")):
            yield name, value


def said(copy: ListingEnriched) -> str:
    """What a buyer reads on the page: titles, description, highlights and marketing line."""
    return "\n".join((*copy.titles, copy.description, *copy.highlights, copy.marketing_line))


def appears(name: str, value: str, text: str) -> bool:
    """Whether the text states the value: all its numbers, in whatever unit, and most of its words.

    Of a value that is a yes or no, the attribute's name is what there is to say.
    """
    if value.strip().lower() in _YES_NO:
        value = name.replace("_", " ")
    numbers = read(value)
    stated = read(text)
    if not all(stands_in(number, stated) for number in numbers):
        return False
    rest = value
    for number in reversed(numbers):
        rest = f"{rest[: number.start]} {rest[number.end :]}"
    words = set(terms(rest))
    return not words or len(words & set(terms(text))) >= _ENOUGH * len(words)
