"""One product of a Shopify export, folded together from its rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from schemas.validation import Problem
from tradewind.publish.html_text import html_to_text
from tradewind.publish.row import Row
from tradewind.publish.shopify_columns import FACT

_LAST = 1_000_000  # place of a picture that has no position
#: The option of a product that has no options.
_NO_OPTION = ("Title", ["Default Title"])


@dataclass(frozen=True, slots=True)
class Shop:
    """What the export does not say of the shop that it comes from.

    Attributes:
        merchant_id: seller of all its listings.
        currency: ISO 4217 code of its prices.
        language: BCP 47 tag of its texts, or None to have it detected later.
        include_unpublished: whether drafts, archived products and those hidden from the online store count.
    """

    merchant_id: str
    currency: str
    language: str | None = None
    include_unpublished: bool = False


class Product:
    """A product while its rows come in: the first names it, each may bring a variant, a picture, or both."""

    def __init__(self, line: int, handle: str) -> None:
        self.line = line
        self.handle = handle
        self._cells: dict[str, str] = {}  # of each column, the first cell that is not empty
        self._options: dict[int, list[str]] = {1: [], 2: [], 3: []}
        self._prices: list[Decimal] = []
        self._grams: list[Decimal] = []
        self._images: list[tuple[int, int, str]] = []  # position, line, URL
        self._problems: list[Problem] = []

    def add(self, line: int, cells: Mapping[str, str]) -> None:
        """Take in one row: its cells by meaning, empty ones left out."""
        for meaning, cell in cells.items():
            self._cells.setdefault(meaning, cell)
        for n, values in self._options.items():
            _add_new(values, cells.get(f"option{n} value"))
        _add_new(self._prices, self._number(line, "price", cells))
        _add_new(self._grams, self._number(line, "grams", cells))
        if (url := cells.get("image")) and url not in (known for _, _, known in self._images):
            position = cells.get("image position", "")
            self._images.append((int(position) if position.isdecimal() else _LAST, line, url))

    def row(self, shop: Shop) -> Row:
        """The product as a row with the fields of a ListingPublished."""
        reason = self._hidden()
        if reason and not shop.include_unpublished:
            return Row(self.line, None, skipped=reason)
        if self._problems:
            return Row(self.line, None, tuple(self._problems))
        cells = self._cells
        data: dict[str, Any] = {
            "merchant_id": shop.merchant_id,
            "listing_id": self.handle,
            "title": cells.get("title"),
            "description": html_to_text(cells.get("body", "")),
            "category": cells.get("category") or cells.get("type"),
            "brand": cells.get("vendor"),
            "attributes": self._attributes(),
            "price": min(self._prices, default=None),
            "currency": shop.currency if self._prices else None,
            "language": shop.language,
            "tags": [tag.strip() for tag in cells.get("tags", "").split(",") if tag.strip()],
            "image_urls": [url for _, _, url in sorted(self._images)],
        }
        return Row(self.line, {field: value for field, value in data.items() if value not in (None, "", [], {})})

    def _hidden(self) -> str:
        """Why the product can't be seen in the shop; empty when it can. Older exports have no status."""
        status = self._cells.get("status", "active").lower()
        if status != "active":
            return f"its status is {status}"
        if self._cells.get("published", "true").lower() == "false":
            return "it is not published on the online store"
        return ""

    def _attributes(self) -> dict[str, str]:
        attributes = {
            meaning.removeprefix(FACT): _plain_list(cell)
            for meaning, cell in self._cells.items()
            if meaning.startswith(FACT)
        }
        if "category" in self._cells and "type" in self._cells:
            attributes["type"] = self._cells["type"]
        grams = [f"{value.normalize():f} g" for value in self._grams if value]  # 0: nobody weighed it
        if grams:
            attributes["weight"] = " / ".join(grams)
        for n, values in self._options.items():
            name = self._cells.get(f"option{n} name")
            if name and values and (name, values) != _NO_OPTION:
                attributes[name] = " / ".join(values)
        return attributes

    def _number(self, line: int, meaning: str, cells: Mapping[str, str]) -> Decimal | None:
        """The cell as a number; None where there is none, and a problem where it is not one."""
        text = cells.get(meaning)
        if text is None:
            return None
        try:
            number = Decimal(text)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or number < 0:
            where = f"{meaning} on line {line}"
            self._problems.append(Problem(where, "a number from 0", repr(text[:60]), "write it like 19.99"))
            return None
        return number


def _add_new(values: list[Any], value: Any) -> None:
    if value is not None and value not in values:
        values.append(value)


def _plain_list(cell: str) -> str:
    """A metafield's value; of a list, which stands as JSON in the cell, the members."""
    if cell.startswith("["):
        try:
            members = json.loads(cell)
        except (ValueError, RecursionError):
            return cell  # a text that only looks like one
        if all(isinstance(member, str) for member in members):
            return " / ".join(members)
    return cell
