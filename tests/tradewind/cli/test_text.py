from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.cli.text import HIDDEN, cut, plain, printable, utc, without_password


@given(st.text())
def test_printable_leaves_one_line_that_steers_nothing(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown


def test_printable_keeps_words_and_drops_escapes() -> None:
    assert printable("纯羊毛\x1b[31m red\nscarf\u202e") == "纯羊毛 [31m red scarf"


@given(st.text(), st.integers(1, 20))
def test_cut_never_exceeds_the_width(text: str, width: int) -> None:
    assert len(cut(text, width)) <= width
    assert cut(text, width)[:-1] == text[: len(cut(text, width)) - 1]


def test_utc_is_iso_in_utc() -> None:
    at = datetime(2026, 3, 1, 10, 30, 0, 5000, tzinfo=timezone(timedelta(hours=1)))
    assert utc(at) == "2026-03-01T09:30:00.005Z"


def test_plain_is_json() -> None:
    value = {
        "id": uuid.UUID(int=1),
        "at": datetime(2026, 3, 1, tzinfo=timezone.utc),
        "price": Decimal("19.90"),
        "raw": b"\x00\xff",
        "inner": [{"a": (1, 2.5, None, True)}],
    }
    assert json.loads(json.dumps(plain(value))) == {
        "id": "00000000-0000-0000-0000-000000000001",
        "at": "2026-03-01T00:00:00.000Z",
        "price": "19.90",
        "raw": "AP8=",
        "inner": [{"a": [1, 2.5, None, True]}],
    }


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://localhost:8123", "http://localhost:8123"),
        ("https://ann:s3cret@db.example:8443/x", f"https://ann:{HIDDEN}@db.example:8443/x"),
        ("http://:s3cret@db", f"http://:{HIDDEN}@db"),
    ],
)
def test_without_password(url: str, shown: str) -> None:
    assert without_password(url) == shown
