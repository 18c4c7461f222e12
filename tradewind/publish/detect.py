"""Which format a file is in, by its name and its first line."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tradewind.publish.csv_records import DELIMITERS, delimiter_of
from tradewind.publish.row import numbered_lines
from tradewind.publish.shopify_columns import is_shopify_header

Format = Literal["jsonl", "csv", "shopify"]

_JSONL = (".jsonl", ".ndjson")
_CSV = (".csv", ".tsv")


class UnknownFormat(ValueError):
    """The file is in none of our formats."""


def detect(path: Path) -> Format:
    """Format of the file; its name decides where it can, else its first line that is not blank.

    Raises:
        UnknownFormat: with what to do.
        OSError: the file can't be read.
    """
    suffix = path.suffix.lower()
    with path.open("rb") as source:
        first = next((line for line in numbered_lines(source) if line.problem or line.text.strip()), None)
    text = first.text.strip() if first else ""
    if first and first.problem and suffix not in _JSONL + _CSV:
        raise UnknownFormat(f"{path.name}: not UTF-8 text; give a JSONL or CSV file, not packed, saved as UTF-8")
    if suffix in _JSONL:
        return "jsonl"
    if suffix in _CSV:
        return "shopify" if _is_shopify(text) else "csv"
    if text.startswith("["):
        raise UnknownFormat(f"{path.name}: a JSON array; write one object a line, for example with jq -c '.[]'")
    if text.startswith("{"):
        return "jsonl"
    if any(delimiter in text for delimiter in DELIMITERS):
        return "shopify" if _is_shopify(text) else "csv"
    raise UnknownFormat(f"{path.name}: neither JSONL nor CSV; name the format with --format")


def _is_shopify(header: str) -> bool:
    return is_shopify_header([title.strip(' "') for title in header.split(delimiter_of(header))])
