"""The fault matrix, printed and kept.

    python -m tests.faults [--only NAME ...] [--share 1.0] [--results FILE]

Each row has an Apache Kafka, a ClickHouse, workers and a sink of its own, each a process.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.faults.rows import ROWS, Row
from tests.faults.run import Outcome, run
from tests.faults.shifted_clock import NoShiftedClock
from tests.faults.small_disk import NoSmallDisk
from tests.kafka.jars import KafkaMissing, pinned_version

RESULTS = Path(__file__).parents[2] / "bench" / "results" / "faults.json"
COLUMNS = ("events", "broken", "lost", "duplicates", "delivered_again", "fault_s", "recovery_s", "total_s")


def main() -> int:
    """Run the rows; 1 where one is not clean or does not come to its end."""
    options = _options()
    logging.getLogger("tradewind").setLevel(logging.CRITICAL)  # the deaths of processes are what this is about
    chosen = [row for row in ROWS if not options.only or row.name in options.only]
    if unknown := set(options.only) - {row.name for row in ROWS}:
        print(f"no row named {', '.join(sorted(unknown))}; there are: {', '.join(row.name for row in ROWS)}")
        return 2
    kept = _kept(options.results) if options.only else {}
    failed = False
    for number, row in enumerate(chosen, 1):
        print(f"{number} of {len(chosen)}: {row.name} ({row.what})", file=sys.stderr, flush=True)
        outcome = _try(row.smaller(options.share))
        if isinstance(outcome, str):
            print(f"    {outcome}", file=sys.stderr, flush=True)
            kept.pop(row.name, None)
            failed = True
            continue
        print(f"    {_line(outcome)}", file=sys.stderr, flush=True)
        failed = failed or not outcome.clean
        kept[row.name] = asdict(outcome)
        _keep(options, kept)
    _show(kept)
    return int(failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What is lost, and what comes twice, whatever dies.")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this row; may be given again")
    parser.add_argument("--share", type=float, default=1.0, help="of the events, for a quick look")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the figures go")
    return parser.parse_args()


def _try(row: Row) -> Outcome | str:
    try:
        return run(row)
    except (KafkaMissing, NoSmallDisk, NoShiftedClock) as why:
        return f"can't be made here: {why}"
    except Exception as error:  # the other rows are worth their run
        return f"did not come to its end: {type(error).__name__}: {error}"


def _line(outcome: Outcome) -> str:
    return ", ".join(f"{name} {getattr(outcome, name):,}" for name in COLUMNS)


def _kept(file: Path) -> dict[str, Any]:
    """Rows of an earlier run, which one that is about a few leaves as they are."""
    return {row["fault"]: row for row in json.loads(file.read_bytes())["rows"]} if file.exists() else {}


def _keep(options: argparse.Namespace, kept: dict[str, Any]) -> None:
    order = [row.name for row in ROWS]
    rows = sorted(kept.values(), key=lambda row: order.index(row["fault"]))
    found = {"command": "make faults", "kafka": pinned_version(), "share": options.share, "rows": rows}
    options.results.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _show(kept: dict[str, Any]) -> None:
    table = Table("fault", "what", *(name.replace("_", " ") for name in COLUMNS))
    for row in (kept[each.name] for each in ROWS if each.name in kept):
        table.add_row(row["fault"], row["what"], *(f"{row[name]:,}" for name in COLUMNS))
    Console(width=180).print(table)


if __name__ == "__main__":
    sys.exit(main())
