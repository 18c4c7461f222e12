"""JSON Lines: each line by itself, whatever the others are like."""

from __future__ import annotations

import io
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.publish import Row, rows_jsonl
from tradewind.publish.row import MAX_LINE


def read(content: bytes) -> list[Row]:
    return list(rows_jsonl(io.BytesIO(content)))


def test_good_rows_go_on_after_a_broken_one() -> None:
    rows = read(b'{"a": 1}\n{"a": \n\n{"a": 3}\n')
    assert [(row.line, row.data) for row in rows] == [(1, {"a": 1}), (2, None), (4, {"a": 3})]
    assert "broken JSON at character" in rows[1].problems[0].found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"[1]", "a JSON array"),
        (b'"text"', "a JSON string"),
        (b"1", "a JSON number"),
        (b"1.5", "a JSON number"),
        (b"true", "a JSON true or false"),
        (b"null", "a JSON null"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1, "a": 2}', "names a field twice"),
        (b'{"a": {"b": 1, "b": 2}}', "names a field twice"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a": "caf\xe9"}', "byte 0xe9 at byte 11"),
        (b"\xff\xfe{\x00}\x00", "UTF-16"),
    ],
)
def test_what_is_wrong_is_said(line: bytes, found: str) -> None:
    (row,) = read(line)
    assert row.data is None
    assert found in row.problems[0].found


def test_money_is_read_as_it_is_written() -> None:
    (row,) = read(b'{"price": 1234567890123456.78}')
    assert row.data == {"price": Decimal("1234567890123456.78")}


def test_byte_order_mark_crlf_and_no_end_of_line() -> None:
    rows = read(b'\xef\xbb\xbf{"a": 1}\r\n{"a": 2}')
    assert [row.data for row in rows] == [{"a": 1}, {"a": 2}]


def test_an_empty_file_has_no_rows() -> None:
    assert read(b"") == []


def test_a_line_that_never_ends_is_passed_over() -> None:
    content = b'{"a": "' + b"x" * (2 * MAX_LINE + 3) + b'"}\n{"a": 2}\n'
    told: list[int] = []
    rows = list(rows_jsonl(io.BytesIO(content), on_progress=told.append))
    assert [(row.line, row.data) for row in rows] == [(1, None), (2, {"a": 2})]
    assert "bytes" in rows[0].problems[0].expected
    assert told[-1] == len(content)


def test_progress_ends_at_the_size_of_the_file() -> None:
    content = b"".join(b'{"n": %d}\n' % n for n in range(20_000))
    told: list[int] = []
    list(rows_jsonl(io.BytesIO(content), on_progress=told.append))
    assert told == sorted(told)
    assert told[-1] == len(content)
    assert 2 < len(told) < 20


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(), JSON_VALUES, max_size=4), max_size=6), st.booleans())
def test_what_is_written_is_read(objects: list[dict[str, object]], ascii_only: bool) -> None:
    content = "".join(json.dumps(item, ensure_ascii=ascii_only) + "\n" for item in objects)
    assert [row.data for row in read(content.encode("utf-8"))] == objects


@given(st.binary(max_size=200))
def test_any_bytes_give_rows_and_no_exception(content: bytes) -> None:
    for row in read(content):
        assert (row.data is None) == bool(row.problems)
        assert row.line >= 1
