from __future__ import annotations

import gzip
import zlib

import lz4.frame
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from tradewind.stack.clickhouse.encoding import Decompressor, choose, compressor, pack
from tradewind.stack.clickhouse.errors import NOT_IMPLEMENTED, ClickHouseError

CODINGS = ["lz4", "zstd", "gzip", "deflate"]
THEIR_DECOMPRESS = {
    "lz4": lz4.frame.decompress,
    "zstd": zstd.decompress,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
}


@given(st.sampled_from(CODINGS), st.lists(st.binary(), max_size=4))
def test_what_is_packed_in_parts_others_unpack(coding: str, parts: list[bytes]) -> None:
    packer = compressor(coding)
    packed = b"".join([*(packer.compress(part) for part in parts), packer.flush()])
    assert THEIR_DECOMPRESS[coding](packed) == b"".join(parts)


@given(st.sampled_from(CODINGS), st.lists(st.binary(), min_size=1, max_size=3), st.integers(1, 40))
def test_frames_on_end_are_unpacked_wherever_they_are_cut(coding: str, frames: list[bytes], size: int) -> None:
    packed = b"".join(pack(coding, frame) for frame in frames)
    unpacker = Decompressor(coding)
    plain = b"".join(unpacker.decompress(packed[at : at + size]) for at in range(0, len(packed), size))
    assert plain == b"".join(frames)
    assert unpacker.complete


@pytest.mark.parametrize("coding", CODINGS)
def test_a_frame_that_is_cut_off_is_not_complete(coding: str) -> None:
    unpacker = Decompressor(coding)
    unpacker.decompress(pack(coding, b"some data, " * 100)[:-6])
    assert not unpacker.complete


def test_an_unknown_coding_is_refused_by_name() -> None:
    with pytest.raises(ClickHouseError, match="'snappy' is not known here, but lz4, zstd, gzip, deflate") as raised:
        Decompressor("snappy")
    assert raised.value.code == NOT_IMPLEMENTED


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("", None),
        ("gzip", "gzip"),
        ("gzip, deflate, br", "gzip"),
        ("lz4,zstd,gzip,deflate", "lz4"),
        ("LZ4;q=0, zstd ; q=0.5", "zstd"),
        ("br, identity", None),
    ],
)
def test_the_quickest_coding_that_the_client_knows_is_chosen(header: str, coding: str | None) -> None:
    assert choose(header) == coding
