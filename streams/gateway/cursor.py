"""Where a device has come to, as a text that it hands back: the next offset of every partition of the pushed topics.

So a cursor names a place in Kafka itself, and any gateway can go on from it, also one that was started just now. It
says nothing of a merchant; whose messages a stream has is decided by its key alone. Layout, version 1: a byte 1, then
for each topic of `PUSHED` a varint with its count of partitions and a varint for each next offset, then a checksum of
two bytes; all in URL-safe base64.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence

from schemas.topics import ANSWERS_DRAFTED, INSIGHTS, LISTINGS_ENRICHED, Topic

#: What is pushed, in the order of a cursor. Another order or another topic is another version of the cursor.
PUSHED: tuple[Topic, ...] = (ANSWERS_DRAFTED, LISTINGS_ENRICHED, INSIGHTS)

#: By topic of `PUSHED` and by partition, the next offset.
Offsets = Sequence[Sequence[int]]

_VERSION = 1
_MAX_PARTITIONS = 10_000
_MAX_LENGTH = 64 * 1024
_CHECKSUM_BYTES = 2
_MEND = "send one as it came, or none at all to begin with what is new"


class BadCursor(ValueError):
    """The text is no cursor; the message says so, with the mend."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the cursor {why}; {_MEND}")


def encode(offsets: Offsets) -> str:
    """The cursor of these offsets."""
    packed = bytearray((_VERSION,))
    for partitions in offsets:
        _append(packed, len(partitions))
        for offset in partitions:
            _append(packed, offset)
    packed += binascii.crc_hqx(packed, _VERSION).to_bytes(_CHECKSUM_BYTES, "big")
    return urlsafe_b64encode(packed).rstrip(b"=").decode()


def decode(text: str) -> list[list[int]]:
    """The offsets of a cursor.

    Raises:
        BadCursor: it is none of ours, or was cut or changed on its way.
    """
    if len(text) > _MAX_LENGTH:
        raise BadCursor(f"has {len(text)} characters, at most {_MAX_LENGTH} are taken")
    try:
        packed = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        raise BadCursor("is no text of ours") from None
    body, checksum = packed[:-_CHECKSUM_BYTES], packed[-_CHECKSUM_BYTES:]
    if not body or binascii.crc_hqx(body, _VERSION).to_bytes(_CHECKSUM_BYTES, "big") != checksum:
        raise BadCursor("is not whole")
    if body[0] != _VERSION:
        raise BadCursor(f"has version {body[0]}, and this gateway knows {_VERSION}")
    numbers = _numbers(body[1:])
    offsets = []
    for _ in PUSHED:
        count = next(numbers, None)
        if count is None or count > _MAX_PARTITIONS:
            raise BadCursor("is not whole")
        partitions = [number for _, number in zip(range(count), numbers)]  # noqa: B905 - it stops at the shorter
        if len(partitions) != count:
            raise BadCursor("is not whole")
        offsets.append(partitions)
    if next(numbers, None) is not None:
        raise BadCursor("is longer than it says")
    return offsets


def _append(packed: bytearray, number: int) -> None:
    while number > 0x7F:
        packed.append(number & 0x7F | 0x80)
        number >>= 7
    packed.append(number)


def _numbers(packed: bytes) -> Iterator[int]:
    number, shift = 0, 0
    for byte in packed:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if number >= 1 << 63:
                raise BadCursor("has an offset that none can have")
            yield number
            number, shift = 0, 0
        elif shift > 63:
            raise BadCursor("has an offset that none can have")
    if shift:
        raise BadCursor("is not whole")
