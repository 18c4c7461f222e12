"""The profiles' data."""

from __future__ import annotations

from typing import Any

import pytest

from bench.links.profile import Breaks, Direction, Loss, Wake, from_json, load, names

WAY = {"mbit_s": 10, "queue_bytes": 15_000}
WHY = ("points of a distribution", "memory_s is", "a rate is above", "a share of loss", "no such breaks", "ascend")
ROW: dict[str, Any] = {
    "name": "mine", "title": "mine", "round_trip_ms": [[0, 1], [0.5, 2], [1, 3]], "memory_s": 1, "down": WAY, "up": WAY,
}  # fmt: skip


@pytest.mark.parametrize("name", names())
def test_each_says_where_it_is_from_and_what_it_assumes(name: str) -> None:
    profile = load(name)
    assert profile.source
    assert profile.assumed
    assert profile.measured
    points = dict(profile.round_trip_ms)
    for share in (50, 90, 95, 99):
        if f"p{share}_ms" in profile.measured:
            assert points[share / 100] == profile.measured[f"p{share}_ms"]


def test_the_issues_links_are_there() -> None:
    wanted = {"5g-sa", "5g-nsa", "5g-rest", "lte", "lte-busy", "3g", "wifi", "idle-5g-sa", "idle-lte"}
    assert wanted == set(names())


def test_an_unknown_one_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"no profile '6g' in profiles.json; there are 5g-sa"):
        load("6g")


def test_one_made_by_hand() -> None:
    profile = from_json(
        ROW | {"wake": {"down_ms": [[2, 80]]}, "stalls": {"per_hour": 1, "shortest_s": 1, "longest_s": 2}}
    )
    assert profile.wake == Wake(((2, 80),))
    assert profile.stalls == Breaks(1, 1, 2)
    assert profile.down == Direction(10, 15_000, Loss())


@pytest.mark.parametrize(
    "wrong",
    [
        {"round_trip_ms": [[0, 1]]},
        {"round_trip_ms": [[0, 5], [1, 3]]},
        {"round_trip_ms": [[0.1, 1], [1, 3]]},
        {"memory_s": 0},
        {"down": {"mbit_s": 0, "queue_bytes": 15_000}},
        {"up": {"mbit_s": 1, "queue_bytes": 100}},
        {"up": WAY | {"loss": {"share": 1.0}}},
        {"up": WAY | {"loss": {"share": 0.1, "burst": 0.5}}},
        {"stalls": {"per_hour": 1, "shortest_s": 2, "longest_s": 1}},
        {"wake": {"down_ms": [[12, 400], [2, 80]]}},
    ],
)
def test_one_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="|".join(WHY)):
        from_json(ROW | wrong)
