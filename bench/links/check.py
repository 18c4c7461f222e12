"""Measures an emulated link from its two ends, beside what its profile says."""

from __future__ import annotations

import itertools
import json
import socket
import statistics
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.links.emulator import LinkEmulator

#: This file as a command. As a module: a file that is run by its path finds no other of ours.
_HERE = (sys.executable, "-m", "bench.links.check")
_PROBE_BYTES = 64
_TCP_LEVEL_CC = 13  # TCP_CONGESTION, in Linux's <linux/tcp.h>
_BLOCK = 64 * 1024
_PATIENCE_S = 3.0


def probes(link: LinkEmulator, count: int, every_s: float) -> dict[str, float]:
    """Round trips of so many small datagrams of the phone, in milliseconds, and the share of them that was lost."""
    with _serving(link.host_address, socket.SOCK_DGRAM, _echo) as port:
        done = link.run_in_phone(
            [*_HERE, "probes", link.host_address, str(port), str(count), str(every_s)],
            capture_output=True, text=True, check=True, timeout=count * every_s + 60,
        )  # fmt: skip
    trips: list[float] = json.loads(done.stdout)
    ordered = sorted(trip * 1000 for trip in trips)
    found = {"sent": float(count), "loss_percent": 100 * (1 - len(ordered) / count)}
    if len(ordered) > 1:
        cuts = statistics.quantiles(ordered, n=100, method="inclusive")
        found |= {f"p{share}_ms": cuts[share - 1] for share in (50, 90, 95, 99)}
        steps = [abs(after - before) * 1000 for before, after in itertools.pairwise(trips)]
        found["jitter_ms"] = statistics.fmean(steps)
    return found


def throughput(link: LinkEmulator, way: str, seconds: float, congestion: str = "cubic") -> float:
    """Mb/s that one TCP connection brings `down` or `up`, bytes of the payload as they arrive."""
    arrived: list[float] = []

    def serve(listening: socket.socket) -> None:
        listening.listen(1)
        connection, _ = listening.accept()
        with connection:
            _congestion(connection, congestion)  # the route's came before the listener's
            if way == "up":
                arrived.append(receive(connection, seconds))
            else:
                send(connection, seconds)

    with _serving(link.host_address, socket.SOCK_STREAM, serve) as port:
        done = link.run_in_phone(
            [*_HERE, way, link.host_address, str(port), str(seconds), congestion],
            capture_output=True, text=True, check=True, timeout=seconds + 60,
        )  # fmt: skip
    return arrived[0] if way == "up" else float(done.stdout)


def send(connection: socket.socket, seconds: float) -> None:
    """Send as much as goes for so long."""
    until, block = time.monotonic() + seconds, b"\0" * _BLOCK
    connection.settimeout(seconds + _PATIENCE_S)
    try:
        while time.monotonic() < until:
            connection.sendall(block)
        # What still waits here is not waited for: the connection is reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:  # the other end had enough
        return


def receive(connection: socket.socket, seconds: float) -> float:
    """Mb/s that come within so many seconds from the first byte on."""
    connection.settimeout(seconds + _PATIENCE_S)
    began, total = 0.0, 0
    while True:
        try:
            got = len(connection.recv(_BLOCK))
        except OSError:
            break
        now = time.monotonic()
        began = began or now
        if not got or now - began > seconds:
            break
        total += got
    return total * 8 / 1e6 / seconds


@contextmanager
def _serving(address: str, kind: int, serve: Any) -> Iterator[int]:
    """Let a socket of this end be served by a thread; gives its port."""
    with socket.socket(socket.AF_INET, kind) as listening:
        listening.bind((address, 0))
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            if kind == socket.SOCK_DGRAM:
                listening.sendto(b"", listening.getsockname())  # which ends `_echo`
            thread.join(_PATIENCE_S * 2)


def _echo(listening: socket.socket) -> None:
    while True:
        packet, peer = listening.recvfrom(2048)
        if not packet:
            return
        listening.sendto(packet, peer)


def _congestion(connection: socket.socket, name: str) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, _TCP_LEVEL_CC, name.encode())


def _phone(what: str, host: str, port: str, *more: str) -> None:
    """The phone's end."""
    if what == "probes":
        print(json.dumps(_probe((host, int(port)), int(more[0]), float(more[1]))))
        return
    seconds, congestion = float(more[0]), more[1]
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        _congestion(connection, congestion)
        if what == "up":
            send(connection, seconds)
        else:
            print(receive(connection, seconds))


def _probe(to: tuple[str, int], count: int, every_s: float) -> list[float]:
    """Seconds of each round trip that came back."""
    trips: dict[int, float] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(to)

        def listen() -> None:
            probe.settimeout(_PATIENCE_S)
            while len(trips) < count:
                try:
                    number, left = struct.unpack_from("Id", probe.recv(2048))
                except OSError:
                    return
                trips[number] = time.monotonic() - left

        listener = threading.Thread(target=listen)
        listener.start()
        began = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, began + number * every_s - time.monotonic()))
            probe.send(struct.pack("Id", number, time.monotonic()).ljust(_PROBE_BYTES, b"\0"))
        listener.join()
    return [trips[number] for number in sorted(trips)]


if __name__ == "__main__":
    _phone(*sys.argv[1:])
