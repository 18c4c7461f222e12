"""How many of 200 planted anomalies our detector finds in a real year, and how many alarms are about nothing planted.

    python -m bench.insights [--every 6]

Walks through 2017 six hours at a time, each step knowing only what came before, with the detector and policy that the
insights agent runs, and beside it a plain z-score on the same counts, windows and rules. Merchants are the
manufacturers with at least 5 order lines a day. The policy was tuned on every second of them and seed 1; what counts
is the other half with seed 2. An anomaly is found when an alarm for its merchant and metric, in its direction, has a
window that overlaps it. Alarms that overlap each other are said once and count once. What real sales did by
themselves, such as a promotion, counts against us: an alarm is right only if it meets something planted.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.insights_peer import z_scores
from bench.insights_year import HOURS, WARM_UP, YEAR, Lines, Planted, Sizes, counted, plant, year_of_lines
from schemas.events import InsightKind
from streams.insights.detect import Anomaly, DetectionPolicy, baselines_at, detect
from streams.insights.episodes import episodes
from streams.insights.series import HOUR, Series

RESULTS = Path(__file__).parent / "results" / "insights.json"
LEAST_A_DAY = 5.0
PLANTED = 200
POLICY = DetectionPolicy()
# Each size with the counts that are usual in the time for which it is planted, at least.
MAIN = Sizes(
    spikes=((2.0, 80.0), (3.0, 25.0), (4.0, 15.0)), drops=((0.1, 50.0), (0.2, 60.0), (0.3, 100.0), (0.4, 150.0))
)
HARDER = Sizes(
    spikes=((1.5, 80.0), (2.0, 40.0), (3.0, 12.0), (4.0, 8.0)), drops=((0.1, 25.0), (0.3, 50.0), (0.5, 100.0))
)
LEVELS = (0.2, 0.1, 0.05, 0.04, 0.03, 0.02, 0.01, 0.005, 0.002)  # alarms a day; the first takes the others in
THRESHOLDS = (3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 7.0, 8.0, 10.0, 12.0, 15.0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How well alarms met what was planted."""

    recall: float
    precision: float
    f1: float
    alarms: int
    right: int
    planted: int
    found: int


def walk(year: Sequence[Series], steps: range) -> list[Anomaly]:
    """What our detector says at each step, at the widest of the levels; baselines are made once a day."""
    widest = replace(POLICY, alarms_a_day=LEVELS[0])
    said: list[Anomaly] = []
    baselines = baselines_at(year, YEAR + steps[0] * HOUR, widest)
    for hour in steps:
        now = YEAR + hour * HOUR
        if hour % 24 == 0:
            baselines = baselines_at(year, now, widest)
        said += detect(year, now, widest, baselines)
    return said


def judged(alarms: Sequence[Anomaly], planted: Sequence[Planted]) -> tuple[Verdict, dict[int, Anomaly]]:
    """The verdict, and for each planted one that was found (by its place) the first alarm that met it."""
    places = defaultdict(list)
    for place, one in enumerate(planted):
        places[one.merchant_id, one.metric, one.kind is InsightKind.SPIKE].append(place)
    first: dict[int, Anomaly] = {}
    right = 0
    events = episodes(alarms)
    for event in events:
        met = False
        for alarm in event.anomalies:
            for place in places[alarm.merchant_id, alarm.metric, alarm.more]:
                if alarm.window_start < planted[place].end and alarm.window_end > planted[place].start:
                    first.setdefault(place, alarm)
                    met = True
        right += met
    recall, precision = len(first) / len(planted), right / max(len(events), 1)
    f1 = 2 * recall * precision / max(recall + precision, 1e-9)
    return Verdict(recall, precision, f1, len(events), right, len(planted), len(first)), first


def by(key: Callable[[Planted], str], planted: Sequence[Planted], found: dict[int, Anomaly]) -> dict[str, str]:
    """Found of planted, by a key."""
    all_of = Counter(key(one) for one in planted)
    found_of = Counter(key(planted[place]) for place in found)
    return {name: f"{found_of[name]} of {all_of[name]}" for name in sorted(all_of)}


def trial(lines: Lines, half: int | None, seed: int, sizes: Sizes, every: int) -> dict[str, Any]:
    """One year: ours and the peer, on every second merchant (from place 0 or 1) or on all."""
    rng = np.random.default_rng(seed)
    year = counted(lines, rng)
    if half is not None:
        year = [replace(one, merchants=one.merchants[half::2], counts=one.counts[half::2]) for one in year]
    year, planted = plant(year, sizes, PLANTED, POLICY.drops, rng)
    steps = range(WARM_UP, HOURS, every)
    started = time.perf_counter()
    said = walk(year, steps)
    took = time.perf_counter() - started
    at_level = {level: judged([one for one in said if one.q_value <= level], planted) for level in LEVELS}
    verdict, found = at_level[POLICY.alarms_a_day]
    hours = [(alarm.window_end - planted[place].start) / HOUR for place, alarm in found.items()]
    peers: dict[str, Any] = {}
    for name, floors in (("z_score", False), ("z_score_with_our_floors", True)):
        all_z = z_scores(year, steps, POLICY, floors=floors)
        at = {least: judged([one for one in all_z if abs(one.score) >= least], planted)[0] for least in THRESHOLDS}
        best = max(at, key=lambda least: at[least].f1)
        peers[name] = {"at_3": asdict(at[3.0]), "best_threshold": best, "at_best": asdict(at[best])}
    return {
        "seed": seed,
        "merchants": len(year[0].merchants),
        "merchants_planted": len({one.merchant_id for one in planted}),
        "ours": asdict(verdict),
        "ours_at_alarms_a_day": {f"{level:g}": asdict(at_level[level][0]) for level in LEVELS},
        **peers,
        "walk_s": round(took, 1),
        "mean_hours_until_noticed": round(float(np.mean(hours)), 1),
        "median_hours_until_noticed": round(float(np.median(hours)), 1),
        "noticed_while_it_lasted": sum(alarm.window_end <= planted[place].end for place, alarm in found.items()),
        "by_size": by(lambda one: f"{one.kind.value} x{one.size:g}", planted, found),
        "by_hours": by(lambda one: f"{(one.end - one.start) // HOUR:3d} h", planted, found),
        "by_metric": by(lambda one: one.metric, planted, found),
        "by_usual_counts": by(lambda one: _volume(one.usual), planted, found),
    }


def _volume(usual: float) -> str:
    for low, high in ((0, 20), (20, 60), (60, 200)):
        if usual < high:
            return f"{low:3d} to {high}"
    return "200 and more"


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    return round(value, 3) if isinstance(value, float) else value


def show(name: str, result: dict[str, Any]) -> None:
    print(f"\n{name}: {result['merchants']} merchants, seed {result['seed']}, {result['walk_s']} s")
    rows = [("ours", result["ours"])]
    rows += [(f"ours at {level} alarms a day", row) for level, row in result["ours_at_alarms_a_day"].items()]
    for peer in ("z_score", "z_score_with_our_floors"):
        best = result[peer]["best_threshold"]
        rows += [(f"{peer} at 3", result[peer]["at_3"]), (f"{peer} at {best:g} (best F1)", result[peer]["at_best"])]
    for label, row in rows:
        print(f"  {label:42s} recall {row['recall']:.3f}  precision {row['precision']:.3f}  alarms {row['alarms']}")
    for part in ("by_size", "by_hours", "by_metric", "by_usual_counts"):
        print(f"  {part}: " + ", ".join(f"{key}: {value}" for key, value in result[part].items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=6, help="hours between looks")
    parser.add_argument("--only", choices=["tuned", "held", "held_fresh", "held_harder", "all_merchants"])
    given = parser.parse_args()
    lines = year_of_lines(LEAST_A_DAY)
    trials: dict[str, tuple[int | None, int, Sizes]] = {
        "tuned": (0, 1, MAIN),
        "held": (1, 2, MAIN),
        "held_fresh": (1, 3, MAIN),  # a seed that nobody looked at while the policy was made
        "held_harder": (1, 2, HARDER),
        "all_merchants": (None, 2, MAIN),
    }
    sizes_stated = {"main": asdict(MAIN), "harder": asdict(HARDER)}
    results: dict[str, Any] = {"every_hours": given.every, "alarms_a_day": POLICY.alarms_a_day, "sizes": sizes_stated}
    for name, (half, seed, sizes) in trials.items():
        if given.only in {None, name}:
            results[name] = rounded(trial(lines, half, seed, sizes, given.every))
            show(name, results[name])
    if given.only is None:
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
