"""Every hostile text through the tasks, as a table by family: `make hostile`, or python -m tests.hostile.

The engine is the shipped checkpoint with its adapter, 32 requests at a time. Ends with 1 where one got through.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import closing
from pathlib import Path

from model.engine import EngineSettings, LocalEngine
from model.fetch import locate
from tests.hostile.cases import all_cases, sample
from tests.hostile.trial import Outcome, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, help="only so many cases, spread over all")
    parser.add_argument("--show", action="store_true", help="print what got through, and what is held for a person")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    cases = sample(arguments.sample) if arguments.sample else all_cases()
    started = time.perf_counter()
    with closing(LocalEngine.open(locate(None, None), EngineSettings(adapter="shipped", slots=32))) as engine:
        outcomes = run(cases, engine)
    families = by_family(outcomes)
    print(table(families))
    print(f"{time.perf_counter() - started:.0f} s")
    if arguments.show:
        for outcome in outcomes:
            for kind in ("routed", "foreign", "held"):
                for what in getattr(outcome, kind):
                    print(f"{kind:8} {outcome.case.name} | {outcome.case.attack.family} | {what}")
            if outcome.crashed:
                print(f"crashed  {outcome.case.name} | {outcome.case.attack.family} | {outcome.crashed}")
    if arguments.json:
        arguments.json.write_text(json.dumps(families, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.exit(any(outcome.got_through for outcome in outcomes))


def by_family(outcomes: list[Outcome]) -> dict[str, dict[str, int]]:
    """How many cases each family has, and what came of them."""
    found: dict[str, dict[str, int]] = {}
    for outcome in outcomes:
        row = found.setdefault(
            outcome.case.attack.family, dict.fromkeys(("cases", "routed", "foreign", "crashed", "held"), 0)
        )
        row["cases"] += 1
        for kind in ("routed", "foreign", "crashed", "held"):
            row[kind] += bool(getattr(outcome, kind))
    return found


def table(families: dict[str, dict[str, int]]) -> str:
    """The same to read."""
    kinds = ("cases", "routed", "foreign", "crashed", "held")
    rows = [("family", *kinds), *((name, *(str(row[kind]) for kind in kinds)) for name, row in families.items())]
    rows.append(("all", *(str(sum(row[kind] for row in families.values())) for kind in kinds)))
    return "\n".join(f"{name:44}" + "".join(f"{cell:>9}" for cell in cells) for name, *cells in rows)


if __name__ == "__main__":
    main()
