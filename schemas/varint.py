"""Numbers as Avro writes an int or a long: zigzag, then seven bits a byte, the lowest first.

https://avro.apache.org/docs/1.12.0/specification/#primitive-types-1
"""

from __future__ import annotations

from collections.abc import Sequence

#: Bytes that a long takes at most.
MAX_BYTES = 10


def write_varint(number: int) -> bytes:
    """The number's bytes.

    Raises:
        OverflowError: it has more than 64 bits.
    """
    left = (number << 1) ^ (number >> 63)
    if not 0 <= left < 1 << 64:
        raise OverflowError("an Avro long has 64 bits")
    found = bytearray()
    while left > 0x7F:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    found.append(left)
    return bytes(found)


#: Most lengths and quantities are small, and their bytes are looked up.
SMALL = tuple(write_varint(number) for number in range(4096))


def read_varint(data: Sequence[int], at: int) -> tuple[int, int]:
    """The number at that place, and the place after it.

    Raises:
        IndexError: the bytes end within it.
        ValueError: it has more bytes than a long has.
    """
    number = 0
    for place in range(at, at + MAX_BYTES):
        byte = data[place]
        number |= (byte & 0x7F) << (7 * (place - at))
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), place + 1
    raise ValueError(f"a number takes more than {MAX_BYTES} bytes")
