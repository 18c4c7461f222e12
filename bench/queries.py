"""How fast the questions of docs/queries.md are answered over 50,000,000 orders, and what a row takes on disk.

    python -m bench.queries [--rows 50000000] [--repeats 7] [--folder DIR]

The orders are made inside ClickHouse from real ones (see `bench.queries_data`), in a folder that is removed at the end
unless one is given; 50,000,000 take some 4 GB and ten minutes. The roll-ups are settled as the sink does it, all but
some thousand orders of the last two minutes. Merges end by themselves: no table is optimized by hand. Each query runs
on two threads, its files in memory. The page's table is written from the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

from clickhouse_connect.driver.client import Client

from bench import queries_data as data
from consumers.clickhouse.client import open_client
from consumers.clickhouse.migrate import migrate
from consumers.clickhouse.settle import TIERS, settle
from tradewind.assembly import settings_for
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack, StackConfig

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "queries.md"
RESULTS = ROOT / "bench" / "results" / "queries.json"
THREADS = 2
_COLUMNS_TOLD = 8
_QUESTION = re.compile(r"^## \d+\. (?P<question>[^\n]+)$.*?^```sql\n(?P<sql>.*?)^```$", re.MULTILINE | re.DOTALL)
_FIGURES = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- /figures -->)", re.DOTALL)
_MERGES_S, _QUIET_S = 120.0, 6.0

#: Of everything that was placed and paid back, from the events themselves and from the roll-up.
_RECOUNT = """
SELECT currency, countIf(kind = 'PLACED'), sumIf(amount, kind = 'PLACED'), sumIf(amount, kind = 'REFUNDED')
FROM orders FINAL GROUP BY currency ORDER BY currency"""
_ROLLED_UP = "SELECT currency, sum(lines), sum(sales), sum(refunds) FROM {view} GROUP BY currency ORDER BY currency"


def questions(page: str) -> list[tuple[str, str]]:
    """The page's questions, each with its SQL."""
    return [(match["question"], match["sql"]) for match in _QUESTION.finditer(page)]


def figures(results: Mapping[str, Any]) -> str:
    """The page's table, and what a row takes."""
    head = (
        f"Measured over {results['rows']:,} rows ({results['events']:,} events, some of them twice) in "
        f"{results['parts']} parts, on {results['cores']} cores with a load of "
        f"{results['load_at_queries']:g}; {results['repeats']} runs each, files in memory."
    )
    rows = "\n".join(
        f"| {number}. {each['question']} | {each['median_ms']} ms | {each['p95_ms']} ms | {each['rows_read']:,} | "
        f"{each['mb_read']:g} |"
        for number, each in enumerate(results["queries"], 1)
    )
    largest = list(results["bytes_per_row_of"].items())[:_COLUMNS_TOLD]
    columns = ", ".join(f"`{name}` {size:g}" for name, size in largest)
    foot = (
        f"A row of `orders` takes **{results['bytes_per_row']:g} bytes** on disk ({results['bytes_per_row_raw']:g} "
        f"before compression); the settled roll-ups take {results['roll_up_bytes_per_row']:g} more for each. The "
        f"largest columns: {columns}."
    )
    return f"{head}\n\n| question | median | p95 | rows read | MB read |\n|---|---:|---:|---:|---:|\n{rows}\n\n{foot}\n"


def measure(client: Client, question: str, sql: str, repeats: int) -> dict[str, Any]:
    """Times of one query, after one run that warms up the files."""
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        answer = client.query(sql, settings={"max_threads": THREADS})
        times.append((time.perf_counter() - started) * 1000)
    times = sorted(times[1:])
    return {
        "question": question,
        "median_ms": round(median(times)),
        "p95_ms": round(times[-(-len(times) * 95 // 100) - 1]),
        "rows_read": int(answer.summary["read_rows"]),
        "mb_read": round(int(answer.summary["read_bytes"]) / 1e6, 1),
        "rows_answered": len(answer.result_rows),
    }


def check_exact(client: Client) -> None:
    """Compare the roll-ups with a recount of the events.

    Raises:
        SystemExit: they differ, so the figures would be worth nothing.
    """
    recount = client.query(_RECOUNT).result_rows
    for view in ("merchant_sales", "merchant_days", "refund_rates"):
        if (rolled_up := client.query(_ROLLED_UP.format(view=view)).result_rows) != recount:
            raise SystemExit(f"{view} is not equal to a recount of the events: {rolled_up}, expected {recount}")


def wait_for_merges(client: Client) -> bool:
    """Wait until ClickHouse has merged nothing for some seconds; False if it still does after two minutes."""
    give_up = time.monotonic() + _MERGES_S
    quiet_since = time.monotonic()
    while time.monotonic() < quiet_since + _QUIET_S:
        if client.query("SELECT count() FROM system.merges").result_rows[0][0]:
            quiet_since = time.monotonic()
        if time.monotonic() > give_up:
            return False
        time.sleep(0.5)
    return True


def storage(client: Client) -> dict[str, Any]:
    """What the rows take."""
    of_table: Callable[[str], Sequence[Any]] = lambda table: client.query(  # noqa: E731
        "SELECT sum(rows), sum(bytes_on_disk), sum(data_uncompressed_bytes), count() FROM system.parts "
        "WHERE active AND database = currentDatabase() AND table LIKE {table:String}",
        parameters={"table": table},
    ).result_rows[0]
    rows, size, raw, parts = of_table("orders")
    columns = client.query(
        "SELECT column, round(sum(column_data_compressed_bytes) / sum(rows), 3) AS size FROM system.parts_columns "
        "WHERE active AND database = currentDatabase() AND table = 'orders' GROUP BY column ORDER BY size DESC"
    ).result_rows
    return {
        "rows": rows,
        "parts": parts,
        "bytes_per_row": round(size / rows, 1),
        "bytes_per_row_raw": round(raw / rows, 1),
        "bytes_per_row_of": dict(map(tuple, columns)),
        "roll_up_bytes_per_row": round(of_table("\\_settled\\_%")[1] / rows, 1),
    }


def make(client: Client, rows: int) -> dict[str, Any]:
    """Fill the tables and settle the roll-ups."""
    load = os.getloadavg()[0]
    copies = data.copies_for(rows)
    print(f"{data.load_real(client):,} real lines, {copies} copies", flush=True)
    started = time.monotonic()
    for month in data.fill(client, copies, datetime.now(timezone.utc).replace(microsecond=0)):
        print(f"{month:%Y-%m} after {time.monotonic() - started:.0f} s", flush=True)
    filled = time.monotonic()
    for tier in TIERS:
        print(settle(client, tier), flush=True)
    settled = time.monotonic()
    return {
        "copies": copies,
        "load_before": round(load, 2),
        "fill_s": round(filled - started),
        "settle_s": round(settled - filled),
        "merges_ended": wait_for_merges(client),
    }


def answer(client: Client, repeats: int) -> dict[str, Any]:
    """Check the roll-ups and time the queries, as the sink leaves them: all but the last two minutes is settled."""
    for tier in TIERS:
        settle(client, tier)
    data.last_minutes(client)
    check_exact(client)
    results = {
        **storage(client),
        "events": client.query("SELECT count() FROM orders FINAL").result_rows[0][0],
        "cores": len(os.sched_getaffinity(0)),
        "repeats": repeats,
        "load_at_queries": round(os.getloadavg()[0], 2),
        "queries": [],
    }
    for question, sql in questions(PAGE.read_text(encoding="utf-8")):
        results["queries"].append(figure := measure(client, question, sql, repeats))
        print(figure, flush=True)
    return results


def run(folder: Path, rows: int, repeats: int) -> dict[str, Any]:
    """Measure over the folder's data, made now unless they are there."""
    made = folder / "made.json"
    with LocalStack(StackConfig(folder)) as stack:
        settings = settings_for(Settings(data_dir=folder), stack.endpoints)
        migrate(settings)
        with open_client(settings) as client:
            if not made.exists():
                made.write_text(json.dumps(make(client, rows)), encoding="utf-8")
            return {**answer(client, repeats), **json.loads(made.read_text(encoding="utf-8"))}


def main() -> None:
    """Measure, print, and write the figures into the results and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="keep the data here, and use them when they are here")
    args = parser.parse_args()
    if args.folder is not None:
        results = run(args.folder, args.rows, args.repeats)
    else:
        with tempfile.TemporaryDirectory() as folder:
            results = run(Path(folder), args.rows, args.repeats)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_FIGURES.sub(lambda _: figures(results), page), encoding="utf-8")
    print(figures(results))


if __name__ == "__main__":
    main()
