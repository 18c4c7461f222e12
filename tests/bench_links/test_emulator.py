"""Real packets through a real link, for a few seconds. Skips, with the reason, where that is not allowed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bench.links import LinkEmulator, LinkUnavailable, load
from bench.links.check import probes
from bench.links.profile import Profile
from tests.support.waiting import until

#: Nothing goes wrong here but what a test does.
QUIET = replace(load("5g-rest"), name="quiet")
DEADLINE_S = 20.0
#: Sends numbered datagrams, then a last one until it is told to end.
SENDER = """
import socket, sys
host, port, count, first = sys.argv[1], *map(int, sys.argv[2:])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect((host, port))
for number in range(first, first + count): s.send(str(number).encode())
"""
CONGESTION = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10)
print(s.getsockopt(socket.IPPROTO_TCP, 13, 16).rstrip(b"\\0").decode())
"""


def up(profile: Profile = QUIET, **changes: str) -> LinkEmulator:
    link = LinkEmulator(profile, 1, **changes)
    try:
        return link.__enter__()
    except LinkUnavailable as why:
        pytest.skip(str(why))


@pytest.fixture
def link() -> Iterator[LinkEmulator]:
    emulator = up()
    yield emulator
    emulator.close()


class Sink:
    """Takes datagrams at the host's end."""

    def __init__(self, address: str) -> None:
        self.numbers: list[int] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while packet := self._socket.recv(100):
            self.numbers.append(int(packet))

    def close(self) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()


@pytest.fixture
def sink(link: LinkEmulator) -> Iterator[Sink]:
    taker = Sink(link.host_address)
    yield taker
    taker.close()


def settled(link: LinkEmulator, sink: Sink, sent: int) -> bool:
    return len(sink.numbers) + link.counts()["up"]["lost"] == sent


def send(link: LinkEmulator, sink: Sink, count: int, first: int = 0) -> None:
    link.run_in_phone(
        [sys.executable, "-c", SENDER, link.host_address, str(sink.port), str(count), str(first)],
        check=True, timeout=DEADLINE_S,
    )  # fmt: skip


def test_what_the_phone_sends_arrives_whole_and_in_order(link: LinkEmulator, sink: Sink) -> None:
    send(link, sink, 100)
    until(lambda: len(sink.numbers) == 100, "every datagram", DEADLINE_S)
    assert sink.numbers == list(range(100))
    counts = link.counts()
    assert (counts["up"]["sent"], counts["up"]["lost"], counts["up"]["overflowed"]) == (100, 0, 0)


def test_what_the_link_loses_does_not_arrive() -> None:
    lossy = replace(QUIET, up=replace(QUIET.up, loss=load("3g").up.loss))
    with up(lossy) as link:
        sink = Sink(link.host_address)
        for sent in range(0, 500, 100):  # no more at once than a socket has room for
            send(link, sink, 100, first=sent)
            until(partial(settled, link, sink, sent + 100), "each arrived or was lost", DEADLINE_S)
        sink.close()
        lost = link.counts()["up"]["lost"]
    assert 10 < lost < 100
    assert sink.numbers == sorted(sink.numbers)


def test_in_an_outage_nothing_arrives_and_afterwards_it_does(link: LinkEmulator, sink: Sink) -> None:
    link.outage(3600)
    send(link, sink, 10)
    until(lambda: link.counts()["up"]["cut"] == 10, "all were cut off", DEADLINE_S)
    link.back()
    send(link, sink, 10, first=100)
    until(lambda: len(sink.numbers) >= 10, "what was sent afterwards", DEADLINE_S)
    assert sink.numbers == list(range(100, 110))


def test_after_a_stall_all_that_waited_arrives(link: LinkEmulator, sink: Sink) -> None:
    link.stall(2.0)
    began = time.monotonic()
    send(link, sink, 10)
    waiting = list(sink.numbers)
    sent_within = time.monotonic() - began
    until(lambda: len(sink.numbers) == 10, "what waited", DEADLINE_S)
    assert sink.numbers == list(range(10))
    if sent_within < 1.5:  # else this machine was too busy to look while the link stood still
        assert waiting == []


@pytest.mark.parametrize("phone", ["cubic", "reno"])
def test_each_end_has_its_own_congestion_control_whatever_the_kernels_default_is(phone: str) -> None:
    with (
        up(phone_congestion=phone, host_congestion="cubic") as link,
        socket.create_server((link.host_address, 0)) as server,
    ):
        arguments = [sys.executable, "-c", CONGESTION, link.host_address, str(server.getsockname()[1])]
        client = link.start_in_phone(arguments, stdout=subprocess.PIPE, text=True)
        server.settimeout(DEADLINE_S)
        with server.accept()[0] as accepted:
            own = accepted.getsockopt(socket.IPPROTO_TCP, 13, 16).rstrip(b"\0").decode()
        theirs = client.communicate(timeout=DEADLINE_S)[0].strip()
    assert (own, theirs) == ("cubic", phone)


def test_the_bench_s_own_measuring_runs_in_the_phone(link: LinkEmulator) -> None:
    found = probes(link, 20, 0.005)
    assert (found["sent"], found["loss_percent"]) == (20.0, 0.0)


def test_the_phone_has_no_other_way_out(link: LinkEmulator) -> None:
    listed = link.run_in_phone(["cat", "/proc/net/route"], capture_output=True, text=True, check=True).stdout
    assert {line.split()[0] for line in listed.splitlines()[1:]} == {"tw0"}


def test_a_congestion_control_that_the_kernel_lacks_is_said() -> None:
    up().close()
    with pytest.raises(LinkUnavailable, match="no route with congestion control 'nonsense'"):
        LinkEmulator(QUIET, phone_congestion="nonsense").__enter__()


HOLDER = """
import json, sys, time
from bench.links import LinkEmulator
link = LinkEmulator("5g-rest").__enter__()
phone = link.start_in_phone(["sleep", "600"])
print(json.dumps([link.counts()["at"] >= 0, link._pump.pid, phone.pid, link.host_address]), flush=True)
time.sleep(600)
"""


def test_killed_it_leaves_no_device_and_no_process() -> None:
    up().close()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert holder.stdout is not None
    _, pump, phone, address = json.loads(holder.stdout.readline())
    assert can_bind(address)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    until(lambda: not running(pump) and not running(phone), "both are gone", DEADLINE_S)
    until(lambda: not can_bind(address), "the device is gone", DEADLINE_S)


def can_bind(address: str) -> bool:
    with socket.socket() as tried:
        try:
            tried.bind((address, 0))
        except OSError:
            return False
        return True


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z" and os.path.exists(f"/proc/{pid}")
