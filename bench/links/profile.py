"""What a link is like: `profiles.json` as checked data."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("profiles.json")


@dataclass(frozen=True, slots=True)
class Loss:
    """Packets lost in bursts (Gilbert and Elliott's two states: in the bad one all are lost, in the good one none).

    Attributes:
        share: of all packets of one direction that are lost, 0 to below 1.
        burst: packets lost one after the other, on average, 1 or more.
    """

    share: float = 0.0
    burst: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1 or self.burst < 1:
            raise ValueError(f"a share of loss is 0 to below 1 and a burst 1 or more, not {self.share}, {self.burst}")


@dataclass(frozen=True, slots=True)
class Direction:
    """One way of a link.

    Attributes:
        mbit_s: bits that the air carries in a microsecond, headers of IP included.
        queue_bytes: what waits for the air at most; more is dropped at the tail.
    """

    mbit_s: float
    queue_bytes: int
    loss: Loss = field(default_factory=Loss)

    def __post_init__(self) -> None:
        if self.mbit_s <= 0 or self.queue_bytes < 1500:
            raise ValueError(
                f"a rate is above 0 and a queue at least 1,500 bytes, not {self.mbit_s}, {self.queue_bytes}"
            )


@dataclass(frozen=True, slots=True)
class Breaks:
    """Moments at which nothing passes for a while; packets wait, and then come at once.

    Attributes:
        per_hour: how often on average, at moments that don't know of each other (a Poisson process).
        shortest_s, longest_s: any length between them is as likely as another.
    """

    per_hour: float
    shortest_s: float
    longest_s: float

    def __post_init__(self) -> None:
        if self.per_hour < 0 or not 0 < self.shortest_s <= self.longest_s:
            raise ValueError(f"no such breaks: {self}")


@dataclass(frozen=True, slots=True)
class Wake:
    """How long a radio that fell asleep takes to carry a packet.

    Attributes:
        down_ms: (seconds without a packet, milliseconds that a packet to the phone then waits), ascending; of those
            whose seconds have gone, the last one holds.
        up_after_s, up_ms: the same for a packet of the phone, which wakes the radio itself.
    """

    down_ms: tuple[tuple[float, float], ...] = ()
    up_after_s: float = 0.0
    up_ms: float = 0.0

    def __post_init__(self) -> None:
        if list(self.down_ms) != sorted(self.down_ms):
            raise ValueError(f"the steps of a wake-up ascend: {self.down_ms}")


@dataclass(frozen=True, slots=True)
class Profile:
    """A link between a phone and the gateway.

    Attributes:
        round_trip_ms: points of the distribution of the round trip, as (share of packets, milliseconds), ascending; the
            first and the last are its ends. Half of it is each way's, and both have their bad moments together.
        memory_s: after so long a delay has lost all but 1/e of its likeness to what it was.
        down, up: to the phone and from it.
        stalls, handovers: None where there are none.
        measured: names of the published figures, and the figures, for whoever compares.
        source: who measured, and when.
        assumed: what was not measured, and why it is what it is.
    """

    name: str
    title: str
    round_trip_ms: tuple[tuple[float, float], ...]
    memory_s: float
    down: Direction
    up: Direction
    stalls: Breaks | None = None
    handovers: Breaks | None = None
    wake: Wake = field(default_factory=Wake)
    measured: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    assumed: str = ""

    def __post_init__(self) -> None:
        points = self.round_trip_ms
        ascending = all(a[0] < b[0] and a[1] <= b[1] for a, b in itertools.pairwise(points))
        if len(points) < 2 or points[0][0] != 0 or points[-1][0] != 1 or points[0][1] < 0 or not ascending:
            raise ValueError(f"{self.name}: points of a distribution ascend from share 0 to share 1, not {points}")
        if self.memory_s <= 0:
            raise ValueError(f"{self.name}: memory_s is above 0, not {self.memory_s}")


def names() -> list[str]:
    """All profiles that there are."""
    return list(_read())


def load(name: str) -> Profile:
    """The profile of that name.

    Raises:
        ValueError: there is none, or it makes no sense.
    """
    known = _read()
    if name not in known:
        raise ValueError(f"there is no profile {name!r} in {_FILE.name}; there are {', '.join(known)}")
    return from_json({"name": name, **known[name]})


def from_json(row: Mapping[str, Any]) -> Profile:
    """A profile from its JSON object.

    Raises:
        ValueError, TypeError: it makes no sense.
    """
    whole = dict(row)
    for way in ("down", "up"):
        parts = dict(whole[way])
        whole[way] = Direction(**{**parts, "loss": Loss(**parts.get("loss", {}))})
    for kind in ("stalls", "handovers"):
        whole[kind] = Breaks(**whole[kind]) if whole.get(kind) else None
    wake = dict(whole.get("wake") or {})
    whole["wake"] = Wake(**{**wake, "down_ms": tuple((after, ms) for after, ms in wake.get("down_ms", ()))})
    whole["round_trip_ms"] = tuple((share, ms) for share, ms in whole["round_trip_ms"])
    return Profile(**whole)


def _read() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return found
