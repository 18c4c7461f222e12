"""The product CSV that Shopify exports, folded into listings; docs/shopify-columns.md has its columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from schemas.validation import Problem
from tradewind.publish.csv_records import Bad, Record, records, width_problem
from tradewind.publish.row import OnProgress, Row
from tradewind.publish.shopify_columns import is_shopify_header, meaning
from tradewind.publish.shopify_product import Product, Shop


def rows_shopify(source: BinaryIO, shop: Shop, *, on_progress: OnProgress | None = None) -> Iterator[Row]:
    """A row for each product, at its first line; its variants and pictures stand on the rows that follow.

    A product that is a draft, archived, or hidden from the online store gives a row that is `skipped` with
    the reason, unless the shop says otherwise. Rows of one product must stand together, as they do in every
    export.
    """
    found = records(source, on_progress=on_progress)
    header = next(found, None)
    if isinstance(header, Bad):
        yield Row(header.line, None, (header.problem,))
        return
    if header is None or not is_shopify_header(header.cells):
        yield Row(header.line if header is not None else 1, None, (_no_header(),))
        return
    meanings = [meaning(title) for title in header.cells]
    product: Product | None = None
    seen: set[str] = set()
    for record in found:
        cells = _cells(record, meanings)
        if isinstance(cells, Problem):
            yield Row(record.line, None, (cells,))
            continue
        handle = cells.get("handle", "")
        if product is not None and handle != product.handle:
            yield product.row(shop)
            product = None
        if product is None:
            if not handle or handle in seen:
                yield Row(record.line, None, (_apart() if handle else _no_handle(),))
                continue
            seen.add(handle)
            product = Product(record.line, handle)
        product.add(record.line, cells)
    if product is not None:
        yield product.row(shop)


def _cells(record: Record, meanings: list[str | None]) -> dict[str, str] | Problem:
    """The record's cells by meaning, without empty ones; of columns that mean the same, the first."""
    if isinstance(record, Bad):
        return record.problem
    if problem := width_problem(record.cells, len(meanings)):
        return problem
    cells: dict[str, str] = {}
    for what, cell in zip(meanings, record.cells, strict=False):
        if what and cell:
            cells.setdefault(what, cell)
    return cells


def _no_header() -> Problem:
    return Problem(
        "header",
        "the columns of a Shopify product export, such as Handle and Title",
        "none of them together",
        "export the products again, or publish the file as plain CSV",
    )


def _no_handle() -> Problem:
    return Problem("Handle", "the product's handle on each of its rows", "nothing", "fill it in")


def _apart() -> Problem:
    return Problem("Handle", "the rows of one product together", "a handle that came before", "sort the file by Handle")
