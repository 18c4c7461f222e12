"""What the emulator itself can do on this machine, and what loss does to TCP."""

from __future__ import annotations

from typing import Any

from bench.links.check import probes, throughput
from bench.links.emulator import LinkEmulator
from bench.links.profile import Direction, Loss, Profile

_SECONDS = 5.0


def open_link(name: str, mbit_s: float, round_trip_ms: float, loss: float = 0.0) -> Profile:
    """A steady link."""
    way = Direction(mbit_s, queue_bytes=int(mbit_s * 1e6 / 8 * 0.1) + 3_000, loss=Loss(loss))
    return Profile(name, name, ((0.0, round_trip_ms), (1.0, round_trip_ms)), 1.0, way, way)


def capacity() -> dict[str, Any]:
    """Packets and bits a second through a link that has no bound of its own, and the delay that is the emulator's."""
    with LinkEmulator(open_link("wide open", 10_000, 0)) as link:
        trips = probes(link, 1_000, 0.004)
        before = link.counts()
        mbit_s = throughput(link, "down", _SECONDS)
        after = link.counts()
    packets = sum(after[way]["sent"] - before[way]["sent"] for way in ("up", "down"))
    return {
        "mbit_s": round(mbit_s, 1),
        "packets_s": round(packets / (after["at"] - before["at"])),
        "round_trip_of_nothing_ms": {share: round(trips[f"{share}_ms"], 2) for share in ("p50", "p99")},
    }


def loss_by_congestion(mbit_s: float = 100, round_trip_ms: float = 40, loss: float = 0.01) -> dict[str, Any]:
    """Mb/s of one connection where one packet in a hundred is lost, by congestion control; and without loss."""
    found: dict[str, Any] = {"link_mbit_s": mbit_s, "round_trip_ms": round_trip_ms, "loss": loss}
    for share, name in ((0.0, "without_loss"), (loss, "with_loss")):
        with LinkEmulator(open_link(name, mbit_s, round_trip_ms, share)) as link:
            found[name] = {each: round(throughput(link, "down", _SECONDS, each), 1) for each in ("cubic", "bbr")}
    return found
