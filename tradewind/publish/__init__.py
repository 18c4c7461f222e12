"""Readers for `tradewind publish TOPIC FILE`: JSONL, CSV, and the product CSV that Shopify exports.

Each reader takes a binary file and yields a `Row` a record, with what is wrong as data, so that one bad row
costs nothing but itself; files are read as a stream. What a row must look like to be an event is decided by
`schemas.validation`, and sending is the `Publisher`'s job; neither lives here.
"""

from tradewind.publish.csv_rows import rows_csv
from tradewind.publish.detect import Format, UnknownFormat, detect
from tradewind.publish.jsonl import rows_jsonl
from tradewind.publish.row import Row
from tradewind.publish.shopify import rows_shopify
from tradewind.publish.shopify_product import Shop

__all__ = ["Format", "Row", "Shop", "UnknownFormat", "detect", "rows_csv", "rows_jsonl", "rows_shopify"]
