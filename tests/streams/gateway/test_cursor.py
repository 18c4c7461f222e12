from __future__ import annotations

from base64 import urlsafe_b64encode
from binascii import crc_hqx
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.gateway.cursor import PUSHED, BadCursor, decode, encode

OFFSETS = st.lists(st.lists(st.integers(0, (1 << 63) - 1), max_size=40), min_size=len(PUSHED), max_size=len(PUSHED))


@given(OFFSETS)
def test_a_cursor_comes_back_as_it_was(offsets: list[list[int]]) -> None:
    text = encode(offsets)
    assert decode(text) == offsets
    assert text.isascii()
    assert not set(text) & set("+/= \n&?#%")  # it stands in a header and in a URL as it is


def test_a_cursor_is_short() -> None:
    assert len(encode([[1_000_000 + n for n in range(8)]] * 3)) < 110


@given(st.text(max_size=300))
def test_any_text_is_a_cursor_or_told_with_its_mend(text: str) -> None:
    try:
        assert encode(decode(text)).rstrip("=") == text.rstrip("=")
    except BadCursor as error:
        told = str(error)
    else:
        return
    assert told.endswith("or none at all to begin with what is new")


@given(st.binary(max_size=200))
def test_any_bytes_with_a_right_checksum_are_a_cursor_or_told(body: bytes) -> None:
    """What the checksum lets through is looked at all the same."""
    packed = body + crc_hqx(body, 1).to_bytes(2, "big")
    try:
        found = decode(urlsafe_b64encode(packed).decode())
    except BadCursor:
        return
    assert len(found) == len(PUSHED)
    assert all(0 <= offset < 1 << 63 for partitions in found for offset in partitions)


@given(OFFSETS, st.data())
def test_a_cursor_that_was_cut_or_changed_is_told(offsets: list[list[int]], data: st.DataObject) -> None:
    text = encode(offsets)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("AZaz09-_").filter(lambda letter: letter != text[at]))
    with pytest.raises(BadCursor):
        decode(text[:at])
    changed = text[:at] + other + text[at + 1 :]
    with suppress(BadCursor):
        assert decode(changed) == offsets  # the last letter has bits that say nothing


def test_a_later_version_is_told() -> None:
    packed = bytes((2, 0, 0, 0))
    with pytest.raises(BadCursor, match="version 2"):
        decode(urlsafe_b64encode(packed + crc_hqx(packed, 1).to_bytes(2, "big")).decode())


@pytest.mark.parametrize("text", ["", "A", "é", "x" * 100_000, "null", "0", "AQ", "\x00"])
def test_what_is_no_cursor(text: str) -> None:
    with pytest.raises(BadCursor):
        decode(text)
