"""An order line as JSON has it to Avro's bytes: in one step, and beside it converted first and written then.

    python -m bench.rows

Best of several passes over the same rows, in microseconds a row; nothing else should run. Writes
bench/results/rows.json.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.edge_ingest import orders
from bench.engine_machine import load_average, processor
from schemas.direct import row_writer
from schemas.validation import validate
from schemas.writing import record_writer

RESULTS = Path(__file__).parent / "results" / "rows.json"
_ROWS, _PASSES = 2_000, 15


def best_us(work: Callable[[Any], object], rows: Sequence[Any]) -> float:
    """Microseconds a row in the quickest pass."""
    passes = []
    for _ in range(_PASSES):
        began = time.perf_counter()
        for row in rows:
            work(row)
        passes.append(time.perf_counter() - began)
    return round(min(passes) / len(rows) * 1e6, 2)


def main() -> None:
    """Measure, print and write."""
    rows, load = orders(_ROWS), load_average()
    in_one, write = row_writer("OrderEvent"), record_writer("OrderEvent")

    def in_two(row: dict[str, Any]) -> bytes:
        datum = validate("OrderEvent", row)
        assert isinstance(datum, dict)
        return write(datum)

    assert all(in_one(row) == in_two(row) for row in rows)
    figures = {
        **processor(),
        "load_before": load,
        "one_step_us": best_us(in_one, rows),
        "two_steps_us": best_us(in_two, rows),
    }
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
