"""Avro's numbers, against fastavro."""

from __future__ import annotations

import io

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.varint import read_varint, write_varint

longs = st.integers(-(2**63), 2**63 - 1)


@given(longs)
def test_written_as_fastavro_writes(number: int) -> None:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, "long", number)
    assert write_varint(number) == out.getvalue()


@given(longs, st.binary(max_size=4), st.binary(max_size=4))
def test_read_back_from_anywhere(number: int, before: bytes, after: bytes) -> None:
    written = write_varint(number)
    assert read_varint(before + written + after, len(before)) == (number, len(before) + len(written))


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_more_than_a_long_is_refused(number: int) -> None:
    with pytest.raises(OverflowError):
        write_varint(number)


@pytest.mark.parametrize(("data", "error"), [(b"", IndexError), (b"\x80\x80", IndexError), (b"\xff" * 11, ValueError)])
def test_what_does_not_end_is_refused(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_varint(data, 0)
