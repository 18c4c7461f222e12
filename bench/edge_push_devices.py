"""Thousands of devices that listen, in few processes, for `edge_push.py`: bare asyncio protocols, no library's clients.

Each remembers its cursor, which messages it got, and how long they took; when its connection breaks it comes back at a
random moment of the next two seconds, as the documentation asks of a device.
"""

from __future__ import annotations

import asyncio
import multiprocessing as mp
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, cast

BACK_WITHIN_S = 2.0
_PACE = 250  # connections a process begins in a second
_TEXT, _PING, _PONG, _FINAL, _MASKED = 1, 9, 10, 0x80, 0x80
_WEBSOCKET = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@dataclass(slots=True)
class Tally:
    """What the devices of one process have seen."""

    greeted: int = 0
    resumed: int = 0
    open: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    waits_s: list[float] = field(default_factory=list)
    last_at: float = 0.0


class Device(asyncio.Protocol):
    """One device, over all its connections.

    Args:
        address: host and port.
        transport: `websocket` or `sse`.
    """

    __slots__ = (
        "_buffer",
        "_chunk",
        "_headed",
        "_key",
        "_out",
        "_sse",
        "address",
        "cursor",
        "got",
        "merchant",
        "tally",
    )

    def __init__(self, address: tuple[str, int], merchant: int, key: str, transport: str, tally: Tally) -> None:
        self.address = address
        self.merchant = merchant
        self.tally = tally
        self.cursor: bytes | None = None
        self.got: list[int] = []
        self._key = key
        self._sse = transport == "sse"
        self._out: asyncio.Transport | None = None
        self._begin()

    def _begin(self) -> None:
        self._buffer = b""
        self._chunk = b""
        self._headed = False

    async def connect(self) -> None:
        """Open a connection; one that can't be is tried again."""
        try:
            await asyncio.get_running_loop().create_connection(lambda: self, *self.address)
        except OSError:
            self._come_back()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream, from where it was."""
        self._begin()
        self._out = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class
        query = b"" if self.cursor is None else b"?last_event_id=" + self.cursor
        upgrade = "" if self._sse else _WEBSOCKET
        head = f" HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {self._key}\r\n{upgrade}\r\n"
        self._out.write(b"GET /v1/stream" + query + head.encode())

    def connection_lost(self, error: Exception | None) -> None:
        """Come back, unless the bench is over."""
        if self._headed:
            self.tally.open -= 1
        if self._out is not None:
            self._out = None
            self._come_back()

    def close(self) -> None:
        """Go, for good."""
        out, self._out = self._out, None
        if out is not None:
            out.abort()

    def _come_back(self) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(random.uniform(0, BACK_WITHIN_S), lambda: loop.create_task(self.connect()))

    def data_received(self, data: bytes) -> None:
        """Take what came, whole messages of it."""
        buffer = self._buffer + data if self._buffer else data
        if not self._headed:
            head, found, buffer = buffer.partition(b"\r\n\r\n")
            if not found:
                self._buffer = head
                return
            status = head[9:12].decode()
            if status not in ("101", "200"):
                self.tally.refused[status] += 1
                assert self._out is not None
                self._out.abort()
                return
            self._headed = True
            self.tally.open += 1
        self._buffer = self._events(buffer) if self._sse else self._frames(buffer)

    def _frames(self, buffer: bytes) -> bytes:
        at, end = 0, len(buffer)
        while end - at >= 2:
            length, begin = buffer[at + 1], at + 2
            if length == 126:
                length, begin = int.from_bytes(buffer[begin : begin + 2], "big"), begin + 2
            elif length == 127:
                length, begin = int.from_bytes(buffer[begin : begin + 8], "big"), begin + 8
            if begin + length > end:
                break
            opcode = buffer[at] & 0x0F
            if opcode == _TEXT:
                self._message(buffer[begin : begin + length])
            elif opcode == _PING and self._out is not None:  # Uvicorn ends who does not answer
                self._out.write(
                    bytes((_FINAL | _PONG, _MASKED | length)) + b"\0\0\0\0" + buffer[begin : begin + length]
                )
            at = begin + length
        return buffer[at:]

    def _events(self, buffer: bytes) -> bytes:
        while True:
            line, found, rest = buffer.partition(b"\r\n")
            if not found:
                return buffer
            length = int(line or b"0", 16)
            if len(rest) < length + 2:
                return buffer
            self._chunk += rest[:length]
            buffer = rest[length + 2 :]
            *blocks, self._chunk = self._chunk.split(b"\n\n")
            for block in blocks:
                _, found, message = block.partition(b"\ndata: ")
                if found:
                    self._message(message)
                elif (at := block.find(b"\nid: ")) >= 0:  # with a sign of life
                    self.cursor = block[at + 5 :]

    def _message(self, message: bytes) -> None:
        """`{"id":"CURSOR",...` of a draft whose question_id is `MERCHANT-NUMBER-NANOSECONDS`, or of another kind."""
        if not message.startswith(b'{"id":"'):
            return
        self.cursor = message[7 : message.index(b'"', 7)]
        tally = self.tally
        at = message.find(b'"question_id":"')
        if at < 0:
            if b'"type":"hello"' in message:
                tally.greeted += 1
                tally.resumed += b'"resumed":true' in message
            return
        merchant, number, sent_ns = message[at + 15 : message.index(b'"', at + 15)].split(b"-")
        assert int(merchant) == self.merchant, "a message of another merchant"
        self.got.append(int(number))
        tally.last_at = time.time()
        tally.waits_s.append(tally.last_at - int(sent_ns) / 1e9)


def _run(pipe: Connection, address: tuple[str, int], transport: str, devices: Sequence[tuple[int, str]]) -> None:
    """A process of devices, which does what it is told through the pipe."""
    import uvloop

    async def main() -> None:
        loop = asyncio.get_running_loop()
        tally = Tally()
        all_devices = [Device(address, merchant, key, transport, tally) for merchant, key in devices]
        for number, each in enumerate(all_devices):
            loop.call_later(number / _PACE, lambda each=each: loop.create_task(each.connect()))  # type: ignore[misc]
        while (what := await loop.run_in_executor(None, pipe.recv)) != "end":
            if what == "forget waits":
                tally.waits_s = []
            elif what == "forget greetings":
                tally.greeted = tally.resumed = 0
            elif what == "got":
                pipe.send([(each.merchant, sorted(each.got)) for each in all_devices])
                continue
            pipe.send(tally)
        for each in all_devices:
            each.close()

    uvloop.run(main())


class Crowd:
    """All devices."""

    def __init__(self, processes: list[Any], pipes: list[Connection]) -> None:
        self._processes = processes
        self._pipes = pipes

    def _ask(self, what: str) -> list[Any]:
        for pipe in self._pipes:
            pipe.send(what)
        return [pipe.recv() for pipe in self._pipes]

    def tell(self, what: str = "") -> Tally:
        """What they have seen, and then forget the waits or greetings where that is asked."""
        total = Tally()
        for each in self._ask(what):
            total.greeted += each.greeted
            total.resumed += each.resumed
            total.open += each.open
            total.refused.update(each.refused)
            total.waits_s += each.waits_s
            total.last_at = max(total.last_at, each.last_at)
        return total

    def got(self) -> list[tuple[int, list[int]]]:
        """By device: its merchant, and the numbers of all messages that it got."""
        return [device for found in self._ask("got") for device in found]

    def close(self) -> None:
        """Send them away."""
        for pipe in self._pipes:
            pipe.send("end")
        for process in self._processes:
            process.join(20)
            process.kill()


@contextmanager
def crowd(port: int, transport: str, devices: Sequence[tuple[int, str]], processes: int = 2) -> Iterator[Crowd]:
    """Devices, each of a merchant and with its key, that connect at once and stay."""
    context = mp.get_context("spawn")
    pipes, children = [], []
    for number in range(processes):
        ours, theirs = context.Pipe()
        arguments = (theirs, ("127.0.0.1", port), transport, devices[number::processes])
        children.append(context.Process(target=_run, args=arguments, daemon=True))
        children[-1].start()
        pipes.append(ours)
    found = Crowd(children, pipes)
    try:
        yield found
    finally:
        found.close()
