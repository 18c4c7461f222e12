"""Listings to write copy for: public product sets, and listings in our own shape.

A public set's fields become what a seller would state: attributes with their units, not the shop's stock keeping. The
same file always makes the same listings, with the same ids.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from model.evaluation.data_error import DataError, read_text
from model.language import detect
from schemas.events import ListingPublished, derived_id

_OCCURRED = datetime(2024, 6, 7, tzinfo=timezone.utc)  # of listings that say no time: any constant
_SUFFIXES = (".json", ".jsonl", ".ndjson", ".yaml", ".yml")
_FIELDS = frozenset(field.name for field in fields(ListingPublished))
Row = Mapping[str, Any]


def read_listings(path: Path) -> list[ListingPublished]:
    """The listings of a file, or of every file of a folder that holds listings.

    Known are aws retail-demo-store (YAML), DummyJSON, tau-bench retail (JSON), Adventure Works in two languages (JSON
    lines), and the fields of ListingPublished (a JSON array, or JSON lines; `event_id` and `occurred_at` may be left
    out).

    Raises:
        DataError: a file is none of these, or a listing misses what it must have.
    """
    if path.is_dir():
        found = [file for file in sorted(path.iterdir()) if file.suffix in _SUFFIXES]
        if not found:
            raise DataError(f"{path}: no {', '.join(_SUFFIXES)} file in this folder; name the listings with --data")
        return [listing for file in found for listing in read_listings(file)]
    rows = _rows(path)
    if not rows:
        raise DataError(f"{path}: holds no listing; expected at least one")
    first = rows[0]
    make = next((make for known, make in _SHAPES if known <= set(first)), None)
    if make is None:
        expected = "; or ".join(", ".join(sorted(known)) for known, _ in _SHAPES)
        raise DataError(f"{path}: its first item has {', '.join(map(str, first))[:200]}; expected {expected}")
    listings: list[ListingPublished] = []
    for number, row in enumerate(rows, 1):
        try:
            listings.extend(make(row))
        except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
            raise DataError(f"{path}: item {number}: {error!r}; mend it or leave it out") from None
    return listings


def _rows(path: Path) -> list[Row]:
    text = read_text(path)
    try:
        if path.suffix in (".yaml", ".yml"):
            found = _yaml(text)
        elif path.suffix in (".jsonl", ".ndjson"):
            found = [json.loads(line) for line in text.split("\n") if line.strip()]
        else:
            found = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path}: not readable as {path.suffix or 'JSON'} ({error})".replace("\n", " ")) from None
    if isinstance(found, Mapping):  # tau-bench keys its products by id; a single listing stands alone
        found = list(found.values()) if all(isinstance(value, Mapping) for value in found.values()) else [found]
    if not isinstance(found, list) or not all(isinstance(row, Mapping) for row in found):
        raise DataError(f"{path}: expected a list of objects, one a listing")
    return found


def _yaml(text: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise DataError("YAML listings need PyYAML: pip install 'tradewind[train]'") from None
    try:
        return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # both are safe loaders
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _listing(source: str, number: object, title: str, **stated: Any) -> ListingPublished:
    identity = f"{source}-{number}"
    return ListingPublished(derived_id("evaluation", identity), _OCCURRED, f"m-{source}", identity, title, **stated)


def _aws(row: Row) -> Iterable[ListingPublished]:
    yield _listing(
        "aws",
        row["id"],
        str(row["name"]),
        description=row["description"],
        category=row["category"],
        attributes={"style": str(row["style"])} if row.get("style") else {},
        price=_money(row["price"]),
        currency="USD",
        language="en",
    )


def _dummyjson(row: Row) -> Iterable[ListingPublished]:
    """The set gives sizes and weights without units; read as centimetres and ounces."""
    size = " x ".join(f"{row['dimensions'][side]:g}" for side in ("width", "height", "depth"))
    stated = {
        "dimensions": f"{size} cm",
        "weight": f"{row['weight']:g} oz",
        "warranty": row["warrantyInformation"],
        "shipping": row["shippingInformation"],
        "return policy": row["returnPolicy"],
        "minimum order quantity": str(row["minimumOrderQuantity"]) if row["minimumOrderQuantity"] > 1 else "",
    }
    yield _listing(
        "dummyjson",
        row["id"],
        row["title"],
        description=row["description"],
        category=row["category"],
        brand=row.get("brand"),
        attributes={name: value for name, value in stated.items() if value},
        price=_money(row["price"]),
        currency="USD",
        language="en",
        tags=tuple(row["tags"]),
    )


def _adventure_works(row: Row) -> Iterable[ListingPublished]:
    """One listing in each language. The key says zh-Hant, the text is Simplified."""
    for language, text in (("en", row["en"]), ("zh", row["zh-Hant"])):
        yield _listing(
            "adventureworks", f"{row['model']}-{language}", row["model"], description=text, language=language
        )


def _tau(row: Row) -> Iterable[ListingPublished]:
    """One listing a product: an attribute lists what its variants come in; a price is stated where all share it."""
    options: dict[str, dict[str, None]] = {}
    for variant in row["variants"].values():
        for name, value in variant["options"].items():
            options.setdefault(name, {})[str(value)] = None
    prices = {variant["price"] for variant in row["variants"].values()}
    yield _listing(
        "tau",
        row["product_id"],
        row["name"],
        attributes={name: ", ".join(sorted(values, key=_by_size)) for name, values in options.items()},
        price=_money(prices.pop()) if len(prices) == 1 else None,
        currency="USD" if not prices else None,
        language="en",
    )


def _by_size(value: str) -> tuple[float, str]:
    """Sorts '500ml' before '1000ml', and words by the alphabet."""
    digits = "".join(c for c in value.split(maxsplit=1)[0] if c.isdigit() or c == ".") if value.strip() else ""
    try:
        return float(digits), value
    except ValueError:
        return float("inf"), value


def _own(row: Row) -> Iterable[ListingPublished]:
    known = {name: value for name, value in row.items() if name in _FIELDS and value is not None}
    for name in ("listing_id", "title"):
        if not isinstance(known[name], str) or not known[name].strip():
            raise ValueError(f"{name} is empty")
    known.setdefault("merchant_id", "m-evaluation")
    event_id = known.pop("event_id", None)
    occurred = known.pop("occurred_at", None)
    known["price"] = _money(known["price"]) if "price" in known else None
    known["attributes"] = {str(name): str(value) for name, value in dict(known.get("attributes", {})).items()}
    known["tags"] = tuple(known.get("tags", ()))
    known["image_urls"] = tuple(known.get("image_urls", ()))
    known.setdefault("language", detect(f"{known['title']} {known.get('description', '')}"))
    yield ListingPublished(
        event_id=uuid.UUID(str(event_id)) if event_id else derived_id("evaluation", known["listing_id"]),
        occurred_at=datetime.fromisoformat(str(occurred).replace("Z", "+00:00")) if occurred else _OCCURRED,
        **known,
    )


def _money(amount: object) -> Decimal:
    return Decimal(str(amount)).quantize(Decimal("0.01"))


#: The fields that tell a shape, and what makes listings of one of its items.
_SHAPES: tuple[tuple[frozenset[str], Callable[[Row], Iterable[ListingPublished]]], ...] = (
    (frozenset(("listing_id", "title")), _own),
    (frozenset(("name", "product_id", "variants")), _tau),
    (frozenset(("title", "dimensions", "warrantyInformation")), _dummyjson),
    (frozenset(("model", "en", "zh-Hant")), _adventure_works),
    (frozenset(("id", "name", "category", "description", "price")), _aws),
)
