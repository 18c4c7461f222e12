"""What the columns of Shopify's product CSV mean to us; docs/shopify-columns.md shows the same as a table.

Source of both sets of names, the older (Handle, Body (HTML), Variant Price, Image Src) and the newer (URL
handle, Description, Price, Product image URL):
https://help.shopify.com/en/manual/products/import-export/using-csv
"""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Column titles in small letters, older and newer, by their meaning. Titles that are not here are dropped.
MEANINGS = {
    "handle": "handle",
    "url handle": "handle",
    "title": "title",
    "body (html)": "body",
    "description": "body",
    "vendor": "vendor",
    "product category": "category",
    "type": "type",
    "tags": "tags",
    "published": "published",
    "published on online store": "published",
    "status": "status",
    "variant price": "price",
    "price": "price",
    "variant grams": "grams",
    "weight value (grams)": "grams",
    "image src": "image",
    "product image url": "image",
    "image position": "image position",
    **{f"option{n} {part}": f"option{n} {part}" for n in (1, 2, 3) for part in ("name", "value")},
    "google shopping / gender": "fact:gender",
    "google shopping / age group": "fact:age group",
    "google shopping / condition": "fact:condition",
}
#: Such a meaning is followed by the name of the attribute that the column becomes.
FACT = "fact:"

_METAFIELD = re.compile(r"(?P<name>.*?)\s*\(product\.metafields\.[^.()]+\.(?P<key>[^()]+)\)", re.IGNORECASE)
_TELLING = frozenset({"body (html)", "variant price", "option1 name", "product image url", "variant sku", "sku"})


def meaning(title: str) -> str | None:
    """What the column means, as in `MEANINGS`; a fact for a metafield; None for a dropped one."""
    if metafield := _METAFIELD.fullmatch(title.strip()):
        return FACT + (metafield["name"] or metafield["key"].replace("_", " ").replace("-", " "))
    return MEANINGS.get(title.strip().lower())


def is_shopify_header(titles: Iterable[str]) -> bool:
    """Whether the column titles are those of a Shopify product export."""
    lower = {title.strip().lower() for title in titles}
    return "title" in lower and not lower.isdisjoint({"handle", "url handle"}) and not lower.isdisjoint(_TELLING)
