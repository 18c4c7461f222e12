"""Every hostile text and message, as a table: `make hostile`, or python -m tests.hostile [PART ...].

*texts*: every attack through the tasks, with the shipped checkpoint and adapter, 32 requests at a time. *parrot*: the
same with models that repeat whatever they read, so that nothing but the guards stands between. *limits*: what a broken
or hostile producer may send, to a real worker on a real broker. *gateway*: 20,000 random requests to a real gateway,
and what schemathesis makes of its OpenAPI document. Each writes its part of bench/results/hostile.json. Ends with 1
where anything got through.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from model.engine import EngineSettings, LocalEngine
from model.fetch import locate
from tests.hostile.cases import all_cases, sample
from tests.hostile.gateway import run as gateway
from tests.hostile.parrot import HABITS, Parrot
from tests.hostile.trial import Outcome, run

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "bench" / "results" / "hostile.json"
PARTS = ("texts", "parrot", "limits", "gateway")
_KINDS = ("cases", "routed", "foreign", "crashed", "held")

Families = dict[str, dict[str, int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all of them when left out")
    parser.add_argument("--sample", type=int, help="only so many texts or requests; writes no result")
    parser.add_argument("--show", action="store_true", help="print what got through, and what is held for a person")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part named {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    failed = False
    for part in arguments.parts or PARTS:
        started = time.perf_counter()
        if part == "gateway":
            figures, passed = gateway.run(arguments.sample or gateway.REQUESTS, show=arguments.show)
        elif part == "limits":
            figures, passed = _limits()
        else:
            figures, passed = _texts(part, arguments.sample, show=arguments.show)
        failed |= not passed
        figures |= {"command": f"python -m tests.hostile {part}", "seconds": round(time.perf_counter() - started)}
        if arguments.sample is None:
            _write(part, figures)
    sys.exit(failed)


def _texts(part: str, count: int | None, *, show: bool) -> tuple[dict[str, Any], bool]:
    cases = sample(count) if count else all_cases()
    if part == "parrot":
        outcomes = [outcome for habit in HABITS for outcome in run(cases, Parrot(habit))]
        about: dict[str, Any] = {"engine": f"repeats its {', its '.join(HABITS)}"}
        # Which passages it is given decides what a parrot says, so a route may change without any harm.
        passed = not any(outcome.foreign or outcome.crashed for outcome in outcomes)
    else:
        with closing(LocalEngine.open(locate(None, None), EngineSettings(adapter="shipped", slots=32))) as engine:
            outcomes = run(cases, engine)
            about = {"engine": f"{engine.info.model}, {engine.info.adapter}, {engine.info.dtype}"}
        passed = not any(outcome.got_through for outcome in outcomes)
    families = by_family(outcomes)
    print(f"{part}: {about['engine']}\n{table(families)}\n")
    if show:
        _show(outcomes)
    return about | {"all": total(families), "families": families}, passed


def _limits() -> tuple[dict[str, Any], bool]:
    counted = _Counted()
    code = pytest.main(["-q", "-m", "", str(Path(__file__).with_name("test_limits.py"))], plugins=[counted])
    print(f"limits: {counted.passed} of {counted.passed + counted.failed} as they should be\n")
    return {"cases": counted.passed + counted.failed, "passed": counted.passed}, code == pytest.ExitCode.OK


class _Counted:
    """Counts tests."""

    def __init__(self) -> None:
        self.passed = self.failed = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called by pytest for each stage of each test."""
        self.passed += report.when == "call" and report.passed
        self.failed += report.failed


def by_family(outcomes: Sequence[Outcome]) -> Families:
    """How many cases each family has, and what came of them."""
    found: Families = {}
    for outcome in outcomes:
        row = found.setdefault(outcome.case.attack.family, dict.fromkeys(_KINDS, 0))
        row["cases"] += 1
        for kind in _KINDS[1:]:
            row[kind] += bool(getattr(outcome, kind))
    return found


def total(families: Families) -> dict[str, int]:
    """All of them together."""
    return {kind: sum(row[kind] for row in families.values()) for kind in _KINDS}


def table(families: Families) -> str:
    """The same to read."""
    rows = [("family", *_KINDS)]
    for name, row in {**families, "all": total(families)}.items():
        rows.append((name, *(str(row[kind]) for kind in _KINDS)))
    return "\n".join(f"{name:44}" + "".join(f"{cell:>9}" for cell in cells) for name, *cells in rows)


def _show(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        what = [(kind, text) for kind in ("routed", "foreign", "held") for text in getattr(outcome, kind)]
        what += [("crashed", outcome.crashed)] if outcome.crashed else []
        for kind, text in what:
            print(f"{kind:8} {outcome.case.name} | {outcome.case.attack.family} | {text}")


def _write(part: str, figures: dict[str, Any]) -> None:
    known = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    RESULT.write_text(json.dumps(known | {part: figures}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
