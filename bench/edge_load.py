"""Requests over keep-alive connections as fast as they are answered, or at a pace, from one thread that does no more.

Raw sockets under one selector: a client library would take more of the two cores than what it measures.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from bench.latency_figures import percentile

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TIMING = re.compile(rb"\r\nserver-timing: ([^\r]+)", re.IGNORECASE)
_PART = re.compile(rb"(\w+);dur=([\d.]+)")
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Load:
    """What to send.

    Attributes:
        requests: whole requests, sent in turn.
        connections: open at once; each waits for its answer before it sends again.
        rate: requests a second over all connections, timed from when each was due; None sends at once.
    """

    port: int
    requests: Sequence[bytes]
    connections: int
    seconds: float
    rate: float | None = None


@dataclass(slots=True)
class Outcome:
    """What came of it.

    Attributes:
        waits_ms: of each request, until its answer was whole.
        server_ms: by the name in Server-Timing.
        client_cpu: cores that the client itself took.
    """

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    accepted: int = 0
    waits_ms: list[float] = field(default_factory=list)
    server_ms: dict[str, list[float]] = field(default_factory=dict)
    client_cpu: float = 0.0

    @property
    def requests_a_second(self) -> float:
        """Answered requests."""
        return len(self.waits_ms) / self.seconds

    def figures(self) -> dict[str, Any]:
        """For a table and a file."""
        found: dict[str, Any] = {
            "requests_s": round(self.requests_a_second),
            "p50_ms": round(percentile(self.waits_ms, 0.5), 2),
            "p95_ms": round(percentile(self.waits_ms, 0.95), 2),
            "p99_ms": round(percentile(self.waits_ms, 0.99), 2),
            "client_cores": round(self.client_cpu, 2),
        }
        if self.server_ms:
            found["server_timing_p50_ms"] = {
                name: round(percentile(values, 0.5), 2) for name, values in self.server_ms.items()
            }
        return found


def request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A POST as it goes over the wire."""
    lines = {"host": "localhost", "content-length": str(len(body)), **headers}
    return "\r\n".join([f"POST {path} HTTP/1.1", *(f"{k}: {v}" for k, v in lines.items()), "", ""]).encode() + body


class _Connection:
    """One connection, and the answer that it waits for."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self._got = b""
        self._whole = 0

    def send(self, message: bytes, due: float) -> None:
        self.due, self._got, self._whole = due, b"", 0
        self.socket.sendall(message)

    def read(self) -> bytes | None:
        """The answer once it is whole."""
        piece = self.socket.recv(_CHUNK)
        if not piece:
            raise ConnectionError("the server closed a connection")
        self._got = self._got + piece if self._got else piece
        if not self._whole and (head := self._got.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._got, 0, head + 2)
            self._whole = head + 4 + (int(length[1]) if length else 0)
        return self._got if self._whole and len(self._got) >= self._whole else None


def drive(load: Load) -> Outcome:
    """Send for so many seconds.

    Raises:
        ConnectionError: the server ended a connection.
    """
    outcome = Outcome()
    requests: Iterator[bytes] = cycle(load.requests)
    selector = selectors.DefaultSelector()
    connections = [_Connection(load.port) for _ in range(load.connections)]
    for each in connections:
        selector.register(each.socket, selectors.EVENT_READ, each)
    clock = time.perf_counter
    cpu, began = time.process_time(), clock()
    end, sent, idle = began + load.seconds, 0, list(connections)
    busy = 0
    while True:
        now = clock()
        while idle and now < end and (load.rate is None or began + sent / load.rate <= now):
            due = now if load.rate is None else began + sent / load.rate
            idle.pop().send(next(requests), due)
            sent, busy = sent + 1, busy + 1
            now = clock()
        if now >= end and not busy:
            break
        wait = None if load.rate is None or not idle else max(0.0, began + sent / load.rate - now)
        for key, _ in selector.select(wait):
            answer = key.data.read()
            if answer is not None:
                _note(outcome, answer, (clock() - key.data.due) * 1000)
                idle.append(key.data)
                busy -= 1
    outcome.seconds = clock() - began
    outcome.client_cpu = (time.process_time() - cpu) / outcome.seconds
    for each in connections:
        each.socket.close()
    return outcome


def _note(outcome: Outcome, answer: bytes, wait_ms: float) -> None:
    status = int(answer[9:12])
    outcome.statuses[status] += 1
    outcome.waits_ms.append(wait_ms)
    head = answer.find(b"\r\n\r\n")
    if (timing := _TIMING.search(answer, 0, head + 2)) is not None:
        for name, milliseconds in _PART.findall(timing[1]):
            outcome.server_ms.setdefault(name.decode(), []).append(float(milliseconds))
    if status in (200, 202, 207):
        outcome.accepted += _accepted(answer, head + 4)


_ACCEPTED = re.compile(rb'\{"accepted": ?(\d+)')


def _accepted(answer: bytes, start: int) -> int:
    """How many events the answer says were acknowledged."""
    found = _ACCEPTED.match(answer, start)
    return int(found[1]) if found else int(json.loads(answer[start:])["accepted"])
