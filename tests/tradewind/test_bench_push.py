"""The devices of `bench/edge_push.py` read what a gateway writes, however the network cuts it up."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bench import edge_push
from bench.edge_push_devices import Device, Tally


class Wire:
    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data


def frame(payload: bytes, opcode: int = 1) -> bytes:
    length = bytes((len(payload),)) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2, "big")
    return bytes((0x80 | opcode,)) + length + payload


def chunk(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def message(number: int, padding: int) -> bytes:
    return b'{"id":"C%d","type":"answers-drafted","event":{"question_id":"7-%d-0","draft":"%b"}}' % (
        number,
        number,
        b"x" * padding,
    )


def fed(transport: str, data: bytes, cuts: list[int]) -> tuple[Device, Wire]:
    device, wire = Device(("", 0), 7, "tw_a_b", transport, Tally()), Wire()
    device.connection_made(wire)  # type: ignore[arg-type]
    asked, wire.written = wire.written, b""
    assert asked.startswith(b"GET /v1/stream HTTP/1.1\r\n")
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    for start, end in pairwise(places):
        device.data_received(data[start:end])
    return device, wire


CUTS = st.lists(st.integers(0, 5_000), max_size=30)


@given(CUTS, st.lists(st.integers(0, 300), max_size=8))
def test_frames(cuts: list[int], paddings: list[int]) -> None:
    data = b"HTTP/1.1 101 Switching Protocols\r\nx: y\r\n\r\n" + frame(b'{"id":"C","type":"hello","resumed":true}')
    data += b"".join(frame(message(number, padding)) for number, padding in enumerate(paddings)) + frame(b"abc", 9)
    device, wire = fed("websocket", data, cuts)
    assert device.got == list(range(len(paddings)))
    assert (device.tally.greeted, device.tally.resumed, device.tally.open) == (1, 1, 1)
    assert device.cursor == (b"C%d" % (len(paddings) - 1) if paddings else b"C")
    assert wire.written == b"\x8a\x83\0\0\0\0abc"


@given(CUTS, st.lists(st.integers(0, 300), max_size=8))
def test_server_sent_events(cuts: list[int], paddings: list[int]) -> None:
    data = b"HTTP/1.1 200 OK\r\n\r\n" + chunk(b'id: C\nevent: hello\ndata: {"id":"C","type":"hello"}\n\n')
    for number, padding in enumerate(paddings):
        data += chunk(b"id: C\nevent: answers-drafted\ndata: " + message(number, padding) + b"\n\n: ping\nid: P\n\n")
    device, _ = fed("sse", data, cuts)
    assert device.got == list(range(len(paddings)))
    assert device.cursor == (b"P" if paddings else b"C")


def test_what_is_lost_and_what_came_twice_is_counted() -> None:
    class Crowd:
        def got(self) -> list[tuple[int, list[int]]]:
            return [(0, [0, 1, 2]), (0, [0, 2]), (1, [0, 0])]

    class Load:
        made = [3, 1]

    counted: dict[str, Any] = edge_push.compare(Crowd(), Load())  # type: ignore[arg-type]
    assert counted == {"pushed": 7, "lost": 1, "twice": 1}
    assert edge_push.waits([0.001, 0.002, 0.1])["p99_ms"] == 100.0
    assert edge_push.waits([])["p50_ms"] is None
