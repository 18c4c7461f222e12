"""The whole of it, for `make hostile`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from streams import topics
from tests.hostile.gateway.schema import examine
from tests.hostile.gateway.shots import shots
from tests.hostile.gateway.trial import Outcome, fire, slow_bodies, target
from tradewind.assembly import settings_for
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack, StackConfig

REQUESTS = 20_000
SEED = 20_261_130
_SLOW = 200
_EXAMPLES = 40
_SHOWN = 20


def run(count: int, *, show: bool) -> tuple[dict[str, Any], bool]:
    """So many random requests, slow bodies, and schemathesis; gives the figures, and whether all is as it should be."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with LocalStack(StackConfig(folder / "stack")) as stack:
            settings = settings_for(Settings(data_dir=folder), stack.endpoints)
            topics.create(settings)
            with target(settings, folder) as at:
                print(f"{count} random requests", flush=True)
                outcome = fire(at, shots(count, SEED, at.secrets))
                print(f"{outcome.seconds:.0f} s; {_SLOW} slow bodies", flush=True)
                slow = slow_bodies(at, _SLOW)
                print("schemathesis", flush=True)
                found = examine(at, folder, _EXAMPLES)
                lives = at.works()
    figures = {
        "requests": count,
        "seed": SEED,
        "answered": {family: dict(sorted(statuses.items())) for family, statuses in sorted(outcome.answered.items())},
        "wrong": len(outcome.wrong),
        "silent": len(outcome.silent),
        "told": len(outcome.told) + len(outcome.logged),
        "accepted": len(outcome.accepted),
        "accepted_not_in_kafka": len(set(outcome.accepted) - outcome.in_kafka),
        "in_kafka_not_accepted": len(outcome.in_kafka - set(outcome.accepted)),
        "in_another_name": len(outcome.foreign),
        "grown_mb": round(outcome.after_mb - outcome.before_mb, 1),
        "slow_bodies": {str(status): slow.count(status) for status in sorted(set(slow))},
        "schemathesis": {"passed": found.passed, "requests": found.requests},
        "lives": lives,
    }
    _print(figures, outcome, found.said if show or not found.passed else "", show=show)
    none = ("wrong", "silent", "told", "accepted_not_in_kafka", "in_kafka_not_accepted", "in_another_name")
    passed = lives and found.passed and not any(figures[name] for name in none) and set(slow) <= {0, 408}
    return figures, passed


def _print(figures: dict[str, Any], outcome: Outcome, said: str, *, show: bool) -> None:
    for family, statuses in figures["answered"].items():
        print(f"{family:20}" + "  ".join(f"{status}: {number}" for status, number in statuses.items()))
    print({name: value for name, value in figures.items() if name != "answered"})
    shown = None if show else _SHOWN
    for title in ("wrong", "silent", "told", "logged"):
        for line in getattr(outcome, title)[:shown]:
            print(f"{title}: {line}")
    if said:
        print(said)
