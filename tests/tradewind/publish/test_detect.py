"""The format of a file, by its name and its first line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradewind.publish import UnknownFormat, detect

SHOPIFY = b'Handle,Title,"Body (HTML)",Vendor\n'


@pytest.mark.parametrize(
    ("name", "content", "format_"),
    [
        ("a.jsonl", b"", "jsonl"),
        ("a.NDJSON", b"{}", "jsonl"),
        ("a.json", b'\n {"listing_id": "l-1"}\n', "jsonl"),
        ("a.csv", b"listing_id,title\n", "csv"),
        ("a.csv", b"", "csv"),
        ("a.csv", "listing_id\n".encode("utf-16"), "csv"),
        ("a.tsv", b"listing_id\ttitle\n", "csv"),
        ("a.txt", b"listing_id;title\n", "csv"),
        ("products_export.csv", SHOPIFY, "shopify"),
        ("products_export.csv", b"\xef\xbb\xbf" + SHOPIFY.replace(b"\n", b"\r\n"), "shopify"),
        ("a.csv", b"Title,URL handle,Description,SKU\n", "shopify"),
        ("export", SHOPIFY, "shopify"),
    ],
)
def test_detects(tmp_path: Path, name: str, content: bytes, format_: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert detect(path) == format_


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b'[{"a": 1}]', "one object a line"),
        (b"\x1f\x8b\x08\x00\xff\xfe", "not packed"),
        (b"hello", "--format"),
        (b"", "--format"),
    ],
)
def test_what_it_does_not_know_it_says_how_to_mend(tmp_path: Path, content: bytes, advice: str) -> None:
    path = tmp_path / "file.dat"
    path.write_bytes(content)
    with pytest.raises(UnknownFormat, match=advice):
        detect(path)
