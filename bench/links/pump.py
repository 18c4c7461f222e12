"""The process between a phone and the rest: reads packets from two TUN devices and writes each when the link says.

One thread, no locks: `select` wakes it for a packet, for a command or for the next delivery, whose timeout is exact to
microseconds (`epoll` counts in milliseconds). Commands come on standard input, a JSON object a line, each answered by
one. When that ends, by whatever death of whoever started it, the devices go, and with them what ran in the phone.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

from bench.links.link import Counts, Link, Way
from bench.links.namespaces import LinkUnavailable, unshare_network
from bench.links.profile import from_json
from bench.links.tun import Device, bring_up, open_tun, route

_PACKET = 2048
#: Packets read before those that are due are looked at again.
_AT_ONCE = 64
#: Lateness is counted in steps of so many microseconds, up to so many steps.
_STEP_US, _STEPS = 50, 1000
_PRIORITY = -10


class Pump:
    """Carries packets by what the link decides."""

    def __init__(self, link: Link, host: Device, phone: Device) -> None:
        self._link = link
        self._ends = {host.fd: (Way.DOWN, phone.fd), phone.fd: (Way.UP, host.fd)}
        # None overtakes another on one way, so two queues are enough and no heap is needed.
        self._due: dict[Way, deque[tuple[float, bytes]]] = {Way.UP: deque(), Way.DOWN: deque()}
        self._out = dict(self._ends.values())
        self._began = time.monotonic()
        self._late = [0] * (_STEPS + 1)
        self._refused = 0

    def run(self) -> None:
        """Until standard input ends."""
        commands = b""
        watched = [*self._ends, 0]
        while True:
            ready, _, _ = select.select(watched, (), (), self._wait())
            for fd in ready:
                if fd != 0:
                    self._take(fd)
                    continue
                told = os.read(0, 65536)
                if not told:
                    return
                *lines, commands = (commands + told).split(b"\n")
                for line in lines:
                    answer = json.dumps(self._obey(json.loads(line))) + "\n"
                    os.write(1, answer.encode())
            self._deliver()

    def _now(self) -> float:
        return time.monotonic() - self._began

    def _wait(self) -> float | None:
        dues = [queue[0][0] for queue in self._due.values() if queue]
        return max(0.0, min(dues) - self._now()) if dues else None

    def _take(self, fd: int) -> None:
        way, _ = self._ends[fd]
        queue, send = self._due[way], self._link.send
        for _ in range(_AT_ONCE):
            try:
                packet = os.read(fd, _PACKET)
            except BlockingIOError:
                return
            if packet[0] >> 4 != 4:
                continue
            due = send(way, self._now(), len(packet))
            if due is not None:
                queue.append((due, packet))

    def _deliver(self) -> None:
        for way, queue in self._due.items():
            out = self._out[way]
            while queue:
                late = self._now() - queue[0][0]
                if late < 0:
                    break
                try:
                    os.write(out, queue.popleft()[1])
                except OSError:
                    self._refused += 1
                self._late[min(_STEPS, int(late * 1e6 / _STEP_US))] += 1

    def _obey(self, command: dict[str, Any]) -> dict[str, Any]:
        now, seconds = self._now(), float(command.get("seconds", 0))
        what = command["do"]
        if what == "outage":
            self._link.outage(now, seconds)
            for queue in self._due.values():
                queue.clear()
        elif what == "stall":
            self._link.stall(now, seconds)
            self._due = {
                way: deque((due + seconds, packet) for due, packet in queue) for way, queue in self._due.items()
            }
        elif what == "back":
            self._link.back(now)
        elif what != "counts":
            return {"error": f"unknown command {what!r}"}
        return {
            "at": now,
            "idle_s": max(0.0, now - self._link.last_packet()),
            "refused": self._refused,
            "late_us": {"p50": self._lateness(0.5), "p99": self._lateness(0.99)},
            **{way.value: _as_dict(self._link.counts(way)) for way in Way},
        }

    def _lateness(self, share: float) -> int:
        """Microseconds within which that share of all deliveries came after their moment."""
        wanted, seen = share * sum(self._late), 0
        for step, count in enumerate(self._late):
            seen += count
            if seen >= wanted:
                return (step + 1) * _STEP_US
        return (_STEPS + 1) * _STEP_US


def _as_dict(counts: Counts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in ("sent", "lost", "overflowed", "cut", "woke")}


def addresses(device: str) -> tuple[str, str]:
    """The host's and the phone's address for the host's device of that name, of the range for benchmarks (RFC 2544)."""
    number = int(device.removeprefix("tw"))
    net = f"198.{18 + number // 256 % 2}.{number % 256}"
    return f"{net}.1", f"{net}.2"


def build(order: dict[str, Any]) -> tuple[Pump, dict[str, Any]]:
    """Make devices and namespace; this thread is in the phone's afterwards.

    Raises:
        LinkUnavailable: the machine does not allow it.
    """
    host = open_tun()
    own, theirs = addresses(host.name)
    bring_up(host.name, own, theirs)
    route(host.name, theirs, order["host_congestion"])
    unshare_network()
    phone = open_tun()
    bring_up("lo")
    bring_up(phone.name, theirs, own)
    for to in (own, None):
        route(phone.name, to, order["phone_congestion"])
    link = Link(from_json(order["profile"]), order["seed"])
    return Pump(link, host, phone), {"host": own, "phone": theirs, "pid": os.getpid()}


def open_door() -> socket.socket:
    """What `enter.py` looks for once it is inside: whoever finds it is ended with the rest."""
    door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    door.bind("\0tradewind-phone")  # such names belong to a network namespace
    return door


def end_phone() -> None:
    """Kill whatever still runs in the phone's namespace, which is this thread's, and what that starts meanwhile."""
    here, found = os.stat("/proc/self/ns/net").st_ino, True
    while found:
        found = False
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if int(folder.name) != os.getpid() and os.stat(folder / "ns" / "net").st_ino == here:
                    os.kill(int(folder.name), signal.SIGKILL)
                    found = True


def main() -> None:
    """Obey the order in the first line of standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started this, who then closes our input
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.suppress(PermissionError):  # what carries the packets must not wait for what is measured
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
    first = b""
    while not first.endswith(b"\n"):  # byte by byte: what comes after it is for the pump
        byte = os.read(0, 1)
        if not byte:
            return
        first += byte
    try:
        pump, told = build(json.loads(first))
        door = open_door()
    except LinkUnavailable as why:
        told = {"error": str(why)}
        os.write(1, (json.dumps(told) + "\n").encode())
        return
    os.write(1, (json.dumps(told) + "\n").encode())
    gc.disable()  # there are no cycles, and its pauses would be the link's
    try:
        pump.run()
    finally:
        door.close()
        end_phone()


if __name__ == "__main__":
    main()
