"""Shopify's product CSV: the older and the newer columns, folded into listings."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import tradewind
from schemas.validation import validate
from tradewind.publish import Row, Shop, rows_shopify
from tradewind.publish.shopify_columns import MEANINGS

SHOP = Shop(merchant_id="m-shop", currency="EUR", language="en")
ENVELOPE = {"event_id": "00000000-0000-0000-0000-000000000001", "occurred_at": "2026-01-01T00:00:00Z"}

OLDER = """\
Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,\
Option2 Value,Option3 Name,Option3 Value,Variant SKU,Variant Grams,Variant Inventory Tracker,\
Variant Inventory Qty,Variant Inventory Policy,Variant Fulfillment Service,Variant Price,\
Variant Compare At Price,Variant Requires Shipping,Variant Taxable,Variant Barcode,Image Src,Image Position,\
Image Alt Text,Gift Card,SEO Title,SEO Description,Google Shopping / Gender,\
Care (product.metafields.custom.care),Variant Image,Variant Weight Unit,Cost per item,Status
rain-jacket,Rain Jacket,"<p>Folds into its
own pocket.</p><ul><li>Taped seams</li></ul>",Sorrelane,Apparel > Coats,Jackets,"rain, packable",true,Color,\
Navy,Size,S,,,RJ-1,265,shopify,4,deny,manual,95.00,120.00,true,true,,https://shop.example.com/2.jpg,2,Back,\
false,Buy now,Cheap,female,"[""30 °C"", ""no softener""]",,kg,40.00,active
rain-jacket,,,,,,,,,Navy,,M,,,RJ-2,280,shopify,4,deny,manual,89.50,,true,true,,\
https://shop.example.com/1.jpg,1,Front,,,,,,,g,,
rain-jacket,,,,,,,,,Mustard,,M,,,RJ-3,280,shopify,4,deny,manual,99.00,,true,true,,,,,,,,,,,g,,
rain-jacket,,,,,,,,,,,,,,,,,,,,,,,,,https://shop.example.com/3.jpg,3,Side,,,,,,,,,
mug,Mug,A plain mug.,Northfenn,,Drinkware,,true,Title,Default Title,,,,,MG-1,0.0,,,deny,manual,12,,true,true,\
,,,,false,,,,,,g,,active
"""

NEWER = """\
Title,URL handle,Description,Vendor,Product category,Type,Tags,Published on online store,Status,SKU,Barcode,\
Option1 name,Option1 value,Option1 Linked To,Price,Compare-at price,Price / International,\
Weight value (grams),Weight unit for display,Product image URL,Image position,Variant image URL,SEO title,\
Color (product.metafields.shopify.color-pattern)
Throw,throw,<p>Warm.</p>,Maplewhit,Home > Throws,Blankets,wool,TRUE,Active,T-1,,Pattern,Plain,,88.00,,90.00,\
920.5,g,https://shop.example.com/t.jpg,1,,Throw!,grey; cream
,throw,,,,,,,,T-2,,,Herringbone,,92.00,,,,,,,,,
Old throw,old-throw,,Maplewhit,,,,TRUE,Archived,,,,,,1.00,,,,,,,,,
Next throw,next-throw,,Maplewhit,,,,TRUE,Draft,,,,,,1.00,,,,,,,,,
Hidden throw,hidden-throw,,Maplewhit,,,,FALSE,Active,,,,,,1.00,,,,,,,,,
"""


def read(content: str, shop: Shop = SHOP) -> list[Row]:
    return list(rows_shopify(io.BytesIO(content.encode("utf-8")), shop))


def table(*rows: dict[str, str]) -> str:
    """A CSV with the columns that the rows use."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    target = io.StringIO(newline="")
    writer = csv.DictWriter(target, names)
    writer.writeheader()
    writer.writerows(rows)
    return target.getvalue()


def test_rows_of_an_older_export_fold_into_listings() -> None:
    jacket, mug = read(OLDER)
    assert jacket.line == 2
    assert jacket.data == {
        "merchant_id": "m-shop",
        "listing_id": "rain-jacket",
        "title": "Rain Jacket",
        "description": "Folds into its own pocket.\n- Taped seams",
        "category": "Apparel > Coats",
        "brand": "Sorrelane",
        "attributes": {
            "gender": "female",
            "Care": "30 °C / no softener",
            "type": "Jackets",
            "weight": "265 g / 280 g",
            "Color": "Navy / Mustard",
            "Size": "S / M",
        },
        "price": Decimal("89.50"),
        "currency": "EUR",
        "language": "en",
        "tags": ["rain", "packable"],
        "image_urls": [f"https://shop.example.com/{n}.jpg" for n in (1, 2, 3)],
    }
    assert mug.line == 7
    assert mug.data == {
        "merchant_id": "m-shop",
        "listing_id": "mug",
        "title": "Mug",
        "description": "A plain mug.",
        "category": "Drinkware",
        "brand": "Northfenn",
        "price": Decimal(12),
        "currency": "EUR",
        "language": "en",
    }


def test_rows_of_a_newer_export_fold_into_listings() -> None:
    throw, *skipped = read(NEWER)
    assert throw.data is not None
    assert throw.data["listing_id"] == "throw"
    assert throw.data["description"] == "Warm."
    assert throw.data["price"] == Decimal("88.00")
    assert throw.data["image_urls"] == ["https://shop.example.com/t.jpg"]
    assert throw.data["attributes"] == {
        "Color": "grey; cream",
        "type": "Blankets",
        "weight": "920.5 g",
        "Pattern": "Plain / Herringbone",
    }
    assert [(row.line, row.skipped) for row in skipped] == [
        (4, "its status is archived"),
        (5, "its status is draft"),
        (6, "it is not published on the online store"),
    ]
    assert not any(row.data or row.problems for row in skipped)


def test_unpublished_products_go_when_asked_for() -> None:
    shop = Shop(merchant_id="m-shop", currency="EUR", include_unpublished=True)
    rows = read(NEWER, shop)
    assert [row.data and row.data["listing_id"] for row in rows] == [
        "throw",
        "old-throw",
        "next-throw",
        "hidden-throw",
    ]


@pytest.mark.parametrize("content", [OLDER, NEWER])
def test_listings_are_valid(content: str) -> None:
    for row in read(content):
        if row.data:
            assert isinstance(validate("ListingPublished", {**ENVELOPE, **row.data}), dict)


@pytest.mark.parametrize("column", ["Variant Price", "Variant Grams"])
@pytest.mark.parametrize("cell", ["12,50 €", "-1", "NaN", "free"])
def test_a_wrong_number_refuses_the_product_and_names_the_line(column: str, cell: str) -> None:
    first: dict[str, str] = {"Handle": "mug", "Title": "Mug", "Variant Price": "12", "Variant Grams": "300"}
    rows = read(table(first, {"Handle": "mug", column: cell}, {**first, "Handle": "cup"}))
    assert [(row.line, row.data is None) for row in rows] == [(2, True), (4, False)]
    (problem,) = rows[0].problems
    assert "on line 3" in problem.field


def test_rows_that_do_not_stand_together_are_refused() -> None:
    base = {"Title": "A", "Variant Price": "1"}
    rows = read(table(*({"Handle": handle, **base} for handle in ("a", "b", "a"))))
    assert [(row.line, bool(row.problems)) for row in rows] == [(2, False), (3, False), (4, True)]
    assert "sort" in rows[2].problems[0].mend


def test_a_row_without_a_handle_is_refused() -> None:
    rows = read(table({"Handle": "", "Title": "A", "SKU": "1"}, {"Handle": "b", "Title": "B", "SKU": "2"}))
    assert rows[0].problems[0].field == "Handle"
    assert rows[1].data is not None


def test_a_broken_record_costs_itself_only() -> None:
    rows = read('Handle,Title,Variant Price\na,A,1\nb,"B" x,2\nc,C\nd,D,4\n')
    # A product is given out once the next one begins, so the lines that broke in between come before it.
    assert [(row.line, row.data and row.data["listing_id"]) for row in rows] == [
        (3, None),
        (4, None),
        (2, "a"),
        (5, "d"),
    ]


def test_a_product_without_a_title_is_left_to_validation() -> None:
    (row,) = read(table({"Handle": "a", "Title": "", "Variant Price": "1"}))
    assert row.data is not None
    problems = validate("ListingPublished", {**ENVELOPE, **row.data})
    assert isinstance(problems, tuple)
    assert [problem.field for problem in problems] == ["title"]


@pytest.mark.parametrize("content", ["", "\n", "Order,Total\n1,2\n", "Handle,Variant Price\na,1\n"])
def test_another_file_is_refused_with_one_problem(content: str) -> None:
    (row,) = read(content)
    assert row.problems[0].field == "header"


def test_a_price_is_needed_for_a_currency() -> None:
    (row,) = read(table({"Handle": "a", "Title": "A", "Variant Price": ""}))
    assert row.data is not None
    assert "currency" not in row.data


@pytest.mark.parametrize(("cell", "value"), [("[not json", "[not json"), ("[1, 2]", "[1, 2]"), ("Wool", "Wool")])
def test_a_metafield_that_is_no_list_stays_as_it_is(cell: str, value: str) -> None:
    name = "Fabric (product.metafields.custom.fabric)"
    (row,) = read(table({"Handle": "a", "Title": "A", "SKU": "1", name: cell}))
    assert row.data is not None
    assert row.data["attributes"] == {"Fabric": value}


def test_the_document_names_every_column_that_is_read() -> None:
    document = Path(tradewind.__file__).parents[1] / "docs" / "shopify-columns.md"
    if not document.is_file():
        pytest.skip("the documents are not beside the package")
    text = document.read_text(encoding="utf-8").lower()
    for title in MEANINGS:
        assert title.replace("option2", "option1").replace("option3", "option1").split(" / ")[-1] in text, title


def test_a_large_file_is_read_as_a_stream() -> None:
    """A product is given out as soon as the next one begins."""

    class Counting(io.BytesIO):
        read_lines = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            self.read_lines += 1
            return super().readline(size)

    rows: list[dict[str, Any]] = [{"Handle": f"h{n}", "Title": "A", "SKU": "1"} for n in range(1000)]
    source = Counting(table(*rows).encode())
    next(rows_shopify(source, SHOP))
    assert source.read_lines == 3
