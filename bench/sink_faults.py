"""Is everything there, once, and are the roll-ups right, when what stores it dies again and again?

    python -m bench.sink_faults [--rows 1000000] [--kills 50] [--restarts 5] [--rebalances 20] [--seed 1]

A producer sends order lines steadily, some of them again, some late, some broken (`sink_faults_orders.py`). Meanwhile:
the sink is killed, half of the times in the middle of an insert; ClickHouse is killed and starts on the same data; a
second sink comes and goes, and the first one is stopped for longer than its session and then goes on, which makes it
the zombie that stores what is no longer its own. Roll-ups are settled all the while. At the end the rows, the dead
letters and the roll-ups are compared with what was sent and with a recount.

Beside it stands what everybody writes first: a materialized view that adds up into a SummingMergeTree.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.sink_faults_checks import Found, compare
from bench.sink_faults_children import SESSION_S
from bench.sink_faults_orders import Workload, now
from bench.sink_faults_stack import Options, Run, standing, until
from tradewind.stack.supervisor import Supervisor

RESULTS = Path(__file__).parent / "results" / "sink-faults.json"


def tell(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def kill_sinks(run: Run) -> None:
    """Phase A: kill -9 the sink, at any moment or in the middle of an insert."""
    for number in range(run.options.kills):
        before = run.let_pass()
        until(lambda before=before: run.rows() > before, "the sink stores after it was killed")  # type: ignore[misc]
        amid = number % 2 == 0
        if amid:
            with suppress(TimeoutError):
                until(run.inserting, "an insert is under way", 5.0)
                run.amid_inserts += 1
        else:
            time.sleep(run.rng.uniform(0, 1.0))
        kill(run, "sink-1")
        tell(f"kill {number + 1} of {run.options.kills}{', amid an insert' if amid else ''}: {before} rows before")


def restart_clickhouse(run: Run) -> None:
    """Phase B: kill -9 ClickHouse, which starts again on the same data and port."""
    for number in range(run.options.restarts):
        before = run.let_pass()
        until(lambda before=before: run.rows() > before, "rows after ClickHouse was killed")  # type: ignore[misc]
        with suppress(TimeoutError):
            until(run.inserting, "an insert is under way", run.rng.uniform(0.1, 2.0))
        kill(run, "clickhouse")
        until(lambda: run.rows() >= before, "ClickHouse answers again")  # noqa: B023
        tell(f"ClickHouse restart {number + 1} of {run.options.restarts}")


def rebalance(run: Run) -> None:
    """Phase C: a second sink comes and goes; the first one sleeps longer than its session, and goes on."""
    rebalances = 0
    while rebalances < run.options.rebalances:
        before, zombie = run.assignments(), run.zombies < 2
        run.let_pass()
        with Supervisor(run.exits.append) as second:
            second.start(run.sink_spec("sink-2"))
            until(lambda before=before: run.assignments() >= before + 2, "both sinks have partitions")  # type: ignore[misc]
            rebalances += 1
            if zombie:
                rebalances += make_zombie(run)
            time.sleep(run.rng.uniform(0.2, 1.5))
            before = run.assignments()
        until(lambda before=before: run.assignments() > before, "the first sink has all partitions")  # type: ignore[misc]
        rebalances += 1
        tell(f"rebalances: {rebalances} of {run.options.rebalances}{', a zombie among them' if zombie else ''}")
    run.done = max(run.done, run.options.faults)


def make_zombie(run: Run) -> int:
    """Stop the first sink for longer than its session, so that the second one gets its partitions; let it go on."""
    first, before = run.pid("sink-1"), run.assignments()
    run.let_pass()
    with suppress(TimeoutError):
        until(run.inserting, "an insert is under way", 2.0)
    os.kill(first, signal.SIGSTOP)
    try:
        time.sleep(SESSION_S + 1.0)
        until(lambda: run.assignments() > before, "the second sink has all partitions")
    finally:
        os.kill(first, signal.SIGCONT)
    until(lambda: run.assignments() >= before + 2, "the zombie has joined again")
    run.zombies += 1
    return 2


def kill(run: Run, name: str) -> None:
    """kill -9 a child, and wait until it runs again."""
    before = run.pid(name)
    os.kill(before, signal.SIGKILL)
    until(lambda: run.supervisor.pids().get(name, before) != before, f"{name} is started again")


def run_faults(options: Options, folder: Path) -> dict[str, Any]:
    """One run; gives its figures.

    Raises:
        TimeoutError: something does not come back to life.
    """
    workload, started = Workload(options.rows, options.seed, now()), time.monotonic()
    with standing(options, workload, folder) as run:
        kill_sinks(run)
        restart_clickhouse(run)
        rebalance(run)
        run.producer.finish()
        tell("all is sent; waiting for the last rows")
        with suppress(TimeoutError):  # what is missing then is lost, and counted below
            sql = "SELECT uniqExact(event_id) FROM orders"
            until(lambda: run.client.query(sql).result_rows == [(options.rows,)], "all rows", 120.0)
        found = compare(run.settings, run.client, workload)
        ended = [each for each in run.exits if each.status != -signal.SIGKILL]
        for each in ended:
            tell(f"ended by itself: {each}")
        return {
            **asdict(options),
            "seconds": round(time.monotonic() - started),
            "killed_amid_an_insert": run.amid_inserts,
            "zombies": run.zombies,
            "assignments": run.assignments(),
            "ended_by_themselves": len(ended),
            **asdict(found),
            "right": is_right(found),
        }


def is_right(found: Found) -> bool:
    """Whether nothing is lost, double or unequal."""
    wrong = (found.lost, found.duplicates, found.values_wrong, found.letters_missing, found.letters_foreign)
    return not any(wrong) and not found.letter_ids_doubled and not any(found.roll_ups_unequal.values())


def main() -> int:
    """Run, print and write the figures; 1 where something is lost, double or unequal."""
    logging.disable(logging.ERROR)  # of connections that break, which is what this is about
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in asdict(Options()).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = run_faults(Options(args.rows, args.kills, args.restarts, args.rebalances, args.seed), Path(folder))
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))
    return 0 if figures["right"] else 1


if __name__ == "__main__":
    sys.exit(main())
